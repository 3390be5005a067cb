/** The recipe `transformer/language-model`: a Transformer that learns to continue text, and its presets. */
import { type TransformerOptions, transformerBackbone } from "../backbones/transformer.ts";
import { languageModelRecipe } from "../language-model/language-model.ts";
import type { TrainingOptions } from "../language-model/options.ts";
import type { TrainedLanguageModel } from "../language-model/trained.ts";
import type { Options, Recipe } from "../recipe.ts";

/** What every preset starts from: a small model of today's kind. */
const modern: Options = {
  tokenizer: "bpe",
  vocabulary: 2048,
  validation: 0.1,
  layers: 4,
  heads: 4,
  width: 128,
  positions: "rotary",
  rotaryBase: 10000,
  norm: "rms",
  epsilon: 1e-5,
  activation: "swiglu",
  bias: false,
  tied: true,
  dropout: 0,
  context: 64,
  batch: 16,
  accumulate: 1,
  steps: 1750,
  optimizer: "adamw",
  learningRate: 4e-3,
  finalLearningRate: 1e-4,
  warmup: 100,
  schedule: "cosine",
  beta1: 0.9,
  beta2: 0.99,
  weightDecay: 0.1,
  clip: 1,
  averaging: 0,
  evaluateEvery: 350,
  patience: 0,
  checkpointEvery: 350,
  sampleEvery: 350,
  sampleTokens: 60,
  seed: 1,
};

/** GPT-2's arithmetic (Radford et al. 2019). */
const classic: Options = {
  ...modern,
  positions: "learned",
  norm: "layer",
  activation: "gelu-tanh",
  bias: true,
};

/** What a user may set; the preset has the rest. */
export type TransformerLanguageModelOptions = Partial<TrainingOptions & TransformerOptions>;

type Own = Recipe<TransformerLanguageModelOptions, TrainedLanguageModel>;

export const transformerLanguageModel: Own = languageModelRecipe(transformerBackbone, {
  summary: "A Transformer that learns to continue text",
  presets: {
    quickstart: { summary: "1.3 M parameters, about two minutes on two cores", options: modern },
    "nanogpt-cpu": {
      summary: "the small configuration of nanoGPT: characters, 0.8 M parameters, 2,000 steps",
      options: {
        ...classic,
        tokenizer: "character",
        activation: "gelu",
        bias: false,
        batch: 12,
        steps: 2000,
        learningRate: 1e-3,
        evaluateEvery: 500,
        checkpointEvery: 500,
        sampleEvery: 500,
        sampleTokens: 200,
      },
    },
    small: {
      summary: "a few million parameters for a few megabytes of text",
      options: {
        ...modern,
        vocabulary: 4096,
        layers: 6,
        heads: 8,
        keyValueHeads: 4,
        width: 256,
        hidden: 704,
        dropout: 0.1,
        context: 256,
        steps: 5000,
        learningRate: 1e-3,
        evaluateEvery: 500,
        checkpointEvery: 500,
        sampleEvery: 500,
        sampleTokens: 120,
      },
    },
    gpt2: {
      summary: "GPT-2's smallest: 124 M parameters, for a large text and a GPU, or fine-tuning with --init-from",
      options: {
        ...classic,
        vocabulary: 50257,
        layers: 12,
        heads: 12,
        width: 768,
        dropout: 0.1,
        context: 1024,
        batch: 4,
        accumulate: 8,
        steps: 100_000,
        learningRate: 6e-4,
        finalLearningRate: 6e-5,
        warmup: 2000,
        beta2: 0.95,
        evaluateEvery: 1000,
        checkpointEvery: 1000,
        sampleEvery: 1000,
        sampleTokens: 100,
      },
    },
  },
});
