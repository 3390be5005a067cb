/** The options of the audio task: of training, sampling, evaluating and inspecting. */
import { z } from "zod";
import { count, fraction, optimization } from "../training.ts";

const files = z.union([z.string(), z.array(z.string()).min(1)]);

/** What to take of a source. */
const sounds = {
  column: z.string().optional().describe("which column of Parquet files holds the sound"),
  labelColumn: z.string().optional().describe("which column of Parquet files holds its labels"),
  skipBad: z.boolean().optional().describe("leave out files that cannot be used, instead of stopping"),
  limit: count.optional().describe("most files to read"),
};

/** How a model of sound is trained. */
export const trainingOptions = z.strictObject({
  data: files
    .optional()
    .describe(
      "sound: files, folders (subfolders are labels), globs, .zip, .tar, .parquet, or a name of `heptagen data list`; percussion unless set",
    ),
  ...sounds,
  rate: z.int().min(1000).max(192_000).describe("samples per second that all sound is converted to"),
  trim: z.boolean().describe("cut off silence at both ends of each file"),
  validation: fraction.describe("fraction of the files kept for validation; of a single file, of its end"),
  conditional: z
    .boolean()
    .optional()
    .describe("learn what each label sounds like, to make it on demand; if every file has one, unless set"),
  output: z
    .enum(["mu-law", "logistic-mixture"])
    .describe("what a sample is: one of 256 values on a logarithmic scale, or 16 bits under a mixture of logistics"),
  mixtures: count.describe("components of the mixture"),
  stacks: count.describe("how often the dilations start again from 1"),
  depth: z.int().min(1).max(16).describe("blocks per stack, with dilations 1, 2, 4, …"),
  residual: count.describe("channels inside the blocks"),
  skip: count.describe("channels between the blocks and the output"),
  features: z.int().min(0).describe("mel bands whose levels the model is given (a vocoder); 0 for a model that hears nothing"),
  hop: count.describe("samples per frame of mel bands"),
  window: count.describe("samples per training sequence"),
  batch: count.describe("sequences per step"),
  ...optimization,
  sampleSeconds: z.number().gt(0).describe("length of samples during training"),
});
export type TrainingOptions = z.output<typeof trainingOptions>;

/** How sound is made. */
export const sampleOptions = z.strictObject({
  seconds: z.number().gt(0).max(600).default(2).describe("length of each sound, with what it begins with"),
  numSamples: z.int().min(1).max(64).default(1).describe("sounds to make"),
  label: z.array(z.string().min(1)).default([]).describe("labels to make, by name; each in turn unless set"),
  prime: z.string().optional().describe("a sound file whose start is continued"),
  primeSeconds: z.number().gt(0).default(0.5).describe("how much of its start is kept"),
  like: z.string().optional().describe("a vocoder: the sound file whose mel bands are followed"),
  temperature: z.number().min(0).default(1).describe("below 1 nearer to the likeliest, above 1 wilder"),
  out: z.string().optional().describe("the .wav file to write, or a folder for several; the run's samples/ unless set"),
  seed: z.int().default(0).describe("the same seed makes the same sound"),
});
export type SampleOptions = z.output<typeof sampleOptions>;
/** What a user may give: what is left out has its default. */
export type GivenAudioSampleOptions = z.input<typeof sampleOptions>;

/** What is evaluated. */
export const evaluateOptions = z.strictObject({
  data: files.optional().describe("sound to evaluate on; the run's own validation files unless set"),
  ...sounds,
  clips: z.int().min(0).max(64).default(8).describe("sounds to make for the spectral distances; 0 for likelihoods only"),
  seconds: z.number().gt(0).max(60).default(1).describe("length of each"),
  temperature: z.number().min(0).default(1).describe("what they are drawn with"),
  seed: z.int().default(0).describe("the same seed makes the same sound"),
});
export type EvaluateOptions = z.output<typeof evaluateOptions>;

/** What is looked at. */
export const inspectOptions = z.strictObject({
  out: z.string().optional().describe("folder for the pictures; the run's inspect/ unless set"),
  seconds: z.number().gt(0).max(10).default(1).describe("length of the sounds that are drawn"),
  seed: z.int().default(0).describe("the same seed makes the same sound"),
});
