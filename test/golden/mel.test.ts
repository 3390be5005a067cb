/** Log-mel features against NumPy (test/golden/fixtures/mel). */
import { describe, expect, test } from "vitest";
import {
  featureStatistics,
  type MelOptions,
  melDefaults,
  melFeatures,
  melFrames,
  normalizeFeatures,
} from "../../src/data/mel.ts";
import { fillNormal, key } from "../../src/util/random.ts";
import { gap, loadFixture } from "./replay.ts";

const { facts, tensor } = loadFixture<{ readonly cases: Readonly<Record<string, MelOptions>> }>("mel");

test.each(Object.entries(facts.cases))("%s", (name, options) => {
  const samples = tensor(`${name}/samples`).data as Float32Array;
  const expected = tensor(`${name}/features`);
  const { rows, width, data } = melFeatures(samples, options);
  expect([rows, width]).toEqual(expected.shape);
  expect(melFrames(samples.length, options)).toBe(rows);
  expect(gap({ x: { dtype: "float32", shape: [rows, width], data } }, { x: expected })).toBeLessThan(2e-5);
  // Of silence, the logarithm of the least power is left.
  expect(data.at(-1)).toBeCloseTo(Math.log(1e-10), 5);
});

test("the defaults are the first case's", () => {
  expect(melDefaults).toEqual(facts.cases.speech);
});

describe("normalisation", () => {
  const sounds = ["speech", "speech"].map((name, i) =>
    melFeatures((tensor(`${name}/samples`).data as Float32Array).map((x) => x * (1 - 0.9 * i))),
  );
  const momentsOf = (column: readonly number[]) => {
    const mean = column.reduce((a, b) => a + b, 0) / column.length;
    return [mean, Math.sqrt(column.reduce((a, b) => a + (b - mean) ** 2, 0) / column.length)] as const;
  };
  const column = (all: readonly { rows: number; width: number; data: Float32Array }[], f: number) =>
    all.flatMap(({ rows, width, data }) => Array.from({ length: rows }, (_, t) => data[t * width + f] as number));

  test("by the statistics of a set: the set has mean 0 and variance 1 in each band", () => {
    const statistics = featureStatistics(sounds);
    const normal = sounds.map((sound) => normalizeFeatures(sound, statistics));
    for (const f of [0, 40, 79]) {
      const [mean, deviation] = momentsOf(column(normal, f));
      expect(mean).toBeCloseTo(0, 5);
      expect(deviation).toBeCloseTo(1, 5);
    }
    expect(Math.abs(momentsOf(column([normal[0] as never], 40))[0])).toBeGreaterThan(0.1);
  });

  test("by its own: loudness does not matter, and what never changes stays finite", () => {
    const noise = new Float32Array(8000);
    fillNormal(key(1), noise);
    const [loud, quiet] = [0.3, 0.03].map((gain) => normalizeFeatures(melFeatures(noise.map((x) => gain * x))));
    loud?.data.forEach((x, i) => {
      expect(Math.abs(x - (quiet?.data[i] as number))).toBeLessThan(1e-3);
    });
    const silence = normalizeFeatures(melFeatures(new Float32Array(1600)));
    expect([...silence.data].every((x) => x === 0)).toBe(true);
  });
});

test("options that do not fit are named", () => {
  const sound = new Float32Array(1600);
  expect(() => melFeatures(sound, { window: 25, hop: 0 })).toThrow(
    /expected a window of two samples or more, a hop of one or more/,
  );
  expect(() => melFeatures(sound, { bands: 300 })).toThrow(/no frequency lies in band \d+ of 300: they are 31.3 Hz apart/);
  expect(() => featureStatistics([])).toThrow(/expected sounds, got none/);
});
