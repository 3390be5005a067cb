/** The front of a speech recogniser: subsampling against convolutions, and what SpecAugment hides. */
import { describe, expect, test } from "vitest";
import { input } from "../../../src/core/builtin.ts";
import { TracedKey } from "../../../src/core/random.ts";
import type { Tensor } from "../../../src/core/tensor.ts";
import type { Conv } from "../../../src/nn/conv.ts";
import { type SpecAugmentOptions, specAugment, specAugmentDefaults } from "../../../src/nn/spec-augment.ts";
import { initSubsampling, type Subsampling, subsample, subsampledFrames } from "../../../src/nn/subsampling.ts";
import { add, concat, conv, matmul, relu, reshape, slice } from "../../../src/ops/index.ts";
import type { NdArray } from "../../../src/util/ndarray.ts";
import { type Key, key } from "../../../src/util/random.ts";
import { fromArray, type Value } from "../../ops/reference/value.ts";
import { evaluate } from "../../ops/reference.ts";
import { float, numbers, vector, whole } from "../../ops/run.ts";

/** The parameters one after the other, and back. */
const listed = ({ first, second, output }: Subsampling<NdArray>): Value[] =>
  [first, second, output].flatMap(({ weight, bias }) => [weight, bias as NdArray]).map((leaf) => fromArray(leaf));
const joined = ([w1, b1, w2, b2, w3, b3]: readonly Tensor[]) =>
  ({ first: { weight: w1, bias: b1 }, second: { weight: w2, bias: b2 }, output: { weight: w3, bias: b3 } }) as Subsampling;

describe.each([
  [8, 8],
  [7, 6],
  [6, 3],
  [5, 4],
  [2, 1],
  [1, 5],
])("subsampling of %i frames of %i bands", (T, F) => {
  const [B, W] = [2, 4];
  const weights = listed(initSubsampling(key(3), F, W));
  const frames = (fill: number, count = T) =>
    float(
      [B, T, F],
      Array.from({ length: B * T * F }, (_, i) => (Math.floor(i / F) % T < count ? Math.sin(1 + i * i) : fill)),
    );
  const run = (x: Value, lengths: readonly number[]) =>
    numbers(
      (features, n, ...w) => {
        const { states, lengths: left } = subsample(joined(w), features, n);
        return [states, left];
      },
      x,
      whole([B], lengths),
      ...weights,
    );

  test("is two convolutions of 3 x 3 and stride 2, and a map of each frame", () => {
    const [states = [], left] = run(frames(0), [T, T]);
    const [expected] = numbers(
      (x, ...w) => {
        const { first, second, output } = joined(w);
        const layer = (input: Tensor, { weight, bias }: Conv) =>
          relu(add(conv(input, weight, { stride: 2, padding: 1 }), reshape(bias as Tensor, [32, 1, 1])));
        const last = layer(layer(reshape(x, [B, 1, T, F]), first), second);
        const rows = Array.from({ length: last.shape[2] as number }, (_, t) =>
          reshape(slice(last, { 2: { start: t, stop: t + 1 } }), [B, 1, -1]),
        );
        return add(matmul(concat(rows, 1), output.weight), output.bias as Tensor);
      },
      frames(0),
      ...weights,
    );
    expect(states).toHaveLength(B * subsampledFrames(T) * W);
    states.forEach((value, i) => {
      expect(value).toBeCloseTo(expected?.[i] as number, 9);
    });
    expect(left).toEqual([subsampledFrames(T), subsampledFrames(T)]);
  });

  test("what lies behind the frames that count has no influence, and gives zeros", () => {
    const count = Math.max(1, T - 3);
    const [states = [], left] = run(frames(0, count), [count, count]);
    expect([states, left]).toEqual(run(frames(1e3, count), [count, count]));
    expect(left).toEqual([subsampledFrames(count), subsampledFrames(count)]);
    const behind = states.slice(subsampledFrames(count) * W, subsampledFrames(T) * W);
    expect(behind.every((x) => x === 0)).toBe(true);
  });
});

