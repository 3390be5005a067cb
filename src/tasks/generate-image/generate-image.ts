/**
 * The image task: a model learns to make pictures like those it is shown, whatever its family.
 *
 *   pictures → batches ──┐
 *                        ├─ training step → losses, sample sheets, checkpoints → run
 *   family → parameters ─┘
 *
 * Reading order of the task's files: options, data, train, trained (what a run can do), and this one, which joins them.
 */
import { openRun } from "../../train/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import { parseOptions } from "../options.ts";
import { type Options, type Preset, presetOptions, type Recipe } from "../recipe.ts";
import type { ImageFamily } from "./image-family.ts";
import { evaluateOptions, inspectOptions, sampleOptions, type TrainingOptions, trainingOptions } from "./options.ts";
import { resumeTraining, trainRun } from "./train.ts";
import { loadImageRun, type TrainedImageModel, trainedImageModel } from "./trained.ts";

/** Options that decide the shapes of a model's parameters besides the family's own. */
const shaping = ["size", "colours", "conditional"] as const;

type Given = Partial<TrainingOptions> & Options;

/**
 * A recipe of this task for one family.
 *
 * @throws Error when an option of the family has the name of one of the task's
 */
export function generateImageRecipe<Config>(
  family: ImageFamily<Config>,
  { summary, presets }: { readonly summary: string; readonly presets: Readonly<Record<string, Preset>> },
): Recipe<Given, TrainedImageModel> {
  refuseTwice(family.options.shape, trainingOptions.shape);
  refuseTwice(family.sampling.shape, sampleOptions.shape);
  const evaluation = { ...family.sampling.shape, ...family.evaluation?.shape };
  refuseTwice(evaluation, evaluateOptions.shape);
  refuseTwice(family.evaluation?.shape ?? {}, family.sampling.shape);
  const options = trainingOptions.extend(family.options.shape);
  const recipe: Recipe<Given, TrainedImageModel> = {
    name: `${family.name}/generate-image`,
    summary,
    options,
    presets,
    sampleFile: ".png",
    abilities: {
      sample: sampleOptions.extend(family.sampling.shape),
      evaluate: evaluateOptions.extend(evaluation),
      inspect: inspectOptions,
    },
    async train(given, context) {
      return trainRun(family, recipe.name, await resolveOptions(presetOptions(recipe, context.preset), given), context);
    },
    resume: (folder, context) => resumeTraining(family, folder, context),
    async open(folder, context = {}) {
      return trainedImageModel({ recipe, family }, await loadImageRun(family, folder, context));
    },
  };

  /**
   * Every option with its value. What the user sets wins over the architecture of the run that training starts from, which wins
   * over the preset. A preset's warm-up takes at most a tenth of the steps.
   */
  async function resolveOptions(preset: Options, given: Options): Promise<TrainingOptions & Options> {
    const asked = parseOptions("train", options.partial(), given);
    const warmup = Math.min(preset.warmup as number, Math.floor(((asked.steps ?? preset.steps) as number) / 10));
    const origin = asked.initFrom === undefined ? {} : await architectureOf(asked.initFrom as string);
    return parseOptions("train", options, { ...preset, warmup, ...origin, ...asked }) as TrainingOptions & Options;
  }

  async function architectureOf(folder: string): Promise<Options> {
    const { recipe: name, config } = (await openRun(folder)).config;
    if (name !== recipe.name) {
      throw new HeptagenError("options/value", `train: expected initFrom to be a run of ${recipe.name}, got one of ${name}`, {
        next: `Start from a run of ${recipe.name}, or train ${name}.`,
      });
    }
    const names = [...Object.keys(family.options.shape), ...shaping].filter((key) => config[key] !== undefined);
    return Object.fromEntries(names.map((key) => [key, config[key]]));
  }
  return recipe;
}

function refuseTwice(own: object, common: object): void {
  const twice = Object.keys(own).filter((key) => key in common);
  if (twice.length > 0) throw new Error(`image family: the task has options of these names already: ${twice.join(", ")}`);
}
