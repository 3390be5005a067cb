/** Layers: their initial values, and what they refuse. */
import { expect, test } from "vitest";
import type { Tensor } from "../../../src/core/index.ts";
import {
  batchNorm,
  crossEntropy,
  groupNorm,
  hinge,
  initConv,
  initConvTranspose,
  runningStatistics,
  spectralNorm,
} from "../../../src/nn/index.ts";
import { key } from "../../../src/util/random.ts";
import { float, numbers, vector, whole } from "../../ops/run.ts";

test("convolutions start as PyTorch's do: even numbers up to one over the root of the fan-in", () => {
  const check = ({ weight, bias }: ReturnType<typeof initConv>, shape: readonly number[], channels: number, fanIn: number) => {
    expect(weight.shape).toEqual(shape);
    expect(bias?.shape).toEqual([channels]);
    const largest = Math.max(...Array.from(weight.data as Float32Array, Math.abs));
    expect(largest).toBeLessThanOrEqual(1 / Math.sqrt(fanIn));
    expect(largest).toBeGreaterThan(0.95 / Math.sqrt(fanIn));
  };
  check(initConv(key(1), 8, 16, [3, 3], { groups: 2 }), [16, 4, 3, 3], 16, 4 * 9);
  check(initConvTranspose(key(1), 8, 16, [5], { groups: 2 }), [8, 8, 5], 16, 8 * 5);
  expect(initConv(key(1), 1, 1, [1], { bias: false }).bias).toBeUndefined();
});

test("group norm refuses groups that do not divide the channels", () => {
  expect(() =>
    numbers((x, w) => groupNorm({ weight: w }, x, { groups: 4 }), float([1, 6], Array(6).fill(1)), vector(1)),
  ).toThrowError(/expected \[B, C, \.\.\.\] with C a multiple of 4 groups, got float32\[1,6\]/);
});

test("hinge counts scores within the margin", () => {
  const losses = numbers((x) => [hinge(x, 1), hinge(x, -1)], vector(-2, 0.5, 3)).flat();
  expect(losses).toEqual([3.5 / 3, 5.5 / 3].map((loss) => expect.closeTo(loss, 6)));
});

test("an ignored target may lie beyond the classes", () => {
  const logits = float([2, 2], [0, 0, 3, -1]);
  const [[loss]] = numbers((x, t) => crossEntropy(x, t, { ignoreIndex: 99 }), logits, whole([2], [1, 99])) as [[number]];
  expect(loss).toBeCloseTo(Math.LN2, 12);
});

test("running statistics move a tenth of the way to those of a batch, the variance divided by one less", () => {
  const moved = numbers(
    (x, one) => {
      const { statistics } = batchNorm({ weight: one, bias: one }, x);
      return Object.values(runningStatistics({ weight: one, bias: one, runningMean: one, runningVariance: one }, statistics));
    },
    float([2, 1, 2], [1, 2, 3, 6]),
    vector(1),
  );
  expect(moved.flat()).toEqual([0.9 + 0.1 * 3, 0.9 + 0.1 * (14 / 3)].map((value) => expect.closeTo(value, 6)));
});

test("batch norm refuses a single value per channel", () => {
  expect(() => numbers((x, w) => batchNorm({ weight: w, bias: w }, x).y, float([1, 3], [1, 2, 3]), vector(1, 1, 1))).toThrowError(
    /at least two values per channel, got float32\[1,3\]/,
  );
});

test("spectral norm finds the largest singular value once its vector has turned", () => {
  const once = (weight: Tensor, u: Tensor) => spectralNorm(weight, u, { iterate: true });
  const [[normal]] = numbers(
    (weight, u) => {
      let turned = u;
      for (let i = 0; i < 60; i++) turned = once(weight, turned).u;
      return [spectralNorm(weight, turned, { iterate: false }).normal];
    },
    float([2, 2], [3, 0, 4, 5]), // singular values √45 and √5
    vector(0.6, 0.8),
  ) as [[number]];
  expect(normal).toBeCloseTo(3 / Math.sqrt(45), 6);
});
