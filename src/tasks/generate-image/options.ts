/** The options of the image task: of training, sampling, evaluating and inspecting. A family adds its own to the first three. */
import { z } from "zod";
import { count, fraction, optimization } from "../training.ts";

const files = z.union([z.string(), z.array(z.string()).min(1)]);

/** Where pictures come from and what is made of them. */
const pictures = {
  column: z.string().optional().describe("which column of Parquet files holds the pictures"),
  labelColumn: z.string().optional().describe("which column of Parquet files holds their classes"),
  skipBad: z.boolean().optional().describe("leave out files that cannot be read, instead of stopping"),
  limit: count.optional().describe("most pictures to read"),
};

/** How an image model is trained, whatever its family. */
export const trainingOptions = z.strictObject({
  data: files
    .optional()
    .describe(
      "pictures: folders (subfolders are classes), .zip, .tar, IDX, .parquet, or a name of `heptagen data list`; digits unless set",
    ),
  ...pictures,
  size: count.optional().describe("side that pictures are scaled to; their own unless set"),
  colours: z.enum(["grey", "rgb"]).optional().describe("what pictures are read as; grey if all are, unless set"),
  fit: z.enum(["crop", "pad", "stretch"]).describe("how a picture becomes a square"),
  flip: z.boolean().describe("mirror half of the pictures, left to right"),
  validation: fraction.describe("fraction of the pictures kept for validation"),
  conditional: z
    .boolean()
    .optional()
    .describe("learn what each class looks like, to make pictures of a class on demand; if there are several, unless set"),
  initFrom: z.string().optional().describe("fine-tune: start from the parameters of this run, with its architecture"),
  batch: count.describe("pictures per step"),
  ...optimization,
  samplePictures: count.describe("pictures on each sample sheet during training"),
  fidPictures: z
    .int()
    .min(10)
    .optional()
    .describe(
      "pictures to make at each evaluation for FID, which decides about the best model where nothing else does; none unless set",
    ),
});
export type TrainingOptions = z.output<typeof trainingOptions>;
/** The same once pictures are read: as a run keeps them. */
export type SettledOptions = TrainingOptions & { readonly conditional: boolean };

/** How pictures are made. */
export const sampleOptions = z.strictObject({
  numSamples: count.default(16).describe("pictures to make"),
  label: z.array(z.string().min(1)).default([]).describe("classes to make, by name; each in turn unless set"),
  input: z.string().optional().describe("a picture file to start from"),
  mask: z.string().optional().describe("what to make anew: upper, lower, left, right, or a picture that is white there"),
  out: z.string().optional().describe("the sheet to write, a .png; in the run's samples/ unless set"),
  columns: count.optional().describe("pictures per row of the sheet"),
  scale: count.optional().describe("screen pixels per pixel of a picture"),
  apart: z.boolean().default(false).describe("also write each picture to a file of its own"),
  seed: z.int().default(0).describe("the same seed makes the same pictures"),
});

export type SampleOptions = z.output<typeof sampleOptions>;

/** What is evaluated. */
export const evaluateOptions = z.strictObject({
  data: files.optional().describe("pictures to evaluate on; the run's own validation split unless set"),
  ...pictures,
  samples: z
    .int()
    .min(0)
    .optional()
    .describe("pictures to make for FID, KID, precision and recall; 2,000 unless set, 0 to leave these out"),
  features: files
    .optional()
    .describe("labelled pictures to train the classifier on that FID takes its features from; the run's own unless set"),
  inception: z.string().optional().describe("an ONNX file of the Inception network, for the standard FID as well"),
  inceptionInput: z
    .enum(["unit", "signed", "bytes"])
    .default("unit")
    .describe("what that file takes: 0 to 1 (pytorch-fid's module), -1 to 1, or 0 to 255 (torch-fidelity's)"),
  seed: z.int().default(0).describe("the same seed draws the same random numbers"),
});

export type EvaluateOptions = z.output<typeof evaluateOptions>;

/** What is looked at. */
export const inspectOptions = z.strictObject({
  out: z.string().optional().describe("folder for the pictures; the run's inspect/ unless set"),
  seed: z.int().default(0).describe("the same seed draws the same pictures"),
});
