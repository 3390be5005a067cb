/** From what a user sets to every option of a training, and the model it starts from. */
import type { z } from "zod";
import type { Tokenizer } from "../../data/index.ts";
import type { NdArray } from "../../util/ndarray.ts";
import type { Tree } from "../../util/tree.ts";
import { parseOptions } from "../options.ts";
import type { Options } from "../recipe.ts";
import type { TrainingOptions } from "./options.ts";

/** A model that training starts from. */
export interface Origin {
  readonly tokenizer: Tokenizer;
  readonly params: Tree<NdArray>;
  /** The options that decide the shapes of its parameters. */
  readonly architecture: Options;
}

/** Loads what `initFrom` names. */
export type LoadOrigin = (folder: string) => Promise<Origin>;

/**
 * Every option with its value, and the model to start from, if any.
 *
 * What the user sets wins over the architecture of the model that training starts from, which wins over the preset. A preset's
 * warm-up takes at most a tenth of the steps, so that a short run needs no second option.
 *
 * @throws HeptagenError `options/…`
 */
export async function resolveOptions(
  schema: z.ZodObject,
  { preset, given, loadOrigin }: { readonly preset: Options; readonly given: Options; readonly loadOrigin: LoadOrigin },
): Promise<{ options: TrainingOptions & Options; origin: Origin | undefined }> {
  const asked = parseOptions("train", schema.partial(), given) as Partial<TrainingOptions> & Options;
  const origin = asked.initFrom === undefined ? undefined : await loadOrigin(asked.initFrom);
  const steps = asked.steps ?? (preset.steps as number);
  const warmup = Math.min(preset.warmup as number, Math.floor(steps / 10));
  const options = parseOptions("train", schema, { ...preset, warmup, ...origin?.architecture, ...asked });
  return { options: options as TrainingOptions & Options, origin };
}
