/** The registry: every recipe there is. */
import { openRun } from "../train/index.ts";
import { HeptagenError, nearest } from "../util/errors.ts";
import type { OpenContext, Recipe, TrainedModel } from "./recipe.ts";
import { answerRecipes } from "./recipes/answer.ts";
import { classifyRecipes, sentimentRecipes } from "./recipes/classify.ts";
import { converseRecipes } from "./recipes/converse.ts";
import { diffusionGenerateImage } from "./recipes/diffusion-generate-image.ts";
import { forecastRecipes } from "./recipes/forecast.ts";
import { ganGenerateImage } from "./recipes/gan-generate-image.ts";
import { gruLanguageModel } from "./recipes/gru-language-model.ts";
import { lstmLanguageModel } from "./recipes/lstm-language-model.ts";
import { maskedLanguageModelRecipes } from "./recipes/masked-language-model.ts";
import { pixelCnnGenerateImage } from "./recipes/pixelcnn-generate-image.ts";
import { retrieveRecipes } from "./recipes/retrieve.ts";
import { rnnLanguageModel } from "./recipes/rnn-language-model.ts";
import { tagRecipes } from "./recipes/tag.ts";
import { summarizeRecipes, translateRecipes } from "./recipes/text-to-text.ts";
import { transcribeRecipes } from "./recipes/transcribe.ts";
import { transformerLanguageModel } from "./recipes/transformer-language-model.ts";
import { vaeGenerateImage } from "./recipes/vae-generate-image.ts";
import { waveNetGenerateAudio } from "./recipes/wavenet-generate-audio.ts";

export const recipes: readonly Recipe[] = [
  pixelCnnGenerateImage,
  diffusionGenerateImage,
  ganGenerateImage,
  transformerLanguageModel,
  vaeGenerateImage,
  rnnLanguageModel,
  gruLanguageModel,
  lstmLanguageModel,
  waveNetGenerateAudio,
  ...sentimentRecipes,
  ...classifyRecipes,
  ...translateRecipes,
  ...summarizeRecipes,
  ...retrieveRecipes,
  ...answerRecipes,
  ...forecastRecipes,
  ...tagRecipes,
  ...maskedLanguageModelRecipes,
  ...converseRecipes,
  ...transcribeRecipes,
];

/**
 * The recipe of that name.
 *
 * @throws HeptagenError `recipe/unknown`, suggesting the nearest
 */
export function findRecipe(name: string): Recipe {
  const recipe = recipes.find((candidate) => candidate.name === name);
  if (recipe) return recipe;
  const names = recipes.map((candidate) => candidate.name);
  const near = nearest(name, names);
  throw new HeptagenError("recipe/unknown", `there is no recipe "${name}"`, {
    facts: { name, known: names },
    next: near ? `Did you mean "${near}"?` : `There ${names.length === 1 ? "is" : "are"}: ${names.join(", ")}.`,
  });
}

/**
 * The recipe that opens a folder: the one that trained it, or one that knows its layout.
 *
 * @throws HeptagenError `run/missing` and others of `openRun`
 */
export async function recipeOf(folder: string): Promise<Recipe> {
  for (const recipe of recipes) if (await recipe.recognises?.(folder)) return recipe;
  return findRecipe((await openRun(folder)).config.recipe);
}

/**
 * Opens a trained model, whatever trained it.
 *
 * @throws HeptagenError `run/missing` and others of `openRun`
 * @example for await (const event of (await openModel("runs/moby")).sample({ prompt: "Call me" })) console.log(event);
 */
export async function openModel(folder: string, context: OpenContext = {}): Promise<TrainedModel> {
  return (await recipeOf(folder)).open(folder, context);
}
