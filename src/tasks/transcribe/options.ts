/** The options of speech recognition: of training, evaluating, predicting and inspecting. */
import { z } from "zod";
import { files, sequenceOptions, showOptions, sideOption } from "../sequence/options.ts";
import { count, fraction } from "../training.ts";

const columns = {
  soundColumn: z
    .string()
    .optional()
    .describe("which column of the transcript table names the sound; path, audio, file, … unless set"),
  textColumn: z.string().optional().describe("which column holds what is said; text, sentence, transcript, … unless set"),
  speakerColumn: z.string().optional().describe("which column names who speaks; speaker, client_id, voice, … unless set"),
};

/** What is heard of a sound. A run keeps it: other sounds are heard in the same way. */
const hearing = {
  rate: z.int().min(1000).describe("samples per second; sounds of another rate are resampled, several channels are mixed"),
  bands: count.describe("mel bands of a frame"),
  window: z.number().gt(0).describe("length of a frame, in seconds"),
  hop: z.number().gt(0).describe("from one frame to the next, in seconds; a character takes at least four of them"),
  normalization: z
    .enum(["training", "sound"])
    .describe("bring each band to mean 0 and variance 1: by the training sounds together, or each sound by itself"),
};

const augmentation = {
  frequencyMasks: z.int().min(0).describe("SpecAugment: stretches of bands that are hidden in training"),
  maskedBands: z.int().min(0).describe("SpecAugment: most bands of a stretch"),
  timeMasks: z.int().min(0).describe("SpecAugment: stretches of time that are hidden in training"),
  maskedFrames: z.int().min(0).describe("SpecAugment: most frames of a stretch"),
  maskedPart: z.number().min(0).max(1).describe("SpecAugment: largest part of a sound that one stretch hides"),
  warp: fraction.describe(
    "bands are stretched or squeezed by up to this part in training, as by longer and shorter vocal tracts",
  ),
};

export const trainingOptions = z.strictObject({
  data: files
    .optional()
    .describe("folders of sounds with a transcript table or a .txt beside each, such tables, or names of `heptagen data list`"),
  validationData: files.optional().describe("sounds for validation, instead of a fraction of the others"),
  testData: files.optional().describe("sounds for the final evaluation, instead of a fraction of the others"),
  ...columns,
  splitColumn: z
    .string()
    .optional()
    .describe("which column of the transcript table says train, validation or test; split, where it does, unless set"),
  groupBy: z
    .enum(["speaker", "text"])
    .describe("what stays together on one side of the split: all sounds of a speaker (where known), or all of a text"),
  skipBad: z.boolean().describe("leave out sounds and transcripts that cannot be used, and tell, instead of stopping at them"),
  spelling: z
    .enum(["as-is", "lower", "english"])
    .describe("lower: small letters without punctuation; english: besides, digits as words; as-is: transcripts as they stand"),
  ...hearing,
  ...augmentation,
  ...sequenceOptions,
});
export type TrainingOptions = z.output<typeof trainingOptions>;

/** How characters are found in what the network says. */
export const decodingOptions = {
  decoder: z.enum(["beam", "greedy"]).default("beam").describe("beam: the likeliest text; greedy: the likeliest path"),
  beamWidth: count.default(16).describe("beginnings that a beam search follows at once"),
  languageModel: z
    .enum(["none", "characters", "words"])
    .default("none")
    .describe("n-gram model that a beam search listens to; learnt from the training transcripts unless languageModelText is set"),
  lexicon: z.boolean().default(false).describe("hear nothing but the words that the language model of words knows"),
  languageModelText: files.optional().describe("texts to learn the language model from, one sentence a line"),
  languageModelOrder: count.default(4).describe("longest run of characters or words that the language model counts"),
  languageModelWeight: z.number().min(0).default(0.5).describe("how much the language model counts"),
  tokenBonus: z.number().default(0).describe("added to the score for each character or word, since a language model likes few"),
};
export type DecodingOptions = z.output<z.ZodObject<typeof decodingOptions>>;

export const evaluateOptions = z.strictObject({
  data: files.optional().describe("recorded speech to evaluate on; the run's own test part unless set"),
  ...columns,
  skipBad: z.boolean().optional().describe("leave out what cannot be used, and tell; as in training unless set"),
  side: sideOption,
  ...decodingOptions,
  baseline: z.boolean().default(true).describe("also measure the nearest training sound by dynamic time warping"),
});

export const predictOptions = z.strictObject({
  ...decodingOptions,
  alternatives: z.int().min(0).default(0).describe("further texts to give, likeliest first; for the beam decoder"),
});

export const sampleOptions = z.strictObject({ ...showOptions, side: sideOption, ...decodingOptions });

export const inspectOptions = z.strictObject({
  out: z.string().optional().describe("folder for the pictures; the run's inspect/ unless set"),
  numSamples: count.default(4).describe("sounds to draw with what is heard in them"),
  seed: z.int().default(0).describe("the same seed draws the same sounds"),
});
