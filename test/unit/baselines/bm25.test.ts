/** Scores by Lucene's formula, worked by hand. */
import { expect, test } from "vitest";
import { buildBm25, searchBm25 } from "../../../src/baselines/index.ts";

const documents = [
  "the quick brown fox", // 4
  "the lazy dog and the quick dog", // 7
  "a fox", // 2
  "nothing in common with these", // 5
];
const mean = 18 / 4;
const idf = (n: number) => Math.log(1 + (4 - n + 0.5) / (n + 0.5));

test("scores of a query of two terms", () => {
  const score = (tf: number, length: number, n: number) => (idf(n) * tf) / (tf + 1.2 * (0.25 + (0.75 * length) / mean));
  const hits = searchBm25(buildBm25(documents), "Fox, dog?", 10);
  expect(hits.map(({ document }) => document)).toEqual([1, 2, 0]);
  expect(hits[0]?.score).toBeCloseTo(score(2, 7, 1), 6);
  expect(hits[1]?.score).toBeCloseTo(score(1, 2, 2), 6);
  expect(hits[2]?.score).toBeCloseTo(score(1, 4, 2), 6);
  expect(hits[0]?.score).toBeCloseTo(0.6508, 4); // ln(1 + 3.5 / 1.5) · 2 / (2 + 1.7) = 1.20397 · 0.54054
});

test("k1 and b: without b lengths do not count, a repeated term of the query counts twice", () => {
  const index = buildBm25(documents, { k1: 0.9, b: 0 });
  const hits = searchBm25(index, "fox", 10);
  expect(hits.map(({ document }) => document)).toEqual([0, 2]);
  for (const { score } of hits) expect(score).toBeCloseTo(idf(2) / 1.9, 6);
  expect(searchBm25(index, "fox fox", 1)[0]?.score).toBeCloseTo((2 * idf(2)) / 1.9, 6);
});

test("only the best k, of equal ones the earlier first; nothing for unknown terms", () => {
  const index = buildBm25(["x", "y x", "x", "x", "z"]);
  expect(searchBm25(index, "x", 2).map(({ document }) => document)).toEqual([0, 2]);
  expect(searchBm25(index, "x", 9).map(({ document }) => document)).toEqual([0, 2, 3, 1]);
  expect(searchBm25(index, "unknown", 5)).toEqual([]);
  expect(searchBm25(index, "", 5)).toEqual([]);
});

test("the order is that of every document scored by itself", () => {
  const words = ["alpha", "beta", "gamma", "delta", "epsilon"];
  const texts = Array.from({ length: 300 }, (_, i) =>
    Array.from({ length: 1 + ((i * 7) % 11) }, (_, j) => words[(i * i + 3 * j * j + j) % 5]).join(" "),
  );
  const average = texts.reduce((sum, text) => sum + text.split(" ").length, 0) / texts.length;
  const query = ["alpha", "delta"];
  const scored = texts.map((text, document) => {
    const terms = text.split(" ");
    let score = 0;
    for (const word of query) {
      const n = texts.filter((other) => other.split(" ").includes(word)).length;
      const tf = terms.filter((term) => term === word).length;
      score += (Math.log(1 + (300 - n + 0.5) / (n + 0.5)) * tf) / (tf + 1.2 * (0.25 + (0.75 * terms.length) / average));
    }
    return { document, score };
  });
  const best = scored.filter(({ score }) => score > 0).sort((a, b) => b.score - a.score);
  const hits = searchBm25(buildBm25(texts), query.join(" "), 25);
  expect(hits).toHaveLength(25);
  for (const [i, { score, document }] of hits.entries()) {
    expect(score).toBeCloseTo(best[i]?.score as number, 5);
    expect(score).toBeCloseTo(scored[document]?.score as number, 5);
  }
});

test("other scripts with a tokenizer of one's own; documents without a term are refused", () => {
  const index = buildBm25(["红茶很好", "绿茶"], { tokenize: (text) => [...text] });
  expect(searchBm25(index, "绿", 5).map(({ document }) => document)).toEqual([1]);
  expect(() => buildBm25(["", "?"])).toThrow("expected a document with a term, got none in 2");
  expect(() => buildBm25([])).toThrow("got none in 0");
});
