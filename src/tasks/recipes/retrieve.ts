/** The recipes `…/retrieve`: which of many passages a query asks for, for every network. */
import { gruSequence, lstmSequence, rnnSequence, transformerSequence } from "../backbones/sequence.ts";
import type { Options, Recipe } from "../recipe.ts";
import { retrieveTask } from "../retrieve/retrieve.ts";
import { sequenceRecipe } from "../sequence/sequence-recipe.ts";
import { sequenceDefaults } from "./sequence-defaults.ts";

const base: Options = {
  ...sequenceDefaults,
  queryColumn: "query",
  textColumn: "text",
  tokenizer: "bpe",
  vocabulary: 8000,
  longestQuery: 24,
  longest: 64,
  encoders: "shared",
  temperature: 0.05,
  hardNegatives: 0,
  validation: 0.02,
  test: 0.04,
  batch: 128,
  shapes: 20,
  steps: 900,
  learningRate: 2e-3,
  warmup: 50,
  weightDecay: 0.01,
  evaluateEvery: 300,
  checkpointEvery: 300,
  sampleEvery: 600,
};

const recurrent: Options = { layers: 1, width: 128, dropout: 0.1 };

const networks = [
  [transformerSequence, "Transformer", { layers: 1, heads: 4, width: 128, hidden: 256, dropout: 0.1 }],
  [lstmSequence, "LSTM", recurrent],
  [gruSequence, "GRU", recurrent],
  [rnnSequence, "RNN", { ...recurrent, activation: "tanh", learningRate: 5e-4 }],
] as const;

export const retrieveRecipes: readonly Recipe[] = networks.map(([backbone, title, own]) =>
  sequenceRecipe(retrieveTask, backbone as never, {
    summary: `${title} that finds the passages a query asks for`,
    presets: {
      packages: {
        summary: "descriptions of Debian's packages by their titles",
        options: { ...base, ...own, data: "debian-passages", groupColumn: "group" },
      },
    },
  }),
);
