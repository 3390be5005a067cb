/** Buckets of lengths: nothing lost, nothing twice, and little padding. */
import { describe, expect, it } from "vitest";
import { type BucketBatches, bucketBatches } from "../../../src/data/length-buckets.ts";
import { key } from "../../../src/util/random.ts";

const pairs = Array.from({ length: 500 }, (_, i) => [1 + ((i * 37) % 50), 1 + ((i * 91) % 70)]);
const epochOf = ({ batch, batchesPerEpoch }: BucketBatches, epoch = 0) =>
  Array.from({ length: batchesPerEpoch }, (_, k) => batch(epoch * batchesPerEpoch + k));
const seen = (batches: ReturnType<typeof epochOf>) =>
  batches.flatMap(({ indices, counted }) => [...indices].filter((_, row) => counted[row])).sort((a, b) => a - b);

describe("batches", () => {
  it("have each example once per epoch, within its shape, in another order each time", () => {
    const batches = bucketBatches(pairs, { batch: 8, shapes: 12 }, key(1));
    for (const epoch of [0, 1]) expect(seen(epochOf(batches, epoch))).toEqual(pairs.map((_, i) => i));
    for (const { indices, shape } of epochOf(batches)) {
      expect(indices.length).toBe(8);
      for (const i of indices) expect(pairs[i]?.every((length, d) => length <= (shape[d] as number))).toBe(true);
    }
    expect(epochOf(batches, 0)).not.toEqual(epochOf(batches, 1));
    expect(batches.batch(3)).toEqual(bucketBatches(pairs, { batch: 8, shapes: 12 }, key(1)).batch(3));
    expect(batches.shapes.length).toBeLessThanOrEqual(12);
  });
  it("whose gradients are accumulated are of one shape, and rows that do not count are spread over them", () => {
    const batches = bucketBatches(pairs, { batch: 8, shapes: 6, accumulate: 3 }, key(1));
    const epoch = epochOf(batches);
    expect(epoch.length % 3).toBe(0);
    expect(seen(epoch)).toEqual(pairs.map((_, i) => i));
    for (let at = 0; at < epoch.length; at += 3) {
      const some = epoch.slice(at, at + 3);
      expect(new Set(some.map(({ shape }) => `${shape}`)).size).toBe(1);
      const counts = some.map(({ counted }) => counted.filter(Boolean).length);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }
  });
  it("tell how much of them is padding, rows that do not count included", () => {
    expect(bucketBatches([[4], [2], [4]], { batch: 2, shapes: 1 }, key(1)).padding).toBeCloseTo(1 - 10 / 16, 12);
    const batches = bucketBatches(pairs, { batch: 8, shapes: 5 }, key(1));
    const places = epochOf(batches).reduce((sum, { shape }) => sum + 8 * ((shape[0] as number) + (shape[1] as number)), 0);
    expect(batches.padding).toBeCloseTo(1 - pairs.flat().reduce((a, b) => a + b) / places, 12);
  });
  it("leave no rows empty where examples fit into a larger shape that wastes less", () => {
    const lengths = [...Array.from({ length: 33 }, () => [10]), ...Array.from({ length: 31 }, () => [12])];
    const batches = bucketBatches(lengths, { batch: 32, shapes: 2 }, key(1));
    expect(seen(epochOf(batches))).toEqual(lengths.map((_, i) => i)); // two batches, all rows of which count
    expect(batches.batchesPerEpoch).toBe(2);
    // Two alone in a small shape stay there: twenty of the larger one would take more.
    const apart = bucketBatches([[1], [1], ...Array.from({ length: 8 }, () => [20])], { batch: 8, shapes: 2 }, key(1));
    expect(apart.shapes).toEqual([[1], [20]]);
    for (const most of [4, 8, 16, 32]) {
      const few = bucketBatches(pairs, { batch: 8, shapes: most }, key(1));
      const more = bucketBatches(pairs, { batch: 8, shapes: 2 * most }, key(1));
      expect(more.padding).toBeLessThan(few.padding);
    }
  });
  it("need at least one example", () => {
    expect(() => bucketBatches([], { batch: 2, shapes: 1 }, key(1))).toThrow("expected at least one example");
  });
});

describe("shapes", () => {
  const shapesOf = (lengths: number[][], shapes: number) => bucketBatches(lengths, { batch: 1, shapes }, key(1)).shapes;
  it("of one length are the best there are", () => {
    const lengths = Array.from({ length: 60 }, (_, i) => 1 + ((i * i * 7) % 23) + ((i * 5) % 4) * 9);
    const sizes = [...new Set(lengths)].sort((a, b) => a - b);
    const cost = (chosen: number[]) => lengths.reduce((sum, n) => sum + (chosen.find((size) => size >= n) as number), 0);
    const largest = sizes.at(-1) as number;
    let best = Number.POSITIVE_INFINITY;
    for (const a of sizes)
      for (const b of sizes) for (const c of sizes) if (a < b && b < c) best = Math.min(best, cost([a, b, c, largest]));
    expect(
      cost(
        shapesOf(
          lengths.map((n) => [n]),
          4,
        ).flat(),
      ),
    ).toBe(best);
    expect(shapesOf([[3], [3], [9], [5]], 3)).toEqual([[3], [5], [9]]);
    expect(shapesOf([[3], [3]], 12)).toEqual([[3]]);
  });
  it("of two lengths follow both", () => {
    // Three kinds of examples, of which two have the same sum.
    const kinds = [
      [3, 20],
      [20, 3],
      [30, 30],
    ];
    const lengths = Array.from({ length: 90 }, (_, i) => kinds[i % 3] as number[]);
    expect(bucketBatches(lengths, { batch: 1, shapes: 3 }, key(1)).padding).toBe(0);
    const related = Array.from({ length: 4000 }, (_, i) => {
      const source = 2 + Math.floor((((i * 7919) % 4000) / 4000) ** 2 * 60);
      return [source, Math.max(1, Math.round(source * (1 + ((i * 31) % 5) / 10)))];
    });
    const padding = (shapes: number) => bucketBatches(related, { batch: 16, shapes }, key(1)).padding;
    expect(padding(16)).toBeLessThan(0.14);
    expect(padding(16)).toBeLessThan(padding(4));
  });
  it("of many different lengths are found in little time", () => {
    const lengths = Array.from({ length: 20_000 }, (_, i) => [1 + ((i * 7919) % 20_011)]);
    const { padding, shapes } = bucketBatches(lengths, { batch: 4, shapes: 16 }, key(1));
    expect(shapes).toHaveLength(16);
    expect(padding).toBeLessThan(0.06); // 1 / 17 at best
  });
});
