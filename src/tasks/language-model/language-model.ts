/**
 * The language-model task: a model learns to continue text, whatever its architecture.
 *
 *   text → tokens → windows ─┐
 *                            ├─ training step → loss, samples, checkpoints → run
 *   backbone → parameters ───┘
 *
 * Reading order of the task's files: options, data, scores (validation), sample, trained (what a run can do), and this one,
 * which joins them.
 */
import type { Backbone } from "../backbone.ts";
import { type Options, type Preset, presetOptions, type Recipe } from "../recipe.ts";
import { isHuggingFaceFolder } from "./hugging-face.node.ts";
import {
  evaluateOptions,
  inspectOptions,
  recurrentOptions,
  sampleOptions,
  type TrainingOptions,
  trainingOptions,
} from "./options.ts";
import { type Origin, resolveOptions } from "./resolve.ts";
import { resumeTraining, trainRun } from "./train.ts";
import { loadFolder, loadRun, readTokenizer, type TrainedLanguageModel, trainedModel } from "./trained.ts";

/** A recipe of this task for one architecture. */
export function languageModelRecipe<Config>(
  backbone: Backbone<Config>,
  { summary, presets }: { readonly summary: string; readonly presets: Readonly<Record<string, Preset>> },
): Recipe<Partial<TrainingOptions> & Options, TrainedLanguageModel> {
  const own = { ...(backbone.model.recurrence && recurrentOptions.shape), ...backbone.options.shape };
  const options = trainingOptions.extend(own);
  const recipe: Recipe<Partial<TrainingOptions> & Options, TrainedLanguageModel> = {
    name: `${backbone.name}/language-model`,
    summary,
    options,
    presets,
    abilities: { sample: sampleOptions, evaluate: evaluateOptions, inspect: inspectOptions },
    async train(given, context) {
      const preset = presetOptions(recipe, context.preset);
      const resolved = await resolveOptions(options, { preset, given, loadOrigin });
      return trainRun(backbone, recipe.name, resolved, context);
    },
    resume: (folder, context) => resumeTraining(backbone, folder, { tokenizerOf: readTokenizer, loadOrigin }, context),
    async open(folder, context = {}) {
      if (await isForeign(folder)) return trainedModel({ recipe, backbone }, await loadFolder(backbone, folder, context));
      const opened = await loadRun(backbone, folder, context);
      return trainedModel({ recipe, backbone }, opened, opened);
    },
    recognises: isForeign,
  };

  function isForeign(folder: string): Promise<boolean> {
    return isHuggingFaceFolder(folder, backbone.layouts);
  }

  /** The model of a run or a folder to start from. */
  async function loadOrigin(folder: string): Promise<Origin> {
    const { config, params, tokenizer } = (await isForeign(folder))
      ? await loadFolder(backbone, folder, {})
      : await loadRun(backbone, folder, {});
    return { params, tokenizer, architecture: { ...backbone.describe(config), tokenizer: tokenizer.kind } };
  }
  return recipe;
}
