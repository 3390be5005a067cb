/** The recipes `…/classify` and `…/sentiment`: texts and the classes they belong to, for every network. */
import { gruSequence, lstmSequence, rnnSequence, transformerSequence } from "../backbones/sequence.ts";
import { classifyTask } from "../classify/classify.ts";
import type { Options, Preset, Recipe } from "../recipe.ts";
import { sequenceRecipe } from "../sequence/sequence-recipe.ts";

/** What every preset starts from. */
const base: Options = {
  textColumn: "text",
  labelColumn: "label",
  tokenizer: "bpe",
  vocabulary: 4000,
  lowercase: true,
  longest: 128,
  balance: "none",
  labelSmoothing: 0.05,
  headDropout: 0.3,
  tokenDropout: 0.1,
  pooling: "mean-max",
  validation: 0.1,
  test: 0,
  batch: 32,
  shapes: 12,
  accumulate: 1,
  steps: 600,
  optimizer: "adamw",
  learningRate: 1e-3,
  finalLearningRate: 1e-5,
  warmup: 50,
  schedule: "cosine",
  beta1: 0.9,
  beta2: 0.98,
  weightDecay: 0.05,
  clip: 1,
  averaging: 0,
  evaluateEvery: 100,
  patience: 0,
  checkpointEvery: 200,
  sampleEvery: 200,
  seed: 1,
};

const recurrent: Options = { layers: 1, width: 128, dropout: 0.3 };

/** What each network starts from. */
const networks = [
  [transformerSequence, "Transformer", { layers: 2, heads: 4, width: 128, hidden: 512, dropout: 0.3 }],
  [lstmSequence, "LSTM", recurrent],
  [gruSequence, "GRU", recurrent],
  [rnnSequence, "RNN", { ...recurrent, activation: "tanh", learningRate: 5e-4 }],
] as const;

function recipesOf(name: string, what: string, presets: Readonly<Record<string, Preset>>): Recipe[] {
  return networks.map(([backbone, title, own]) =>
    sequenceRecipe(classifyTask(name), backbone as never, {
      summary: `${title} that ${what}`,
      presets: Object.fromEntries(
        Object.entries(presets).map(([preset, { summary, options }]) => [
          preset,
          { summary, options: { ...base, ...own, ...options } },
        ]),
      ),
    }),
  );
}

export const sentimentRecipes = recipesOf("sentiment", "tells how the writer of a text feels", {
  reviews: {
    summary: "food reviews, great or not; two minutes on two cores",
    options: { data: "food-reviews:train", testData: "food-reviews:test" },
  },
});

export const classifyRecipes = recipesOf("classify", "tells which of some classes a text belongs to", {
  sections: {
    summary: "the sections of Debian by the descriptions of their packages",
    options: {
      data: "debian-sections",
      groupColumn: "package",
      test: 0.1,
      validation: 0.05,
      longest: 96,
      steps: 3000,
      evaluateEvery: 500,
    },
  },
});
