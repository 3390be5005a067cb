/** The options of the language-model task: of training, sampling, evaluating, inspecting and exporting. */
import { z } from "zod";
import { count, fraction, optimization } from "../training.ts";

/** How a language model is trained, whatever its architecture. */
export const trainingOptions = z.strictObject({
  data: z
    .union([z.string(), z.array(z.string()).min(1)])
    .optional()
    .describe("text to learn: files, folders, globs or - for stdin; .txt .md .jsonl .csv .parquet; Moby Dick unless set"),
  column: z.string().optional().describe("which column or field of .jsonl, .csv and .parquet files holds the text"),
  validation: fraction.describe("fraction of the text, at its end, kept for validation"),
  tokenizer: z.enum(["character", "byte", "bpe"]).describe("what a token is"),
  vocabulary: z.int().min(2).describe("number of different tokens that a bpe tokenizer learns"),
  initFrom: z.string().optional().describe("fine-tune: start from this run or Hugging Face folder, with its tokenizer"),
  context: count.describe("most tokens that the model can read at once"),
  window: count.optional().describe("tokens per training sequence; the context unless set, less saves time in fine-tuning"),
  batch: count.describe("sequences per step"),
  ...optimization,
  sampleTokens: count.describe("tokens per sample during training"),
  prompt: z.string().optional().describe("how samples during training begin"),
});
export type TrainingOptions = z.output<typeof trainingOptions>;

/** Besides, where the architecture keeps its past in a state of fixed size. */
export const recurrentOptions = z.strictObject({
  carryState: z
    .boolean()
    .describe("learn from texts read through from beginning to end, each window going on with the state of the one before"),
});

export type RecurrentTrainingOptions = z.output<typeof recurrentOptions>;

/** Whether the options of a training ask for state to be carried. */
export function carriesState(options: Readonly<Record<string, unknown>>): boolean {
  return options.carryState === true;
}

/** How text is written. */
export const sampleOptions = z.strictObject({
  prompt: z.string().optional().describe("how the text begins; a new paragraph unless set"),
  maxTokens: count.default(256).describe("tokens to write"),
  numSamples: count.default(1).describe("texts to write"),
  temperature: z.number().min(0).default(0.8).describe("below 1 bolder, above 1 wilder, 0 always the likeliest token"),
  topK: z.int().min(0).default(0).describe("choose among the k likeliest tokens; 0 for all"),
  topP: z.number().gt(0).max(1).default(1).describe("choose among the likeliest tokens that together reach this probability"),
  minP: fraction.default(0).describe("choose among tokens at least this fraction as likely as the likeliest"),
  repetitionPenalty: z.number().gt(0).default(1).describe("above 1 makes tokens that already occurred less likely"),
  stop: z.array(z.string().min(1)).default([]).describe("end a text before any of these strings"),
  seed: z.int().default(0).describe("the same seed writes the same text"),
  logProbabilities: z.boolean().default(false).describe("also give each token's log-probability in nats"),
});
export type SampleOptions = z.output<typeof sampleOptions>;

/** What is evaluated. */
export const evaluateOptions = z.strictObject({
  data: z
    .union([z.string(), z.array(z.string()).min(1)])
    .optional()
    .describe("text to evaluate on; the run's own validation split unless set"),
  column: z.string().optional().describe("which column or field of .jsonl, .csv and .parquet files holds the text"),
});
export type EvaluateOptions = z.output<typeof evaluateOptions>;

/** What is looked at. */
export const inspectOptions = z.strictObject({
  text: z
    .string()
    .optional()
    .describe("text to draw attention maps or states for; the beginning of the validation text unless set"),
  out: z.string().optional().describe("folder for the pictures; the run's inspect/ unless set"),
});
export type InspectOptions = z.output<typeof inspectOptions>;

/** What a user may give: what is left out has its default. */
export type GivenSampleOptions = z.input<typeof sampleOptions>;
