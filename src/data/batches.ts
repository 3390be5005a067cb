/**
 * Batches as pure functions of the step: `batch(step)` always gives the same batch, so that a resumed run needs no replay.
 *
 * Legend: B windows in a batch, T tokens in a window.
 */
import { HeptagenError } from "../util/errors.ts";
import { type NdArray, ndarray } from "../util/ndarray.ts";
import { fold, type Key, randint, threefry2x32 } from "../util/random.ts";

/** Windows of text: `targets` are `tokens` one place later; -1 where there is nothing to predict. Both int32 [B, T]. */
export interface TokenBatch {
  readonly tokens: NdArray;
  readonly targets: NdArray;
}

export interface WindowOptions {
  readonly batch: number;
  readonly context: number;
}

/** Windows that start anywhere, drawn anew at every step (as nanoGPT does). */
export function randomWindows(stream: Int32Array, { batch, context }: WindowOptions, key: Key): (step: number) => TokenBatch {
  const starts = new Int32Array(batch);
  return (step) => {
    randint(fold(key, step), 0, stream.length - context, starts);
    return windows(stream, starts, { batch, context });
  };
}

/** Every window of the stream once per epoch, in an order that differs from epoch to epoch. */
export function epochWindows(stream: Int32Array, { batch, context }: WindowOptions, key: Key): (step: number) => TokenBatch {
  const count = Math.floor((stream.length - 1) / context);
  const perEpoch = Math.max(1, Math.floor(count / batch));
  return (step) => {
    const epoch = fold(key, Math.floor(step / perEpoch));
    const first = (step % perEpoch) * batch;
    const starts = Int32Array.from({ length: batch }, (_, i) => permute(epoch, (first + i) % count, count) * context);
    return windows(stream, starts, { batch, context });
  };
}

/** Windows each of which goes on where that of the batch before ended, row by row. */
export interface StreamBatch extends TokenBatch {
  /** 1, or 0 where all rows begin anew; float32 scalar. */
  readonly continues: NdArray;
}

/**
 * Consecutive windows of B parallel pieces of a stream, for networks that carry their state from batch to batch (truncated
 * backpropagation through time). At the end of the pieces all begin anew, a little later than before, so that windows differ
 * from epoch to epoch.
 */
export function streamWindows(stream: Int32Array, { batch, context }: WindowOptions, key: Key): (step: number) => StreamBatch {
  const piece = Math.floor((stream.length - 1) / batch);
  const spare = Math.min(context, piece - context + 1);
  if (spare < 1) {
    throw new HeptagenError(
      "data/too-short",
      `expected more than ${batch * context} tokens (a window for each of ${batch} pieces), got ${stream.length}`,
      { facts: { tokens: stream.length, batch, context }, next: "Add text, or choose a smaller batch or context." },
    );
  }
  const perEpoch = Math.floor((piece - spare + 1) / context);
  const shift = new Int32Array(1);
  return (step) => {
    randint(fold(key, Math.floor(step / perEpoch)), 0, spare, shift);
    const at = (step % perEpoch) * context + (shift[0] as number);
    const starts = Int32Array.from({ length: batch }, (_, b) => b * piece + at);
    return {
      ...windows(stream, starts, { batch, context }),
      continues: ndarray("float32", [], [step % perEpoch === 0 ? 0 : 1]),
    };
  };
}

/** All of a stream in consecutive windows that do not overlap; the last batch is filled up with windows that do not count. */
export function consecutiveWindows(stream: Int32Array, { batch, context }: WindowOptions): TokenBatch[] {
  const count = Math.floor((stream.length - 1) / context);
  return Array.from({ length: Math.ceil(count / batch) }, (_, b) => {
    const starts = Int32Array.from({ length: batch }, (_, i) => (b * batch + i < count ? (b * batch + i) * context : -1));
    return windows(stream, starts, { batch, context });
  });
}

function windows(stream: Int32Array, starts: Int32Array, { batch, context }: WindowOptions): TokenBatch {
  if (stream.length <= context) {
    throw new HeptagenError(
      "data/too-short",
      `expected more than ${context} tokens (one window and its next token), got ${stream.length}`,
    );
  }
  const tokens = new Int32Array(batch * context);
  const targets = new Int32Array(batch * context).fill(-1);
  starts.forEach((start, b) => {
    if (start < 0) return;
    tokens.set(stream.subarray(start, start + context), b * context);
    targets.set(stream.subarray(start + 1, start + context + 1), b * context);
  });
  return { tokens: ndarray("int32", [batch, context], tokens), targets: ndarray("int32", [batch, context], targets) };
}

/**
 * Where index `i` of 0 … count-1 goes in a random order: a bijection computed per index, without a table.
 *
 * A Feistel network permutes the next power of four; indices that land outside walk on until they are inside.
 */
export function permute(key: Key, i: number, count: number): number {
  const half = Math.max(1, Math.ceil(Math.log2(Math.max(2, count)) / 2));
  const mask = 2 ** half - 1;
  const out = new Int32Array(2);
  let value = i;
  do {
    let left = Math.floor(value / 2 ** half);
    let right = value & mask;
    for (let round = 0; round < 4; round++) {
      threefry2x32(key.words[0], key.words[1], right, round, out);
      [left, right] = [right, (left ^ (out[0] as number)) & mask];
    }
    value = left * 2 ** half + right;
  } while (value >= count);
  return value;
}

/**
 * Makes values ahead of time: while step k is computed, those of the next `depth` steps are on their way. Worth it for
 * sources that wait (decoding files); cutting windows of text takes microseconds.
 */
export function prefetch<T>(source: (step: number) => T | Promise<T>, depth = 2): (step: number) => Promise<T> {
  const ahead = new Map<number, Promise<T>>();
  const start = (step: number): Promise<T> => {
    const value = Promise.resolve().then(() => source(step));
    value.catch(() => undefined); // whoever asks for the step gets the error
    ahead.set(step, value);
    return value;
  };
  return (step) => {
    const value = ahead.get(step) ?? start(step);
    for (const old of ahead.keys()) if (old <= step || old > step + depth) ahead.delete(old);
    for (let next = step + 1; next <= step + depth; next++) if (!ahead.has(next)) start(next);
    return value;
  };
}
