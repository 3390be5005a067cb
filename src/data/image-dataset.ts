/**
 * Pictures as datasets: what training, evaluation and inspection read.
 *
 * A dataset holds all pictures of one size in memory, 8 bits a value. Batches are pure functions of the step, so that a resumed
 * run needs no replay; in them pictures are float32 from 0 (black) to 1 (white).
 *
 * Legend: N pictures of a dataset, B pictures in a batch, C channels (1 grey, 3 RGB), H height, W width.
 */
import { createHash } from "node:crypto";
import { HeptagenError } from "../util/errors.ts";
import { type NdArray, ndarray } from "../util/ndarray.ts";
import { fillBernoulli, fold, type Key, key } from "../util/random.ts";
import { permute } from "./batches.ts";

/** Pictures in memory, all of one size: 8 bits a value, channel after channel within a picture. */
export interface ImageDataset {
  /** Where they come from, for people: `photos (1,204 pictures)`. */
  readonly source: string;
  readonly channels: 1 | 3;
  readonly height: number;
  readonly width: number;
  /** N */
  readonly count: number;
  /** [N, C, H, W] */
  readonly pixels: Uint8Array;
  /** The class of each picture [N], where there are classes. */
  readonly labels: Int32Array | undefined;
  /** Names of the classes; empty without labels. */
  readonly classes: readonly string[];
  /** SHA-256 of sizes, pixels and labels, as hex: tells whether two runs saw the same data. */
  readonly fingerprint: string;
  /** Bad files that were left out, because that was asked for. */
  readonly skipped: readonly SkippedFile[];
}

export interface SkippedFile {
  readonly file: string;
  readonly reason: string;
}

/** Pictures for a step: images float32 [B, C, H, W] in [0, 1], labels int32 [B] (all 0 without classes). */
export interface ImageBatch<Leaf = NdArray> {
  readonly images: Leaf;
  readonly labels: Leaf;
}

/** A dataset with its fingerprint. */
export function imageDataset(parts: Omit<ImageDataset, "fingerprint">): ImageDataset {
  const { count, channels, height, width, pixels, labels } = parts;
  const hash = createHash("sha256")
    .update(`${count}:${channels}:${height}:${width}:${labels ? "labels" : ""}:`)
    .update(pixels);
  if (labels) hash.update(new Uint8Array(labels.buffer, labels.byteOffset, labels.byteLength));
  return { ...parts, fingerprint: hash.digest("hex") };
}

/**
 * Holds out a part of the pictures: of every class the same part, chosen by the seed.
 *
 * @param fraction part to hold out, 0 to below 1
 * @returns both sides, each in the order of the whole; each side keeps all class names
 * @throws HeptagenError `data/too-few` when a side that should have pictures gets none
 * @example const { train, validation } = splitImages(pictures, 0.1, 1);
 */
export function splitImages(
  set: ImageDataset,
  fraction: number,
  seed: number,
): { readonly train: ImageDataset; readonly validation: ImageDataset } {
  if (!(fraction >= 0 && fraction < 1)) {
    throw new HeptagenError("data/fraction", `expected a fraction to hold out from 0 to below 1, got ${fraction}`);
  }
  const groups = new Map<number, number[]>();
  for (let i = 0; i < set.count; i++) {
    const label = set.labels?.[i] ?? 0;
    const group = groups.get(label);
    if (group) group.push(i);
    else groups.set(label, [i]);
  }
  const held = new Uint8Array(set.count);
  for (const [label, group] of groups) {
    const order = fold(fold(key(seed), "split"), label);
    for (let i = 0; i < Math.round(group.length * fraction); i++) held[group[permute(order, i, group.length)] as number] = 1;
  }
  const side = (value: 0 | 1) => Array.from({ length: set.count }, (_, i) => i).filter((i) => held[i] === value);
  const [train, validation] = [side(0), side(1)];
  if (train.length === 0 || (fraction > 0 && validation.length === 0)) {
    const [pictures, classes] = [set.count === 1 ? "picture" : "pictures", set.classes.length];
    const of = `${set.count} ${pictures}${classes > 1 ? ` in ${classes} classes` : ""}`;
    throw new HeptagenError(
      "data/too-few",
      `${set.source}: holding out ${fraction} of ${of} leaves ${train.length} to train on and ${validation.length} to validate on`,
      {
        facts: { count: set.count, train: train.length, validation: validation.length },
        next: `Add pictures, hold out a ${train.length === 0 ? "smaller" : "larger"} part (--validation), or none (--validation 0).`,
      },
    );
  }
  return { train: pickImages(set, train), validation: pickImages(set, validation) };
}

/** The pictures at the given places, in the given order. */
export function pickImages(set: ImageDataset, places: readonly number[]): ImageDataset {
  const size = set.channels * set.height * set.width;
  const pixels = new Uint8Array(places.length * size);
  places.forEach((place, i) => {
    pixels.set(set.pixels.subarray(place * size, (place + 1) * size), i * size);
  });
  const { labels } = set;
  return imageDataset({
    ...set,
    count: places.length,
    pixels,
    labels: labels && Int32Array.from(places, (place) => labels[place] as number),
  });
}

/**
 * Batches for training, each picture once per epoch, in an order that differs from epoch to epoch.
 *
 * @param options.flip mirror each picture left to right with probability one half
 * @returns the batch of a step (from 0): always the same for the same step
 * @example const batch = imageBatches(train, 64, key(1), { flip: true }); batch(0).images // float32 [64, C, H, W]
 */
export function imageBatches(
  set: ImageDataset,
  batch: number,
  order: Key,
  { flip = false }: { readonly flip?: boolean } = {},
): (step: number) => ImageBatch {
  const mirrored = new Uint8Array(batch);
  return (step) => {
    const places = Array.from({ length: batch }, (_, i) => {
      const position = step * batch + i;
      return permute(fold(order, Math.floor(position / set.count)), position % set.count, set.count);
    });
    if (flip) fillBernoulli(fold(fold(order, "flip"), step), 0.5, mirrored);
    return gather(set, places, mirrored);
  };
}

/** All pictures in order, for evaluation. `mask` is float32 [B]: 0 for the pictures that only fill up the last batch. */
export function* imageChunks(set: ImageDataset, batch: number): Generator<ImageBatch & { readonly mask: NdArray }> {
  const upright = new Uint8Array(batch);
  for (let first = 0; first < set.count; first += batch) {
    const places = Array.from({ length: batch }, (_, i) => Math.min(first + i, set.count - 1));
    const mask = Float32Array.from(places, (_, i) => (first + i < set.count ? 1 : 0));
    yield { ...gather(set, places, upright), mask: ndarray("float32", [batch], mask) };
  }
}

function gather(set: ImageDataset, places: readonly number[], mirrored: Uint8Array): ImageBatch {
  const { channels, height, width, pixels, labels } = set;
  const size = channels * height * width;
  const images = new Float32Array(places.length * size);
  places.forEach((place, b) => {
    const [from, to] = [place * size, b * size];
    if (mirrored[b] === 0) for (let i = 0; i < size; i++) images[to + i] = (pixels[from + i] as number) / 255;
    else
      for (let row = 0; row < size; row += width)
        for (let x = 0; x < width; x++) images[to + row + x] = (pixels[from + row + width - 1 - x] as number) / 255;
  });
  return {
    images: ndarray("float32", [places.length, channels, height, width], images),
    labels: ndarray(
      "int32",
      [places.length],
      Int32Array.from(places, (place) => labels?.[place] ?? 0),
    ),
  };
}
