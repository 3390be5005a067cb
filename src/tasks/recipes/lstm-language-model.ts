/** The recipe `lstm/language-model`: An LSTM that learns to continue text, and its presets. */
import { lstmBackbone, type RecurrentOptions } from "../backbones/recurrent.ts";
import { languageModelRecipe } from "../language-model/language-model.ts";
import type { RecurrentTrainingOptions, TrainingOptions } from "../language-model/options.ts";
import type { TrainedLanguageModel } from "../language-model/trained.ts";
import type { Recipe } from "../recipe.ts";
import { carried, moby } from "./recurrent-presets.ts";

/** What a user may set; the preset has the rest. */
export type LstmLanguageModelOptions = Partial<TrainingOptions & RecurrentTrainingOptions & RecurrentOptions>;

type Own = Recipe<LstmLanguageModelOptions, TrainedLanguageModel>;

export const lstmLanguageModel: Own = languageModelRecipe(lstmBackbone, {
  summary: "An LSTM that learns to continue text",
  presets: {
    quickstart: { summary: "1 M parameters, about two minutes on two cores", options: carried },
    "moby-lstm": { summary: "characters of Moby Dick, 1,000 steps: to compare programs by", options: moby },
  },
});
