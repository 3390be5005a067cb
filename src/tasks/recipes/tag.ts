/** The recipes `…/tag`: words of sentences and the spans they form, for every network. */
import { gruSequence, lstmSequence, rnnSequence, transformerSequence } from "../backbones/sequence.ts";
import type { Options, Recipe } from "../recipe.ts";
import { sequenceRecipe } from "../sequence/sequence-recipe.ts";
import { tagTask } from "../tag/tag.ts";
import { sequenceDefaults } from "./sequence-defaults.ts";

/** What every preset starts from. */
const base: Options = {
  ...sequenceDefaults,
  tokensColumn: "tokens",
  tagsColumn: "tags",
  repairTags: false,
  tokenizer: "bpe",
  vocabulary: 8000,
  lowercase: true,
  longest: 64,
  letterFeatures: 64,
  crf: true,
  wordDropout: 0.2,
  tokenDropout: 0.15,
  validation: 0.04,
  test: 0.1,
  batch: 32,
  shapes: 12,
  steps: 1500,
  learningRate: 2e-3,
  warmup: 100,
  weightDecay: 0.05,
  evaluateEvery: 500,
  checkpointEvery: 500,
  sampleEvery: 1000,
};

const recurrent: Options = { layers: 1, width: 96, dropout: 0.2 };

/** What each network starts from. */
const networks = [
  [transformerSequence, "Transformer", { layers: 2, heads: 4, width: 96, hidden: 192, dropout: 0.1 }],
  [lstmSequence, "LSTM", recurrent],
  [gruSequence, "GRU", recurrent],
  [rnnSequence, "RNN", { ...recurrent, activation: "tanh", learningRate: 1e-3 }],
] as const;

export const tagRecipes: Recipe[] = networks.map(([backbone, title, own]) =>
  sequenceRecipe(tagTask, backbone as never, {
    summary: `${title} that finds spans in sentences, such as names`,
    presets: {
      names: {
        summary: "proper names in the Brown corpus, held out by file",
        options: { ...base, ...own, data: "brown-names", weakTagsColumn: "types", groupColumn: "file" },
      },
    },
  }),
);
