/** The recipe `gan/generate-image`: a generative adversarial network that learns to make pictures, and its presets. */
import { ganFamily } from "../families/gan.ts";
import { generateImageRecipe } from "../generate-image/generate-image.ts";
import type { Options } from "../recipe.ts";

/** What every preset starts from. */
const base: Options = {
  fit: "crop",
  flip: false,
  validation: 0.1,
  architecture: "dcgan",
  latent: 32,
  generatorWidth: 64,
  discriminatorWidth: 128,
  normalization: "none",
  loss: "non-saturating",
  gradientPenalty: 0,
  r1: 0.2,
  criticSteps: 1,
  generatorRate: 1,
  batch: 64,
  accumulate: 1,
  steps: 4000,
  optimizer: "adamw",
  learningRate: 5e-4,
  finalLearningRate: 1e-4,
  warmup: 0,
  schedule: "linear",
  beta1: 0.5,
  beta2: 0.99,
  weightDecay: 0,
  clip: 0,
  averaging: 0.995,
  evaluateEvery: 500,
  patience: 0,
  checkpointEvery: 1000,
  sampleEvery: 1000,
  samplePictures: 64,
  seed: 1,
};

/** Garments in their own size. */
const garments: Options = {
  ...base,
  data: "fashion-mnist",
  latent: 64,
  discriminatorWidth: 64,
  r1: 0,
  averaging: 0.999,
  evaluateEvery: 1000,
  sampleEvery: 1000,
};

export const ganGenerateImage = generateImageRecipe(ganFamily, {
  summary: "A generative adversarial network: a generator learns to make pictures that a discriminator takes for real",
  presets: {
    digits: { summary: "handwritten digits, 8 × 8, about a minute on two cores", options: { ...base, conditional: false } },
    fashion: {
      summary: "garments, 28 × 28, by class; a quarter of an hour on two cores",
      options: {
        ...garments,
        normalization: "batch",
        loss: "non-saturating",
        learningRate: 5e-4,
        finalLearningRate: 2e-5,
        steps: 12_400,
      },
    },
    "wgan-gp": {
      summary: "garments, 28 × 28: a critic with layer norm and gradient penalty, five steps to one of the generator",
      options: {
        ...garments,
        conditional: false,
        normalization: "layer",
        loss: "wasserstein",
        gradientPenalty: 10,
        criticSteps: 5,
        learningRate: 2e-4,
        beta1: 0,
        beta2: 0.9,
        steps: 10_000,
      },
    },
    sngan: {
      summary: "garments, 28 × 28: residual blocks, spectral norm and hinge loss",
      options: {
        ...garments,
        conditional: false,
        architecture: "residual",
        generatorWidth: 32,
        discriminatorWidth: 32,
        normalization: "spectral",
        loss: "hinge",
        learningRate: 2e-4,
        beta1: 0,
        beta2: 0.9,
        steps: 10_000,
      },
    },
    "fashion-gan": {
      summary: "the benchmark: DCGAN on garments scaled to 32 × 32, 100 latents, binary cross-entropy, Adam at 2e-4",
      options: {
        ...garments,
        conditional: false,
        size: 32,
        latent: 100,
        normalization: "batch",
        loss: "non-saturating",
        validation: 0,
        learningRate: 2e-4,
        finalLearningRate: 2e-4,
        schedule: "constant",
        beta2: 0.999,
        averaging: 0,
        steps: 938,
        evaluateEvery: 469,
        checkpointEvery: 469,
        sampleEvery: 469,
      },
    },
  },
});
