/**
 * BM25 (Robertson & Zaragoza 2009, "The probabilistic relevance framework: BM25 and beyond") over an inverted index, as Lucene computes
 * it: the sum over the query's terms of idf × tf / (tf + k1 (1 − b + b × length / mean length)), with
 * idf = ln(1 + (N − n + ½) / (n + ½)) for n of N documents that have the term, which is never negative.
 *
 * Other libraries multiply by k1 + 1, which changes no order. Lengths are exact; Lucene rounds those above 40 to a byte.
 */
import { HeptagenError } from "../util/errors.ts";

export interface Bm25Options {
  /** How slowly repeated terms saturate: 1.2 unless told, as in Lucene; 0.9 is Anserini's. */
  readonly k1?: number;
  /** How much long documents are held against: 0.75 unless told, as in Lucene; 0.4 is Anserini's. */
  readonly b?: number;
  /** What a text's terms are; unless told, runs of letters and digits in lower case. */
  readonly tokenize?: (text: string) => readonly string[];
}

/** Where each term occurs. */
export interface Bm25Index {
  readonly documents: number;
  readonly tokenize: (text: string) => readonly string[];
  /** Each term's row in `starts`. */
  readonly terms: ReadonlyMap<string, number>;
  /** [terms + 1] The postings of term i lie from place `starts[i]` to place `starts[i + 1]`. */
  readonly starts: Int32Array;
  /** [postings] Documents, ascending for each term. */
  readonly postings: Int32Array;
  /** [postings] What the term adds to that document's score. */
  readonly weights: Float32Array;
}

export interface SearchHit {
  /** Place in the list that was indexed. */
  readonly document: number;
  readonly score: number;
}

/**
 * Indexes documents.
 *
 * @throws HeptagenError `baselines/documents` when no document has a term
 * @example
 * const index = buildBm25(["the quick fox", "the lazy dog"]);
 * searchBm25(index, "quick fox", 10); // [{ document: 0, score: … }]
 */
export function buildBm25(documents: readonly string[], { k1 = 1.2, b = 0.75, tokenize = wordsOf }: Bm25Options = {}): Bm25Index {
  const terms = new Map<string, number>();
  const occurrences: number[][] = []; // for each term: document, count, document, count, …
  const lengths = new Int32Array(documents.length);
  for (const [document, text] of documents.entries()) {
    const words = tokenize(text);
    lengths[document] = words.length;
    for (const word of words) {
      let term = terms.get(word);
      if (term === undefined) {
        term = occurrences.push([]) - 1;
        terms.set(word, term);
      }
      const list = occurrences[term] as number[];
      if (list[list.length - 2] === document) (list[list.length - 1] as number)++;
      else list.push(document, 1);
    }
  }
  const mean = lengths.reduce((sum, length) => sum + length, 0) / documents.length;
  if (!(mean > 0)) {
    throw new HeptagenError(
      "baselines/documents",
      `buildBm25: expected a document with a term, got none in ${documents.length}`,
      {
        facts: { documents: documents.length },
      },
    );
  }
  const starts = new Int32Array(occurrences.length + 1);
  for (const [term, list] of occurrences.entries()) starts[term + 1] = (starts[term] as number) + list.length / 2;
  const postings = new Int32Array(starts[occurrences.length] as number);
  const weights = new Float32Array(postings.length);
  for (const [term, list] of occurrences.entries()) {
    const idf = Math.log(1 + (documents.length - list.length / 2 + 0.5) / (list.length / 2 + 0.5));
    for (let i = 0; i < list.length; i += 2) {
      const [document, count] = [list[i] as number, list[i + 1] as number];
      const place = (starts[term] as number) + i / 2;
      postings[place] = document;
      weights[place] = (idf * count) / (count + k1 * (1 - b + (b * (lengths[document] as number)) / mean));
    }
  }
  return { documents: documents.length, tokenize, terms, starts, postings, weights };
}

/**
 * The `k` best documents for a query, the best first; of equal ones the earlier first. Documents without a term of it are not found; a
 * term that the query repeats counts as often.
 */
export function searchBm25(index: Bm25Index, query: string, k: number): SearchHit[] {
  const scores = new Float64Array(index.documents);
  for (const word of index.tokenize(query)) {
    const term = index.terms.get(word);
    if (term === undefined) continue;
    for (let p = index.starts[term] as number; p < (index.starts[term + 1] as number); p++) {
      (scores[index.postings[p] as number] as number) += index.weights[p] as number;
    }
  }
  const best: SearchHit[] = []; // in order; the worst of them is what others must beat
  for (let document = 0; document < scores.length; document++) {
    const score = scores[document] as number;
    if (score === 0 || (best.length >= k && score <= (best[k - 1] as SearchHit).score)) continue;
    let place = best.length;
    while (place > 0 && (best[place - 1] as SearchHit).score < score) place--;
    best.splice(place, 0, { document, score });
    if (best.length > k) best.pop();
  }
  return best;
}

function wordsOf(text: string): readonly string[] {
  return text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];
}
