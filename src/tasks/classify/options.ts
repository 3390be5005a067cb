/** The options of classification: of training, evaluating, predicting and inspecting. */
import { z } from "zod";
import { caseOption, files, sequenceOptions, showOptions, sideOption, textOptions } from "../sequence/options.ts";
import { recordOptions } from "../sequence/records.ts";
import { count, fraction } from "../training.ts";

/** Which columns hold what. */
const columns = {
  textColumn: z.string().describe("which column holds the text"),
  labelColumn: z.string().describe("which column holds the class, or a list of classes"),
  labelSeparator: z.string().optional().describe("what stands between the classes of one example; a list in JSON needs none"),
};

export const trainingOptions = z.strictObject({
  ...recordOptions,
  ...columns,
  ...textOptions,
  ...caseOption,
  longest: count.describe("most tokens of a text that are read; the rest is cut off"),
  balance: z.enum(["none", "weights"]).describe("weights: rare classes count as much as frequent ones"),
  labelSmoothing: fraction.describe("share of each label's probability spread over all classes"),
  headDropout: fraction.describe("fraction of what the network sums a text up to that is dropped in training"),
  tokenDropout: fraction.describe("fraction of the tokens that are hidden in training, each time others"),
  pooling: z
    .enum(["summary", "mean-max"])
    .describe("what the network sums a text up to: its own summary, or the mean and the largest of its states"),
  bag: z
    .number()
    .min(0)
    .max(1)
    .describe(
      "share in the decision of a reader beside the network that sees tokens and pairs of neighbours, not their order; 0: none",
    ),
  ...sequenceOptions,
});
export type TrainingOptions = z.output<typeof trainingOptions>;

export const evaluateOptions = z.strictObject({
  data: files.optional().describe("examples to evaluate on; the run's own test part unless set"),
  side: sideOption,
  baseline: z.boolean().default(true).describe("also fit TF-IDF with logistic regression on the training part, and measure it"),
});

export const predictOptions = z.strictObject({
  top: count.default(3).describe("most likely classes to give, with their probabilities"),
  explain: z.boolean().default(false).describe("also say how much each token speaks for the class (integrated gradients)"),
});

export const sampleOptions = z.strictObject({ ...showOptions, side: sideOption });

export const inspectOptions = z.strictObject({
  out: z.string().optional().describe("folder for the pictures; the run's inspect/ unless set"),
  numSamples: count.default(6).describe("examples to explain token by token"),
  seed: z.int().default(0).describe("the same seed explains the same examples"),
});
