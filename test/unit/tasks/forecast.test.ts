/** Series ready for forecasting: parts by time, windows that know nothing of the future, batches that depend on the step alone. */
import { describe, expect, test } from "vitest";
import type { TimeSeries } from "../../../src/data/index.ts";
import {
  encodeSeries,
  putWindow,
  type RawSeries,
  type SeriesExample,
  seriesFacts,
  splitByTime,
  type WindowSizes,
} from "../../../src/tasks/forecast/data.ts";
import type { TrainingOptions } from "../../../src/tasks/forecast/options.ts";
import { questionOf } from "../../../src/tasks/forecast/questions.ts";
import { rollingOrigins, windowBatches } from "../../../src/tasks/forecast/windows.ts";
import { forecastRecipes } from "../../../src/tasks/recipes/forecast.ts";
import { key } from "../../../src/util/random.ts";

const options = {
  ...forecastRecipes[0]?.presets["seattle-weather"]?.options,
  knownCovariates: ["game"],
  pastCovariates: ["rain"],
  context: 8,
  horizon: 3,
  lags: [1, 4],
  validation: 0.2,
  test: 0.2,
  batch: 6,
} as unknown as TrainingOptions;

function series(change: (t: number) => number = () => 0, length = 60): TimeSeries {
  const column = (f: (t: number) => number) => Float64Array.from({ length }, (_, t) => f(t));
  return {
    id: "a",
    grid: { frequency: "day", start: Date.UTC(2024, 0, 1) },
    values: column((t) => 5 + Math.sin(t) + t / 10 + change(t)),
    known: [column((t) => t % 3)],
    past: [column((t) => Math.cos(t) + change(t))],
    place: "table.csv: row 1",
    gaps: 0,
  };
}

const ready = (raw: RawSeries, train = raw): SeriesExample =>
  encodeSeries(raw, { facts: seriesFacts([train], options) }, options);

describe("parts", () => {
  test("follow each other in time and know nothing of later ones", () => {
    const { train, validation, test: last } = splitByTime([{ series: series(), from: 0 }], options);
    expect([train, validation, last].map(([one]) => [one?.from, one?.series.values.length])).toEqual([
      [0, 36],
      [36, 48],
      [48, 60],
    ]);
    for (const [one] of [train, validation, last])
      for (const column of [...(one?.series.known ?? []), ...(one?.series.past ?? [])])
        expect(column.length).toBe(one?.series.values.length);
  });

  test("what training learns does not change with what comes after it", () => {
    const facts = (change: (t: number) => number) =>
      seriesFacts(splitByTime([{ series: series(change), from: 0 }], options).train, options);
    expect(facts((t) => (t >= 36 ? 1000 : 0))).toEqual(facts(() => 0));
    expect(facts((t) => (t >= 35 ? 1000 : 0))).not.toEqual(facts(() => 0));
  });

  test("series that are too short are told", () => {
    expect(() => splitByTime([{ series: series(() => 0, 15), from: 0 }], options)).toThrow(/at least 11 steps/);
  });

  test("steps without any value at the end are the future, not a part", () => {
    const open = series();
    open.values.fill(Number.NaN, 55);
    expect(splitByTime([{ series: open, from: 0 }], options).test[0]?.series.values.length).toBe(55);
  });
});

describe("windows", () => {
  const sizes: WindowSizes = { context: 8, horizon: 3, longest: 4, scaling: "standard", ahead: false };
  const put = (example: SeriesExample, origin: number) => {
    const arrays = {
      values: new Float32Array(12),
      observed: new Float32Array(12),
      features: new Float32Array(11 * 16),
    };
    return { ...putWindow(example, origin, 0, arrays, sizes), ...arrays };
  };

  test("hold nothing of the origin or after it but known covariates", () => {
    const train = { series: series(), from: 0 };
    const plain = put(ready(train), 30);
    expect(put(ready({ series: series((t) => (t >= 30 ? 50 : 0)), from: 0 }, train), 30)).toEqual(plain);
    expect(put(ready({ series: series((t) => (t >= 29 ? 50 : 0)), from: 0 }, train), 30)).not.toEqual(plain);
  });

  test("are scaled by their context", () => {
    const { values, shift, scale } = put(ready({ series: series(), from: 0 }), 30);
    const context = series().values.subarray(22, 30);
    const mean = context.reduce((a, b) => a + b, 0) / 8;
    expect(shift).toBeCloseTo(mean, 6);
    expect([...values.subarray(4)].map((z) => z * scale + shift)[7]).toBeCloseTo(context[7] as number, 4);
  });

  test("of a step are the same each time and change with the step", () => {
    const raw = { series: series(), from: 0 };
    const batches = windowBatches([ready(raw)], key(1), seriesFacts([raw], options), options);
    expect(batches.batch(7)).toEqual(batches.batch(7));
    expect(batches.batch(7).values).not.toEqual(batches.batch(8).values);
  });

  test("origins of a backtest lie within the part that is to be forecast", () => {
    const example = ready({ series: series(), from: 48 });
    expect(rollingOrigins([example], options).map(({ origin }) => origin)).toEqual([48, 51, 54, 57]);
    expect(rollingOrigins([example], options, 5).map(({ origin }) => origin)).toEqual([48, 53]);
  });
});

describe("questions", () => {
  test("are names, or objects with a history", () => {
    expect(questionOf("a", "line 1").question).toMatchObject({ series: "a" });
    expect(questionOf({ history: [{ time: "2024-01-01", value: 1 }] }, "line 1").question?.history).toHaveLength(1);
  });

  test.each([
    [3, /line 2: expected an object/],
    [{ serie: "a" }, /line 2: expected series, origin, history or future, got "serie"/],
    [{ history: 3 }, /line 2: expected a list of rows in "history"/],
    [{ series: "a", origin: "tomorrow" }, /line 2: expected a time in "origin"/],
  ])("%j is told", (value, message) => {
    expect(() => questionOf(value, "line 2")).toThrow(message);
  });
});

test("logarithms and counts want values that have them", () => {
  const raw = { series: series((t) => (t === 20 ? -50 : 0)), from: 0 };
  expect(() => seriesFacts([raw], { ...options, logReturns: true })).toThrow(/table.csv: row 1: expected values above 0/);
  expect(() => seriesFacts([raw], { ...options, distribution: "negative-binomial", scaling: "mean" })).toThrow(/expected counts/);
});
