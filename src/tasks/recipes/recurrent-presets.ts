/** What the presets of RNN, GRU and LSTM language models have in common. */
import type { Options } from "../recipe.ts";

/**
 * A network that reads its texts through, from beginning to end, and carries its state along. Layer normalisation keeps gates and
 * memories from saturating: it learns at twice the rate and is far ahead after the same number of steps.
 */
export const carried: Options = {
  tokenizer: "character",
  vocabulary: 2048,
  validation: 0.1,
  layers: 2,
  width: 256,
  embedding: 128,
  norm: "layer",
  dropout: 0,
  carryState: true,
  context: 64,
  batch: 32,
  accumulate: 1,
  steps: 1500,
  optimizer: "adamw",
  learningRate: 6e-3,
  finalLearningRate: 1e-4,
  warmup: 100,
  schedule: "cosine",
  beta1: 0.9,
  beta2: 0.99,
  weightDecay: 0.01,
  clip: 1,
  averaging: 0,
  evaluateEvery: 300,
  patience: 0,
  checkpointEvery: 300,
  sampleEvery: 300,
  sampleTokens: 200,
  seed: 1,
};

/**
 * A fixed amount of work to compare programs by: characters of Moby Dick in windows drawn at random, each read from a blank state;
 * AdamW at one learning rate, without warm-up, with PyTorch's defaults otherwise (betas 0.9 and 0.999, weight decay 0.01, here of
 * matrices only).
 */
export const moby: Options = {
  ...carried,
  norm: "none",
  carryState: false,
  steps: 1000,
  learningRate: 2e-3,
  finalLearningRate: 2e-3,
  warmup: 0,
  schedule: "constant",
  beta2: 0.999,
  evaluateEvery: 250,
  checkpointEvery: 500,
  sampleEvery: 500,
};
