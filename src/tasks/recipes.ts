/** The registry: every recipe there is. */
import { openRun } from "../train/index.ts";
import { HeptagenError, nearest } from "../util/errors.ts";
import type { Options, Recipe } from "./recipe.ts";
import { transformerLanguageModel } from "./recipes/transformer-language-model.ts";

export const recipes: readonly Recipe[] = [transformerLanguageModel];

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
 * The options of a preset; of the first one when no name is given.
 *
 * @throws HeptagenError `recipe/preset`, suggesting the nearest
 */
export function presetOptions({ name, presets }: Recipe, preset: string | undefined): Options {
  const names = Object.keys(presets);
  const found = presets[preset ?? (names[0] as string)];
  if (found) return found.options;
  const near = preset === undefined ? undefined : nearest(preset, names);
  throw new HeptagenError("recipe/preset", `${name} has no preset "${preset}"`, {
    facts: { preset, known: names },
    next: near ? `Did you mean "${near}"?` : `There are: ${names.join(", ")}.`,
  });
}
