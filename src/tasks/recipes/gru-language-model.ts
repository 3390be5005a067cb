/** The recipe `gru/language-model`: A GRU that learns to continue text, and its presets. */
import { gruBackbone, type RecurrentOptions } from "../backbones/recurrent.ts";
import { languageModelRecipe } from "../language-model/language-model.ts";
import type { RecurrentTrainingOptions, TrainingOptions } from "../language-model/options.ts";
import type { TrainedLanguageModel } from "../language-model/trained.ts";
import type { Recipe } from "../recipe.ts";
import { carried, moby } from "./recurrent-presets.ts";

/** What a user may set; the preset has the rest. */
export type GruLanguageModelOptions = Partial<TrainingOptions & RecurrentTrainingOptions & RecurrentOptions>;

type Own = Recipe<GruLanguageModelOptions, TrainedLanguageModel>;

export const gruLanguageModel: Own = languageModelRecipe(gruBackbone, {
  summary: "A GRU that learns to continue text",
  presets: {
    quickstart: { summary: "0.7 M parameters, about two minutes on two cores", options: carried },
    "moby-gru": { summary: "characters of Moby Dick, 1,000 steps: to compare programs by", options: moby },
  },
});
