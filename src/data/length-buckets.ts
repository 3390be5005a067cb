/**
 * Batches of examples of like length.
 *
 * Graphs have fixed shapes, and each shape is compiled once, so the lengths of a data set are rounded up to a few that waste
 * least. One length an example (a text): the best choice is found exactly, by dynamic programming. Two (what is read and what is
 * written): classes are split greedily, along the axis and at the place where a split saves most.
 */
import { HeptagenError } from "../util/errors.ts";
import { fold, type Key } from "../util/random.ts";
import { permute } from "./batches.ts";

export interface BucketOptions {
  /** Examples in a batch. */
  readonly batch: number;
  /** Shapes there are, at most. */
  readonly shapes: number;
}

/** A batch: places of its examples. */
export interface BucketBatch {
  readonly indices: Int32Array;
  /** Whether a row is an example of its own; the others only fill the batch up, with examples that come another time. */
  readonly counted: readonly boolean[];
  /** What the rows are padded to: a size per length. */
  readonly shape: readonly number[];
}

export interface BucketBatches {
  readonly shapes: readonly (readonly number[])[];
  /** Part of the places of all batches of an epoch that hold nothing. */
  readonly padding: number;
  readonly batchesPerEpoch: number;
  /** A pure function of the step: every example once per epoch, each batch of one shape, in an order that changes with the epoch. */
  batch(step: number): BucketBatch;
}

/** Examples of a shape. */
interface Bucket {
  readonly shape: readonly number[];
  readonly members: readonly number[];
}

/**
 * Batches of examples with these lengths.
 *
 * @param lengths of each example, one or two
 * @throws HeptagenError `data/empty`
 * @example
 * const { batch, padding } = bucketBatches(texts.map(({ ids }) => [ids.length]), { batch: 32, shapes: 12 }, key(1));
 */
export function bucketBatches(
  lengths: readonly (readonly number[])[],
  { batch: size, shapes }: BucketOptions,
  key: Key,
): BucketBatches {
  if (lengths.length === 0) throw new HeptagenError("data/empty", "bucketBatches: expected at least one example, got none");
  const buckets = chooseBuckets(lengths, shapes);
  const counts = buckets.map(({ members }) => Math.ceil(members.length / size));
  const perEpoch = counts.reduce((a, b) => a + b, 0);
  /** Of each batch of an epoch: its bucket and its number in it. */
  const order = counts.flatMap((count, b) => Array.from({ length: count }, (_, n) => [b, n] as const));
  const area = (shape: readonly number[]) => shape.reduce((a, b) => a + b, 0);
  const filled = lengths.reduce((sum, own) => sum + area(own), 0);
  const places = buckets.reduce((sum, { shape, members }) => sum + area(shape) * members.length, 0);
  return {
    shapes: buckets.map(({ shape }) => shape),
    padding: 1 - filled / places,
    batchesPerEpoch: perEpoch,
    batch(step) {
      const epoch = fold(key, Math.floor(step / perEpoch));
      const [b, n] = order[permute(fold(epoch, "order"), step % perEpoch, perEpoch)] as readonly [number, number];
      const { shape, members } = buckets[b] as Bucket;
      const own = fold(epoch, b);
      const rows = Array.from({ length: size }, (_, row) => n * size + row);
      return {
        shape,
        indices: Int32Array.from(rows, (row) => members[permute(own, row % members.length, members.length)] as number),
        counted: rows.map((row) => row < members.length),
      };
    },
  };
}

/** The shapes that waste least, and who belongs to each. */
function chooseBuckets(lengths: readonly (readonly number[])[], most: number): Bucket[] {
  const shapes =
    (lengths[0]?.length ?? 1) === 1
      ? bestSizes(
          lengths.map(([length]) => length as number),
          most,
        )
      : bestShapes(lengths, most);
  const members = shapes.map((): number[] => []);
  lengths.forEach((own, i) => {
    let best = -1;
    for (const [s, shape] of shapes.entries()) {
      if (!own.every((length, d) => length <= (shape[d] as number))) continue;
      if (best < 0 || waste(shape, own) < waste(shapes[best] as readonly number[], own)) best = s;
    }
    members[best]?.push(i);
  });
  return shapes.map((shape, s) => ({ shape, members: members[s] as number[] })).filter((bucket) => bucket.members.length > 0);
}

