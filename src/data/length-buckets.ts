/**
 * Batches of examples of like length.
 *
 * Graphs have fixed shapes, and each shape is compiled once, so the lengths of a data set are rounded up to a few that waste
 * least. One length an example (a text): the best choice is found exactly, by dynamic programming. Two (what is read and what is
 * written): shapes that save most are added one by one, then changed as long as that saves places. Examples that would fill a
 * shape's last batch in part only go to larger shapes then, where that wastes less than the empty rows.
 */
import { HeptagenError } from "../util/errors.ts";
import { fold, type Key } from "../util/random.ts";
import { permute } from "./batches.ts";

export interface BucketOptions {
  /** Examples in a batch. */
  readonly batch: number;
  /** Shapes there are, at most. */
  readonly shapes: number;
  /** Batches in a row that are of one shape, since their gradients are accumulated; 1 unless told. */
  readonly accumulate?: number;
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
  /** Part of the places of all batches of an epoch that hold nothing that counts. */
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
  { batch: size, shapes, accumulate = 1 }: BucketOptions,
  key: Key,
): BucketBatches {
  if (lengths.length === 0) throw new HeptagenError("data/empty", "bucketBatches: expected at least one example, got none");
  const together = size * accumulate;
  const buckets = settle(chooseBuckets(lengths, shapes), lengths, together);
  const counts = buckets.map(({ members }) => Math.ceil(members.length / together));
  const perEpoch = counts.reduce((a, b) => a + b, 0);
  /** What is read at once in an epoch: its bucket and its number in it. */
  const order = counts.flatMap((count, b) => Array.from({ length: count }, (_, n) => [b, n] as const));
  const filled = lengths.reduce((total, own) => total + sum(own), 0);
  const places = buckets.reduce((total, { shape }, b) => total + sum(shape) * together * (counts[b] as number), 0);
  return {
    shapes: buckets.map(({ shape }) => shape),
    padding: 1 - filled / places,
    batchesPerEpoch: perEpoch * accumulate,
    batch(step) {
      const at = Math.floor(step / accumulate);
      const epoch = fold(key, Math.floor(at / perEpoch));
      const [b, n] = order[permute(fold(epoch, "order"), at % perEpoch, perEpoch)] as readonly [number, number];
      const { shape, members } = buckets[b] as Bucket;
      const own = fold(epoch, b);
      // Rows take turns among the batches, so that those which do not count are spread over them.
      const rows = Array.from({ length: size }, (_, row) => n * together + row * accumulate + (step % accumulate));
      return {
        shape,
        indices: Int32Array.from(rows, (row) => members[permute(own, row % members.length, members.length)] as number),
        counted: rows.map((row) => row < members.length),
      };
    },
  };
}

const sum = (lengths: readonly number[]): number => lengths.reduce((a, b) => a + b, 0);

/** The shapes that waste least, and who belongs to each. */
function chooseBuckets(lengths: readonly (readonly number[])[], most: number): Bucket[] {
  const one = (lengths[0] as readonly number[]).length === 1;
  const shapes = one ? bestSizes(lengths.map(sum), most).map((size) => [size]) : goodShapes(lengths, most);
  const members = shapes.map((): number[] => []);
  lengths.forEach((own, i) => {
    members[cheapest(shapes, own)]?.push(i);
  });
  return bucketsOf(members, lengths);
}

/**
 * Of every bucket, from the smallest on, the examples that do not fill a batch go where they take least places, unless that is more
 * than a batch of their own takes.
 *
 * @param together examples in a batch
 */
function settle(buckets: readonly Bucket[], lengths: readonly (readonly number[])[], together: number): Bucket[] {
  const sized = buckets.map(({ shape, members }) => ({ shape, members: [...members] }));
  sized.sort((a, b) => sum(a.shape) - sum(b.shape));
  for (const [s, { shape, members }] of sized.entries()) {
    const larger = sized.slice(s + 1);
    const shapes = larger.map((bucket) => bucket.shape);
    const moves = members
      .flatMap((member) => {
        const to = larger[cheapest(shapes, lengths[member] as readonly number[])];
        return to ? [{ member, to }] : [];
      })
      .sort((a, b) => sum(a.to.shape) - sum(b.to.shape))
      .slice(0, members.length % together);
    const places = moves.reduce((total, { to }) => total + sum(to.shape), 0);
    if (moves.length < members.length % together || places > together * sum(shape)) continue;
    const gone = new Set(moves.map(({ member }) => member));
    members.splice(0, members.length, ...members.filter((member) => !gone.has(member)));
    for (const { member, to } of moves) to.members.push(member);
  }
  return bucketsOf(
    sized.map(({ members }) => members),
    lengths,
  );
}

/** Buckets of these members, where there are any. */
const bucketsOf = (members: readonly (readonly number[])[], lengths: readonly (readonly number[])[]): Bucket[] =>
  members
    .filter((own) => own.length > 0)
    .map((own) => ({ shape: cover(own.map((i) => lengths[i] as readonly number[])), members: own }));

