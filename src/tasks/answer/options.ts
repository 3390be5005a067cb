/** The options of answering questions: of training, evaluating, predicting and inspecting. */
import { z } from "zod";
import { files, sequenceOptions, showOptions, sideOption, textOptions } from "../sequence/options.ts";
import { recordOptions } from "../sequence/records.ts";
import { count, fraction } from "../training.ts";

/** Which columns hold what. */
const columns = {
  questionColumn: z.string().describe("which column holds the question"),
  answerColumn: z.string().describe("which column holds the answer, as it stands in the passage; empty where it has none"),
  answersColumn: z.string().optional().describe("which column holds a list of all answers that are right, where there is one"),
  passageColumn: z.string().describe("which column holds the passage that has the answer"),
  startColumn: z
    .string()
    .optional()
    .describe("which column says at which character of the passage the answer begins; where it first occurs unless set"),
};

export const trainingOptions = z.strictObject({
  ...recordOptions,
  ...columns,
  ...textOptions,
  longestQuestion: count.describe("most tokens of a question that are read; the rest is cut off"),
  window: count.describe("tokens of a passage that are read at once; longer ones are read in windows that overlap by half"),
  longestAnswer: count.describe("most tokens of an answer"),
  negatives: z
    .int()
    .min(0)
    .describe("wrong passages that BM25 likes best, for each question: they teach that there is no answer"),
  headDropout: fraction.describe("fraction of each place's state that is dropped in training before it is scored"),
  ...sequenceOptions,
});
export type TrainingOptions = z.output<typeof trainingOptions>;

/** What finds passages, and how many of them are read. */
const finding = {
  retriever: z.string().default("bm25").describe("what finds passages: bm25, or the folder of a run that retrieves"),
  passages: count.default(3).describe("passages that are read for each question"),
  threshold: z
    .number()
    .optional()
    .describe(
      "how far an answer's score must be above that of no answer; the best for the run's validation questions unless set",
    ),
};

export const evaluateOptions = z.strictObject({
  data: files
    .optional()
    .describe("questions with their passages, which are searched; the run's own questions over all its passages unless set"),
  side: sideOption,
  questionColumn: z.string().optional().describe("which column of that data holds the question; as in training unless set"),
  answerColumn: z.string().optional().describe("which column of that data holds the answer; as in training unless set"),
  passageColumn: z.string().optional().describe("which column of that data holds the passage; as in training unless set"),
  ...finding,
  baseline: z.boolean().default(true).describe("also measure two simple ways to answer, by BM25"),
});

export const predictOptions = z.strictObject({
  ...finding,
  corpus: files.optional().describe("files of passages to read instead of the run's own: records, or .txt and .md by paragraphs"),
  corpusColumn: z.string().default("text").describe("which column of those records holds the passage"),
});

export const sampleOptions = z.strictObject({ ...showOptions, side: sideOption });

export const inspectOptions = z.strictObject({
  out: z.string().optional().describe("folder for the pictures; the run's inspect/ unless set"),
  numSamples: count.default(4).describe("questions to draw"),
  seed: z.int().default(0).describe("the same seed draws the same questions"),
});
