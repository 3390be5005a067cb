/**
 * BLEU of a corpus (Papineni et al. 2002), with sacreBLEU's tokenizers, smoothing and signature (Post 2018, "A call for clarity in
 * reporting BLEU scores"), so that figures compare with published ones.
 *
 * BLEU = brevity penalty × geometric mean of the n-gram precisions, n = 1 … 4, counts summed over the corpus before dividing.
 */
import { HeptagenError } from "../util/errors.ts";
import { checkPairs, countCommon, countNgrams, splitWords } from "./overlap.ts";

/** How text is split: as mteval-v13a does, that with each Chinese character apart, into characters, or at white space alone. */
export type BleuTokenizer = "13a" | "zh" | "char" | "none";

/** What stands in for a precision of zero (Chen & Cherry 2014): halving steps, a floor, a number added, or nothing. */
export type BleuSmoothing = "exp" | "floor" | "add-k" | "none";

export interface BleuOptions {
  /** "13a" unless told; "zh" for Chinese. */
  readonly tokenizer?: BleuTokenizer;
  /** "exp" unless told. */
  readonly smoothing?: BleuSmoothing;
  /** The floor (0.1 unless told) or the number added (1 unless told). */
  readonly smoothingValue?: number;
  /** Whether case is ignored; it is not unless told. */
  readonly lowercase?: boolean;
  /** Whether orders that the text is too short for are left out; for scores of single sentences. */
  readonly effectiveOrder?: boolean;
}

export interface BleuScore {
  /** 0 to 100. */
  readonly score: number;
  /** Of each order, in per cent, smoothed. */
  readonly precisions: readonly number[];
  /** n-grams found in a reference, of each order. */
  readonly counts: readonly number[];
  /** n-grams of the hypotheses, of each order. */
  readonly totals: readonly number[];
  readonly brevityPenalty: number;
  /** Tokens of the hypotheses. */
  readonly hypothesisLength: number;
  /** Tokens of the references nearest in length. */
  readonly referenceLength: number;
  /** How it was measured, as sacreBLEU writes it. */
  readonly signature: string;
}

/** The sacreBLEU whose definitions these are, as signatures name it; they are the same in all of 2.x. */
export const sacrebleuVersion = "2.0.0";

const maximalOrder = 4;
const smoothingDefaults = { exp: undefined, none: undefined, floor: 0.1, "add-k": 1 } as const;

/**
 * BLEU of translations against one or several references each.
 *
 * @param hypotheses detokenized text, one item a segment
 * @param references for each hypothesis its reference, or several; empty ones among several are as if missing
 * @throws HeptagenError `metrics/length` when the lists differ in length, `metrics/reference` when a segment has no reference
 * @example
 * const { score, signature } = corpusBleu(["The dog bit the man."], [["The dog bit the man.", "The dog had bit the man."]]);
 * // 100, "nrefs:2|case:mixed|eff:no|tok:13a|smooth:exp|version:2.0.0"
 */
export function corpusBleu(
  hypotheses: readonly string[],
  references: readonly (string | readonly string[])[],
  options: BleuOptions = {},
): BleuScore {
  const { tokenizer = "13a", lowercase = false } = options;
  checkPairs("corpusBleu", references, hypotheses);
  const tokenize = (text: string) => splitWords(tokenizers[tokenizer]((lowercase ? text.toLowerCase() : text).trimEnd()));
  const counts = new Array<number>(maximalOrder).fill(0);
  const totals = new Array<number>(maximalOrder).fill(0);
  const lengths = { hypothesis: 0, reference: 0 };
  const choices = new Set<number>();
  for (const [i, hypothesis] of hypotheses.entries()) {
    const texts = referencesOf("corpusBleu", references, i);
    choices.add(texts.length);
    const wanted = texts.map(tokenize);
    const tokens = tokenize(hypothesis);
    lengths.hypothesis += tokens.length;
    lengths.reference += nearestLength(
      tokens.length,
      wanted.map((reference) => reference.length),
    );
    for (let n = 1; n <= maximalOrder; n++) {
      const most = new Map<string, number>();
      for (const reference of wanted) {
        for (const [ngram, count] of countNgrams(reference, n)) most.set(ngram, Math.max(count, most.get(ngram) ?? 0));
      }
      (counts[n - 1] as number) += countCommon(countNgrams(tokens, n), most);
      (totals[n - 1] as number) += Math.max(0, tokens.length - n + 1);
    }
  }
  return { ...combine(counts, totals, lengths, options), signature: signatureOf(choices, options) };
}

/**
 * BLEU of one segment, its order as high as its length allows: a rough guide, made for corpora.
 *
 * @throws HeptagenError as `corpusBleu`
 * @example sentenceBleu("a test", ["a test"]).score // 100
 */
export function sentenceBleu(hypothesis: string, references: string | readonly string[], options: BleuOptions = {}): BleuScore {
  return corpusBleu([hypothesis], [references], { effectiveOrder: true, ...options });
}