const waste = (shape: readonly number[], own: readonly number[]): number =>
  shape.reduce((sum, size, d) => sum + size - (own[d] as number), 0);

/** At most `most` sizes that pad these lengths least: exact, over the different lengths there are. */
function bestSizes(lengths: readonly number[], most: number): number[][] {
  const counts = new Map<number, number>();
  for (const length of lengths) counts.set(length, (counts.get(length) ?? 0) + 1);
  const sizes = [...counts.keys()].sort((a, b) => a - b);
  const n = sizes.length;
  // before[i]: how many examples, and how many places they fill, are shorter than sizes[i].
  const examples = new Float64Array(n + 1);
  const filled = new Float64Array(n + 1);
  sizes.forEach((size, i) => {
    const count = counts.get(size) as number;
    examples[i + 1] = (examples[i] as number) + count;
    filled[i + 1] = (filled[i] as number) + count * size;
  });
  /** Padding when sizes from `from` to before `to` are all padded to the largest of them. */
  const cost = (from: number, to: number) =>
    ((examples[to] as number) - (examples[from] as number)) * (sizes[to - 1] as number) -
    ((filled[to] as number) - (filled[from] as number));
  const groups = Math.min(most, n);
  let least = Float64Array.from({ length: n + 1 }, (_, to) => (to === 0 ? 0 : cost(0, to)));
  const cuts: Int32Array[] = [];
  for (let k = 1; k < groups; k++) {
    const next = new Float64Array(n + 1).fill(Number.POSITIVE_INFINITY);
    const cut = new Int32Array(n + 1);
    for (let to = k + 1; to <= n; to++) {
      for (let from = k; from < to; from++) {
        const total = (least[from] as number) + cost(from, to);
        if (total < (next[to] as number)) {
          next[to] = total;
          cut[to] = from;
        }
      }
    }
    least = next;
    cuts.push(cut);
  }
  const chosen: number[][] = [];
  for (let to = n, k = groups - 2; ; k--) {
    chosen.unshift([sizes[to - 1] as number]);
    if (k < 0) break;
    to = cuts[k]?.[to] as number;
  }
  return chosen;
}

/** At most `most` pairs of sizes: one class is split in two, again and again, wherever that saves most places. */
function bestShapes(lengths: readonly (readonly number[])[], most: number): number[][] {
  const largest = (some: readonly (readonly number[])[]) =>
    (lengths[0] as readonly number[]).map((_, d) => some.reduce((max, own) => Math.max(max, own[d] as number), 0));
  const area = (shape: readonly number[]) => shape.reduce((a, b) => a + b, 0);
  interface Split {
    readonly saved: number;
    readonly parts: readonly (readonly (readonly number[])[])[];
  }
  const bestSplit = (some: readonly (readonly number[])[]): Split => {
    const whole = area(largest(some)) * some.length;
    let best: Split = { saved: 0, parts: [some] };
    for (let d = 0; d < (some[0] as readonly number[]).length; d++) {
      const sorted = [...some].sort((a, b) => (a[d] as number) - (b[d] as number));
      const n = sorted.length;
      /** Largest lengths of the first i, and of all from the i-th on. */
      const ahead: number[][] = [];
      const behind: number[][] = new Array(n);
      for (const [i, own] of sorted.entries()) {
        ahead.push(i === 0 ? [...own] : own.map((length, k) => Math.max(length, ahead[i - 1]?.[k] as number)));
      }
      for (let i = n - 1; i >= 0; i--) {
        const own = sorted[i] as readonly number[];
        behind[i] = i === n - 1 ? [...own] : own.map((length, k) => Math.max(length, behind[i + 1]?.[k] as number));
      }
      for (let i = 1; i < n; i++) {
        if (sorted[i]?.[d] === sorted[i - 1]?.[d]) continue;
        const saved = whole - area(ahead[i - 1] as number[]) * i - area(behind[i] as number[]) * (n - i);
        if (saved > best.saved) best = { saved, parts: [sorted.slice(0, i), sorted.slice(i)] };
      }
    }
    return best;
  };
  const classes = [bestSplit(lengths)];
  while (classes.length < most) {
    const at = classes.reduce((best, { saved }, i) => (saved > (classes[best] as Split).saved ? i : best), 0);
    const { saved, parts } = classes[at] as Split;
    if (saved === 0) break;
    classes.splice(at, 1, ...parts.map(bestSplit));
  }
  return classes.map(({ parts }) => largest(parts.flat()));
}
