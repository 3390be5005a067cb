/** Pairs of texts: read from records or parallel files, and turned into tokens and batches. */
import { extname } from "node:path";
import { readParallel, readRecords, type Tokenizer, textIn } from "../../data/index.ts";
import { type NdArray, ndarray } from "../../util/ndarray.ts";
import { padRows } from "../sequence/in-batches.ts";
import { type Placed, readPlaced } from "../sequence/records.ts";
import type { Assets } from "../sequence/sequence-task.ts";
import { type SpecialTokens, specialTokens } from "../sequence/special-tokens.ts";
import { encodeText } from "../sequence/text.ts";
import type { TrainingOptions } from "./options.ts";

/** A pair as it was read. */
export interface RawPair {
  readonly source: string;
  /** undefined where it is to be written. */
  readonly target: string | undefined;
  readonly placed: Placed;
}

export interface PairExample {
  readonly source: string;
  readonly target: string;
  readonly ids: Int32Array;
  /** Tokens of the target; none where it is to be written. */
  readonly targetIds: Int32Array;
  /** Tokens of the source beyond what is read. */
  readonly cut: number;
}

/** A batch, or examples that run together. */
export interface PairBatch {
  /** int32 [B, T], of which `lengths` [B] count. */
  readonly source: NdArray;
  readonly lengths: NdArray;
  /** What has been written before each token, int32 [B, U], and the tokens, -1 where none counts. */
  readonly written: NdArray;
  readonly targets: NdArray;
}

/** Endings of files that hold records; two files of other endings are parallel texts. */
const ofRecords = new Set([".csv", ".tsv", ".parquet", ".jsonl", ".ndjson", ".json", ""]);

/**
 * Reads pairs: of records with two columns, or of two plain files whose lines belong together.
 *
 * @throws HeptagenError `data/…` with file and line
 */
export async function readPairs(options: TrainingOptions): Promise<RawPair[]> {
  const { sourceColumn, targetColumn } = options;
  const read = (sources: string | readonly string[]) => {
    const [first, second, ...more] = typeof sources === "string" ? [sources] : sources;
    const parallel =
      second !== undefined && more.length === 0 && [first, second].every((file) => !ofRecords.has(extname(file ?? "")));
    return parallel ? readParallel({ [sourceColumn]: first as string, [targetColumn]: second }) : readRecords(sources);
  };
  return (await readPlaced(options, read)).map((record) => {
    const { place, side, group } = record;
    return {
      source: textIn(record, sourceColumn, "--source-column"),
      target: textIn(record, targetColumn, "--target-column"),
      placed: { place, ...(side && { side }), ...(group !== undefined && { group }) },
    };
  });
}

/** Each text begins with a space, so that its first word is the same token as in the middle of another. */
export const spaced = (text: string): string => ` ${text.trim()}`;

/** The text of tokens that were written. */
export function textOf(tokenizer: Tokenizer, ids: Iterable<number>): string {
  const known = [...ids].filter((id) => id < tokenizer.vocabularySize);
  return tokenizer.decode(known).trim();
}

/** @throws HeptagenError `data/empty` for a text of nothing */
export function encodePair(
  { source, target, placed: { place } }: RawPair,
  { tokenizer }: Assets,
  { longestSource }: Pick<TrainingOptions, "longestSource">,
  { cuts }: { readonly cuts: boolean },
): PairExample {
  const whole = (text: string) =>
    encodeText(tokenizer as Tokenizer, text.trim() && spaced(text), Number.POSITIVE_INFINITY, place);
  const all = whole(source);
  const ids = cuts ? all.subarray(0, longestSource) : all;
  return {
    source,
    target: target ?? "",
    ids,
    targetIds: target === undefined ? new Int32Array() : whole(target),
    cut: all.length - ids.length,
  };
}

/** Whether an example is short enough to learn from. */
export function fits(
  { ids, targetIds }: PairExample,
  { longestSource, longestTarget }: Pick<TrainingOptions, "longestSource" | "longestTarget">,
): boolean {
  return ids.length <= longestSource && targetIds.length <= longestTarget;
}

/** Places that an example takes: of its source, and of its target with the token that ends it. */
export const placesOf = ({ ids, targetIds }: PairExample): [number, number] => [ids.length, targetIds.length + 1];

/** Examples of like length in arrays of one shape; rows that are not counted, and those beyond the last example, teach nothing. */
export function collatePairs(
  examples: readonly PairExample[],
  { begin, end }: Pick<SpecialTokens, "begin" | "end">,
  {
    rows,
    lengths: [sourcePlaces = 1, targetPlaces = 1],
    counted,
  }: { readonly rows: number; readonly lengths: readonly number[]; readonly counted?: readonly boolean[] },
): PairBatch {
  const padded = padRows(
    examples.map(({ ids }) => ids),
    { rows, length: sourcePlaces },
  );
  const written = new Int32Array(rows * targetPlaces);
  const targets = new Int32Array(rows * targetPlaces).fill(-1);
  for (let b = 0; b < rows; b++) written[b * targetPlaces] = begin;
  examples.forEach(({ targetIds }, b) => {
    const at = b * targetPlaces;
    written.set(targetIds.subarray(0, targetPlaces - 1), at + 1);
    if (counted && !counted[b]) return;
    targets.set(targetIds, at);
    targets[at + targetIds.length] = end;
  });
  return {
    source: padded.tokens,
    lengths: padded.lengths,
    written: ndarray("int32", [rows, targetPlaces], written),
    targets: ndarray("int32", [rows, targetPlaces], targets),
  };
}

/** The tokens that count in a batch, read and written. */
export function countTokens({ lengths, targets }: PairBatch): number {
  const read = (lengths.data as Int32Array).reduce((sum, length) => sum + length, 0);
  return (targets.data as Int32Array).reduce((sum, target) => sum + (target < 0 ? 0 : 1), read);
}

export const specialOf = ({ tokenizer }: Assets): SpecialTokens => specialTokens(tokenizer as Tokenizer);
