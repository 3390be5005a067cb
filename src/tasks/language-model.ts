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
import type { Backbone } from "./backbone.ts";
import { evaluateOptions, inspectOptions, sampleOptions, trainingOptions } from "./language-model-options.ts";
import { loadRun, trainedModel } from "./language-model-trained.ts";
import type { Preset, Recipe } from "./recipe.ts";

/** A recipe of this task for one architecture. */
export function languageModelRecipe<Config>(
  backbone: Backbone<Config>,
  { summary, presets }: { readonly summary: string; readonly presets: Readonly<Record<string, Preset>> },
): Recipe {
  const recipe: Recipe = {
    name: `${backbone.name}/language-model`,
    summary,
    options: trainingOptions.extend(backbone.options.shape),
    presets,
    abilities: { sample: sampleOptions, evaluate: evaluateOptions, inspect: inspectOptions },
    train: async () => {
      throw new Error("later");
    },
    resume: async () => {
      throw new Error("later");
    },
    async open(folder, context = {}) {
      const opened = await loadRun(backbone, folder, context);
      return trainedModel(recipe, opened, opened);
    },
  };
  return recipe;
}
