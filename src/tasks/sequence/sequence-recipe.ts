/** Joins a task on sequences with a backbone: a recipe. */
import { z } from "zod";
import type { SequenceBackbone } from "../backbones/sequence.ts";
import { type Options, type Preset, presetOptions, type Recipe } from "../recipe.ts";
import { networkOptions } from "./kept.ts";
import type { SequenceTask } from "./sequence-task.ts";
import { loadOrigin, resolveOptions } from "./start.ts";
import { resumeTraining, trainRun } from "./train.ts";
import { openTask } from "./trained.ts";

/** A recipe of a task for one architecture. */
export function sequenceRecipe<Config, Given extends object, Raw, Facts, Example, Batch>(
  task: SequenceTask<Given, Raw, Facts, Example, Batch>,
  backbone: SequenceBackbone<Config>,
  { summary, presets }: { readonly summary: string; readonly presets: Readonly<Record<string, Preset>> },
): Recipe {
  const name = `${backbone.name}/${task.name}`;
  const joined = { task, backbone, name };
  const options = z.strictObject({ ...task.options.shape, ...networkOptions(task, backbone) });
  const recipe: Recipe = {
    name,
    summary,
    options,
    presets,
    ...(task.sampleFile && { sampleFile: task.sampleFile }),
    abilities: task.abilities,
    async train(given, context) {
      const preset = presetOptions(recipe, context.preset);
      const names = {
        networkOptions: Object.keys(networkOptions(task, backbone)),
        dataOptions: [...(task.dataOptions ?? []), ...(task.columnOptions ?? [])],
      };
      const resolved = await resolveOptions(options, names, { preset, given });
      return trainRun(joined, { options: resolved.options as Options & Given, origin: resolved.origin }, context);
    },
    resume: (folder, context) => resumeTraining(joined, folder, loadOrigin, context),
    open: (folder, context = {}) => openTask(joined, recipe, folder, context),
  };
  return recipe;
}