describe("SpecAugment", () => {
  const [B, T, F] = [3, 40, 10];
  const lengths = [40, 25, 6];
  const hidden = (options: Partial<SpecAugmentOptions>, from: Key = key(1)): number[][][] => {
    const [x, n] = [input({ shape: [B, T, F], dtype: "float32" }), input({ shape: [B], dtype: "int32" })];
    const y = specAugment(x, n, { ...specAugmentDefaults, ...options }, new TracedKey(0));
    const given = new Map([
      [x, float([B, T, F], Array<number>(B * T * F).fill(1))],
      [n, whole([B], lengths)],
    ]);
    const [result] = evaluate([y], given, new Map([[0, from]]));
    const data = [...(result?.data ?? [])];
    return lengths.map((_, b) => Array.from({ length: T }, (_, t) => data.slice((b * T + t) * F, (b * T + t + 1) * F)));
  };
  /** Which bands, which frames are hidden. */
  const bandsOf = (sound: number[][]) => Array.from({ length: F }, (_, f) => sound.every((row) => row[f] === 0));
  const framesOf = (sound: number[][]) => sound.map((row) => row.every((x) => x === 0));
  const runs = (line: readonly boolean[]) =>
    [
      ...line
        .map((x) => (x ? "x" : "."))
        .join("")
        .matchAll(/x+/g),
    ].map(([run]) => run.length);
  const keys = Array.from({ length: 60 }, (_, i) => key(i));

  test("hides at most so many stretches of bands, each at most so wide, anywhere", () => {
    const seen = new Set<number>();
    const widths = new Set<number>();
    for (const from of keys) {
      for (const sound of hidden({ frequencyMasks: 1, bands: 3, timeMasks: 0 }, from)) {
        const stretches = runs(bandsOf(sound));
        expect(stretches.length).toBeLessThanOrEqual(1);
        widths.add(stretches[0] ?? 0);
        bandsOf(sound).forEach((x, f) => {
          if (x) seen.add(f);
        });
        // Nothing else is touched.
        const bands = bandsOf(sound).map((x) => (x ? 0 : 1));
        expect(sound.every((row) => row.join() === bands.join())).toBe(true);
      }
    }
    expect([...widths].sort()).toEqual([0, 1, 2, 3]);
    expect(seen.size).toBe(F);
  });

  test("hides stretches of time within the frames that count, no more than a fraction of them", () => {
    const longest = lengths.map(() => 0);
    const seen = lengths.map(() => new Set<number>());
    for (const from of keys) {
      hidden({ frequencyMasks: 0, timeMasks: 1, frames: 8, fraction: 0.2 }, from).forEach((sound, b) => {
        const line = framesOf(sound);
        expect(runs(line).length).toBeLessThanOrEqual(1);
        longest[b] = Math.max(longest[b] as number, runs(line)[0] ?? 0);
        line.forEach((x, t) => {
          if (x) seen[b]?.add(t);
        });
      });
    }
    expect(longest).toEqual([8, 5, 1]); // 8; a fifth of 25; a fifth of 6
    seen.forEach((places, b) => {
      expect(Math.max(...places)).toBeLessThan(lengths[b] as number);
    });
    expect(seen[2]?.size).toBe(6);
  });

  test("stretches bands: each becomes what lay elsewhere, between two neighbours, the same at all times", () => {
    const [x, n] = [input({ shape: [B, T, F], dtype: "float32" }), input({ shape: [B], dtype: "int32" })];
    const options = { ...specAugmentDefaults, frequencyMasks: 0, timeMasks: 0, warp: 0.3 };
    const y = specAugment(x, n, options, new TracedKey(0));
    // Every band holds its own number, so that the result tells where it came from.
    const ramp = float(
      [B, T, F],
      Array.from({ length: B * T * F }, (_, i) => i % F),
    );
    let farthest = 0;
    const stretches = keys.slice(0, 20).flatMap((from) => {
      const [result] = evaluate(
        [y],
        new Map([
          [x, ramp],
          [n, whole([B], lengths)],
        ]),
        new Map([[0, from]]),
      );
      const data = [...(result?.data ?? [])] as number[];
      return lengths.map((_, b) => {
        const rows = Array.from({ length: T }, (_, t) => data.slice((b * T + t) * F, (b * T + t + 1) * F));
        const stretch = (rows[0]?.[3] as number) / 3 - 1;
        rows.forEach((row) => {
          row.forEach((value, f) => {
            farthest = Math.max(farthest, Math.abs(value - Math.min(F - 1, f * (1 + stretch))));
          });
        });
        return stretch;
      });
    });
    expect(farthest).toBeLessThan(1e-5);
    expect(Math.max(...stretches.map(Math.abs))).toBeLessThanOrEqual(0.3);
    expect(Math.max(...stretches)).toBeGreaterThan(0.2);
    expect(Math.min(...stretches)).toBeLessThan(-0.2);
  });

  test("the same key hides the same, another and other sounds differ, and without a key nothing is hidden", () => {
    expect(hidden({}, key(4))).toEqual(hidden({}, key(4)));
    expect(hidden({}, key(4))).not.toEqual(hidden({}, key(5)));
    const [one, two] = hidden({ frequencyMasks: 2, bands: 5, timeMasks: 0 }, key(4));
    expect(one).not.toEqual(two);
    const x = input({ shape: [B, T, F], dtype: "float32" });
    expect(specAugment(x, input({ shape: [B], dtype: "int32" }), specAugmentDefaults, undefined)).toBe(x);
  });
});

test("operands that do not fit are told apart", () => {
  const x = float([1, 2, 2], [1, 2, 3, 4]);
  const key0 = new TracedKey(0);
  expect(() => numbers((a, n) => specAugment(a, n, specAugmentDefaults, key0), x, vector(1))).toThrow(
    /int32 lengths \[B\], got .* float32\[1\]/,
  );
  const call = () =>
    numbers((a, n, ...w) => subsample(joined(w), a, n).states, x, vector(2), ...listed(initSubsampling(key(1), 2, 2)));
  expect(call).toThrow(/expected x \[B, T, F\] and int32 lengths \[B\]/);
});
