/** The recipes `…/translate` and `…/summarize`: texts made of texts, for every network. */
import { gruSequence, lstmSequence, rnnSequence, transformerSequence } from "../backbones/sequence.ts";
import type { Options, Preset, Recipe } from "../recipe.ts";
import { sequenceRecipe } from "../sequence/sequence-recipe.ts";
import type { SequenceTask } from "../sequence/sequence-task.ts";
import { summarizeTask } from "../summarize/summarize.ts";
import { translateTask } from "../translate/translate.ts";
import { sequenceDefaults } from "./sequence-defaults.ts";

/** What every preset starts from. */
const base: Options = {
  ...sequenceDefaults,
  sourceColumn: "source",
  targetColumn: "target",
  tokenizer: "bpe",
  vocabulary: 6000,
  longestSource: 64,
  longestTarget: 80,
  copy: true,
  labelSmoothing: 0.1,
  validation: 0.03,
  test: 0.03,
  batch: 64,
  shapes: 24,
  steps: 4000,
  learningRate: 1e-3,
  warmup: 400,
  weightDecay: 0.01,
  evaluateEvery: 500,
  checkpointEvery: 500,
  sampleEvery: 1000,
};

/** What each network starts from, recurrent ones with layers of the given width. */
function networksOf(width: number) {
  const recurrent: Options = { layers: 2, width, dropout: 0.2, attention: "additive" };
  return [
    [transformerSequence, "Transformer", { layers: 3, heads: 4, width: 128, hidden: 512, dropout: 0.1 }],
    [lstmSequence, "LSTM with attention", recurrent],
    [gruSequence, "GRU with attention", recurrent],
    [
      rnnSequence,
      "RNN without attention",
      { ...recurrent, activation: "tanh", attention: "none", copy: false, learningRate: 1e-3 },
    ],
  ] as const;
}

interface TextPreset extends Preset {
  /** What it takes instead of what each network starts from. */
  readonly instead?: Options;
}

function recipesOf(
  task: SequenceTask<never, never, never, never, never>,
  what: string,
  recurrentWidth: number,
  presets: Readonly<Record<string, TextPreset>>,
): Recipe[] {
  return networksOf(recurrentWidth).map(([backbone, title, own]) =>
    sequenceRecipe(task, backbone as never, {
      summary: `${title} that ${what}`,
      presets: Object.fromEntries(
        Object.entries(presets).map(([preset, { summary, options, instead }]) => [
          preset,
          { summary, options: { ...base, ...options, ...own, ...instead } },
        ]),
      ),
    }),
  );
}

export const translateRecipes = recipesOf(translateTask as never, "translates sentences", 256, {
  "debian-en-fr": {
    summary: "English to French: titles and sentences of Debian's descriptions, whole packages held out",
    options: {
      data: "debian-en-fr",
      groupColumn: "group",
      bleu: "13a",
      vocabulary: 4000,
      batch: 32,
      steps: 2500,
      learningRate: 2e-3,
      warmup: 200,
    },
  },
  "debian-reference-en-zh": {
    summary: "English to Chinese: paragraphs of the Debian Reference",
    options: {
      data: "debian-reference-en-zh",
      bleu: "zh",
      vocabulary: 4000,
      longestSource: 96,
      longestTarget: 128,
      batch: 32,
      shapes: 40,
      steps: 6000,
    },
    instead: { dropout: 0.3 }, // 4,587 pairs are soon known by heart
  },
});

export const summarizeRecipes = recipesOf(summarizeTask as never, "says in a line what a text says", 128, {
  "debian-summaries": {
    summary: "descriptions of Debian's packages, a line each; whole source packages held out",
    options: {
      data: "debian-summaries",
      groupColumn: "group",
      sourceColumn: "text",
      targetColumn: "summary",
      longestSource: 96,
      longestTarget: 32,
      batch: 32,
      steps: 4000,
    },
  },
});
