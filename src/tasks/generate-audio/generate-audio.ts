/**
 * The audio task: a model learns to make sound like that it hears.
 *
 *   files → clips → windows ─┐
 *                            ├─ training step → loss, sounds, checkpoints → run
 *   WaveNet → parameters ────┘
 *
 * Reading order of the task's files: options, data, audio-writer (sampling), train, trained (what a run can do), and this one,
 * which joins them.
 */

import { parseOptions } from "../options.ts";
import { type Options, type Preset, presetOptions, type Recipe } from "../recipe.ts";
import { evaluateOptions, inspectOptions, sampleOptions, type TrainingOptions, trainingOptions } from "./options.ts";
import { resumeTraining, trainRun } from "./train.ts";
import { loadAudioRun, type TrainedAudioModel, trainedAudioModel } from "./trained.ts";

/** A recipe of this task. */
export function generateAudioRecipe(
  name: string,
  { summary, presets }: { readonly summary: string; readonly presets: Readonly<Record<string, Preset>> },
): Recipe<Partial<TrainingOptions>, TrainedAudioModel> {
  const recipe: Recipe<Partial<TrainingOptions>, TrainedAudioModel> = {
    name,
    summary,
    options: trainingOptions,
    presets,
    sampleFile: ".wav",
    abilities: { sample: sampleOptions, evaluate: evaluateOptions, inspect: inspectOptions },
    async train(given, context) {
      const preset = presetOptions(recipe, context.preset);
      const asked = parseOptions("train", trainingOptions.partial(), given as Options);
      // A preset's warm-up takes at most a tenth of the steps, so that a short run needs no second option.
      const warmup = Math.min(preset.warmup as number, Math.floor(((asked.steps ?? preset.steps) as number) / 10));
      return trainRun(name, parseOptions("train", trainingOptions, { ...preset, warmup, ...asked }), context);
    },
    resume: resumeTraining,
    open: async (folder, context = {}) => trainedAudioModel(recipe as Recipe, await loadAudioRun(folder, context)),
  };
  return recipe;
}
