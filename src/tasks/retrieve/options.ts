/** The options of retrieval: of training, evaluating, predicting and inspecting. */
import { z } from "zod";
import { files, sequenceOptions, showOptions, sideOption, textOptions } from "../sequence/options.ts";
import { recordOptions } from "../sequence/records.ts";
import { count } from "../training.ts";

/** Which columns hold what. */
const columns = {
  queryColumn: z.string().describe("which column holds the query"),
  textColumn: z.string().describe("which column holds the passage that the query should find"),
};

export const trainingOptions = z.strictObject({
  ...recordOptions,
  ...columns,
  ...textOptions,
  longestQuery: count.describe("most tokens of a query that are read; the rest is cut off"),
  longest: count.describe("most tokens of a passage that are read; the rest is cut off"),
  encoders: z.enum(["shared", "two"]).describe("whether one encoder reads queries and passages, or each has its own"),
  temperature: z.number().gt(0).describe("what cosines are divided by in the loss: the smaller, the more near misses count"),
  hardNegatives: z.int().min(0).describe("wrong passages that BM25 likes best, for each query, beside those of the batch"),
  ...sequenceOptions,
});
export type TrainingOptions = z.output<typeof trainingOptions>;

/** How passages are scored. */
export const searchModes = ["hybrid", "dense", "bm25"] as const;
export type SearchMode = (typeof searchModes)[number];

const weight = z
  .number()
  .min(0)
  .max(1)
  .optional()
  .describe("share of the cosine in a hybrid score, BM25 has the rest; the best for the run's validation queries unless set");

export const evaluateOptions = z.strictObject({
  data: files
    .optional()
    .describe("queries with their passages, which are searched; the run's own queries over all its passages unless set"),
  side: sideOption,
  weight,
  baseline: z.boolean().default(true).describe("also measure BM25 over the same passages, and both together"),
});

export const predictOptions = z.strictObject({
  top: count.default(5).describe("passages to give, the best first"),
  mode: z.enum(searchModes).default("hybrid").describe("hybrid: cosines and BM25 together; dense: cosines alone; bm25 alone"),
  corpus: files
    .optional()
    .describe("files of passages to search instead of the run's own: records, or .txt and .md by paragraphs"),
  corpusColumn: z.string().default("text").describe("which column of those records holds the passage"),
  weight,
});

export const sampleOptions = z.strictObject({ ...showOptions, side: sideOption });

export const inspectOptions = z.strictObject({
  out: z.string().optional().describe("folder for the pictures; the run's inspect/ unless set"),
  numSamples: count.default(12).describe("queries and passages in the table of similarities"),
  points: z.int().min(3).default(400).describe("pairs on the map of embeddings"),
  seed: z.int().default(0).describe("the same seed shows the same examples"),
});

export type LengthOptions = Pick<TrainingOptions, "longestQuery" | "longest">;
