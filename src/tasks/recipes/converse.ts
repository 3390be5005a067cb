/** The recipes `…/converse`: replies in a dialogue, in an emotion that is chosen or guessed, for every network. */
import { gruSequence, lstmSequence, rnnSequence, transformerSequence } from "../backbones/sequence.ts";
import { converseTask } from "../converse/converse.ts";
import type { Options } from "../recipe.ts";
import { sequenceRecipe } from "../sequence/sequence-recipe.ts";
import { sequenceDefaults } from "./sequence-defaults.ts";

/** What every preset starts from. */
const base: Options = {
  ...sequenceDefaults,
  contextColumn: "context",
  replyColumn: "reply",
  tokenizer: "bpe",
  vocabulary: 2000,
  turns: 3,
  longest: 96,
  longestReply: 40,
  condition: true,
  hide: 0.15,
  balance: "weights",
  detection: 0.2,
  labelSmoothing: 0.1,
  outputDropout: 0.3,
  validation: 0.1,
  test: 0.1,
  batch: 16, // replies and what they reply to differ in length: with more in a batch, padding is over 10 %
  shapes: 52,
  steps: 1400,
  learningRate: 1.4e-3,
  warmup: 140,
  weightDecay: 0.1,
  evaluateEvery: 200,
  patience: 4,
  checkpointEvery: 400,
  sampleEvery: 400,
};

const recurrent: Options = { layers: 1, width: 128, dropout: 0.4, attention: "additive" };

/** What each network starts from. */
const networks = [
  [transformerSequence, "Transformer", { layers: 2, heads: 4, width: 128, hidden: 512, dropout: 0.3 }],
  [lstmSequence, "LSTM", { ...recurrent, learningRate: 2.8e-3 }],
  [gruSequence, "GRU", { ...recurrent, learningRate: 2.8e-3 }],
  [rnnSequence, "RNN", { ...recurrent, activation: "tanh" }],
] as const;

export const converseRecipes = networks.map(([backbone, title, own]) =>
  sequenceRecipe(converseTask, backbone as never, {
    summary: `${title} that replies to turns of a dialogue, in an emotion that is chosen or guessed`,
    presets: {
      fish: {
        summary: "two fish and others in 80 rooms, emotions labelled weakly by a lexicon",
        options: { ...base, ...own, data: "fish-replies", groupColumn: "level", speakerColumn: "speaker" },
      },
    },
  }),
);
