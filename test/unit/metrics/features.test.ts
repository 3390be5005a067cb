/** Distances of feature sets: where the answer is known, and what must hold. */
import { describe, expect, it } from "vitest";
import {
  frechetDistance,
  type Gaussian,
  gaussianDistance,
  gaussianOf,
  kernelDistance,
  manifoldScores,
} from "../../../src/metrics/index.ts";
import { type NdArray, ndarray } from "../../../src/util/ndarray.ts";
import { fillNormal, fold, key } from "../../../src/util/random.ts";

const random = (count: number, width: number, seed: number, change: (value: number, i: number) => number = (value) => value) => {
  const data = new Float32Array(count * width);
  fillNormal(fold(key(1), seed), data);
  return ndarray("float32", [count, width], data.map(change));
};
const diagonal = (mean: number[], variances: number[]): Gaussian => ({
  mean: Float64Array.from(mean),
  covariance: Float64Array.from({ length: mean.length ** 2 }, (_, i) =>
    i % (mean.length + 1) === 0 ? (variances[i / (mean.length + 1)] as number) : 0,
  ),
});

describe("Fréchet distance", () => {
  it("of Gaussians with diagonal covariances is that of means plus that of deviations", () => {
    const distance = gaussianDistance(diagonal([1, 2, 3], [4, 9, 0]), diagonal([1, 0, 3], [1, 16, 25]));
    expect(distance).toBeCloseTo(4 + (2 - 1) ** 2 + (3 - 4) ** 2 + 25, 10);
  });

  it("of turned Gaussians is known where they commute", () => {
    // Both have the axes (1, 1) and (1, -1): variances 3 and 1, and 12 and 4.
    const a = { mean: new Float64Array(2), covariance: Float64Array.of(2, 1, 1, 2) };
    const b = { mean: new Float64Array(2), covariance: Float64Array.of(8, 4, 4, 8) };
    expect(gaussianDistance(a, b)).toBeCloseTo(3 + 1, 10);
  });

  it("is 0 for a set and itself, also with more features than examples", () => {
    for (const [count, width] of [
      [200, 8],
      [10, 40],
    ] as const) {
      const set = random(count, width, 2);
      expect(frechetDistance(set, set)).toBeLessThan(1e-5);
    }
  });

  it("of many examples nears that of what they are drawn from", () => {
    const distance = frechetDistance(
      random(20_000, 3, 3),
      random(20_000, 3, 4, (value) => 2 * value + 1),
    );
    expect(distance).toBeGreaterThan(6 * 0.95);
    expect(distance).toBeLessThan(6 * 1.05);
  });

  it("divides by one less than the examples, as numpy does", () => {
    const { mean, covariance } = gaussianOf(ndarray("float32", [3, 2], [1, 0, 2, 0, 3, 3]));
    expect([...mean]).toEqual([2, 1]);
    expect([...covariance]).toEqual([1, 1.5, 1.5, 3]);
  });
});

describe("kernel distance", () => {
  it("is written out for two pairs of examples", () => {
    const [a, b] = [ndarray("float32", [2, 1], [1, 2]), ndarray("float32", [2, 1], [0, 1])];
    // k(1, 2) + k(0, 1) - mean of k(1, 0), k(1, 1), k(2, 0), k(2, 1), each twice
    expect(kernelDistance(a, b).mean).toBeCloseTo(27 + 1 - (2 * (1 + 8 + 1 + 27)) / 4, 5);
  });

  it("is 0 on average for equal distributions, whatever the size of subsets", () => {
    const [a, b] = [random(400, 4, 5), random(500, 4, 6)];
    for (const size of [20, 200]) {
      const { mean, deviation } = kernelDistance(a, b, { subsets: 200, size });
      expect(Math.abs(mean)).toBeLessThan((4 * deviation) / Math.sqrt(200) + 0.02);
    }
    expect(
      kernelDistance(
        a,
        random(400, 4, 7, (value) => 1.5 * value),
      ).mean,
    ).toBeGreaterThan(0.5);
  });

  it("takes half of few examples, so that subsets differ", () => {
    const [a, b] = [random(60, 4, 5), random(80, 4, 6)];
    expect(kernelDistance(a, b)).toEqual(kernelDistance(a, b, { size: 30 }));
    expect(kernelDistance(a, b).deviation).toBeGreaterThan(0);
  });

  it("draws the same subsets under the same key", () => {
    const [a, b] = [random(60, 4, 5), random(60, 4, 6)];
    expect(kernelDistance(a, b, { size: 30, key: key(3) })).toEqual(kernelDistance(a, b, { size: 30, key: key(3) }));
    expect(kernelDistance(a, b, { size: 30, key: key(3) })).not.toEqual(kernelDistance(a, b, { size: 30, key: key(4) }));
  });
});

describe("manifolds", () => {
  const real = random(300, 4, 8);

  it("of the same distribution: precise, recalled, dense around 1, covered", () => {
    const { precision, recall, density, coverage } = manifoldScores(real, random(300, 4, 9));
    for (const value of [precision, recall, coverage]) expect(value).toBeGreaterThan(0.85);
    expect(density).toBeGreaterThan(0.85);
    expect(density).toBeLessThan(1.15);
  });

  it("of a copy are full", () => {
    expect(manifoldScores(real, real)).toMatchObject({ precision: 1, recall: 1, coverage: 1 });
  });

  it("of one mode are precise but cover little; of noise far away they are empty", () => {
    const mode = random(300, 4, 10, (value) => 0.05 * value);
    const { precision, recall, coverage } = manifoldScores(real, mode);
    expect(precision).toBeGreaterThan(0.95);
    expect(recall).toBeLessThan(0.05);
    expect(coverage).toBeLessThan(0.3);
    expect(
      manifoldScores(
        real,
        random(300, 4, 11, (value) => value + 50),
      ),
    ).toEqual({
      precision: 0,
      recall: 0,
      density: 0,
      coverage: 0,
    });
  });
});

it("what is no set of features is refused", () => {
  const few = random(3, 4, 12);
  const other: NdArray = random(10, 5, 13);
  expect(() => frechetDistance(random(10, 4, 1), other)).toThrow(/as many features in both sets, got 4 and 5/);
  expect(() => frechetDistance(random(1, 4, 1), few)).toThrow(/2 or more/);
  expect(() => kernelDistance(few, other)).toThrow(/kernelDistance: expected features float32 \[2 or more, 4\]/);
  expect(() => manifoldScores(few, few)).toThrow(/6 or more/);
  expect(() => kernelDistance(few, few, { subsets: 0 })).toThrow(/at least one subset/);
});
