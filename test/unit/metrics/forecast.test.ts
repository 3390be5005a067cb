/** Cases worked by hand, and integrals by their definition. */
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import {
  ensembleCrps,
  pinballLoss,
  pointScores,
  quantileOf,
  quantileScores,
  sampleQuantiles,
  sampleScores,
  seasonalScale,
} from "../../../src/metrics/index.ts";

const { NaN: missing } = Number;

describe("values", () => {
  it("errors of one series", () => {
    const scores = pointScores([{ actual: [3, 5], predicted: [2, 7], past: [1, 2, 3] }]);
    expect(scores).toMatchObject({ mae: 1.5, mase: 1.5, counted: 2, missing: 0, unscaled: 0 });
    expect(scores.rmse).toBeCloseTo(Math.sqrt(2.5), 12);
    expect(scores.smape).toBeCloseTo((200 / 5 + 400 / 12) / 2, 12);
  });

  it("of several series: errors count alike, scaled errors by series", () => {
    const scores = pointScores([
      { actual: [1], predicted: [2], past: [0, 10] },
      { actual: [1, 1, 1], predicted: [3, 3, 3], past: [0, 1] },
    ]);
    expect(scores.mae).toBe(7 / 4);
    expect(scores.mase).toBeCloseTo((0.1 + 2) / 2, 12);
  });

  it("missing truths are skipped and counted, in the past too", () => {
    const scores = pointScores([{ actual: [missing, 4], predicted: [1, 2], past: [1, missing, 3, 5] }]);
    expect(scores).toMatchObject({ mae: 2, mase: 1, counted: 1, missing: 1 });
  });

  it("the scale is what the seasonal naive forecast errs by", () => {
    expect(seasonalScale([1, 2, 4], 1)).toBe(1.5);
    expect(seasonalScale([1, 10, 3, 14], 2)).toBe(3);
    expect(seasonalScale([1, 2], 2)).toBe(0);
    const seasonal = { actual: [2, 2], predicted: [1, 10], past: [1, 10, 1, 10] };
    expect(pointScores([seasonal], { season: 2 })).toMatchObject({ mase: undefined, unscaled: 1 });
  });

  it("sMAPE is 0 where both are 0 and 200 where one is", () => {
    expect(pointScores([{ actual: [0, 0], predicted: [0, 1] }]).smape).toBe(100);
  });
});

describe("quantiles", () => {
  it("pinball loss: too low costs the level, too high the rest", () => {
    expect(pinballLoss(10, 8, 0.9)).toBeCloseTo(1.8, 12);
    expect(pinballLoss(8, 10, 0.9)).toBeCloseTo(0.2, 12);
  });

  it("losses, CRPS and coverage", () => {
    const levels = [0.1, 0.5, 0.9];
    const scores = quantileScores(
      [
        {
          actual: [3, missing],
          quantiles: [
            [1, 0],
            [2, 0],
            [4, 0],
          ],
        },
        { actual: [5], quantiles: [[1], [2], [4]] },
      ],
      levels,
    );
    const pinball = [(0.2 + 0.4) / 2, (0.5 + 1.5) / 2, (0.1 + 0.9) / 2];
    for (const [l, value] of pinball.entries()) expect(scores.pinball[l]).toBeCloseTo(value, 12);
    expect(scores.crps).toBeCloseTo((2 * (0.3 + 1 + 0.5)) / 3, 12);
    expect(scores.coverage).toEqual([{ nominal: 0.8, actual: 0.5 }]);
    expect(scores).toMatchObject({ counted: 2, missing: 1 });
  });

  it("intervals are pairs of levels, the widest first", () => {
    const levels = [0.05, 0.25, 0.5, 0.75, 0.95];
    const { coverage } = quantileScores([{ actual: [1], quantiles: levels.map((level) => [level * 2]) }], levels);
    expect(coverage.map(({ nominal }) => Number(nominal.toFixed(9)))).toEqual([0.9, 0.5]);
  });

  it("between sorted values lie on straight lines, as numpy's", () => {
    expect([0, 0.25, 0.5, 0.75, 1].map((level) => quantileOf([1, 2, 4], level))).toEqual([1, 1.5, 2, 3, 4]);
    expect(
      sampleQuantiles(
        [
          [4, 1],
          [1, 1],
          [2, 1],
        ],
        [0.5, 0.75],
      ),
    ).toEqual([Float64Array.of(2, 1), Float64Array.of(3, 1)]);
    expect(quantileOf([7], 0.3)).toBe(7);
  });
});

