/** Running a model over many examples of different lengths, few shapes and little padding. */

export interface BatchShape {
  /** Rows of the batch: at least as many as examples. */
  readonly rows: number;
  /** Places of each axis of lengths. */
  readonly lengths: readonly number[];
}

/** Examples at once. */
const most = 64;

/** The shortest length of a few (8, 12, 16, 24, 32, 48, …) that is not below this one: so few graphs are compiled. */
export function roundedLength(length: number): number {
  let size = 8;
  while (size < length) size = size % 3 === 0 ? (size / 3) * 4 : size * 1.5;
  return size;
}

/**
 * Results of examples, in their order. Examples of like length run together.
 *
 * @param lengthsOf one or more lengths of an example, the one to sort by first
 * @param run results of the examples of a batch, which has a number of rows that is a power of two
 * @example await inBatches(texts, ({ ids }) => [ids.length], (some, { rows, lengths: [length] }) => scores(some, rows, length));
 */
export async function inBatches<Example, Result>(
  examples: readonly Example[],
  lengthsOf: (example: Example) => readonly number[],
  run: (examples: readonly Example[], shape: BatchShape) => Promise<readonly Result[]>,
  { batch = most, look }: { readonly batch?: number; readonly look?: (done: number) => void } = {},
): Promise<Result[]> {
  const order = examples.map((example, i) => ({ i, lengths: lengthsOf(example).map(roundedLength) }));
  order.sort((a, b) => (a.lengths[0] ?? 0) - (b.lengths[0] ?? 0) || (a.lengths[1] ?? 0) - (b.lengths[1] ?? 0) || a.i - b.i);
  const results = new Array<Result>(examples.length);
  for (let at = 0; at < order.length; ) {
    const first = order[at] as { lengths: number[] };
    let end = at;
    while (end < order.length && end - at < batch && order[end]?.lengths[0] === first.lengths[0]) end++;
    const some = order.slice(at, end);
    const lengths = first.lengths.map((_, d) => Math.max(...some.map((one) => one.lengths[d] as number)));
    let rows = 1;
    while (rows < some.length) rows *= 2;
    const found = await run(
      some.map(({ i }) => examples[i] as Example),
      { rows, lengths },
    );
    some.forEach(({ i }, k) => {
      results[i] = found[k] as Result;
    });
    at = end;
    look?.(at / order.length);
  }
  return results;
}

/**
 * Tokens as rows of one length, filled up with zeros, and how many count: int32 [B, T] and [B]. Rows beyond the last example count one
 * place, so that nothing is a mean of nothing.
 */
export function padRows(
  rows: readonly Int32Array[],
  { rows: count, length }: { readonly rows: number; readonly length: number },
): {
  readonly tokens: { dtype: "int32"; shape: number[]; data: Int32Array };
  readonly lengths: { dtype: "int32"; shape: number[]; data: Int32Array };
} {
  const tokens = new Int32Array(count * length);
  const lengths = new Int32Array(count).fill(1);
  rows.forEach((ids, b) => {
    tokens.set(ids.subarray(0, length), b * length);
    lengths[b] = Math.min(ids.length, length);
  });
  return {
    tokens: { dtype: "int32", shape: [count, length], data: tokens },
    lengths: { dtype: "int32", shape: [count], data: lengths },
  };
}
