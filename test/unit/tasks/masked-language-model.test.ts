import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { hideTokens, readParagraphs, tokenParts } from "../../../src/tasks/masked-language-model/data.ts";
import { fold, key } from "../../../src/util/random.ts";

const special = { begin: 100, end: 101, mask: 102, vocabulary: 103 };
const folder = mkdtempSync(join(tmpdir(), "heptagen-masked-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("hiding tokens", () => {
  const ids = Int32Array.from({ length: 40 }, (_, i) => i);

  it("asks about 15 %: 80 % of them show the mask, 10 % another token, 10 % themselves", () => {
    const counts = { mask: 0, same: 0, other: 0 };
    for (let i = 0; i < 200; i++) {
      const { shown, places } = hideTokens(ids, 0.15, special, fold(key(3), i));
      expect(places.length).toBe(6);
      expect([...places]).toEqual([...new Set(places)].sort((a, b) => a - b));
      for (const [t, id] of shown.entries()) {
        if (!places.includes(t)) expect(id).toBe(ids[t]);
        else if (id === special.mask) counts.mask++;
        else if (id === ids[t]) counts.same++;
        else counts.other++;
        expect(id < special.begin || id === special.mask).toBe(true);
      }
    }
    expect(counts.mask / 1200).toBeCloseTo(0.8, 1);
    expect(counts.other / 1200).toBeCloseTo(0.1, 1);
    expect(counts.same / 1200).toBeCloseTo(0.1, 1);
  });

  it("hides the same places for the same key, others for another, and always one", () => {
    const placesOf = (seed: number) => [...hideTokens(ids, 0.15, special, key(seed)).places];
    expect(placesOf(1)).toEqual(placesOf(1));
    expect(placesOf(1)).not.toEqual(placesOf(2));
    expect(hideTokens(Int32Array.of(7), 0.15, special, key(1)).places).toEqual(Int32Array.of(0));
  });
});

describe("texts", () => {
  it("are cut evenly, and nothing is lost", () => {
    const ids = Int32Array.from({ length: 25 }, (_, i) => i);
    const parts = tokenParts(ids, 10);
    expect(parts.map(({ length }) => length)).toEqual([8, 8, 9]);
    expect(parts.flatMap((part) => [...part])).toEqual([...ids]);
  });

  it("are the paragraphs of documents and the texts of records", async () => {
    writeFileSync(join(folder, "a.txt"), "One\ntwo.\n\n  \n\nThree.\n");
    writeFileSync(join(folder, "b.jsonl"), '{"body":"Four."}\n');
    const read = (name: string, textColumn: string) => readParagraphs({ data: join(folder, name), textColumn });
    expect((await read("a.txt", "text")).map(({ text }) => text)).toEqual(["One\ntwo.", "Three."]);
    expect((await read("b.jsonl", "body")).map(({ text }) => text)).toEqual(["Four."]);
    await expect(read("b.jsonl", "text")).rejects.toThrow(`${join(folder, "b.jsonl")}:1: there is no column "text"`);
    await expect(readParagraphs({ data: undefined, textColumn: "text" })).rejects.toMatchObject({ code: "options/value" });
  });
});
