import { expect, test } from "vitest";
import {
  advance,
  formatBytes,
  formatCount,
  formatDuration,
  formatRate,
  skipTime,
  startProgress,
  stepRate,
  throughput,
  timeLeft,
} from "../../../src/train/index.ts";

test("nothing is claimed before the first step", () => {
  const progress = startProgress({ total: 10, now: 5 });
  expect([throughput(progress), stepRate(progress), timeLeft(progress)]).toEqual([undefined, undefined, undefined]);
});

test("a steady pace is measured exactly from the first step on", () => {
  let progress = startProgress({ total: 1000, now: 100, step: 200 });
  for (let step = 201; step <= 300; step++) {
    progress = advance(progress, { step, units: 768, now: 100 + (step - 200) * 0.05 });
    expect(throughput(progress)).toBeCloseTo(768 / 0.05, 6);
    expect(timeLeft(progress)).toBeCloseTo((1000 - step) * 0.05, 6);
  }
});

test("several steps may be counted at once", () => {
  const progress = advance(startProgress({ total: 100, now: 0 }), { step: 20, units: 200, now: 4 });
  expect([stepRate(progress), throughput(progress), timeLeft(progress)]).toEqual([5, 50, 16]);
});

test("evaluation does not count", () => {
  let progress = advance(startProgress({ total: 4, now: 0 }), { step: 1, units: 10, now: 1 });
  progress = skipTime(progress, 61); // a minute of evaluation
  progress = advance(progress, { step: 2, units: 10, now: 62 });
  expect(throughput(progress)).toBeCloseTo(10, 12);
  expect(timeLeft(progress)).toBeCloseTo(2, 12);
});

test("a change of pace counts half after ten seconds", () => {
  let progress = startProgress({ total: 1e6, now: 0 });
  for (let i = 1; i <= 600; i++) progress = advance(progress, { step: i, units: 1, now: i }); // one a second
  for (let i = 1; i <= 40; i++) progress = advance(progress, { step: 600 + i, units: 1, now: 600 + i / 4 }); // then four
  expect(throughput(progress)).toBeCloseTo(2.5, 1);
});

test("at the end no time is left, and a clock that stands still does no harm", () => {
  const progress = advance(startProgress({ total: 1, now: 3 }), { step: 1, units: 1, now: 3 });
  expect([throughput(progress), timeLeft(progress)]).toEqual([undefined, undefined]);
  expect(timeLeft(advance(progress, { step: 2, units: 1, now: 4 }))).toBe(0);
});

test.each([
  [0, "0"],
  [7, "7"],
  [0.01234, "0.0123"],
  [999, "999"],
  [999.6, "1k"],
  [1000, "1k"],
  [12345, "12.3k"],
  [124_439_808, "124M"],
  [999_999, "1M"],
  [6.02e9, "6.02G"],
  [3e12, "3T"],
  [-1500, "-1.5k"],
  [Number.NaN, "NaN"],
])("formatCount(%d) is %s", (value, text) => {
  expect(formatCount(value)).toBe(text);
});

test.each([
  [undefined, "–"],
  [Number.POSITIVE_INFINITY, "–"],
  [0, "0ms"],
  [0.0453, "45.3ms"],
  [0.9996, "1s"],
  [2.34, "2.3s"],
  [9.96, "10s"],
  [59.7, "1m 0s"],
  [80, "1m 20s"],
  [3599.6, "1h 0m"],
  [7325, "2h 2m"],
  [90_000, "1d 1h"],
])("formatDuration(%s) is %s", (seconds, text) => {
  expect(formatDuration(seconds)).toBe(text);
});

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1 KiB"],
  [500_000_000, "477 MiB"],
  [1023.9 * 2 ** 20, "1 GiB"],
  [3 * 2 ** 50, "3072 TiB"],
])("formatBytes(%d) is %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test("rates name their unit", () => {
  expect([formatRate(12345, "tokens"), formatRate(undefined, "images")]).toEqual(["12.3k tokens/s", "– images/s"]);
});
