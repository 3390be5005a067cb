/** Recipes: every preset fits its schema, and those that stand for a published configuration have its numbers. */
import { describe, expect, it } from "vitest";
import { schedule } from "../../../src/optim/index.ts";
import { findRecipe, presetOptions, recipes, transformerBackbone } from "../../../src/tasks/index.ts";
import { resolveOptions } from "../../../src/tasks/language-model/resolve.ts";
import { parseOptions } from "../../../src/tasks/options.ts";
import { isNdArray, sizeOf } from "../../../src/util/ndarray.ts";
import { key } from "../../../src/util/random.ts";
import { flatten } from "../../../src/util/tree.ts";

const transformer = findRecipe("transformer/language-model");

describe.each(recipes)("$name", (recipe) => {
  it.each(Object.keys(recipe.presets))("preset %s has every option", (preset) => {
    const options = presetOptions(recipe, preset);
    expect(parseOptions("train", recipe.options, options)).toEqual(options);
  });

  it("describes every option", () => {
    for (const [name, option] of Object.entries(recipe.options.shape)) expect(option.description, name).toBeTruthy();
  });
});

describe("nanogpt-cpu", () => {
  const options = presetOptions(transformer, "nanogpt-cpu") as Record<string, never>;

  it("has the parameters of its PyTorch counterpart", () => {
    const own = Object.fromEntries(Object.keys(transformerBackbone.options.shape).map((name) => [name, options[name]]));
    const config = transformerBackbone.configure(own, { vocabulary: 83, context: 64 });
    const leaves = flatten(transformerBackbone.model.init(config, key(1)), isNdArray);
    expect(leaves.reduce((sum, { leaf }) => sum + sizeOf(leaf.shape), 0)).toBe(806_400);
  });

  it("has the learning rates of its PyTorch counterpart", () => {
    const rate = schedule(options as unknown as Parameters<typeof schedule>[0]);
    // learning_rate(step) in bench/peers/torch_train.py, steps counted from 0
    const torch = (step: number) =>
      step < 100 ? (1e-3 * (step + 1)) / 100 : 1e-4 + 0.5 * 9e-4 * (1 + Math.cos((Math.PI * (step - 100)) / 1900));
    for (const step of [0, 1, 50, 99, 100, 101, 1000, 1999]) expect(rate(step + 1)).toBeCloseTo(torch(step), 12);
  });
});

describe("what a user sets", () => {
  const preset = presetOptions(transformer, undefined);
  const loadOrigin = () => Promise.reject(new Error("not asked for"));

  it("wins over the preset; a short run gets a short warm-up", async () => {
    const { options } = await resolveOptions(transformer.options, { preset, given: { steps: 50, width: 64 }, loadOrigin });
    expect(options).toMatchObject({ steps: 50, width: 64, warmup: 5, layers: preset.layers });
    const { options: kept } = await resolveOptions(transformer.options, { preset, given: { steps: 50, warmup: 40 }, loadOrigin });
    expect(kept.warmup).toBe(40);
  });

  it("comes before the architecture of the model that training starts from", async () => {
    const origin = { tokenizer: undefined as never, params: [], architecture: { layers: 2, width: 32 } };
    const given = { initFrom: "runs/a", steps: 10 };
    const { options } = await resolveOptions(transformer.options, { preset, given, loadOrigin: () => Promise.resolve(origin) });
    expect(options).toMatchObject({ layers: 2, width: 32, steps: 10 });
  });

  it("has to exist", () => {
    expect(() => findRecipe("transformer/langage-model")).toThrow('Did you mean "transformer/language-model"?');
    expect(() => presetOptions(transformer, "quikstart")).toThrow('Did you mean "quickstart"?');
  });
});
