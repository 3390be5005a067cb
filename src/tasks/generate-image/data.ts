/** The pictures of a run: read, checked, split; and pictures between bytes and numbers. */
import { type ImageDataset, imageSizes, readImages, splitImages } from "../../data/index.ts";
import { HeptagenError, nearest } from "../../util/errors.ts";
import type { NdArray } from "../../util/ndarray.ts";
import type { EvaluateContext, Options } from "../recipe.ts";
import type { ImageSizes } from "./image-family.ts";
import type { SettledOptions, TrainingOptions } from "./options.ts";

/** What a run remembers of its pictures: enough to use the model without them. */
export interface PictureFacts {
  readonly source: string;
  readonly fingerprint: string;
  readonly count: number;
  readonly channels: 1 | 3;
  readonly height: number;
  readonly width: number;
  /** Names of the classes; empty without. */
  readonly classes: readonly string[];
}

export interface PreparedPictures {
  readonly train: ImageDataset;
  readonly validation: ImageDataset;
  readonly facts: PictureFacts;
  readonly skipped: ImageDataset["skipped"];
}

/** Options of reading that training and evaluating share. */
type Source = Partial<
  Pick<TrainingOptions, "data" | "column" | "labelColumn" | "skipBad" | "limit" | "size" | "colours" | "fit">
>;

/** Reads pictures as options say. */
export function readSource({ colours, data, column, labelColumn, skipBad, limit, size, fit }: Source): Promise<ImageDataset> {
  return readImages({
    data,
    column,
    labelColumn,
    size,
    channels: colours === undefined ? undefined : colours === "grey" ? 1 : 3,
    ...(fit !== undefined && { fit }),
    ...(skipBad !== undefined && { skipBad }),
    ...(limit !== undefined && { limit }),
  });
}

/**
 * Reads and splits the pictures to train on.
 *
 * @throws HeptagenError those of `readImages`; `data/too-few` when there is nothing to learn from or to validate on,
 *   `data/no-classes` when classes are wanted and there are none
 */
export async function preparePictures(options: TrainingOptions): Promise<PreparedPictures> {
  const all = await readSource(options);
  const { source, fingerprint, count, channels, height, width, classes, skipped } = all;
  if (options.conditional && classes.length < 2) {
    const got = classes.length === 1 ? `one class ("${classes[0]}")` : "none";
    throw new HeptagenError("data/no-classes", `${source}: expected pictures of at least two classes, got ${got}`, {
      next: "Put the pictures of each class into a folder of its own, or train with --no-conditional.",
    });
  }
  const { train, validation } = splitImages(all, options.validation, options.seed);
  return { train, validation, skipped, facts: { source, fingerprint, count, channels, height, width, classes } };
}

/** Largest side of the pictures that a classifier of features sees. */
const largestSide = 64;
/** Most pictures whose own sizes are looked at. */
const sizedPictures = 1000;
/** Most pictures that it is trained on. */
const mostLabelled = 60_000;

/**
 * Labelled pictures as a classifier of features is to see them: at their own size if all are of one square size up to 64, else
 * brought to a square as the run brings its own.
 */
export async function labelledPictures(
  { data, column, labelColumn, skipBad, fit }: TrainingOptions,
  features: TrainingOptions["data"],
  { onEvent }: EvaluateContext,
): Promise<ImageDataset> {
  const source = { data: features ?? data, column, labelColumn, skipBad };
  const { sizes } = await imageSizes({ ...source, limit: sizedPictures });
  const [first] = sizes;
  const side = first && sizes.length === 1 ? Math.min(largestSide, first.height, first.width) : largestSide;
  const set = await readImages({ ...source, size: side, fit, limit: mostLabelled });
  onEvent?.({ kind: "note", message: `comparing pictures by a classifier of ${set.source} at ${side} × ${side}` });
  return set;
}

/** Pictures as a model is shown them: without classes, if it does not know any. */
export function shown(set: ImageDataset, { conditional }: Pick<SettledOptions, "conditional">): ImageDataset {
  return conditional ? set : { ...set, labels: undefined };
}

/** The sizes a model is configured for. */
export function sizesOf({ channels, height, width, classes }: PictureFacts, conditional: boolean): ImageSizes {
  return { channels, height, width, classes: conditional ? classes.length : 0 };
}

/**
 * Classes for `count` pictures: those asked for in turn, all in turn when none is.
 *
 * @returns int32 [count]; zeros for a model that does not know classes
 * @throws HeptagenError `sample/label` suggesting the nearest class
 */
export function labelsFor(asked: readonly string[], classes: readonly string[], conditional: boolean, count: number): NdArray {
  if (asked.length > 0 && !conditional) {
    throw new HeptagenError("sample/label", "expected no label, as this model does not know classes, got one", {
      facts: { label: asked },
      next: "Train with --conditional to choose what is made.",
    });
  }
  const chosen = asked.map((name) => {
    const at = classes.indexOf(name);
    if (at >= 0) return at;
    const near = nearest(name, classes);
    throw new HeptagenError("sample/label", `there is no class "${name}"`, {
      facts: { label: name, known: classes },
      next: near ? `Did you mean "${near}"?` : `There are: ${classes.join(", ")}.`,
    });
  });
  const turn = conditional && chosen.length === 0 ? classes.map((_, i) => i) : chosen;
  const data = Int32Array.from({ length: count }, (_, i) => turn[i % Math.max(1, turn.length)] ?? 0);
  return { dtype: "int32", shape: [count], data };
}

/** Numbers from 0 to 1 as bytes; what lies outside is cut off. */
export function toBytes({ data }: NdArray): Uint8Array {
  return Uint8Array.from(data as Float32Array, (value) => Math.round(255 * Math.min(1, Math.max(0, value))));
}

/** Pictures [from, from + count) of a set as numbers: float32 [count, C, H, W] and int32 [count]. */
export function picturesOf(set: ImageDataset, from: number, count: number): { images: NdArray; labels: NdArray } {
  const { channels, height, width } = set;
  const size = channels * height * width;
  const images = Float32Array.from(set.pixels.subarray(from * size, (from + count) * size), (byte) => byte / 255);
  const labels = set.labels?.slice(from, from + count) ?? new Int32Array(count);
  return {
    images: { dtype: "float32", shape: [count, channels, height, width], data: images },
    labels: { dtype: "int32", shape: [count], data: labels },
  };
}

/** The options of one family out of all. */
export function ownOptions(options: Options, shape: Readonly<Record<string, unknown>>): Options {
  return Object.fromEntries(Object.keys(shape).map((name) => [name, options[name]]));
}
