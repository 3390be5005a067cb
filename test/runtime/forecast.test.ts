/** A forecaster in use: what it answers to lines of `predict`, measured beside forecasts without a model, told where it cannot. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Options, Recipe, TrainedModel } from "../../src/tasks/recipe.ts";
import { findRecipe } from "../../src/tasks/recipes.ts";

let folder: string;
let counts: TrainedModel;
let prices: TrainedModel;
const day = (i: number) => new Date(Date.UTC(2024, 0, 1 + i)).toISOString().slice(0, 10);
const count = (i: number) => 20 + ((i * 13) % 11) + (i % 7 === 0 ? 10 : 0);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "heptagen-forecast-"));
  const rows = Array.from({ length: 100 }, (_, i) => `${day(i)},${count(i)},${count(i + 3)},${i % 7 === 0 ? 1 : 0},${i % 3}`);
  // Steps without values at the end are the future: what is known of it stands there.
  const future = Array.from({ length: 4 }, (_, i) => `${day(100 + i)},,,${(100 + i) % 7 === 0 ? 1 : 0},`);
  writeFileSync(join(folder, "counts.csv"), ["date,a,b,open,rain", ...rows, ...future].join("\n"));
  const walk = Array.from({ length: 90 }, (_, i) => i)
    .filter((i) => ![5, 6].includes(i % 7) && i !== 31)
    .map((i) => `${day(i)},${100 + i + (i % 3)}`);
  writeFileSync(join(folder, "prices.csv"), ["date,close", ...walk].join("\n"));
  const recipe = findRecipe("gru/forecast");
  const common = { layers: 1, width: 8, steps: 2, evaluateEvery: 2, sampleEvery: 0, warmup: 0, batch: 4, horizon: 4, samples: 8 };
  const train = async (name: string, options: Options): Promise<TrainedModel> => {
    const out = join(folder, name);
    await (recipe as Recipe).train({ ...common, data: join(folder, `${name}.csv`), ...options }, { out, device: "cpu" });
    return recipe.open(out, { device: "cpu" });
  };
  counts = await train("counts", {
    targets: ["a", "b"],
    knownCovariates: ["open"],
    pastCovariates: ["rain"],
    context: 14,
    lags: [1, 7],
    distribution: "negative-binomial",
    scaling: "mean",
  });
  // Without columns: those of the preset's data do not go for this.
  prices = await train("prices", {
    context: 10,
    lags: [1, 2],
    gaps: "missing",
    logReturns: true,
  });
}, 120_000);
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function ask(model: TrainedModel, values: readonly unknown[], options: Options = {}): Promise<Options[]> {
  const answers: Options[] = [];
  const inputs = values.map((value, i) => ({ value, place: `line ${i + 1}` }));
  for await (const answer of model.predict?.(inputs, { samples: 16, levels: [0.1, 0.5, 0.9], ...options }) ?? [])
    answers.push(answer);
  return answers;
}

describe("predict", () => {
  test("goes on from the end of the data, or from an origin", async () => {
    const [end, earlier] = await ask(counts, ["a", { series: "b", origin: day(60) }], { paths: 2 });
    expect(end).toMatchObject({ series: "a", times: [day(100), day(101), day(102), day(103)] });
    expect(earlier).toMatchObject({ series: "b", times: [day(60), day(61), day(62), day(63)] });
    const { quantiles, paths } = end as { quantiles: Record<string, number[]>; paths: number[][] };
    expect(paths.length).toBe(2);
    expect(paths.flat().every((value) => Number.isInteger(value) && value >= 0)).toBe(true);
    for (let h = 0; h < 4; h++) {
      expect(quantiles["0.1"]?.[h]).toBeLessThanOrEqual(quantiles["0.5"]?.[h] as number);
      expect(quantiles["0.5"]?.[h]).toBeLessThanOrEqual(quantiles["0.9"]?.[h] as number);
    }
    expect(await ask(counts, ["a"])).toEqual(await ask(counts, ["a"]));
  });

  test("goes on from a history of the line's own", async () => {
    const history = Array.from({ length: 30 }, (_, i) => ({ time: day(i), value: count(i), open: 0, rain: i % 3 }));
    const future = Array.from({ length: 4 }, (_, i) => ({ time: day(30 + i), open: 1 }));
    const [answer] = await ask(counts, [{ series: "a", history, future }]);
    expect(answer).toMatchObject({ series: "a", times: [day(30), day(31), day(32), day(33)] });
  });

  test("prices stay above 0 and skip weekends", async () => {
    const [answer] = await ask(prices, [{}]);
    expect(answer?.times).toEqual(["2024-04-01", "2024-04-02", "2024-04-03", "2024-04-04"]);
    expect(((answer as Options).mean as number[]).every((value) => value > 100 && value < 400)).toBe(true);
  });

  test.each([
    ["an unknown series", { series: "c" }, /expected one of the series that the run knows, got "c"/],
    ["no name where there are several", {}, /line 1: expected the name of one of 2 series/],
    [
      "a future that is not known",
      { series: "a", history: [{ time: day(0), value: 3, open: 0, rain: 0 }] },
      /expected "open" to be known/,
    ],
    ["an origin after the data", { series: "a", origin: "2030-01-01" }, /line 1: expected an origin/],
    [
      "a gap in a history",
      { series: "a", history: [0, 1, 3].map((i) => ({ time: day(i), value: 3, open: 0, rain: 0 })) },
      /line 1: history 3.*1 missing/,
    ],
    [
      "a history of words",
      { series: "a", history: [{ time: day(0), value: "x", open: 0, rain: 0 }] },
      /line 1: history 1: expected a number in "value"/,
    ],
  ])("%s is told", async (_, value, message) => {
    await expect(ask(counts, [value])).rejects.toThrow(message);
  });
});

test("is measured beside forecasts without a model, on the test part and on any file", async () => {
  const own = await counts.evaluate({ samples: 16 });
  const value = (key: string) => own.find((measure) => measure.key === key)?.value as number;
  for (const key of ["mase", "smape", "crps", "coverage80", "coverage95", "naiveMase", "seasonalNaiveMase", "driftCrps"])
    expect(Number.isFinite(value(key)), key).toBe(true);
  expect(value("origins")).toBe(10); // two series, twenty steps, a horizon of four
  const other = await counts.evaluate({ samples: 16, data: join(folder, "counts.csv"), baseline: false, stride: 10 });
  expect(other.map(({ key }) => key)).not.toContain("naiveMase");
});

test("inspecting writes a table of the series beside the pictures", async () => {
  const { pictures } = await counts.inspect({ samples: 16, numSamples: 2 });
  expect(pictures).toHaveLength(3);
  for (const { file } of pictures) expect(existsSync(file)).toBe(true);
  const table = JSON.parse(readFileSync(join(folder, "counts", "inspect", "series.json"), "utf8")) as Options[];
  expect(table.map(({ series }) => series)).toEqual(["a", "b"]);
});
