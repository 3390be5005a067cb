/**
 * TF-IDF vectors of texts, as scikit-learn's TfidfVectorizer makes them: how often each term occurs, times how rare it is among
 * documents, each vector of length 1 (Salton & Buckley 1988; Manning, Raghavan & Schütze 2008, chapter 6).
 *
 * Terms are runs of two and more letters, digits or underscores in lower case, and if asked for pairs of them. Text in scripts that
 * put no spaces between words needs its spaces put in first.
 */
import { HeptagenError } from "../util/errors.ts";
import { type SparseRows, sparseRows } from "./sparse.ts";

export interface TfIdfOptions {
  /** Whether pairs of neighbouring words are terms too; they are not unless told. */
  readonly bigrams?: boolean;
  /** Whether a count weighs 1 + ln count instead of itself; it does not unless told. */
  readonly sublinear?: boolean;
  /** Terms of fewer documents than this are left out; 1 unless told. */
  readonly minDocuments?: number;
}

/** What was learnt from texts: numbers and words alone, fit for JSON. */
export interface TfIdf {
  readonly bigrams: boolean;
  readonly sublinear: boolean;
  /** In order of their code units: term i is column i. */
  readonly terms: readonly string[];
  /** [terms] ln((1 + documents) / (1 + documents with the term)) + 1 */
  readonly idf: readonly number[];
}

/**
 * Learns terms and their weights.
 *
 * @throws HeptagenError `baselines/terms` when the texts have no term
 * @example
 * const model = fitTfIdf(reviews, { bigrams: true, minDocuments: 2 });
 * const vectors = tfIdfVectors(model, reviews);
 */
export function fitTfIdf(
  texts: readonly string[],
  { bigrams = false, sublinear = false, minDocuments = 1 }: TfIdfOptions = {},
): TfIdf {
  const documents = new Map<string, number>();
  for (const text of texts) {
    for (const term of new Set(termsOf(text, bigrams))) documents.set(term, (documents.get(term) ?? 0) + 1);
  }
  const terms = [...documents.keys()].filter((term) => (documents.get(term) as number) >= minDocuments).sort();
  if (terms.length === 0) {
    throw new HeptagenError(
      "baselines/terms",
      `fitTfIdf: expected at least one term in ${minDocuments} of ${texts.length} texts, got none`,
      { facts: { texts: texts.length, minDocuments }, next: "Give texts with words of two letters or more." },
    );
  }
  const idf = terms.map((term) => Math.log((1 + texts.length) / (1 + (documents.get(term) as number))) + 1);
  return { bigrams, sublinear, terms, idf };
}

/** One vector a text; terms never seen are left out, a text of such terms alone is a row of zeros. */
export function tfIdfVectors({ bigrams, sublinear, terms, idf }: TfIdf, texts: readonly string[]): SparseRows {
  const columns = new Map(terms.map((term, column) => [term, column]));
  const rows = texts.map((text) => {
    const counts = new Map<number, number>();
    for (const term of termsOf(text, bigrams)) {
      const column = columns.get(term);
      if (column !== undefined) counts.set(column, (counts.get(column) ?? 0) + 1);
    }
    const weighted = [...counts].map(
      ([column, count]) => [column, (sublinear ? 1 + Math.log(count) : count) * (idf[column] as number)] as const,
    );
    const length = Math.sqrt(weighted.reduce((sum, [, weight]) => sum + weight * weight, 0));
    return weighted.map(([column, weight]) => [column, weight / length] as const);
  });
  return sparseRows(rows, terms.length);
}

function termsOf(text: string, bigrams: boolean): readonly string[] {
  const words = text.toLowerCase().match(/[\p{L}\p{N}_]{2,}/gu) ?? [];
  return bigrams ? [...words, ...words.slice(1).map((word, i) => `${words[i]} ${word}`)] : words;
}
