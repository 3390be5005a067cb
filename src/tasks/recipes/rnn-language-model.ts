/** The recipe `rnn/language-model`: An RNN that learns to continue text, and its presets. */
import { type RnnOptions, rnnBackbone } from "../backbones/recurrent.ts";
import { languageModelRecipe } from "../language-model/language-model.ts";
import type { RecurrentTrainingOptions, TrainingOptions } from "../language-model/options.ts";
import type { TrainedLanguageModel } from "../language-model/trained.ts";
import type { Recipe } from "../recipe.ts";
import { carried, moby } from "./recurrent-presets.ts";

/** What a user may set; the preset has the rest. */
export type RnnLanguageModelOptions = Partial<TrainingOptions & RecurrentTrainingOptions & RnnOptions>;

type Own = Recipe<RnnLanguageModelOptions, TrainedLanguageModel>;

export const rnnLanguageModel: Own = languageModelRecipe(rnnBackbone, {
  summary: "An RNN that learns to continue text",
  presets: {
    quickstart: {
      summary: "0.3 M parameters: what a network without gates can do",
      options: { ...carried, learningRate: 4e-3, activation: "tanh" },
    },
    "moby-rnn": {
      summary: "characters of Moby Dick, 1,000 steps: to compare programs by",
      options: { ...moby, activation: "tanh" },
    },
  },
});