/** The smallest shape that holds all of these. */
const cover = (some: readonly (readonly number[])[]): number[] =>
  (some[0] as readonly number[]).map((_, d) => some.reduce((max, own) => Math.max(max, own[d] as number), 0));

/** Of the shapes that hold an example the one with fewest places; -1 if none does. */
function cheapest(shapes: readonly (readonly number[])[], own: readonly number[]): number {
  let [best, least] = [-1, Number.POSITIVE_INFINITY];
  shapes.forEach((shape, s) => {
    const places = sum(shape);
    if (places < least && own.every((length, d) => length <= (shape[d] as number))) [best, least] = [s, places];
  });
  return best;
}

/** Changes of a size that are tried. */
const changes = [-16, -8, -4, -2, -1, 1, 2, 4, 8, 16];
/** Different lengths that are told apart, at most. */
const mostKinds = 1024;

/**
 * At most `most` shapes of several sizes: to the one that holds all are added those that save most, one after the other; then sizes
 * are changed as long as that saves places.
 */
function goodShapes(lengths: readonly (readonly number[])[], most: number): number[][] {
  let [grid, kinds] = [1, countKinds(lengths, 1)];
  while (kinds.length > mostKinds) {
    grid *= 2;
    kinds = countKinds(lengths, grid);
  }
  const cost = (chosen: readonly (readonly number[])[]) =>
    kinds.reduce((total, { own, count }) => {
      const s = cheapest(chosen, own);
      return total + count * (s < 0 ? Number.POSITIVE_INFINITY : sum(chosen[s] as readonly number[]));
    }, 0);
  const shapes = [cover(kinds.map(({ own }) => own))];
  while (shapes.length < most) {
    const places = kinds.map(({ own }) => sum(shapes[cheapest(shapes, own)] as readonly number[]));
    let [best, gained] = [shapes[0] as readonly number[], 0];
    for (const { own: shape } of kinds) {
      const size = sum(shape);
      let saved = 0;
      for (const [k, { own, count }] of kinds.entries()) {
        const gain = (places[k] as number) - size;
        if (gain > 0 && own.every((length, d) => length <= (shape[d] as number))) saved += count * gain;
      }
      if (saved > gained) [best, gained] = [shape, saved];
    }
    if (gained === 0) break;
    shapes.push([...best]);
  }
  let least = cost(shapes);
  for (let before = Number.POSITIVE_INFINITY; least < 0.9995 * before; ) {
    before = least;
    for (const [s, { length: axes }] of shapes.entries()) {
      for (const change of changes) {
        for (let axis = -1; axis < axes; axis++) {
          const shape = shapes[s] as number[];
          shapes[s] = shape.map((size, d) => (axis === d || axis < 0 ? size + change * grid : size)); // one size, or all
          const places = cost(shapes);
          if (places < least) least = places;
          else shapes[s] = shape;
        }
      }
    }
  }
  return shapes;
}

/** The different lengths, rounded up to a grid, and how often each occurs. */
function countKinds(lengths: readonly (readonly number[])[], grid: number) {
  const counts = new Map<string, { readonly own: readonly number[]; count: number }>();
  for (const exact of lengths) {
    const own = exact.map((length) => Math.ceil(length / grid) * grid);
    const known = counts.get(own.join());
    if (known) known.count++;
    else counts.set(own.join(), { own, count: 1 });
  }
  return [...counts.values()];
}

/** At most `most` sizes that pad these lengths least: exact, over the different lengths there are. */
function bestSizes(lengths: readonly number[], most: number): number[] {
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
  let least = Float64Array.from({ length: n + 1 }, (_, to) => (to === 0 ? 0 : cost(0, to)));
  const cuts: Int32Array[] = [];
  for (let k = 1; k < Math.min(most, n); k++) {
    const before = least;
    const next = new Float64Array(n + 1).fill(Number.POSITIVE_INFINITY);
    const cut = new Int32Array(n + 1);
    // The best cut moves up with the end, so that half of the ends bound where those between them are cut.
    const solve = (low: number, high: number, first: number, last: number): void => {
      if (low > high) return;
      const to = (low + high) >> 1;
      for (let from = first; from <= Math.min(last, to - 1); from++) {
        const total = (before[from] as number) + cost(from, to);
        if (total < (next[to] as number)) {
          next[to] = total;
          cut[to] = from;
        }
      }
      solve(low, to - 1, first, cut[to] as number);
      solve(to + 1, high, cut[to] as number, last);
    };
    solve(k + 1, n, k, n - 1);
    least = next;
    cuts.push(cut);
  }
  const chosen = [sizes[n - 1] as number];
  for (let to = n, k = cuts.length - 1; k >= 0; k--) {
    to = cuts[k]?.[to] as number;
    chosen.unshift(sizes[to - 1] as number);
  }
  return chosen;
}
