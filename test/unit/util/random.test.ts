/** The generator: the published test vectors, and numbers that look random in the ways that matter. */
import { describe, expect, it } from "vitest";
import { fillBernoulli, fillNormal, fillUniform, fold, key, randint, threefry2x32 } from "../../../src/util/random.ts";

it("is Threefry-2x32-20: the known answers of the Random123 library", () => {
  const answers = [
    [0, 0, 0, 0, 0x6b200159, 0x99ba4efe],
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x1cb996fc, 0xbb002be7],
    [0x13198a2e, 0x03707344, 0x243f6a88, 0x85a308d3, 0xc4923a9c, 0x483df7a0],
  ] as const;
  const out = new Int32Array(2);
  for (const [k0, k1, c0, c1, a, b] of answers) {
    threefry2x32(k0 | 0, k1 | 0, c0 | 0, c1 | 0, out);
    expect([(out[0] as number) >>> 0, (out[1] as number) >>> 0]).toEqual([a, b]);
  }
});

const n = 200_000;
const mean = (x: ArrayLike<number>) =>
  Array.prototype.reduce.call<ArrayLike<number>, [(a: number, b: number) => number, number], number>(x, (a, b) => a + b, 0) /
  x.length;

describe("distributions", () => {
  it("uniform numbers fill [0, 1) evenly", () => {
    const x = new Float32Array(n);
    fillUniform(key(1), x);
    expect(Math.min(...x.slice(0, 1000))).toBeGreaterThanOrEqual(0);
    const counts = new Float64Array(64);
    for (const v of x) counts[Math.floor(v * 64)] = (counts[Math.floor(v * 64)] as number) + 1;
    const chi = counts.reduce((sum, c) => sum + (c - n / 64) ** 2 / (n / 64), 0);
    expect(chi).toBeLessThan(63 + 5 * Math.sqrt(126));
    expect(chi).toBeGreaterThan(63 - 5 * Math.sqrt(126));
  });
  it("normal numbers have the moments of a normal distribution", () => {
    const x = new Float32Array(n);
    fillNormal(key(2), x);
    const moment = (p: number) => mean(Float64Array.from(x, (v) => v ** p));
    for (const [p, expected, deviation] of [
      [1, 0, 1],
      [2, 1, Math.SQRT2],
      [3, 0, Math.sqrt(15)],
      [4, 3, Math.sqrt(96)],
    ] as const) {
      expect(Math.abs(moment(p) - expected)).toBeLessThan((5 * deviation) / Math.sqrt(n));
    }
    expect(x.every(Number.isFinite)).toBe(true);
  });
  it("coins and dice are fair", () => {
    const coins = new Uint8Array(n);
    fillBernoulli(key(3), 0.3, coins);
    expect(Math.abs(mean(coins) - 0.3)).toBeLessThan(5 * Math.sqrt(0.21 / n));
    const dice = new Int32Array(n);
    randint(key(4), -2, 4, dice);
    expect([...new Set(dice)].sort((a, b) => a - b)).toEqual([-2, -1, 0, 1, 2, 3]);
    expect(Math.abs(mean(dice) - 0.5)).toBeLessThan((5 * Math.sqrt(35 / 12)) / Math.sqrt(n));
  });
});

describe("keys", () => {
  const draw = (k: ReturnType<typeof key>, length = 20_000) => {
    const x = new Float32Array(length);
    fillNormal(k, x);
    return x;
  };
  it("give the same numbers for the same seed and names, whatever the length", () => {
    expect(draw(fold(fold(key(1), "a"), 3))).toEqual(draw(fold(fold(key(1), "a"), 3)));
    expect(draw(key(9), 101)).toEqual(draw(key(9), 1000).slice(0, 101));
  });
  it("give uncorrelated numbers for different seeds, names and numbers", () => {
    const streams = [
      key(1),
      key(2),
      key(2 ** 40 + 1),
      fold(key(1), "a"),
      fold(key(1), "b"),
      fold(key(1), 0),
      fold(key(1), 1),
      fold(key(1), "0"),
    ].map((k) => draw(k));
    streams.forEach((a, i) => {
      for (const b of streams.slice(i + 1)) {
        const correlation = mean(Float64Array.from(a, (v, j) => v * (b[j] as number)));
        expect(Math.abs(correlation)).toBeLessThan(5 / Math.sqrt(a.length));
      }
    });
  });
});
