/** Series out of tables: what is read, and how what cannot be read is told. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  calendarFeatures,
  calendarWidth,
  formatTime,
  frequencies,
  parseTime,
  readSeries,
  type SeriesOptions,
  stepOf,
  timeOf,
} from "../../../src/data/index.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "heptagen-series-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const plain: SeriesOptions = { timeColumn: "date", valueColumn: "value", knownCovariates: [], pastCovariates: [], gaps: "error" };
let made = 0;
function read(content: string, options: Partial<SeriesOptions> = {}, ending = "csv") {
  const file = join(folder, `${made++}.${ending}`);
  writeFileSync(file, content);
  return readSeries(file, { ...plain, ...options });
}

describe("times", () => {
  test("are read strictly", () => {
    expect(parseTime("2024-02-29")).toBe(Date.UTC(2024, 1, 29));
    expect(parseTime("2024-03")).toBe(Date.UTC(2024, 2, 1));
    expect(parseTime("2024-03-31T13:05:07.25Z")).toBe(Date.UTC(2024, 2, 31, 13, 5, 7, 250));
    expect(parseTime("2024-03-31 13:00+02:00")).toBe(Date.UTC(2024, 2, 31, 11));
    for (const wrong of ["2023-02-29", "2024-13-01", "31.03.2024", "3/31/2024", "2024-3-1", "2024-01-01T25:00", "1711843200", ""])
      expect(parseTime(wrong), wrong).toBeUndefined();
  });

  test.each(frequencies)("steps of a %s are counted there and back", (frequency) => {
    for (const start of [Date.UTC(2023, 0, 31), Date.UTC(2024, 1, 28)]) {
      const grid = { frequency, start };
      for (let step = 0; step < 400; step++) expect(stepOf(timeOf(step, grid), grid)).toBe(step);
    }
  });

  test("month ends stay month ends, weekends are no business days", () => {
    const months = { frequency: "month", start: Date.UTC(2024, 0, 31) } as const;
    expect([1, 2, 3].map((step) => formatTime(timeOf(step, months), months))).toEqual(["2024-02-29", "2024-03-31", "2024-04-30"]);
    const days = { frequency: "business-day", start: Date.UTC(2024, 0, 5) } as const;
    expect(formatTime(timeOf(1, days), days)).toBe("2024-01-08");
    expect(stepOf(Date.UTC(2024, 0, 6), days)).toBeUndefined();
  });

  test("calendar features tell the days of a week apart", () => {
    const days = Array.from({ length: 7 }, (_, i) => calendarFeatures(Date.UTC(2024, 0, 1 + i), "day").slice(0, 6));
    expect(calendarWidth("day")).toBe(10);
    for (const [i, a] of days.entries())
      for (const b of days.slice(i + 1)) expect(Math.hypot(...a.map((x, k) => x - (b[k] as number)))).toBeGreaterThan(1);
  });
});

describe("tables", () => {
  test("wide, with covariates and missing values", async () => {
    const [a, b] = await read("date,a,b,rain\n2024-01-01,1,2,0\n2024-01-02,,3,1\n2024-01-03,4,5,0\n", {
      pastCovariates: ["rain"],
    });
    expect(a).toMatchObject({ id: "a", grid: { frequency: "day" } });
    expect([...(a?.values ?? [])]).toEqual([1, Number.NaN, 4]);
    expect([...(b?.past[0] ?? [])]).toEqual([0, 1, 0]);
  });

  test("long, on one grid, one series beginning later", async () => {
    const rows = [
      ["2024-01-01T00:00", "x", 1],
      ["2024-01-01T01:00", "x", 2],
      ["2024-01-01T01:00", "y", 7],
      ["2024-01-01T02:00", "x", 3],
      ["2024-01-01T02:00", "y", 8],
    ];
    const content = rows.map(([date, id, value]) => JSON.stringify({ date, id, value })).join("\n");
    const [x, y] = await read(content, { seriesColumn: "id" }, "jsonl");
    expect(x?.grid.frequency).toBe("hour");
    expect([...(y?.values ?? [])]).toEqual([Number.NaN, 7, 8]);
  });

  test.each([
    ["2024-01-01,1\n2024-01-02,1\n2024-01-05,1\n", "day"],
    ["2024-01-04,1\n2024-01-05,1\n2024-01-08,1\n2024-01-09,1\n", "business-day"],
    ["2024-01-01,1\n2024-01-08,1\n2024-01-15,1\n", "week"],
    ["2024-01-31,1\n2024-02-29,1\n2024-03-31,1\n", "month"],
    ["2024-01-01T05:00,1\n2024-01-01T06:00,1\n", "hour"],
  ])("frequency of %j", async (rows, frequency) => {
    const [series] = await read(`date,a\n${rows}`, { gaps: "missing" });
    expect(series?.grid.frequency).toBe(frequency);
  });

  test("gaps are missing values where that is asked for, and counted", async () => {
    const [series] = await read("date,a\n2024-01-01,1\n2024-01-02,2\n2024-01-05,3\n", { gaps: "missing" });
    expect([...(series?.values ?? [])]).toEqual([1, 2, Number.NaN, Number.NaN, 3]);
    expect(series?.gaps).toBe(2);
  });

  test.each([
    [
      "a gap",
      "2024-01-01,1\n2024-01-02,1\n2024-01-04,1\n",
      {},
      "series/gap",
      /csv:4.*after 2024-01-02, got 2024-01-04: 1 missing/,
    ],
    ["a time twice", "2024-01-01,1\n2024-01-02,1\n2024-01-02,1\n", {}, "series/duplicate", /csv:4/],
    ["times out of order", "2024-01-01,1\n2024-01-03,1\n2024-01-02,1\n", {}, "series/order", /csv:4/],
    ["a date in another format", "2024-01-01,1\n02.01.2024,1\n", {}, "series/time", /csv:3.*"02.01.2024"/],
    ["a word in place of a number", "2024-01-01,1\n2024-01-02,much\n", {}, "series/number", /csv:3.*"much"/],
    ["a decimal comma", '2024-01-01,1\n2024-01-02,"1,5"\n', {}, "series/number", /csv:3.*"1,5"/],
    ["nothing but empty cells", "2024-01-01,\n2024-01-02,\n", {}, "series/empty", /"a"/],
    ["a column that is not there", "2024-01-01,1\n2024-01-02,2\n", { targets: ["aa"] }, "data/column", /aa/],
    ["times of no frequency", "2024-01-01T00:10,1\n2024-01-01T00:37,1\n", {}, "series/frequency", /csv:2/],
    ["a time between steps", "2024-01-01,1\n2024-01-06,1\n", { frequency: "business-day" }, "series/frequency", /csv:3/],
  ] as const)("%s", async (_, rows, options, code, message) => {
    const error = await read(`date,a\n${rows}`, options).then(
      () => undefined,
      (cause) => cause,
    );
    expect(error).toMatchObject({ code });
    expect(error.message).toMatch(message);
    expect(error.next ?? error.message).toBeTruthy();
  });
});
