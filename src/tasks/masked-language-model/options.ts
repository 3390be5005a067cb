/** The options of masked language models: of training, evaluating, predicting and inspecting. */
import { z } from "zod";
import { caseOption, files, sequenceOptions, showOptions, sideOption, textOptions } from "../sequence/options.ts";
import { count, fraction } from "../training.ts";

export const trainingOptions = z.strictObject({
  data: files.optional().describe("texts: .txt .md .csv .tsv .jsonl .parquet, folders of them, or names of `heptagen data list`"),
  textColumn: z.string().describe("which column of tables and lines of JSON holds the text"),
  ...textOptions,
  ...caseOption,
  longest: count.describe("most tokens that are read at once; longer paragraphs are cut into several"),
  maskRate: fraction.gt(0).describe("fraction of the tokens that are to be guessed"),
  ...sequenceOptions,
});
export type TrainingOptions = z.output<typeof trainingOptions>;

export const evaluateOptions = z.strictObject({
  data: files.optional().describe("texts to evaluate on; the run's own test part unless set, or the validation part without one"),
  side: sideOption,
  seed: z.int().default(0).describe("the same seed hides the same tokens"),
});

export const predictOptions = z.strictObject({
  marker: z.string().min(1).default("[MASK]").describe("what stands in a text for a token to be guessed"),
  top: count.default(5).describe("most likely tokens to give, with their probabilities"),
});

export const sampleOptions = z.strictObject({ ...showOptions, side: sideOption });

export const inspectOptions = z.strictObject({
  out: z.string().optional().describe("folder for the pictures; the run's inspect/ unless set"),
  numSamples: count.default(4).describe("texts to draw"),
  seed: z.int().default(0).describe("the same seed draws the same texts"),
});