/** The references of a segment that are there. */
export function referencesOf(what: string, references: readonly (string | readonly string[])[], i: number): readonly string[] {
  const given = references[i] as string | readonly string[];
  const texts = (typeof given === "string" ? [given] : given).filter((text) => text !== "");
  if (texts.length > 0) return texts;
  throw new HeptagenError(
    "metrics/reference",
    `${what}: expected a reference that is not empty for each segment, got none for segment ${i}`,
    {
      facts: { segment: i },
      next: "Leave segments without a reference out of both lists.",
    },
  );
}

/** Of the references' lengths the nearest, the shorter where two are. */
function nearestLength(length: number, lengths: readonly number[]): number {
  const distance = (other: number) => Math.abs(other - length);
  return lengths.reduce((best, other) =>
    distance(other) < distance(best) || (distance(other) === distance(best) && other < best) ? other : best,
  );
}

function combine(
  counts: number[],
  totals: number[],
  { hypothesis, reference }: { readonly hypothesis: number; readonly reference: number },
  { smoothing = "exp", smoothingValue, effectiveOrder = false }: BleuOptions,
): Omit<BleuScore, "signature"> {
  const value = smoothingValue ?? smoothingDefaults[smoothing] ?? 0;
  const brevityPenalty = hypothesis >= reference ? 1 : hypothesis > 0 ? Math.exp(1 - reference / hypothesis) : 0;
  const precisions = counts.map(() => 0);
  const rest = { counts, totals, precisions, brevityPenalty, hypothesisLength: hypothesis, referenceLength: reference };
  if (counts.every((count) => count === 0)) return { score: 0, ...rest };
  let order = maximalOrder;
  let zeros = 0;
  for (let n = 1; n <= maximalOrder; n++) {
    const added = smoothing === "add-k" && n > 1 ? value : 0;
    const count = (counts[n - 1] as number) + added;
    const total = (totals[n - 1] as number) + added;
    if (total === 0) break;
    if (effectiveOrder) order = n;
    if (count > 0) precisions[n - 1] = (100 * count) / total;
    else if (smoothing === "exp") precisions[n - 1] = 100 / (2 ** ++zeros * total);
    else if (smoothing === "floor") precisions[n - 1] = (100 * value) / total;
  }
  const logarithms = precisions.slice(0, order).reduce((sum, precision) => sum + Math.log(precision), 0); // log 0 makes the score 0
  return { score: brevityPenalty * Math.exp(logarithms / order), ...rest };
}

function signatureOf(
  choices: ReadonlySet<number>,
  { tokenizer = "13a", smoothing = "exp", smoothingValue, lowercase, effectiveOrder }: BleuOptions,
): string {
  const value = smoothingValue ?? smoothingDefaults[smoothing];
  const smooth = smoothingDefaults[smoothing] === undefined ? smoothing : `${smoothing}[${value?.toFixed(2)}]`;
  return [
    countOfReferences(choices),
    `case:${lowercase ? "lc" : "mixed"}`,
    `eff:${effectiveOrder ? "yes" : "no"}`,
    `tok:${tokenizer}`,
    `smooth:${smooth}`,
    `version:${sacrebleuVersion}`,
  ].join("|");
}

/** The part of a signature that says how many references segments have. */
export function countOfReferences(choices: ReadonlySet<number>): string {
  return `nrefs:${choices.size === 1 ? [...choices][0] : "var"}`;
}

/** Each puts white space between tokens. */
const tokenizers: Readonly<Record<BleuTokenizer, (text: string) => string>> = {
  none: (text) => text,
  char: (text) => [...text].join(" "),
  "13a": (text) =>
    splitPunctuation(
      ` ${text
        .replaceAll("<skipped>", "")
        .replaceAll("-\n", "")
        .replaceAll("\n", " ")
        .replaceAll("&quot;", '"')
        .replaceAll("&amp;", "&")
        .replaceAll("&lt;", "<")
        .replaceAll("&gt;", ">")} `,
    ),
  zh: (text) => splitPunctuation(text.trim().replace(chinese, " $& ")),
};

/** ASCII's punctuation apart; periods and commas unless they stand between digits; dashes after a digit. */
function splitPunctuation(text: string): string {
  return text
    .replace(/[{-~[-` -&(-+:-@/]/gu, " $& ")
    .replace(/([^0-9])([.,])/gu, "$1 $2 ")
    .replace(/([.,])([^0-9])/gu, " $1 $2")
    .replace(/([0-9])(-)/gu, "$1 $2 ");
}

/**
 * What sacreBLEU takes for a Chinese character: ideographs, radicals, strokes, their punctuation, full-width forms, symbols. Its
 * table means ideographs beyond U+20000 but writes U+2001 to U+2A6D, and so do we: figures must compare.
 */
const chinese =
  /[\u2001-\u2a6d\u2e80-\u2fdf\u2ff0-\u303f\u3100-\u312f\u31a0-\u31bf\u31c0-\u31ef\u3200-\u4db5\u4e00-\u9fbb\uf900-\ufa2d\ufa30-\ufa6a\ufa70-\ufad9\ufe10-\ufe1f\ufe30-\ufe4f\uff00-\uffef]/gu;
