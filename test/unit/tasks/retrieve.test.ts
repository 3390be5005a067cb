import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { collectionOf, readPairs } from "../../../src/tasks/retrieve/data.ts";
import type { TrainingOptions } from "../../../src/tasks/retrieve/options.ts";
import { retrieveTask } from "../../../src/tasks/retrieve/retrieve.ts";
import {
  bestWeight,
  candidatesOf,
  denseSearch,
  hybridHits,
  searchIndex,
  searchPassages,
} from "../../../src/tasks/retrieve/search.ts";
import { readCorpus } from "../../../src/tasks/sequence/corpus.ts";
import { fillNormal, key } from "../../../src/util/random.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "heptagen-retrieve-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const options = { queryColumn: "query", textColumn: "text" } as TrainingOptions;
const write = (name: string, content: string): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};

describe("search", () => {
  const [count, width] = [50, 6];
  const data = new Float32Array(count * width);
  fillNormal(key(1), data);
  for (let p = 0; p < count; p++) {
    const row = data.subarray(p * width, (p + 1) * width);
    const norm = Math.hypot(...row);
    row.forEach((value, i) => {
      row[i] = value / norm;
    });
  }
  const passages = Array.from({ length: count }, (_, p) => ({ text: `word${p} word${p % 7}`, place: `${p}` }));
  const index = searchIndex(passages, { width, data });
  const queries = [3, 17].map((p) => ({ text: `word${p % 7}`, vector: data.slice(p * width, (p + 1) * width) }));
  const cosine = (a: Float32Array, p: number) => a.reduce((sum, x, i) => sum + x * (data[p * width + i] as number), 0);

  it("finds what trying all passages finds", async () => {
    const hits = await searchPassages(denseSearch("cpu"), index, queries, { k: 10, mode: "dense", weight: 1 });
    queries.forEach(({ vector }, q) => {
      const order = passages.map((_, p) => p).sort((a, b) => cosine(vector, b) - cosine(vector, a));
      expect(hits[q]?.map(({ passage }) => passage)).toEqual(order.slice(0, 10));
      expect(hits[q]?.[0]?.score).toBeCloseTo(1, 5);
    });
  });

  it("is that of cosines where they have all the weight, and of BM25 where they have none", async () => {
    const search = denseSearch("cpu");
    const found = await candidatesOf(search, index, queries);
    const by = async (mode: "dense" | "bm25") =>
      (await searchPassages(search, index, queries, { k: 5, mode, weight: 1 })).map((hits) => hits.map(({ passage }) => passage));
    const ranked = (weight: number) => found.map((some) => hybridHits(some, weight, 5).map(({ passage }) => passage));
    expect(ranked(1)).toEqual(await by("dense"));
    expect(ranked(0)).toEqual(await by("bm25"));
  });

  it("chooses the weight that ranks best", async () => {
    const found = await candidatesOf(denseSearch("cpu"), index, queries);
    expect(bestWeight(found, [new Set([3]), new Set([17])])).toBeGreaterThan(0); // their own vectors
    const first = found.map((some) => new Set([hybridHits(some, 0, 1)[0]?.passage as number]));
    expect(bestWeight(found, first)).toBe(0);
  });
});

describe("data", () => {
  it("has each passage once, and knows all that are right for a query", async () => {
    const rows = [
      ["a", "one"],
      ["b", "one"],
      ["a", "two"],
    ].map(([query, text]) => JSON.stringify({ query, text }));
    const { passages, relevant } = collectionOf(await readPairs({ ...options, data: write("pairs.jsonl", rows.join("\n")) }));
    expect(passages.map(({ text }) => text)).toEqual(["one", "two"]);
    expect(relevant.get("a")).toEqual(new Set([0, 1]));
    expect(relevant.get("b")).toEqual(new Set([0]));
  });

  it("keeps a group's queries on one side", async () => {
    const rows = Array.from({ length: 400 }, (_, i) => JSON.stringify({ query: `q${i}`, text: `t${i}`, group: `g${i % 90}` }));
    const given = { ...options, data: write("groups.jsonl", rows.join("\n")), groupColumn: "group", validation: 0.1, test: 0.2 };
    const { train, validation, test } = await retrieveTask.split(await readPairs(given), given);
    const groups = (side: typeof train) => new Set(side.map(({ placed }) => placed.group));
    expect(train.length + validation.length + test.length).toBe(400);
    for (const group of [...groups(validation), ...groups(test)]) expect(groups(train).has(group)).toBe(false);
    for (const group of groups(test)) expect(groups(validation).has(group)).toBe(false);
  });

  it("says where a column or a text is missing", async () => {
    const file = write("bad.csv", "query,body\na,one\nb,\n");
    await expect(readPairs({ ...options, data: file })).rejects.toMatchObject({ code: "data/column" });
    const empty = write("empty.csv", 'query,body\na,one\nb,""\n');
    await expect(readPairs({ ...options, textColumn: "body", data: empty })).rejects.toMatchObject({
      code: "data/empty-cell",
      message: expect.stringContaining("empty.csv:3"),
    });
  });

  it("reads a corpus by records or paragraphs", async () => {
    const notes = write("notes.txt", "One\nstill one.\n\n  \nTwo.\n\nOne\nstill one.");
    const lines = write("more.jsonl", '{"text":"Three."}\n{"text":"Three."}');
    const corpus = await readCorpus([notes, lines], "text");
    expect(corpus.map(({ text }) => text)).toEqual(["One\nstill one.", "Two.", "Three."]);
    expect(corpus[1]?.place).toBe(`${notes}: paragraph 2`);
    await expect(readCorpus(write("bad.jsonl", '{"text":"a"}\n{"txet":"b"}'), "text")).rejects.toMatchObject({
      code: "data/column",
      message: expect.stringContaining("bad.jsonl:2"),
    });
  });
});
