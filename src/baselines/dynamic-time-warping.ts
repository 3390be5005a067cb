/**
 * Dynamic time warping (Sakoe & Chiba 1978): how unlike two sequences of vectors are when one may go slower where the other is faster;
 * and the recogniser that was made of it before there were models of speech, which says what its nearest template says.
 *
 * Legend: T places of one sequence, U of the other, D numbers of each.
 */
import { HeptagenError } from "../util/errors.ts";

/** Vectors one after another, [T, D]. */
export interface VectorSequence {
  readonly rows: number;
  readonly width: number;
  readonly data: Float32Array;
}

export interface WarpingOptions {
  /** How far paths may leave the diagonal, as a part of the longer sequence; 0.25 unless told. */
  readonly band?: number;
  /** Where the distance is sure to be above this, it is given up: the result is then infinite. */
  readonly above?: number;
}

/**
 * The least sum of Euclidean distances along a path from both beginnings to both ends, over T + U; a step on both sides counts twice.
 *
 * @throws HeptagenError `baselines/sequence` for empty sequences or vectors of different lengths
 * @example warpingDistance(spoken, template) // 0 when one is the other, said slower or faster
 */
export function warpingDistance(
  a: VectorSequence,
  b: VectorSequence,
  { band = 0.25, above = Number.POSITIVE_INFINITY }: WarpingOptions = {},
): number {
  const [T, U, D] = [a.rows, b.rows, a.width];
  if (T === 0 || U === 0 || b.width !== D) {
    const got = `[${T}, ${D}] and [${U}, ${b.width}]`;
    throw new HeptagenError("baselines/sequence", `expected two sequences of vectors of one length, got ${got}`);
  }
  const reach = Math.max(1, Math.ceil(band * Math.max(T, U)));
  const limit = above * (T + U);
  let before = new Float64Array(U).fill(Number.POSITIVE_INFINITY);
  let row = new Float64Array(U);
  for (let t = 0; t < T; t++) {
    const middle = T === 1 ? 0 : (t * (U - 1)) / (T - 1);
    const [from, to] = [Math.max(0, Math.floor(middle - reach)), Math.min(U - 1, Math.ceil(middle + reach))];
    row.fill(Number.POSITIVE_INFINITY);
    let least = Number.POSITIVE_INFINITY;
    for (let u = from; u <= to; u++) {
      let squares = 0;
      for (let d = 0; d < D; d++) squares += ((a.data[t * D + d] as number) - (b.data[u * D + d] as number)) ** 2;
      const distance = Math.sqrt(squares);
      const both = t === 0 && u === 0 ? 0 : t > 0 && u > 0 ? (before[u - 1] as number) : Number.POSITIVE_INFINITY;
      const one = Math.min(
        t > 0 ? (before[u] as number) : Number.POSITIVE_INFINITY,
        u > 0 ? (row[u - 1] as number) : Number.POSITIVE_INFINITY,
      );
      row[u] = Math.min(both + 2 * distance, one + distance);
      least = Math.min(least, row[u] as number);
    }
    if (least > limit) return Number.POSITIVE_INFINITY;
    [before, row] = [row, before];
  }
  return (before[U - 1] as number) / (T + U);
}

/**
 * The place of the template that is least unlike a sequence.
 *
 * @throws HeptagenError `baselines/sequence` without templates
 */
export function nearestTemplate(
  sequence: VectorSequence,
  templates: readonly VectorSequence[],
  options: Pick<WarpingOptions, "band"> = {},
): number {
  let [best, above] = [-1, Number.POSITIVE_INFINITY];
  for (const [i, template] of templates.entries()) {
    const distance = warpingDistance(sequence, template, { ...options, above });
    if (best < 0 || distance < above) [best, above] = [i, distance];
  }
  if (best >= 0) return best;
  throw new HeptagenError("baselines/sequence", "nearestTemplate: expected templates, got none");
}
