/** Compositions against their formulas in plain JavaScript, at ordinary and at extreme points. */
import { describe, expect, test } from "vitest";
import type { Tensor } from "../../../src/core/tensor.ts";
import * as ops from "../../../src/ops/index.ts";
import { erf } from "../../ops/reference/elementwise.ts";
import { float, numbers, vector } from "../../ops/run.ts";

const points = [-30, -3, -1, -0.5, -1e-9, 0, 1e-9, 0.3, 1, 2.5, 30];

describe("functions of one variable", () => {
  test.each<[string, (x: Tensor) => Tensor, (x: number) => number]>([
    ["square", ops.square, (x) => x ** 2],
    ["tan", ops.tan, Math.tan],
    ["ceil", ops.ceil, Math.ceil],
    ["clamp", (x) => ops.clamp(x, -0.5, 2), (x) => Math.min(Math.max(x, -0.5), 2)],
    ["expm1", ops.expm1, Math.expm1],
    ["softplus", ops.softplus, (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))],
    ["silu", ops.silu, (x) => x / (1 + Math.exp(-x))],
    ["gelu", ops.gelu, (x) => (x / 2) * (1 + erf(x / Math.SQRT2))],
    ["geluTanh", ops.geluTanh, (x) => (x / 2) * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))],
    ["leakyRelu", (x) => ops.leakyRelu(x, 0.25), (x) => (x > 0 ? x : x / 4)],
    ["hardSigmoid", (x) => ops.hardSigmoid(x, { slope: 0.5, offset: 0.25 }), (x) => Math.min(1, Math.max(0, x / 2 + 0.25))],
  ])("%s", (_, fn, formula) => {
    const [found = []] = numbers(fn, vector(...points));
    found.forEach((value, i) => {
      const x = points[i] as number;
      const wanted = formula(x);
      // Numbers written into graphs are float32.
      expect(Math.abs(value - wanted), `at ${x}`).toBeLessThanOrEqual(1e-7 * Math.max(Math.abs(wanted), Math.abs(x)));
    });
  });

  test("log1p and rsqrt where they are defined", () => {
    const given = [-0.9, -1e-12, 0, 1e-12, 0.5, 1e6];
    const [logs = [], roots] = numbers((x) => [ops.log1p(x), ops.rsqrt(ops.add(x, 1))], vector(...given));
    logs.forEach((value, i) => {
      expect(value).toBeCloseTo(Math.log1p(given[i] as number), 14);
    });
    expect(logs[3]).toBeCloseTo(1e-12, 22);
    expect(roots?.[4]).toBeCloseTo(1 / Math.sqrt(1.5), 14);
  });
});

describe("folds", () => {
  test("logsumexp does not overflow", () => {
    const [all, rows] = numbers((x) => [ops.logsumexp(x), ops.logsumexp(x, 1)], float([2, 2], [1000, 1000, -1000, -1001]));
    expect(all?.[0]).toBeCloseTo(1000 + Math.log(2), 10);
    expect(rows?.[1]).toBeCloseTo(-1000 + Math.log(1 + Math.exp(-1)), 10);
  });

  test("variance, with and without correction", () => {
    const [plain, corrected, rows] = numbers(
      (x) => [ops.variance(x), ops.variance(x, undefined, { correction: 1 }), ops.variance(x, 1)],
      float([2, 2], [1, 2, 3, 6]),
    );
    expect([plain?.[0], corrected?.[0]].map((v) => Math.round((v as number) * 1e6) / 1e6)).toEqual([3.5, 4.666667]);
    expect(rows).toEqual([0.25, 2.25]);
  });
});

describe("einsum", () => {
  const a = [1, 2, 3, 4, 5, 6];
  const b = [1, -1, 2, 0, 3, 1];

  test.each<[string, number[], number[], number[]]>([
    ["ij,jk->ik", [2, 3], [3, 2], [14, 2, 32, 2]],
    ["ij,ij->", [2, 3], [2, 3], [26]],
    ["ij,ij->i", [2, 3], [2, 3], [5, 21]],
    ["ij,ik->kj", [2, 3], [2, 3], [1, 2, 3, 11, 13, 15, 6, 9, 12]],
    ["ij,kj->ik", [2, 3], [2, 3], [5, 9, 11, 21]],
    ["bi,b->i", [3, 2], [3], [8, 10]],
  ])("%s", (formula, left, right, expected) => {
    const take = (values: number[], shape: number[]) =>
      float(
        shape,
        values.slice(
          0,
          shape.reduce((n, d) => n * d, 1),
        ),
      );
    expect(numbers((x, y) => ops.einsum(formula, x, y), take(a, left), take(b, right))[0]).toEqual(expected);
  });
});

describe("resize", () => {
  test("nearest takes floor(i · in / out)", () => {
    expect(numbers((x) => ops.resize(x, [5]), float([1, 1, 3], [1, 2, 3]))[0]).toEqual([1, 1, 2, 2, 3]);
    expect(numbers((x) => ops.resize(x, [2]), float([1, 1, 4], [1, 2, 3, 4]))[0]).toEqual([1, 3]);
  });

  test("linear aligns pixel centres and keeps edges", () => {
    expect(numbers((x) => ops.resize(x, [4], { mode: "linear" }), float([1, 1, 2], [0, 4]))[0]).toEqual([0, 1, 3, 4]);
    expect(numbers((x) => ops.resize(x, [1], { mode: "linear" }), float([1, 1, 4], [0, 1, 2, 9]))[0]).toEqual([1.5]);
  });
});
