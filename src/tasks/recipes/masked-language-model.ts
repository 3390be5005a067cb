/** The recipes `…/masked-language-model`: an encoder that other tasks on text can start from, for every network. */
import { gruSequence, lstmSequence, rnnSequence, transformerSequence } from "../backbones/sequence.ts";
import { maskedLanguageModelTask } from "../masked-language-model/masked-language-model.ts";
import type { Options, Recipe } from "../recipe.ts";
import { sequenceRecipe } from "../sequence/sequence-recipe.ts";
import { sequenceDefaults } from "./sequence-defaults.ts";

/** What every preset starts from. */
const base: Options = {
  ...sequenceDefaults,
  textColumn: "text",
  tokenizer: "bpe",
  vocabulary: 4000,
  lowercase: true,
  longest: 64,
  maskRate: 0.15,
  validation: 0.02,
  test: 0.02,
  batch: 32,
  shapes: 12,
  steps: 8000,
  learningRate: 2e-3,
  warmup: 100,
  weightDecay: 0.05,
  evaluateEvery: 500,
  checkpointEvery: 500,
  sampleEvery: 1000,
};

const recurrent: Options = { layers: 1, width: 96, dropout: 0.1 };

/** What each network starts from. */
const networks = [
  [transformerSequence, "Transformer", { layers: 2, heads: 4, width: 96, hidden: 192, dropout: 0.1 }],
  [lstmSequence, "LSTM", recurrent],
  [gruSequence, "GRU", recurrent],
  [rnnSequence, "RNN", { ...recurrent, activation: "tanh", learningRate: 5e-4 }],
] as const;

export const maskedLanguageModelRecipes: Recipe[] = networks.map(([backbone, title, own]) =>
  sequenceRecipe(maskedLanguageModelTask, backbone as never, {
    summary: `${title} that guesses hidden tokens, for other tasks to start from`,
    presets: {
      reviews: {
        summary: "reviews of food and American English of many kinds",
        options: { ...base, ...own, data: ["food-reviews", "brown-names"] },
      },
      descriptions: {
        summary: "what Debian's packages are",
        options: { ...base, ...own, data: "debian-sections" },
      },
    },
  }),
);
