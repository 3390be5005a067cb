/** What the presets of all tasks on sequences have in common: how they are trained, unless a preset says otherwise. */
import type { Options } from "../recipe.ts";

export const sequenceDefaults: Options = {
  accumulate: 1,
  optimizer: "adamw",
  finalLearningRate: 1e-5,
  schedule: "cosine",
  beta1: 0.9,
  beta2: 0.98,
  clip: 1,
  averaging: 0,
  patience: 0,
  seed: 1,
};
