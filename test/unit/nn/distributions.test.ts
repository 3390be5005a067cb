/**
 * Distributions against their definitions: masses sum to 1, entropies and divergences are the expectations they claim to be.
 * Constants in graphs are float32, which alone makes differences up to 1e-7.
 */
import { describe, expect, test } from "vitest";
import {
  bernoulliEntropy,
  bernoulliLogProb,
  categoricalEntropy,
  categoricalLogProb,
  gaussianDivergence,
  gaussianEntropy,
  gaussianKl,
  gaussianLogProb,
  logisticMixtureLogProb,
} from "../../../src/nn/index.ts";
import { float, numbers, run, vector, whole } from "../../ops/run.ts";

/** Sum of f over a grid on [-12, 12] times its spacing, for densities that are far narrower. */
function integrate(f: (points: ReturnType<typeof vector>) => readonly number[]): number {
  const points = Array.from({ length: 4801 }, (_, i) => -12 + i / 200);
  return f(vector(...points)).reduce((sum, value) => sum + value / 200, 0);
}

const first = (rows: readonly (readonly number[])[]): readonly number[] => rows[0] ?? [];

describe("normal", () => {
  const [mean, logVariance] = [vector(0.7), vector(-0.5)];
  const density = (x: ReturnType<typeof vector>) =>
    first(numbers((m, l, x) => gaussianLogProb({ mean: m, logVariance: l }, x), mean, logVariance, x)).map(Math.exp);

  test("the density integrates to 1", () => {
    expect(integrate(density)).toBeCloseTo(1, 6);
  });

  test("entropy and divergence are the integrals they stand for", () => {
    const entropy = integrate((x) => density(x).map((p) => (p > 0 ? -p * Math.log(p) : 0)));
    expect(first(numbers((l) => gaussianEntropy({ logVariance: l }), logVariance))[0]).toBeCloseTo(entropy, 6);

    const [otherMean, otherLog] = [vector(-0.2), vector(0.3)];
    const other = (x: ReturnType<typeof vector>) =>
      first(numbers((m, l, x) => gaussianLogProb({ mean: m, logVariance: l }, x), otherMean, otherLog, x));
    const divergence = integrate((x) => {
      const logs = other(x);
      return density(x).map((p, i) => (p > 0 ? p * (Math.log(p) - (logs[i] as number)) : 0));
    });
    const ours = numbers(
      (m, l, n, k) => gaussianDivergence({ mean: m, logVariance: l }, { mean: n as never, logVariance: k as never }),
      ...[mean, logVariance, otherMean, otherLog],
    );
    expect(first(ours)[0]).toBeCloseTo(divergence, 6);
  });

  test("gaussianKl is the divergence from the standard normal distribution, summed", () => {
    const [means, logs] = [float([1, 2], [0.7, -1]), float([1, 2], [-0.5, 0.4])];
    const zero = float([1, 2], [0, 0]);
    const [summed] = numbers((m, l) => gaussianKl(m, l), means, logs);
    const each = first(
      numbers((m, l, z) => gaussianDivergence({ mean: m, logVariance: l }, { mean: 0, logVariance: z }), means, logs, zero),
    );
    expect(summed?.[0]).toBeCloseTo(
      each.reduce((a, b) => a + b),
      12,
    );
  });
});

test("bernoulli: masses sum to 1, entropy is their mean surprise, both also far out", () => {
  for (const logit of [-300, -2, 0, 0.3, 300]) {
    const [no = 0, yes = 0] = first(numbers((l, x) => bernoulliLogProb(l, x), vector(logit, logit), vector(0, 1)));
    expect(Math.exp(no) + Math.exp(yes)).toBeCloseTo(1, 12);
    const surprise = [no, yes].reduce((sum, l) => sum - Math.exp(l) * l, 0);
    expect(first(numbers((l) => bernoulliEntropy(l), vector(logit)))[0]).toBeCloseTo(surprise, 10);
  }
});

test("categorical: log-probabilities by class, entropy over all", () => {
  const rows = [0.2, -1, 3];
  const logits = float([3, 3], [...rows, ...rows, ...rows]);
  const logs = first(numbers((l, c) => categoricalLogProb(l, c), logits, whole([3], [0, 1, 2])));
  expect(logs.reduce((sum, l) => sum + Math.exp(l), 0)).toBeCloseTo(1, 12);
  const surprise = logs.reduce((sum, l) => sum - Math.exp(l) * l, 0);
  expect(first(numbers((l) => categoricalEntropy(l), logits))[0]).toBeCloseTo(surprise, 12);
});

describe("logistic mixture", () => {
  const levels = 256;
  const values = Array.from({ length: levels }, (_, i) => (2 * i) / (levels - 1) - 1);
  /** Log-probabilities of all values under one mixture of two. */
  const logProbs = (means: readonly [number, number], logScales: readonly [number, number]) => {
    const repeat = (pair: readonly number[]) => values.flatMap(() => pair);
    const inputs = [
      float([levels, 2], repeat([0.3, -0.4])),
      float([levels, 1, 2], repeat(means)),
      float([levels, 1, 2], repeat(logScales)),
      float([levels, 1], values),
    ];
    return first(numbers((logits, m, s, x) => logisticMixtureLogProb({ logits, means: m, logScales: s }, x as never), ...inputs));
  };

  test.each([
    [
      [-0.5, 0.6],
      [-2, -3],
    ],
    [
      [-1.5, 2],
      [0, 3],
    ], // centres outside, scales wider than the range
    [
      [0, 0.1],
      [-7, -20],
    ], // one narrower than allowed
  ] as const)("masses sum to 1 for means %o and log-scales %o", (means, logScales) => {
    const logs = logProbs(means, logScales);
    expect(logs.reduce((sum, l) => sum + Math.exp(l), 0)).toBeCloseTo(1, 6);
    expect(logs.every(Number.isFinite)).toBe(true);
  });

  test("the mass of a bin is the difference of logistic functions at its edges", () => {
    const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
    const weight = sigmoid(0.3 + 0.4);
    const bin = values[150] as number;
    const mass = (mean: number, scale: number) =>
      sigmoid((bin + 1 / 255 - mean) / scale) - sigmoid((bin - 1 / 255 - mean) / scale);
    const wanted = weight * mass(-0.5, Math.exp(-2)) + (1 - weight) * mass(0.6, Math.exp(-3));
    expect(Math.exp(logProbs([-0.5, 0.6], [-2, -3])[150] as number)).toBeCloseTo(wanted, 8);
  });

  test("refuses means of another shape, and says what it got", () => {
    const shapes = [float([4, 2], Array(8).fill(0)), float([4, 2], Array(8).fill(0)), float([4], Array(4).fill(0))];
    expect(() => run((l, m, x) => logisticMixtureLogProb({ logits: l, means: m, logScales: m }, x), ...shapes)).not.toThrow();
    expect(() => run((l, m) => logisticMixtureLogProb({ logits: l, means: m, logScales: m }, m), ...shapes)).toThrowError(
      /expected means and logScales \[4,2,2\].*got float32\[4,2\]/,
    );
  });
});
