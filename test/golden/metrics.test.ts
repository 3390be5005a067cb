/** Distances of feature sets against numpy, scipy and scikit-learn (test/golden/fixtures/metrics.*, computed in float64). */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { frechetDistance, kernelDistance, manifoldScores } from "../../src/metrics/index.ts";
import { readSafetensors } from "../../src/train/safetensors.ts";
import type { NdArray } from "../../src/util/ndarray.ts";

const folder = new URL("./fixtures/", import.meta.url);
const { expected } = JSON.parse(readFileSync(new URL("metrics.json", folder), "utf8")) as {
  expected: Record<string, Record<string, number>>;
};
const { tensors } = readSafetensors(readFileSync(new URL("metrics.safetensors", folder)));
const set = (name: string) => tensors.get(name) as NdArray;

describe.each(["near", "far", "collapsed"])("real features and %s ones", (name) => {
  const wanted = expected[name] as Record<string, number>;

  it("have scipy's Fréchet distance, in both directions", () => {
    const distance = wanted.frechet as number;
    expect(Math.abs(frechetDistance(set("real"), set(name)) / distance - 1)).toBeLessThan(1e-8);
    expect(Math.abs(frechetDistance(set(name), set("real")) / distance - 1)).toBeLessThan(1e-8);
  });

  it("have numpy's kernel distance", () => {
    const { mean, deviation } = kernelDistance(set("real"), set(name), { subsets: 3, size: 70 });
    expect(mean).toBeCloseTo(wanted.kernel as number, 5);
    expect(deviation).toBeLessThan(1e-9); // every subset is the whole
  });

  it("have scikit-learn's neighbours", () => {
    const scores = manifoldScores(set("real"), set(name));
    for (const [measure, value] of Object.entries(scores)) expect(value, measure).toBeCloseTo(wanted[measure] as number, 12);
  });
});

it("a singular covariance has scipy's Fréchet distance, within what roots of rounding errors allow", () => {
  const distance = expected.flat?.frechet as number;
  expect(Math.abs(frechetDistance(set("real"), set("flat")) - distance)).toBeLessThan(1e-6);
  expect(Math.abs(frechetDistance(set("flat"), set("real")) - distance)).toBeLessThan(1e-6);
});
