/** Worked by hand. */
import { expect, test } from "vitest";
import { driftForecast, leadWords, naiveForecast, seasonalNaiveForecast } from "../../../src/baselines/index.ts";

const { NaN: missing } = Number;

test("the last value; errors widen with the root of the steps", () => {
  const { predicted, quantiles } = naiveForecast([1, 3, 2, 6], 4, { levels: [0, 0.5, 1] });
  expect([...predicted]).toEqual([6, 6, 6, 6]);
  // changes 2, −1, 4
  expect([...(quantiles[0] as Float64Array)]).toEqual([1, 2, 3, 4].map((h) => 6 - Math.sqrt(h)));
  expect([...(quantiles[1] as Float64Array)]).toEqual([1, 2, 3, 4].map((h) => 6 + 2 * Math.sqrt(h)));
  expect(quantiles[2]?.[0]).toBe(10);
  expect(naiveForecast([1], 2)).toEqual({ predicted: Float64Array.of(1, 1), quantiles: [] });
});

test("the last season; errors widen by seasons", () => {
  const { predicted, quantiles } = seasonalNaiveForecast([1, 2, 3, 7, 4, 3], 5, { season: 2, levels: [0, 1] });
  expect([...predicted]).toEqual([4, 3, 4, 3, 4]);
  // changes over two steps: 2, 5, 1, −4
  expect(quantiles.map((values) => [...values])).toEqual([
    [0, -1, 4 - 4 * Math.SQRT2, 3 - 4 * Math.SQRT2, 4 - 4 * Math.sqrt(3)],
    [9, 8, 4 + 5 * Math.SQRT2, 3 + 5 * Math.SQRT2, 4 + 5 * Math.sqrt(3)],
  ]);
  expect([...seasonalNaiveForecast([1, 2, 3], 2, { season: 3 }).predicted]).toEqual([1, 2]);
});

test("the mean change goes on", () => {
  const { predicted, quantiles } = driftForecast([1, 2, 5], 2, { levels: [1] });
  expect([...predicted]).toEqual([7, 9]);
  // changes 1 and 3, drift 2: the largest error is 1
  expect(quantiles[0]?.[0]).toBeCloseTo(7 + Math.sqrt(1 * (1 + 1 / 2)), 12);
  expect(quantiles[0]?.[1]).toBeCloseTo(9 + Math.sqrt(2 * (1 + 2 / 2)), 12);
});

test("what was not measured is passed over", () => {
  const naive = naiveForecast([1, 2, missing, 4, 8, missing], 2, { levels: [1] });
  expect([...naive.predicted]).toEqual([8, 8]);
  expect(naive.quantiles[0]?.[0]).toBeCloseTo(8 + 4 * Math.SQRT2, 12); // two steps after the last known value
  expect([...seasonalNaiveForecast([1, 2, missing, 4], 3, { season: 2 }).predicted]).toEqual([1, 4, 1]);
  expect([...driftForecast([missing, 0, missing, 4, missing], 1).predicted]).toEqual([8]);
});

test("a past that is too short is refused", () => {
  expect(() => naiveForecast([missing], 1)).toThrow("at least 1 known values, got 1 steps");
  expect(() => naiveForecast([1, missing, 3], 1, { levels: [0.5] })).toThrow("at least one known change");
  expect(() => driftForecast([missing, 1], 1)).toThrow("at least 2 known values");
  expect(() => seasonalNaiveForecast([1, 2], 3, { season: 3 })).toThrow("place 0 of a season of 3 known at least once");
});

test("the first words of a text", () => {
  expect(leadWords("A small  editor\nfor the terminal", 3)).toBe("A small editor");
  expect(leadWords(" two words ", 8)).toBe("two words");
  expect(leadWords("", 8)).toBe("");
});
