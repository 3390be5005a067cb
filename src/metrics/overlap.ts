/** What scores of texts share: words, counted n-grams, and precision, recall and F1 of what two sides have in common. */
import { HeptagenError } from "../util/errors.ts";

/** Shares between 0 and 1. What has no denominator counts as 0. */
export interface Overlap {
  /** Of what was given, the share that is right. */
  readonly precision: number;
  /** Of what is right, the share that was given. */
  readonly recall: number;
  /** Their harmonic mean. */
  readonly f1: number;
}

/**
 * Precision, recall and F1 from counts.
 *
 * @param hits how many of those given are right
 * @param given how many were given
 * @param wanted how many would be right
 * @example overlap(1, 1, 3) // { precision: 1, recall: 0.333…, f1: 0.5 }
 */
export function overlap(hits: number, given: number, wanted: number): Overlap {
  return {
    precision: given > 0 ? hits / given : 0,
    recall: wanted > 0 ? hits / wanted : 0,
    f1: hits > 0 ? (2 * hits) / (given + wanted) : 0,
  };
}

/** The mean of each of the three; of none, zeros. */
export function meanOverlap(overlaps: readonly Overlap[], weights: readonly number[] = overlaps.map(() => 1)): Overlap {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const mean = (of: keyof Overlap) =>
    total > 0 ? overlaps.reduce((sum, scores, i) => sum + scores[of] * (weights[i] as number), 0) / total : 0;
  return { precision: mean("precision"), recall: mean("recall"), f1: mean("f1") };
}

/**
 * The words of a text: what stands between white space (Unicode's, as in Python's `str.split()`).
 *
 * @example splitWords("  two\twords ") // ["two", "words"]
 */
export function splitWords(text: string): string[] {
  return text.split(/\p{White_Space}+/u).filter((word) => word !== "");
}

/** How often each run of `n` parts occurs, under the parts joined by `joint`. */
export function countNgrams(parts: readonly string[], n: number, joint = " "): Map<string, number> {
  const counts = new Map<string, number>();
  for (let i = 0; i + n <= parts.length; i++) {
    let ngram = parts[i] as string;
    for (let j = i + 1; j < i + n; j++) ngram += joint + parts[j];
    counts.set(ngram, (counts.get(ngram) ?? 0) + 1);
  }
  return counts;
}

/** How many n-grams two texts have in common, each as often as the text that has fewer of it. */
export function countCommon(a: ReadonlyMap<string, number>, b: ReadonlyMap<string, number>): number {
  let common = 0;
  for (const [ngram, count] of a) common += Math.min(count, b.get(ngram) ?? 0);
  return common;
}

/**
 * Checks that two lists belong together, item by item.
 *
 * @throws HeptagenError `metrics/length` when they differ in length or are empty
 */
export function checkPairs(what: string, references: ArrayLike<unknown>, made: ArrayLike<unknown>): void {
  if (references.length === made.length && references.length > 0) return;
  throw new HeptagenError(
    "metrics/length",
    `${what}: expected two lists of the same length with at least one item, got ${references.length} references and ${made.length} predictions`,
    {
      facts: { references: references.length, predictions: made.length },
      next: "Give one prediction for each reference, in the same order.",
    },
  );
}
