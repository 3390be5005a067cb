/** Losses where their pieces meet, and what counts in a mean. */
import { expect, test } from "vitest";
import { grad } from "../../../src/core/grad.ts";
import type { Tensor } from "../../../src/core/tensor.ts";
import { bce, bceWithLogits, crossEntropy, huber } from "../../../src/nn/losses.ts";
import { zeros } from "../../../src/ops/index.ts";
import { float, numbers, vector, whole } from "../../ops/run.ts";

test("bceWithLogits: the slope is sigmoid(x) - y, at 0 and far out too", () => {
  const [slopes = []] = numbers(
    (x, y) => grad((l: Tensor) => bceWithLogits(l, y))(x),
    vector(0, 0, 0, 200, -200),
    vector(0, 1, 0.25, 1, 0),
  );
  [0.5, -0.5, 0.25, 0, 0].forEach((slope, i) => {
    expect(slopes[i]).toBeCloseTo(slope / 5, 7);
  });
});

test("bce holds logarithms above -100, as PyTorch does", () => {
  expect(numbers((p, y) => bce(p, y), vector(0, 1), vector(1, 0))).toEqual([[100]]);
});

test("crossEntropy is a mean over the targets that count, and 0 when none does", () => {
  const logits = float([3, 2], [0, 0, 5, 5, -3, 9]);
  const loss = (...targets: number[]) => numbers((x, t) => crossEntropy(x, t), logits, whole([3], targets))[0]?.[0];
  expect(loss(0, 1, -1)).toBeCloseTo(Math.LN2, 12);
  expect(loss(-1, -1, -1)).toBe(0);
});

test("huber: quadratic up to delta, linear beyond, smooth where they meet", () => {
  const [slopes] = numbers((x) => grad((p: Tensor) => huber(p, zeros([4]), 2))(x), vector(0, 1, 2, -3));
  expect(slopes?.map((s) => s * 4)).toEqual([0, 1, 2, -2]);
});
