/** The recipes `…/answer`: answers to questions, copied out of passages that are found first, for every network. */
import { answerTask } from "../answer/answer.ts";
import { gruSequence, lstmSequence, rnnSequence, transformerSequence } from "../backbones/sequence.ts";
import type { Options, Recipe } from "../recipe.ts";
import { sequenceRecipe } from "../sequence/sequence-recipe.ts";
import { sequenceDefaults } from "./sequence-defaults.ts";

const base: Options = {
  ...sequenceDefaults,
  questionColumn: "question",
  answerColumn: "answer",
  passageColumn: "passage",
  tokenizer: "bpe",
  vocabulary: 2000,
  longestQuestion: 48,
  window: 192,
  longestAnswer: 16,
  negatives: 1,
  headDropout: 0.1,
  validation: 0.1,
  test: 0.15,
  batch: 24,
  shapes: 10,
  steps: 500,
  learningRate: 2e-3,
  warmup: 50,
  weightDecay: 0.05,
  evaluateEvery: 125,
  checkpointEvery: 125,
  sampleEvery: 250,
};

const recurrent: Options = { layers: 1, width: 128, dropout: 0.1 };

const networks = [
  [transformerSequence, "Transformer", { layers: 2, heads: 4, width: 128, hidden: 256, dropout: 0.1 }],
  [lstmSequence, "LSTM", recurrent],
  [gruSequence, "GRU", recurrent],
  [rnnSequence, "RNN", { ...recurrent, activation: "tanh", learningRate: 5e-4 }],
] as const;

export const answerRecipes: readonly Recipe[] = networks.map(([backbone, title, own]) =>
  sequenceRecipe(answerTask, backbone as never, {
    summary: `${title} that answers questions out of passages it finds`,
    presets: {
      quiz: {
        summary: "general knowledge of a quiz, with passages that have the answers",
        options: {
          ...base,
          ...own,
          data: "quiz-questions",
          answersColumn: "answers",
          startColumn: "start",
          groupColumn: "group",
        },
      },
    },
  }),
);
