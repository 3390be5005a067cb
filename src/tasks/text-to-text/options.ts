/** Options of tasks that make a text of a text. */
import { z } from "zod";
import { files, sequenceOptions, showOptions, sideOption, textOptions } from "../sequence/options.ts";
import { recordOptions } from "../sequence/records.ts";
import { count, fraction } from "../training.ts";

export const trainingOptions = z.strictObject({
  ...recordOptions,
  sourceColumn: z.string().describe("which column holds the text that is read"),
  targetColumn: z.string().describe("which column holds the text that is written"),
  ...textOptions,
  longestSource: count.describe("most tokens of a text that is read"),
  longestTarget: count.describe("most tokens of a text that is written; longer examples are left out of training, and counted"),
  copy: z.boolean().describe("whether tokens of the source can be copied (pointer); for networks that look at their source"),
  labelSmoothing: fraction.describe("share of each token's probability spread over all tokens"),
  ...sequenceOptions,
});
export type TrainingOptions = z.output<typeof trainingOptions>;

/** How texts are written. */
const writing = {
  beams: count.default(4).describe("beginnings of a text that are followed at once; 1 is greedy"),
  lengthPenalty: z
    .number()
    .default(1)
    .describe("0 prefers short texts, 1 does hardly: log-probability / ((5 + length) / 6) ^ this"),
};

export const evaluateOptions = z.strictObject({
  data: files.optional().describe("examples to evaluate on; the run's own test part unless set"),
  side: sideOption,
  limit: count.optional().describe("evaluate on the first so many examples only"),
  baseline: z.boolean().default(true).describe("also measure simple methods on the same examples"),
  ...writing,
});

export const predictOptions = z.strictObject({
  ...writing,
  alternatives: count.default(1).describe("texts to give for each input, the likeliest first; at most as many as beams"),
  alignment: z.boolean().default(false).describe("also say where in the source each token looked"),
});

export const sampleOptions = z.strictObject({
  ...showOptions,
  numSamples: count.default(3).describe("examples to show"),
  ...writing,
  side: sideOption,
});

export const inspectOptions = z.strictObject({
  out: z.string().optional().describe("folder for the pictures; the run's inspect/ unless set"),
  numSamples: count.default(4).describe("examples to draw"),
  seed: z.int().default(0).describe("the same seed draws the same examples"),
  ...writing,
});

export type Writing = Pick<z.output<typeof evaluateOptions>, "beams" | "lengthPenalty">;