describe("samples", () => {
  it("one sample scores its absolute error, two by hand", () => {
    expect(ensembleCrps(3, [5])).toBe(2);
    expect(ensembleCrps(0, [0, 1])).toBe(0.25);
    expect(ensembleCrps(2, [1, 3])).toBe(0.5);
  });

  it("CRPS is the integral of the squared difference of the distributions", () => {
    const number = fc.integer({ min: -8, max: 8 });
    fc.assert(
      fc.property(number, fc.array(number, { minLength: 1, maxLength: 9 }), (actual, samples) => {
        let integral = 0; // steps stand at whole numbers, so each unit is flat
        for (let z = -8; z < 8; z++) {
          const share = samples.filter((sample) => sample <= z).length / samples.length;
          integral += (share - (actual <= z ? 1 : 0)) ** 2;
        }
        expect(ensembleCrps(actual, samples)).toBeCloseTo(integral, 10);
      }),
    );
  });

  it("many quantiles come near the CRPS of a normal distribution", () => {
    // Gneiting & Raftery 2007: at y = μ it is σ (√2 − 1) / √π
    const exact = (Math.SQRT2 - 1) / Math.sqrt(Math.PI);
    const levels = Array.from({ length: 999 }, (_, i) => (i + 1) / 1000);
    const sorted = levels.map(normalQuantile);
    expect(ensembleCrps(0, sorted)).toBeCloseTo(exact, 2);
    expect(quantileScores([{ actual: [0], quantiles: sorted.map((value) => [value]) }], levels).crps).toBeCloseTo(exact, 2);
  });

  it("paths over several steps", () => {
    const scores = sampleScores(
      [
        {
          actual: [0, missing],
          samples: [
            [0, 9],
            [1, 9],
          ],
        },
      ],
      [0.1, 0.9],
    );
    expect(scores).toMatchObject({ crps: 0.25, counted: 1, missing: 1 });
    expect(scores.coverage[0]?.actual).toBe(0); // between 0.1 and 0.9
  });
});

/** By bisection of the integral of the density. */
function normalQuantile(level: number): number {
  let [low, high] = [-8, 8];
  for (let i = 0; i < 50; i++) {
    const middle = (low + high) / 2;
    if (normalShare(middle) < level) low = middle;
    else high = middle;
  }
  return low;
}

/** Φ by its series: ½ + φ(x) (x + x³/3 + x⁵/15 + …) */
function normalShare(x: number): number {
  let [term, sum] = [x, x];
  for (let k = 3; Math.abs(term) > 1e-17; k += 2) sum += term *= (x * x) / k;
  return 0.5 + (sum * Math.exp((-x * x) / 2)) / Math.sqrt(2 * Math.PI);
}

test("what cannot be scored is refused", () => {
  expect(() => pointScores([{ actual: [1, 2], predicted: [1] }])).toThrow("1 forecasts of 2 steps for series 0, got lengths [1]");
  expect(() => pointScores([{ actual: [1], predicted: [missing] }])).toThrow(
    "expected a finite forecast for series 0, got NaN at step 0",
  );
  expect(() => pointScores([{ actual: [missing], predicted: [1] }])).toThrow("got none and 1 missing");
  expect(() => quantileScores([{ actual: [1], quantiles: [[1]] }], [0.1, 0.9])).toThrow("expected 2 forecasts");
  expect(() => quantileScores([{ actual: [1], quantiles: [[1], [2]] }], [0.9, 0.1])).toThrow("ascending levels between 0 and 1");
  expect(() => sampleScores([{ actual: [1], samples: [] }], [0.5])).toThrow("expected 1 forecasts of 1 steps");
});
