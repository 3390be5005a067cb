/**
 * How good a search is: where in its results the relevant documents stand (Manning, Raghavan & Schütze 2008, "Introduction to
 * information retrieval", chapter 8). All are 0 to 1 for a query, and means over queries.
 */
import { HeptagenError } from "../util/errors.ts";

/** What tells documents apart. */
export type DocumentId = number | string;

export interface RankedQuery {
  /** Documents found, the best first, each once. */
  readonly ranked: readonly DocumentId[];
  /** The documents that are relevant, or how much each is (gains above 0), found or not. */
  readonly relevant: ReadonlySet<DocumentId> | ReadonlyMap<DocumentId, number>;
}

export interface RankingScores {
  /** Mean reciprocal rank of the first relevant document within the first k; 0 for a query without one. */
  readonly mrr: number;
  /** Share of the relevant documents that are within the first k. */
  readonly recall: number;
  /** Discounted gain of the first k over that of the best order possible. */
  readonly ndcg: number;
  /** Mean average precision of the whole ranking. */
  readonly map: number;
  readonly queries: number;
}

/**
 * MRR@k, recall@k, nDCG@k and MAP over queries.
 *
 * @throws HeptagenError `metrics/relevant` when a query has no relevant document, `metrics/ranked` when a document is found twice
 * @example rankingScores([{ ranked: [7, 3, 5], relevant: new Set([3]) }]).mrr // 0.5
 */
export function rankingScores(queries: readonly RankedQuery[], { k = 10 }: { readonly k?: number } = {}): RankingScores {
  if (queries.length === 0) throw new HeptagenError("metrics/length", "rankingScores: expected at least one query, got none");
  for (const [i, query] of queries.entries()) checkQuery(query, i);
  const mean = (score: (query: RankedQuery) => number) => queries.reduce((sum, query) => sum + score(query), 0) / queries.length;
  return {
    mrr: mean((query) => reciprocalRank(query, k)),
    recall: mean((query) => recallAt(query, k)),
    ndcg: mean((query) => ndcgAt(query, k)),
    map: mean(averagePrecision),
    queries: queries.length,
  };
}

/** 1 / place of the first relevant document within the first `k`, 0 without one. */
export function reciprocalRank({ ranked, relevant }: RankedQuery, k: number): number {
  const place = ranked.slice(0, k).findIndex((document) => relevant.has(document));
  return place < 0 ? 0 : 1 / (place + 1);
}

/** Share of the relevant documents within the first `k`. */
export function recallAt({ ranked, relevant }: RankedQuery, k: number): number {
  return ranked.slice(0, k).filter((document) => relevant.has(document)).length / relevant.size;
}

/**
 * Normalised discounted cumulative gain (Järvelin & Kekäläinen 2002): gain / log₂(place + 1) summed over the first `k`, over the same
 * sum for the best order. Gains are linear, as in scikit-learn's `ndcg_score`.
 */
export function ndcgAt({ ranked, relevant }: RankedQuery, k: number): number {
  const gainOf = (document: DocumentId) =>
    relevant instanceof Map ? (relevant.get(document) ?? 0) : relevant.has(document) ? 1 : 0;
  const sum = (gains: readonly number[]) => gains.slice(0, k).reduce((total, gain, i) => total + gain / Math.log2(i + 2), 0);
  const best = [...relevant.keys()].map(gainOf).sort((a, b) => b - a);
  return sum(ranked.map(gainOf)) / sum(best);
}

/** Mean, over the relevant documents, of the precision of the ranking down to each; 0 for one that was not found. */
export function averagePrecision({ ranked, relevant }: RankedQuery): number {
  let found = 0;
  let sum = 0;
  for (const [i, document] of ranked.entries()) if (relevant.has(document)) sum += ++found / (i + 1);
  return sum / relevant.size;
}

function checkQuery({ ranked, relevant }: RankedQuery, i: number): void {
  if (relevant.size === 0 || (relevant instanceof Map && [...relevant.values()].some((gain) => !(gain > 0)))) {
    throw new HeptagenError(
      "metrics/relevant",
      `rankingScores: expected at least one relevant document, with gains above 0, for query ${i}`,
      {
        facts: { query: i, relevant: relevant.size },
        next: "Leave queries without an answer out: no ranking of theirs is better.",
      },
    );
  }
  if (new Set(ranked).size === ranked.length) return;
  const twice = ranked.find((document, place) => ranked.indexOf(document) !== place);
  throw new HeptagenError("metrics/ranked", `rankingScores: expected each document once, got ${twice} twice for query ${i}`, {
    facts: { query: i, document: twice },
  });
}
