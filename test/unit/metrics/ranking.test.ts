/** Cases worked by hand; scikit-learn's nDCG is replayed in test/golden/classification.test.ts. */
import { describe, expect, it, test } from "vitest";
import { averagePrecision, ndcgAt, rankingScores, recallAt, reciprocalRank } from "../../../src/metrics/index.ts";

describe("five results, of which the second, the fourth and one not found are relevant", () => {
  const query = { ranked: ["a", "b", "c", "d", "e"], relevant: new Set(["b", "d", "x"]) };

  it("reciprocal rank", () => {
    expect([1, 2, 10].map((k) => reciprocalRank(query, k))).toEqual([0, 1 / 2, 1 / 2]);
  });

  it("recall", () => {
    expect([1, 2, 4, 10].map((k) => recallAt(query, k))).toEqual([0, 1 / 3, 2 / 3, 2 / 3]);
  });

  it("average precision", () => {
    expect(averagePrecision(query)).toBeCloseTo((1 / 2 + 2 / 4) / 3, 12);
  });

  it("discounted gain", () => {
    const best = 1 + 1 / Math.log2(3) + 1 / 2;
    expect(ndcgAt(query, 5)).toBeCloseTo((1 / Math.log2(3) + 1 / Math.log2(5)) / best, 12);
    expect(ndcgAt(query, 2)).toBeCloseTo(1 / Math.log2(3) / (1 + 1 / Math.log2(3)), 12);
  });
});

test("gains of several sizes (Wikipedia's example: 3, 2, 3, 0, 1, 2)", () => {
  const gains = [3, 2, 3, 0, 1, 2];
  const relevant = new Map(gains.flatMap((gain, i) => (gain > 0 ? [[i, gain] as const] : [])));
  expect(ndcgAt({ ranked: [0, 1, 2, 3, 4, 5], relevant }, 6)).toBeCloseTo(6.861 / 7.141, 3);
});

test("means over queries", () => {
  const scores = rankingScores([
    { ranked: [1, 2, 3], relevant: new Set([1]) },
    { ranked: [1, 2, 3], relevant: new Set([3]) },
    { ranked: [], relevant: new Set([9]) },
  ]);
  expect(scores.queries).toBe(3);
  expect(scores.mrr).toBeCloseTo((1 + 1 / 3) / 3, 12);
  expect(scores.map).toBeCloseTo((1 + 1 / 3) / 3, 12);
  expect(scores.recall).toBeCloseTo(2 / 3, 12);
  expect(scores.ndcg).toBeCloseTo((1 + 1 / 2) / 3, 12);
});

test("only the first k count, ten unless told", () => {
  const query = { ranked: Array.from({ length: 20 }, (_, i) => i), relevant: new Set([10]) };
  expect(rankingScores([query])).toMatchObject({ mrr: 0, recall: 0, ndcg: 0, map: 1 / 11 });
  expect(rankingScores([query], { k: 11 }).mrr).toBeCloseTo(1 / 11, 12);
});

test("what cannot be scored is refused", () => {
  expect(() => rankingScores([])).toThrow("at least one query");
  expect(() => rankingScores([{ ranked: [1], relevant: new Set() }])).toThrow("for query 0");
  expect(() => rankingScores([{ ranked: [1], relevant: new Map([[1, 0]]) }])).toThrow("gains above 0");
  expect(() => rankingScores([{ ranked: [1, 2, 1], relevant: new Set([1]) }])).toThrow("got 1 twice for query 0");
});
