/**
 * ROUGE (Lin 2004, "ROUGE: a package for automatic evaluation of summaries") as google-research's rouge_score computes it: what a
 * summary and its reference share, in words, pairs of words, and longest common subsequences.
 *
 * Tokens are runs of a–z and 0–9 in lower case: a measure for English; text in other scripts has no tokens and scores 0.
 */
import { checkPairs, countCommon, countNgrams, meanOverlap, type Overlap, overlap } from "./overlap.ts";
import { porterStem } from "./porter-stemmer.ts";

export interface RougeOptions {
  /** Whether words longer than three letters are stemmed (Porter), as ROUGE-1.5.5 does under `-m`; they are not unless told. */
  readonly stem?: boolean;
}

export interface RougeScores {
  /** Words in common. */
  readonly rouge1: Overlap;
  /** Pairs of words in common. */
  readonly rouge2: Overlap;
  /** Longest common subsequence of both texts, lines ignored. */
  readonly rougeL: Overlap;
  /** Union of the common subsequences of lines, each line a sentence. */
  readonly rougeLsum: Overlap;
}

/**
 * ROUGE of one summary: 0 to 1.
 *
 * @example rouge("testing one two", "testing one").rouge2.f1 // 2/3
 */
export function rouge(reference: string, prediction: string, options: RougeOptions = {}): RougeScores {
  const wanted = tokenize(reference, options);
  const given = tokenize(prediction, options);
  const ofOrder = (n: number) => {
    const hits = countCommon(countNgrams(given, n), countNgrams(wanted, n));
    return overlap(hits, Math.max(0, given.length - n + 1), Math.max(0, wanted.length - n + 1));
  };
  const lines = (text: string) => text.split("\n").map((line) => tokenize(line, options));
  return {
    rouge1: ofOrder(1),
    rouge2: ofOrder(2),
    rougeL: overlap(commonSubsequence(wanted, given).length, given.length, wanted.length),
    rougeLsum: summaryLevel(lines(reference), lines(prediction)),
  };
}

/**
 * ROUGE of many summaries: the means of their scores.
 *
 * @throws HeptagenError `metrics/length` when the lists differ in length or are empty
 * @example rougeMean(references, predictions, { stem: true }).rougeL.f1
 */
export function rougeMean(
  references: readonly string[],
  predictions: readonly string[],
  options: RougeOptions = {},
): RougeScores {
  checkPairs("rougeMean", references, predictions);
  const scores = references.map((reference, i) => rouge(reference, predictions[i] as string, options));
  const mean = (of: keyof RougeScores) => meanOverlap(scores.map((score) => score[of]));
  return { rouge1: mean("rouge1"), rouge2: mean("rouge2"), rougeL: mean("rougeL"), rougeLsum: mean("rougeLsum") };
}

function tokenize(text: string, { stem = false }: RougeOptions): string[] {
  const words = text.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  return stem ? words.map((word) => (word.length > 3 ? porterStem(word) : word)) : words;
}

/** Places in `wanted` of one of the longest subsequences it shares with `given`. */
function commonSubsequence(wanted: readonly string[], given: readonly string[]): number[] {
  const width = given.length + 1;
  const lengths = new Uint32Array((wanted.length + 1) * width); // of the first i words of one and the first j of the other
  for (let i = 1; i <= wanted.length; i++) {
    for (let j = 1; j <= given.length; j++) {
      lengths[i * width + j] =
        wanted[i - 1] === given[j - 1]
          ? (lengths[(i - 1) * width + j - 1] as number) + 1
          : Math.max(lengths[(i - 1) * width + j] as number, lengths[i * width + j - 1] as number);
    }
  }
  const places: number[] = [];
  let [i, j] = [wanted.length, given.length];
  while (i > 0 && j > 0) {
    if (wanted[i - 1] === given[j - 1]) {
      places.push(i - 1);
      i--;
      j--;
    } else if ((lengths[i * width + j - 1] as number) > (lengths[(i - 1) * width + j] as number)) j--;
    else i--;
  }
  return places.reverse();
}

/** For each reference sentence the words it shares in order with any predicted one; no word counts more often than it occurs. */
function summaryLevel(wanted: readonly string[][], given: readonly string[][]): Overlap {
  const left = { wanted: countNgrams(wanted.flat(), 1), given: countNgrams(given.flat(), 1) };
  let hits = 0;
  for (const sentence of wanted) {
    const union = new Set(given.flatMap((other) => commonSubsequence(sentence, other)));
    for (const place of [...union].sort((a, b) => a - b)) {
      const word = sentence[place] as string;
      const [inWanted, inGiven] = [left.wanted.get(word) ?? 0, left.given.get(word) ?? 0];
      if (inWanted === 0 || inGiven === 0) continue;
      hits++;
      left.wanted.set(word, inWanted - 1);
      left.given.set(word, inGiven - 1);
    }
  }
  return overlap(hits, given.flat().length, wanted.flat().length);
}
