/** Splits, batches and chunks of pictures. */
import { describe, expect, it } from "vitest";
import { imageBatches, imageChunks, imageDataset, pickImages, splitImages } from "../../../src/data/index.ts";
import { key } from "../../../src/util/random.ts";

/** Pictures of 1 × 2: the first pixel is the picture's number, the second 255. */
function numbered(count: number, labels?: Int32Array) {
  const pixels = Uint8Array.from({ length: count * 2 }, (_, i) => (i % 2 === 0 ? i / 2 : 255));
  const classes = labels ? ["a", "b", "c"] : [];
  return imageDataset({ source: "test", channels: 1, height: 1, width: 2, count, pixels, labels, classes, skipped: [] });
}
const numbersOf = (data: ArrayLike<number | bigint>) =>
  Array.from({ length: data.length / 2 }, (_, i) => Math.round(Number(data[2 * i]) * 255));

describe("splitImages", () => {
  const labels = Int32Array.from({ length: 100 }, (_, i) => (i < 60 ? 0 : i < 90 ? 1 : 2));
  const set = numbered(100, labels);

  it("holds out the same part of every class and loses nothing", () => {
    const { train, validation } = splitImages(set, 0.2, 1);
    const counts = [0, 1, 2].map((c) => validation.labels?.filter((label) => label === c).length);
    expect(counts).toEqual([12, 6, 2]);
    const firsts = [train, validation].flatMap(({ pixels }) => [...pixels].filter((_, i) => i % 2 === 0));
    expect(firsts.sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, i) => i));
    validation.labels?.forEach((label, i) => {
      expect(label).toBe(labels[validation.pixels[2 * i] as number]);
    });
  });
  it("follows from the seed", () => {
    const prints = [1, 1, 2].map((seed) => splitImages(set, 0.2, seed).validation.fingerprint);
    expect(prints[0]).toBe(prints[1]);
    expect(prints[0]).not.toBe(prints[2]);
  });
  it("holds out nothing on request, and says when there is too little", () => {
    expect(splitImages(set, 0, 1).validation.count).toBe(0);
    expect(() => splitImages(numbered(1), 0.5, 1)).toThrow(
      "holding out 0.5 of 1 picture leaves 0 to train on and 1 to validate on",
    );
    expect(() => splitImages(numbered(3), 0.1, 1)).toThrow("leaves 3 to train on and 0 to validate on");
    expect(() => splitImages(set, 1, 1)).toThrow("from 0 to below 1");
  });
});

describe("batches", () => {
  it("show every picture once per epoch, also where batches straddle epochs, in another order each time", () => {
    const batch = imageBatches(numbered(10), 4, key(1));
    const shown = Array.from({ length: 5 }, (_, step) => numbersOf(batch(step).images.data)).flat();
    const sorted = (part: number[]) => [...part].sort((a, b) => a - b);
    const all = Array.from({ length: 10 }, (_, i) => i);
    expect(sorted(shown.slice(0, 10))).toEqual(all);
    expect(sorted(shown.slice(10))).toEqual(all);
    expect(shown.slice(0, 10)).not.toEqual(shown.slice(10));
  });
  it("are a pure function of the step", () => {
    const [one, other] = [imageBatches(numbered(10), 4, key(1)), imageBatches(numbered(10), 4, key(1))];
    one(0);
    expect(one(7)).toEqual(other(7));
  });
  it("give pictures from 0 to 1 with their labels", () => {
    const labels = Int32Array.from({ length: 10 }, (_, i) => i % 3);
    const { images, labels: given } = imageBatches(numbered(10, labels), 4, key(1))(0);
    expect([images.shape, images.dtype, given.shape, given.dtype]).toEqual([[4, 1, 1, 2], "float32", [4], "int32"]);
    expect(images.data[1]).toBe(1);
    expect([...given.data]).toEqual(numbersOf(images.data).map((i) => i % 3));
  });
  it("are larger than the set if need be", () => {
    expect(numbersOf(imageBatches(numbered(1), 3, key(1))(5).images.data)).toEqual([0, 0, 0]);
  });
  it("mirror about half of the pictures", () => {
    const { data } = imageBatches(numbered(100), 100, key(1), { flip: true })(0).images;
    const mirrored = Array.from({ length: 100 }, (_, i) => data[2 * i] === 1).filter(Boolean).length;
    expect(mirrored).toBeGreaterThan(30);
    expect(mirrored).toBeLessThan(70);
  });
});

describe("chunks", () => {
  it("hold all pictures in order and mark what fills up the last", () => {
    const chunks = [...imageChunks(numbered(5), 2)];
    expect(chunks.map(({ images }) => numbersOf(images.data))).toEqual([
      [0, 1],
      [2, 3],
      [4, 4],
    ]);
    expect(chunks.map(({ mask }) => [...mask.data])).toEqual([
      [1, 1],
      [1, 1],
      [1, 0],
    ]);
  });
});

it("fingerprints tell pixels, labels and sizes apart", () => {
  const set = numbered(4);
  const others = [numbered(4, new Int32Array(4)), pickImages(set, [0, 1, 3, 2]), imageDataset({ ...set, height: 2, width: 1 })];
  expect(new Set([set, ...others].map(({ fingerprint }) => fingerprint)).size).toBe(4);
  expect(pickImages(set, [0, 1, 2, 3]).fingerprint).toBe(set.fingerprint);
});
