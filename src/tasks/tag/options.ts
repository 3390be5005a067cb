/** The options of tagging: of training, evaluating, predicting and inspecting. */
import { z } from "zod";
import { caseOption, files, sequenceOptions, showOptions, sideOption, textOptions } from "../sequence/options.ts";
import { recordOptions } from "../sequence/records.ts";
import { count, fraction } from "../training.ts";

/** Which columns hold what. */
const columns = {
  tokensColumn: z.string().describe("which column holds the words: a list, or a text with spaces between them"),
  tagsColumn: z.string().describe("which column holds their tags in the BIO scheme: O, B-TYPE, I-TYPE"),
  weakTagsColumn: z
    .string()
    .optional()
    .describe("a column with the types of the same spans that were not set by people: learnt by a second head, reported apart"),
  repairTags: z.boolean().describe("read an I- tag that continues nothing as B- (IOB1); otherwise it is an error"),
};

export const trainingOptions = z.strictObject({
  ...recordOptions,
  ...columns,
  ...textOptions,
  ...caseOption,
  longest: count.describe("most words that are read at once; longer sentences are cut, and what was found is joined"),
  letterFeatures: z.int().min(0).describe("features that are looked for in the letters of a word; 0 to look at none"),
  crf: z.boolean().describe("whether neighbouring tags have scores of their own (a conditional random field)"),
  wordDropout: fraction.describe("fraction of a word's vector, and of its state, dropped in training"),
  tokenDropout: fraction.describe("fraction of the words that are hidden in training, each time others; their letters remain"),
  ...sequenceOptions,
});
export type TrainingOptions = z.output<typeof trainingOptions>;

export const evaluateOptions = z.strictObject({
  data: files.optional().describe("sentences to evaluate on; the run's own test part unless set"),
  side: sideOption,
  baseline: z.boolean().default(true).describe("also measure two simple taggers made of the training part"),
});

export const predictOptions = z.strictObject({
  tags: z.boolean().default(false).describe("also give each word with its tag"),
});

export const sampleOptions = z.strictObject({ ...showOptions, side: sideOption });

export const inspectOptions = z.strictObject({
  out: z.string().optional().describe("folder for the pictures; the run's inspect/ unless set"),
  numSamples: count.default(3).describe("sentences to draw word by word"),
  seed: z.int().default(0).describe("the same seed draws the same sentences"),
});
