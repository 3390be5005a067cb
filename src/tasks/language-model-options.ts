/** The options of the language-model task: of training, sampling, evaluating, inspecting and exporting. */
import { z } from "zod";

const count = z.int().min(1);
const fraction = z.number().min(0).lt(1);

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
  accumulate: count.describe("batches whose gradients are averaged in one step"),
  steps: count.describe("training steps"),
  optimizer: z.enum(["adamw", "sgd", "lion"]).describe("how gradients change the parameters"),
  learningRate: z.number().gt(0).describe("highest learning rate"),
  finalLearningRate: z.number().min(0).describe("learning rate of the last step"),
  warmup: z.int().min(0).describe("steps in which the learning rate rises from 0"),
  schedule: z.enum(["cosine", "linear", "constant", "one-cycle"]).describe("how the learning rate falls after warm-up"),
  beta1: fraction.describe("AdamW and Lion: decay of the mean of gradients; SGD: momentum"),
  beta2: fraction.describe("AdamW: decay of the mean of squares; Lion: decay of the momentum"),
  weightDecay: z.number().min(0).describe("pull of matrices towards 0"),
  clip: z.number().min(0).describe("longest global norm of the gradients; 0 for no limit"),
  averaging: fraction.describe("decay of a moving average of the parameters, used instead of them; 0 for none"),
  evaluateEvery: count.describe("steps between two looks at the validation loss"),
  patience: z.int().min(0).describe("stop after so many evaluations without improvement; 0 for never"),
  checkpointEvery: count.describe("steps between two checkpoints"),
  sampleEvery: z.int().min(0).describe("steps between two samples; 0 for none"),
  sampleTokens: count.describe("tokens per sample during training"),
  prompt: z.string().optional().describe("how samples during training begin"),
  seed: z.int().describe("makes a run repeatable"),
});
export type TrainingOptions = z.output<typeof trainingOptions>;

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
  text: z.string().optional().describe("text to draw attention maps for; the beginning of the validation text unless set"),
  out: z.string().optional().describe("folder for the pictures; the run's inspect/ unless set"),
});
export type InspectOptions = z.output<typeof inspectOptions>;

/** What a user may give: what is left out has its default. */
export type GivenSampleOptions = z.input<typeof sampleOptions>;
