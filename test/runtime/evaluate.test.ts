/** Evaluation: exact means whatever the batches, the same noise every time. */
import { expect, it } from "vitest";
import type { Tensor, TracedKey } from "../../src/core/index.ts";
import { cast, greaterEqual, mul, normal, sum, where } from "../../src/ops/index.ts";
import { compileEvaluation } from "../../src/train/index.ts";
import { type NdArray, ndarray, scalar } from "../../src/util/ndarray.ts";
import type { Tree } from "../../src/util/tree.ts";

const padding = -1;
const batch = (...values: number[]): NdArray =>
  ndarray("float32", [4], [...values, ...Array<number>(4 - values.length).fill(padding)]);

/** Mean of w · x over the places that are not padding, and the mean of noise over all. */
function measure(w: Tree<Tensor>, x: Tensor, key: TracedKey) {
  const counts = greaterEqual(x, 0);
  return {
    scaled: { sum: sum(where(counts, mul(x, w as Tensor), 0)), count: sum(cast(counts, "int32")) },
    noise: { sum: sum(normal(key, [4])), count: sum(cast(greaterEqual(x, padding), "float32")) },
  };
}

it("weighs every item alike, however the batches are filled", async () => {
  const evaluation = await compileEvaluation<NdArray>(measure, scalar(1), batch(), { device: "cpu" });
  const one = await evaluation.run(scalar(2), [batch(1, 2, 3, 4), batch(5)]);
  const other = await evaluation.run(scalar(2), [batch(1), batch(2, 3), batch(4, 5)]);
  expect([one.scaled, other.scaled]).toEqual([6, 6]);
  await evaluation.dispose();
});

it("draws the same noise whenever it runs, other noise for each batch and seed", async () => {
  const batches = [batch(1), batch(1)];
  const noise = async (seed: number, count = 2) => {
    const evaluation = await compileEvaluation<NdArray>(measure, scalar(1), batch(), { device: "cpu", seed });
    const runs = [
      await evaluation.run(scalar(1), batches.slice(0, count)),
      await evaluation.run(scalar(3), batches.slice(0, count)),
    ];
    await evaluation.dispose();
    expect(runs[0]?.noise).toBe(runs[1]?.noise);
    return runs[0]?.noise;
  };
  const [both, first, otherSeed] = [await noise(0), await noise(0, 1), await noise(1)];
  expect(new Set([both, first, otherSeed]).size).toBe(3);
});

it("takes batches as they come", async () => {
  async function* late() {
    for (const value of [1, 2, 3]) yield await Promise.resolve(batch(value));
  }
  const evaluation = await compileEvaluation<NdArray>(measure, scalar(1), batch(), { device: "cpu" });
  expect((await evaluation.run(scalar(1), late())).scaled).toBe(2);
  await evaluation.dispose();
});

it.each([
  ["no batches", [], "got 0 batches"],
  ["nothing but padding", [batch(), batch()], 'got a count of 0 for "scaled"'],
])("refuses %s", async (_, batches, message) => {
  const evaluation = await compileEvaluation<NdArray>(measure, scalar(1), batch(), { device: "cpu" });
  await expect(evaluation.run(scalar(1), batches)).rejects.toMatchObject({
    code: "evaluate/empty",
    message: expect.stringContaining(message),
  });
  await evaluation.dispose();
});
