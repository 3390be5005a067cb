/**
 * chrF and chrF++ of a corpus (Popović 2015 and 2017), as sacreBLEU computes them: the F-score of character n-grams, n = 1 … 6, and
 * for chrF++ of words and pairs of words too, recall counting β² times as much as precision.
 *
 * It needs no tokenizer, and agrees better with people than BLEU where words change their forms.
 */
import { countOfReferences, referencesOf, sacrebleuVersion } from "./bleu.ts";
import { checkPairs, countCommon, countNgrams, splitWords } from "./overlap.ts";

export interface ChrfOptions {
  /** Longest run of characters; 6 unless told. */
  readonly charOrder?: number;
  /** Longest run of words: 0 unless told, which is chrF; 2 is chrF++. */
  readonly wordOrder?: number;
  /** How much recall counts against precision; 2 unless told. */
  readonly beta?: number;
  /** Whether case is ignored; it is not unless told. */
  readonly lowercase?: boolean;
  /** Whether white space counts as characters; it does not unless told. */
  readonly whitespace?: boolean;
  /** Whether orders that texts are too short for count as nearly zero, as in chrF++.py and NLTK, instead of being left out. */
  readonly epsilonSmoothing?: boolean;
}

export interface ChrfScore {
  /** 0 to 100. */
  readonly score: number;
  /** "chrF2", "chrF2++", … */
  readonly name: string;
  /** How it was measured, as sacreBLEU writes it. */
  readonly signature: string;
}

/**
 * chrF of texts against one or several references each; of several the one that fits best counts.
 *
 * @param references for each hypothesis its reference, or several; empty ones among several are as if missing
 * @throws HeptagenError `metrics/length` when the lists differ in length, `metrics/reference` when a segment has no reference
 * @example corpusChrf(["a good bookshop"], ["A good bookshop"], { wordOrder: 2 }).name // "chrF2++"
 */
export function corpusChrf(
  hypotheses: readonly string[],
  references: readonly (string | readonly string[])[],
  options: ChrfOptions = {},
): ChrfScore {
  const { charOrder = 6, wordOrder = 0, beta = 2, lowercase = false, whitespace = false, epsilonSmoothing = false } = options;
  checkPairs("corpusChrf", references, hypotheses);
  const ngramsOf = (text: string) => allNgrams(lowercase ? text.toLowerCase() : text, { charOrder, wordOrder, whitespace });
  const sums = Array.from({ length: charOrder + wordOrder }, (): Counts => ({ given: 0, wanted: 0, common: 0 }));
  const choices = new Set<number>();
  for (const [i, hypothesis] of hypotheses.entries()) {
    const texts = referencesOf("corpusChrf", references, i);
    choices.add(texts.length);
    const given = ngramsOf(hypothesis);
    let best: readonly Counts[] = [];
    let bestScore = -1;
    for (const text of texts) {
      const counts = ngramsOf(text).map((wanted, n) => compare(given[n] as ReadonlyMap<string, number>, wanted));
      const score = fScore(counts, beta, epsilonSmoothing);
      if (score > bestScore) [best, bestScore] = [counts, score];
    }
    for (const [n, counts] of best.entries()) {
      const sum = sums[n] as Counts;
      for (const key of ["given", "wanted", "common"] as const) sum[key] += counts[key];
    }
  }
  return {
    score: fScore(sums, beta, epsilonSmoothing),
    name: `chrF${beta}${"+".repeat(wordOrder)}`,
    signature: [
      countOfReferences(choices),
      `case:${lowercase ? "lc" : "mixed"}`,
      `eff:${epsilonSmoothing ? "no" : "yes"}`,
      `nc:${charOrder}`,
      `nw:${wordOrder}`,
      `space:${whitespace ? "yes" : "no"}`,
      `version:${sacrebleuVersion}`,
    ].join("|"),
  };
}

/** n-grams of one order: of the hypotheses, of the references, of both. */
interface Counts {
  given: number;
  wanted: number;
  common: number;
}

function allNgrams(
  text: string,
  { charOrder, wordOrder, whitespace }: { readonly charOrder: number; readonly wordOrder: number; readonly whitespace: boolean },
): ReadonlyMap<string, number>[] {
  const characters = [...(whitespace ? text : splitWords(text).join(""))];
  const words = wordOrder > 0 ? splitWords(text).flatMap(splitPunctuation) : [];
  return [
    ...Array.from({ length: charOrder }, (_, n) => countNgrams(characters, n + 1, "")),
    ...Array.from({ length: wordOrder }, (_, n) => countNgrams(words, n + 1)),
  ];
}

const punctuation = /[!-/:-@[-`{-~]/u;

/** One sign of ASCII's punctuation is split off a word: its last if it is one, else its first. */
function splitPunctuation(word: string): string[] {
  const characters = [...word];
  if (characters.length === 1) return [word];
  if (punctuation.test(characters.at(-1) as string)) return [characters.slice(0, -1).join(""), characters.at(-1) as string];
  if (punctuation.test(characters[0] as string)) return [characters[0] as string, characters.slice(1).join("")];
  return [word];
}

function compare(given: ReadonlyMap<string, number>, wanted: ReadonlyMap<string, number>): Counts {
  const sum = (counts: ReadonlyMap<string, number>) => {
    let total = 0;
    for (const count of counts.values()) total += count;
    return total;
  };
  // An order that the reference is too short for is no fault of the hypothesis.
  return { given: wanted.size > 0 ? sum(given) : 0, wanted: sum(wanted), common: countCommon(given, wanted) };
}

/** Per cent: the F-score of the orders' mean precision and recall, or with epsilons the orders' mean F-score. */
function fScore(counts: readonly Counts[], beta: number, epsilonSmoothing: boolean): number {
  const epsilon = 1e-16;
  const factor = beta * beta;
  const f = (precision: number, recall: number) => ((1 + factor) * precision * recall) / (factor * precision + recall);
  if (epsilonSmoothing) {
    const scores = counts.map(({ given, wanted, common }) => {
      const precision = given > 0 ? common / given : epsilon;
      const recall = wanted > 0 ? common / wanted : epsilon;
      return factor * precision + recall > 0 ? f(precision, recall) : epsilon;
    });
    return (100 * scores.reduce((sum, score) => sum + score, 0)) / counts.length;
  }
  const effective = counts.filter(({ given, wanted }) => given > 0 && wanted > 0);
  const mean = (share: (counts: Counts) => number) =>
    effective.reduce((sum, order) => sum + share(order), 0) / Math.max(1, effective.length);
  const precision = mean(({ common, given }) => common / given);
  const recall = mean(({ common, wanted }) => common / wanted);
  return precision + recall > 0 ? 100 * f(precision, recall) : 0;
}
