/** The recipe `wavenet/generate-audio`: a WaveNet that learns to make sound, and its presets. */
import { generateAudioRecipe } from "../generate-audio/generate-audio.ts";
import type { Options } from "../recipe.ts";

/** What every preset starts from. */
const base: Options = {
  rate: 8000,
  trim: false,
  validation: 0.1,
  output: "mu-law",
  mixtures: 10,
  stacks: 2,
  depth: 10,
  residual: 32,
  skip: 128,
  features: 0,
  hop: 128,
  window: 4096,
  batch: 4,
  accumulate: 1,
  steps: 1500,
  optimizer: "adamw",
  learningRate: 2e-3,
  finalLearningRate: 1e-4,
  warmup: 50,
  schedule: "cosine",
  beta1: 0.9,
  beta2: 0.99,
  weightDecay: 0,
  clip: 1,
  averaging: 0.99,
  evaluateEvery: 250,
  patience: 0,
  checkpointEvery: 250,
  sampleEvery: 500,
  sampleSeconds: 2,
  seed: 1,
};

export const waveNetGenerateAudio = generateAudioRecipe("wavenet/generate-audio", {
  summary: "A WaveNet that learns to make sound, sample by sample",
  presets: {
    percussion: { summary: "strokes on tabla and drums at 8 kHz, 0.3 M parameters", options: base },
    "speech-wavenet": {
      summary: "the benchmark: mu-law, 2 stacks of 10, windows of 4,096 samples, Adam at 1e-3; name the sound with --data",
      options: {
        ...base,
        conditional: false,
        steps: 1000,
        learningRate: 1e-3,
        finalLearningRate: 1e-3,
        warmup: 0,
        schedule: "constant",
        beta2: 0.999,
        clip: 0,
        averaging: 0,
      },
    },
    vocoder: {
      summary: "follows the mel bands of a given sound, 16 kHz, 16 bits as a mixture of logistics; name the sound with --data",
      options: {
        ...base,
        conditional: false,
        rate: 16_000,
        output: "logistic-mixture",
        features: 40,
        steps: 10_000,
        learningRate: 1e-3,
        residual: 64,
        skip: 128,
        evaluateEvery: 1000,
        checkpointEvery: 1000,
        sampleEvery: 1000,
      },
    },
  },
});
