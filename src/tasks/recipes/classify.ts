/** The recipes `…/classify` and `…/sentiment`: texts and the classes they belong to, for every network. */
import { gruSequence, lstmSequence, rnnSequence, transformerSequence } from "../backbones/sequence.ts";
import { classifyTask } from "../classify/classify.ts";
import type { Options, Preset, Recipe } from "../recipe.ts";
import { sequenceRecipe } from "../sequence/sequence-recipe.ts";
import { sequenceDefaults } from "./sequence-defaults.ts";

/** What every preset starts from. */
const base: Options = {
  ...sequenceDefaults,
  textColumn: "text",
  labelColumn: "label",
  tokenizer: "bpe",
  vocabulary: 8000,
  lowercase: true,
  longest: 128,
  balance: "none",
  labelSmoothing: 0,
  layers: 1,
  width: 64,
  dropout: 0.1,
  headDropout: 0.3,
  tokenDropout: 0.1,
  pooling: "summary",
  bag: 0.5,
  validation: 0.1,
  test: 0,
  batch: 32,
  shapes: 6,
  steps: 1500,
  learningRate: 3e-3,
  warmup: 50,
  weightDecay: 0.05,
  evaluateEvery: 250,
  checkpointEvery: 500,
  sampleEvery: 500,
};

/** What each network starts from. */
const networks = [
  [transformerSequence, "Transformer", { heads: 4 }],
  [lstmSequence, "LSTM", {}],
  [gruSequence, "GRU", {}],
  [rnnSequence, "RNN", { activation: "tanh" }],
] as const;

/** A preset of all networks, and what one of them needs besides. */
interface SharedPreset extends Preset {
  readonly own?: Readonly<Record<string, Options>>;
}

function recipesOf(name: string, what: string, presets: Readonly<Record<string, SharedPreset>>): Recipe[] {
  return networks.map(([backbone, title, given]) =>
    sequenceRecipe(classifyTask(name), backbone as never, {
      summary: `${title} that ${what}`,
      presets: Object.fromEntries(
        Object.entries(presets).map(([preset, { summary, options, own }]) => [
          preset,
          { summary, options: { ...base, ...given, ...options, ...own?.[backbone.name] } },
        ]),
      ),
    }),
  );
}

export const sentimentRecipes = recipesOf("sentiment", "tells how the writer of a text feels", {
  reviews: {
    summary: "food reviews, great or not; a minute on two cores",
    options: {
      data: "food-reviews:train",
      testData: "food-reviews:test",
      // Few texts: small vectors, much dropped, no pull on rare words' vectors, and the bag, which overfits less, decides most.
      bag: 0.8,
      vocabulary: 6000,
      width: 32,
      dropout: 0.4,
      headDropout: 0.5,
      tokenDropout: 0.3,
      weightDecay: 0,
      clip: 0,
      shapes: 8,
      steps: 1200,
      evaluateEvery: 100,
    },
    own: { transformer: { hidden: 64 } },
  },
});

export const classifyRecipes = recipesOf("classify", "tells which of some classes a text belongs to", {
  sections: {
    summary: "the sections of Debian by the descriptions of their packages",
    options: { data: "debian-sections", groupColumn: "package", test: 0.1, validation: 0.05, longest: 64, steps: 2000 },
    own: { transformer: { hidden: 128 } },
  },
});
