/** Curves as SVG. */
import { describe, expect, it } from "vitest";
import { escapeText, lineChart, shortNumber, ticks } from "../../../src/tasks/drawing/line-chart.ts";

const line = (values: number[], name = "run", colour = 0) => ({
  name,
  colour,
  points: values.map((value, i) => ({ step: 10 * i, value })),
});

describe("lineChart", () => {
  it("draws each line from its first step on the left to its last on the right, higher values higher", () => {
    const svg = lineChart([line([0, 1, 2, 3, 4])]);
    const points = [...(/ d="([^"]*)"/.exec(svg)?.[1] ?? "").matchAll(/[ML]([\d.]+) ([\d.]+)/g)].map(([, x, y]) => [
      Number(x),
      Number(y),
    ]);
    expect(points).toHaveLength(5);
    for (let i = 1; i < points.length; i++) {
      expect(points[i]?.[0]).toBeGreaterThan(points[i - 1]?.[0] as number);
      expect(points[i]?.[1]).toBeLessThan(points[i - 1]?.[1] as number);
    }
    expect(svg).toMatch(/^<svg viewBox="0 0 \d+ \d+" role="img">.*<\/svg>$/);
  });

  it("averages long lines, leaves out what is not finite and cuts off an outlier", () => {
    const long = Array.from({ length: 5000 }, (_, i) => (i === 0 ? 1e6 : Math.sin(i / 500)));
    const svg = lineChart([line(long), line([Number.NaN, 0.5, Number.POSITIVE_INFINITY, 0.25], "other", 1)]);
    expect(svg).not.toMatch(/NaN|Infinity/);
    expect((svg.match(/L/g) ?? []).length).toBeLessThan(310);
    expect(svg).not.toContain("1000k");
    expect(lineChart([line([1])])).toBe("");
    expect(lineChart([line([Number.NaN, Number.NaN])])).toBe("");
    expect(lineChart([line([2, 2, 2])])).toContain("<path");
  });

  it("names lines, whatever they are called", () => {
    expect(lineChart([line([1, 2], "<b>&")])).toContain("<title>&#60;b&#62;&#38;</title>");
    expect(escapeText(`"'`)).toBe("&#34;&#39;");
  });
});

it("ticks are round and inside", () => {
  expect(ticks(0, 1)).toEqual([0, 0.25, 0.5, 0.75, 1]);
  expect(ticks(-3, 17)).toEqual([0, 5, 10, 15]);
  expect(ticks(2.05, 2.31)).toEqual([2.1, 2.2, 2.3]);
  expect(ticks(4, 4)).toEqual([4]);
});

it("numbers are short", () => {
  expect([0, 0.00032, 12.3456, 1234.5, 15_300, 2.5e7, 1e-6].map(shortNumber)).toEqual([
    "0",
    "0.00032",
    "12.35",
    "1235",
    "15.3k",
    "2.5e7",
    "1.0e-6",
  ]);
});
