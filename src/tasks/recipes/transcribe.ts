/** The recipes `…/transcribe`: speech as text, for every network. */
import { gruSequence, lstmSequence, rnnSequence, transformerSequence } from "../backbones/sequence.ts";
import type { Options, Preset, Recipe } from "../recipe.ts";
import { sequenceRecipe } from "../sequence/sequence-recipe.ts";
import { transcribeTask } from "../transcribe/transcribe.ts";
import { sequenceDefaults } from "./sequence-defaults.ts";

/** What every preset starts from. */
const base: Options = {
  ...sequenceDefaults,
  groupBy: "speaker",
  skipBad: false,
  spelling: "lower",
  rate: 16000,
  bands: 64,
  window: 0.025,
  hop: 0.01,
  normalization: "sound",
  frequencyMasks: 2,
  maskedBands: 8,
  timeMasks: 1,
  maskedFrames: 6,
  maskedPart: 0.1,
  warp: 0.2,
  validation: 0.05,
  test: 0.1,
  batch: 32,
  shapes: 10,
  finalLearningRate: 2e-5,
  warmup: 200,
  averaging: 0.999,
  weightDecay: 0.01,
  evaluateEvery: 500,
  checkpointEvery: 500,
  sampleEvery: 500,
};

const recurrent: Options = { layers: 2, width: 256, dropout: 0.2, learningRate: 2e-3 };

/** What each network starts from. */
const networks = [
  [transformerSequence, "Transformer", { layers: 3, heads: 4, width: 128, hidden: 512, dropout: 0.1, learningRate: 1e-3 }],
  [lstmSequence, "LSTM", recurrent],
  [gruSequence, "GRU", recurrent],
  [rnnSequence, "RNN", { ...recurrent, width: 384, activation: "relu", learningRate: 1e-3 }],
] as const;

const presets: Readonly<Record<string, Preset>> = {
  words: {
    summary: "200 English words by synthesised voices; whole voices are held out",
    options: { data: "spoken-words-synthetic", spelling: "english", hop: 0.008, steps: 20_000 },
  },
  czech: {
    summary: "Czech lines of three groups of actors, an hour and a half; texts are held out",
    options: {
      data: "fish-speech",
      groupBy: "text",
      skipBad: true,
      batch: 8,
      shapes: 20,
      maskedFrames: 40,
      dropout: 0.3,
      steps: 10_000,
    },
  },
};

export const transcribeRecipes: readonly Recipe[] = networks.map(([backbone, title, own]) =>
  sequenceRecipe(transcribeTask, backbone as never, {
    summary: `${title} that writes down what is said in recordings`,
    presets: Object.fromEntries(
      Object.entries(presets).map(([preset, { summary, options }]) => [
        preset,
        { summary, options: { ...base, ...own, ...options } },
      ]),
    ),
  }),
);
