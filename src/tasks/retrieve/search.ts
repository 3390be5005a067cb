/**
 * Searching passages: exactly, by the cosine of vectors, by BM25, or by both together.
 *
 * All cosines are computed by one product and the best taken in the same graph: for tens of thousands of passages that takes
 * milliseconds, and nothing is missed as in an approximate index.
 */
import { type Bm25Index, buildBm25, searchBm25 } from "../../baselines/index.ts";
import type { Tensor } from "../../core/index.ts";
import { reciprocalRank } from "../../metrics/index.ts";
import { matmul, topK } from "../../ops/index.ts";
import { type Device, jit } from "../../runtime/index.ts";
import { type NdArray, ndarray } from "../../util/ndarray.ts";
import type { Passage } from "../sequence/corpus.ts";
import type { SearchMode } from "./options.ts";

/** Vectors of length 1, one after another. */
export interface Vectors {
  readonly width: number;
  readonly data: Float32Array;
}

export interface Hit {
  /** Its place in the list of passages. */
  readonly passage: number;
  readonly score: number;
  readonly cosine?: number;
  readonly bm25?: number;
}

/** A query as text, and as a vector where cosines are asked for. */
export interface Query {
  readonly text: string;
  readonly vector?: Float32Array;
}

export interface SearchIndex {
  readonly passages: readonly Passage[];
  readonly vectors: Vectors;
  /** Made when it is first needed. */
  bm25(): Bm25Index;
}

/** Best passages of either kind that a hybrid search looks at. */
const candidates = 100;
/** Queries at once. */
const chunk = 64;

export function searchIndex(passages: readonly Passage[], vectors: Vectors): SearchIndex {
  let made: Bm25Index | undefined;
  return {
    passages,
    vectors,
    bm25: () => (made ??= buildBm25(passages.map(({ text }) => text))),
  };
}

/** The k vectors of largest cosine with each query, the best first. */
export type DenseSearch = (vectors: Vectors, queries: readonly Float32Array[], k: number) => Promise<Hit[][]>;

/** Compiles exact search once per number of passages and results. */
export function denseSearch(device: Device): DenseSearch {
  const compiled = new Map<number, (vectors: NdArray, queries: NdArray) => Promise<{ values: NdArray; indices: NdArray }>>();
  return async ({ width, data }, queries, most) => {
    const count = data.length / width;
    const k = Math.min(most, count);
    const best =
      compiled.get(k) ??
      jit<[NdArray, NdArray], { values: Tensor; indices: Tensor }>(
        (vectors, asked) => topK(matmul(asked, vectors, { transposeB: true }), k), // [Q, k]
        { device },
      );
    compiled.set(k, best);
    const all = ndarray("float32", [count, width], data);
    const hits: Hit[][] = [];
    for (let from = 0; from < queries.length; from += chunk) {
      const some = queries.slice(from, from + chunk);
      const asked = new Float32Array(chunk * width);
      some.forEach((vector, q) => void asked.set(vector, q * width));
      const { values, indices } = await best(all, ndarray("float32", [chunk, width], asked));
      for (let q = 0; q < some.length; q++) {
        hits.push(
          Array.from({ length: k }, (_, i) => {
            const cosine = Number(values.data[q * k + i]);
            return { passage: Number(indices.data[q * k + i]), score: cosine, cosine };
          }),
        );
      }
    }
    return hits;
  };
}

/** What either search finds best for a query, with both scores of each. */
interface Candidate {
  readonly passage: number;
  readonly cosine: number;
  /** 0 where BM25 does not find it among its best. */
  readonly bm25: number;
}

/** The best of both searches for each query. */
export async function candidatesOf(search: DenseSearch, index: SearchIndex, queries: readonly Query[]): Promise<Candidate[][]> {
  const { width, data } = index.vectors;
  const near = await search(
    index.vectors,
    queries.map(({ vector }) => vector as Float32Array),
    candidates,
  );
  return queries.map(({ text, vector }, q) => {
    const found = new Map<number, { cosine?: number; bm25?: number }>();
    for (const { passage, score } of near[q] as Hit[]) found.set(passage, { cosine: score });
    for (const { document, score } of searchBm25(index.bm25(), text, candidates)) {
      found.set(document, { ...found.get(document), bm25: score });
    }
    const cosineOf = (passage: number): number => {
      let sum = 0;
      for (let i = 0; i < width; i++) sum += (data[passage * width + i] as number) * ((vector as Float32Array)[i] as number);
      return sum;
    };
    return [...found].map(([passage, { cosine = cosineOf(passage), bm25 = 0 }]) => ({ passage, cosine, bm25 }));
  });
}

/**
 * Candidates in the order of weight × cosine + (1 − weight) × BM25, each brought to 0 … 1 over the query's candidates.
 *
 * Fox & Shaw 1994 (combination of scores), Bruch et al. 2023 (why not of ranks).
 */
export function hybridHits(found: readonly Candidate[], weight: number, k: number): Hit[] {
  const range = (values: readonly number[]) => {
    const low = values.reduce((a, b) => Math.min(a, b), Number.POSITIVE_INFINITY);
    const high = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
    return (value: number) => (high > low ? (value - low) / (high - low) : 0);
  };
  const near = range(found.map(({ cosine }) => cosine));
  const like = range([0, ...found.map(({ bm25 }) => bm25)]);
  return found
    .map((one) => ({ ...one, score: weight * near(one.cosine) + (1 - weight) * like(one.bm25) }))
    .sort((a, b) => b.score - a.score || a.passage - b.passage)
    .slice(0, k);
}

/** The weight of the highest mean reciprocal rank within the first ten; of equal ones the smallest. */
export function bestWeight(found: readonly Candidate[][], relevant: readonly ReadonlySet<number>[]): number {
  let best = { weight: 0, mrr: -1 };
  for (let step = 0; step <= 20; step++) {
    const weight = step / 20;
    const mrr = found.reduce((sum, some, q) => {
      const ranked = hybridHits(some, weight, 10).map(({ passage }) => passage);
      return sum + reciprocalRank({ ranked, relevant: relevant[q] as ReadonlySet<number> }, 10);
    }, 0);
    if (mrr > best.mrr + 1e-9) best = { weight, mrr };
  }
  return best.weight;
}

/** The best passages for each query. */
export async function searchPassages(
  search: DenseSearch,
  index: SearchIndex,
  queries: readonly Query[],
  { k, mode, weight }: { readonly k: number; readonly mode: SearchMode; readonly weight: number },
): Promise<Hit[][]> {
  switch (mode) {
    case "dense":
      return search(
        index.vectors,
        queries.map(({ vector }) => vector as Float32Array),
        k,
      );
    case "bm25":
      return queries.map(({ text }) =>
        searchBm25(index.bm25(), text, k).map(({ document, score }) => ({ passage: document, score, bm25: score })),
      );
    case "hybrid":
      return (await candidatesOf(search, index, queries)).map((found) => hybridHits(found, weight, k));
  }
}
