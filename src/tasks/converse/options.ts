/** The options of conversation: of training, evaluating, predicting and inspecting. */
import { z } from "zod";
import { files, sequenceOptions, showOptions, sideOption, textOptions } from "../sequence/options.ts";
import { recordOptions } from "../sequence/records.ts";
import { count, fraction } from "../training.ts";

/** Which columns hold what. */
const columns = {
  contextColumn: z.string().describe("which column holds the turns so far: a list, or a text"),
  turnSeparator: z.string().optional().describe("what stands between the turns of a text; a list in JSON needs none"),
  replyColumn: z.string().describe("which column holds the reply"),
  speakerColumn: z.string().optional().describe("which column says who replies; may be empty where it is not known"),
  emotionColumn: z.string().optional().describe("which column holds the reply's emotion; may be empty where it is not known"),
  emotionRun: z
    .string()
    .optional()
    .describe("a classify or sentiment run whose classes are taken for the emotions, where no column holds them (weak labels)"),
};

export const trainingOptions = z.strictObject({
  ...recordOptions,
  ...columns,
  ...textOptions,
  turns: count.describe("turns of the context that are read, the last ones"),
  longest: count.describe("most tokens of a context that are read, the last ones"),
  longestReply: count.describe("most tokens of a reply; the rest is cut off"),
  condition: z.boolean().describe("whether replies depend on an emotion; without, it is hidden from every example"),
  hide: fraction.describe(
    "part of the examples whose emotion (and speaker) is hidden, so that replies of no particular one are learnt",
  ),
  balance: z
    .enum(["none", "weights"])
    .describe("weights: replies of rare emotions count more, by the square root of how rare they are"),
  detection: z
    .number()
    .min(0)
    .describe("what guessing the reply's emotion from the context counts in training, beside the reply"),
  labelSmoothing: fraction.describe("share of each token's probability spread over all tokens"),
  outputDropout: fraction.describe("fraction of the decoder's states and the encoder's summary dropped in training"),
  ...sequenceOptions,
});
export type TrainingOptions = z.output<typeof trainingOptions>;

/** How replies are chosen. */
const writing = {
  beams: z.int().min(0).default(0).describe("keep that many likeliest replies at each step and give the best; 0 samples"),
  temperature: z.number().min(0).default(0.7).describe("below 1 bolder, above 1 wilder; 0 always takes the likeliest token"),
  topP: z.number().gt(0).max(1).default(0.9).describe("sample among the likeliest tokens that together reach this probability"),
  repetitionPenalty: z.number().min(1).default(1.2).describe("makes tokens that the reply has already less likely; 1 for not"),
  guidance: z
    .number()
    .min(0)
    .default(1.5)
    .describe("how far the emotion is exaggerated against a reply of none; 1 not at all, 0 without emotion"),
  seed: z.int().default(0).describe("the same seed gives the same replies"),
};
export type Writing = z.output<z.ZodObject<typeof writing>>;

export const evaluateOptions = z.strictObject({
  data: files.optional().describe("dialogues to evaluate on; the run's own test part unless set"),
  side: sideOption,
  replies: count.default(100).describe("contexts at most that replies in every emotion are written to and judged"),
  ...writing,
  baseline: z
    .boolean()
    .default(true)
    .describe("also reply as the most similar context of the training part was replied to (BM25)"),
});

export const predictOptions = z.strictObject({
  emotion: z.string().optional().describe("the emotion of replies to inputs that name none; guessed from the context unless set"),
  ...writing,
});

export const sampleOptions = z.strictObject({
  ...showOptions,
  side: sideOption,
  ...writing,
  emotions: z.array(z.string()).min(1).optional().describe("emotions to reply in; the two most frequent but neutral unless set"),
});

export const inspectOptions = z.strictObject({
  out: z.string().optional().describe("folder for the pictures; the run's inspect/ unless set"),
  numSamples: count.default(3).describe("replies whose attention is drawn"),
  ...writing,
});
