/** Dynamic time warping against the least cost of all paths. */
import { describe, expect, test } from "vitest";
import { nearestTemplate, type VectorSequence, warpingDistance } from "../../../src/baselines/index.ts";
import { fillNormal, key } from "../../../src/util/random.ts";

const sequence = (values: readonly (readonly number[])[]): VectorSequence => ({
  rows: values.length,
  width: values[0]?.length ?? 2,
  data: Float32Array.from(values.flat()),
});

function drawn(seed: number, rows: number): VectorSequence {
  const data = new Float32Array(rows * 2);
  fillNormal(key(seed), data);
  return { rows, width: 2, data };
}

/** By going through all paths; a step on both sides counts twice, the first place too. */
function leastOfAll(a: VectorSequence, b: VectorSequence): number {
  const distance = (t: number, u: number) =>
    Math.hypot(...[0, 1].map((d) => (a.data[2 * t + d] as number) - (b.data[2 * u + d] as number)));
  const cost = (t: number, u: number): number => {
    if (t < 0 || u < 0) return Number.POSITIVE_INFINITY;
    if (t === 0 && u === 0) return 2 * distance(0, 0);
    return Math.min(cost(t - 1, u - 1) + 2 * distance(t, u), Math.min(cost(t - 1, u), cost(t, u - 1)) + distance(t, u));
  };
  return cost(a.rows - 1, b.rows - 1) / (a.rows + b.rows);
}

describe.each([
  [4, 6],
  [7, 3],
  [1, 5],
  [5, 1],
  [1, 1],
])("%i against %i places", (T, U) => {
  test("is the least of all paths, without a band", () => {
    const [a, b] = [drawn(T, T), drawn(10 + U, U)];
    expect(warpingDistance(a, b, { band: 1 })).toBeCloseTo(leastOfAll(a, b), 6);
    expect(warpingDistance(a, b, { band: 0.25 })).toBeGreaterThanOrEqual(leastOfAll(a, b) - 1e-9);
  });
});

test("what is only said slower is no different", () => {
  const [a, b, c] = [
    [0, 0],
    [3, 1],
    [-2, 5],
  ];
  const said = sequence([a, b, c] as number[][]);
  expect(warpingDistance(sequence([a, a, b, b, b, c] as number[][]), said, { band: 1 })).toBe(0);
  expect(nearestTemplate(sequence([a, b, b, c] as number[][]), [drawn(1, 4), said, drawn(2, 3)])).toBe(1);
});

test("it is given up when it is sure to be more than asked for", () => {
  const [a, b] = [drawn(3, 6), drawn(4, 5)];
  const whole = warpingDistance(a, b);
  expect(warpingDistance(a, b, { above: whole * 1.01 })).toBe(whole);
  expect(warpingDistance(a, b, { above: whole / 100 })).toBe(Number.POSITIVE_INFINITY);
});

test("vectors of different lengths and no templates are errors", () => {
  expect(() => warpingDistance(sequence([[1, 2]]), sequence([[1, 2, 3]]))).toThrowError(/got \[1, 2\] and \[1, 3\]/);
  expect(() => nearestTemplate(sequence([[1, 2]]), [])).toThrowError(/expected templates, got none/);
});
