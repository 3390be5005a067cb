/** Reading text: every format, and every way it can be wrong. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readDocuments } from "../../../src/data/index.ts";

let folder: string;
const at = (name: string) => join(folder, name);
const texts = async (source: string | string[], column?: string) =>
  (await readDocuments(source, column === undefined ? {} : { column })).map(({ text }) => text);

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "heptagen-data-"));
  mkdirSync(at("tree/deep"), { recursive: true });
  mkdirSync(at("none"));
  writeFileSync(at("none/image.png"), Uint8Array.of(137, 80));
  writeFileSync(at("tree/a.txt"), "first\r\nline\n");
  writeFileSync(at("tree/b.md"), "# second");
  writeFileSync(at("tree/deep/c.txt"), "\ufeffthird 世界");
  writeFileSync(at("tree/.hidden.txt"), "hidden");
  writeFileSync(at("rows.jsonl"), '{"text": "one", "body": "eins"}\n\n{"text": "two\\nlines", "body": "zwei"}\n');
  writeFileSync(at("rows.csv"), 'id,text\n1,"hello, ""you"""\n2,"two\nlines"\n');
  writeFileSync(at("rows.tsv"), "id\ttext\n1\talpha\n2\tbeta\n");
  writeFileSync(at("gap.csv"), "id,text\n1,one\n2,\n");
  writeFileSync(at("broken.jsonl"), '{"text": "fine"}\n{"text": broken}\n');
  writeFileSync(at("empty.txt"), "");
  writeFileSync(at("zero.txt"), Uint8Array.of(104, 105, 0, 1));
  writeFileSync(at("latin1.txt"), Uint8Array.of(99, 97, 102, 0xe9, 33));
  const { DuckDBInstance } = await import("@duckdb/node-api");
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  await connection.run(`COPY (SELECT 'row ' || range AS body FROM range(3)) TO '${at("rows.parquet")}' (FORMAT parquet)`);
  connection.closeSync();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("formats", () => {
  it("reads a file as it is, without a byte order mark", async () => {
    expect(await texts(at("tree/a.txt"))).toEqual(["first\r\nline\n"]);
    expect(await texts(at("tree/deep/c.txt"))).toEqual(["third 世界"]);
  });
  it("reads folders with what is below them, in order, hidden files left out", async () => {
    expect(await texts(at("tree"))).toEqual(["first\r\nline\n", "# second", "third 世界"]);
  });
  it("reads globs and lists", async () => {
    expect(await texts(at("tree/*.txt"))).toEqual(["first\r\nline\n"]);
    expect(await texts(at("tree/**/*.txt"))).toEqual(["first\r\nline\n", "third 世界"]);
    expect(await texts([at("tree/b.md"), at("tree/*.{txt,nothing}")])).toEqual(["# second", "first\r\nline\n"]);
  });
  it("reads a field of JSON lines", async () => {
    expect(await texts(at("rows.jsonl"))).toEqual(["one", "two\nlines"]);
    expect(await texts(at("rows.jsonl"), "body")).toEqual(["eins", "zwei"]);
  });
  it("reads a column of CSV, TSV and Parquet", async () => {
    expect(await texts(at("rows.csv"))).toEqual(['hello, "you"', "two\nlines"]);
    expect(await texts(at("rows.csv"), "id")).toEqual(["1", "2"]);
    expect(await texts(at("rows.tsv"))).toEqual(["alpha", "beta"]);
    expect(await texts(at("rows.parquet"), "body")).toEqual(["row 0", "row 1", "row 2"]);
  });
  it("says where each document came from", async () => {
    expect((await readDocuments(at("rows.jsonl"))).map(({ source }) => source)).toEqual([
      `${at("rows.jsonl")}:1`,
      `${at("rows.jsonl")}:3`,
    ]);
  });
});

describe.each([
  ["a missing file", "tree/a.text", undefined, "data/not-found", 'Did you mean "a.txt"?'],
  ["an empty file", "empty.txt", undefined, "data/empty", "empty.txt is empty"],
  ["zero bytes", "zero.txt", undefined, "data/not-text", "a zero byte at offset 2"],
  ["another encoding", "latin1.txt", undefined, "data/not-text", "not UTF-8 at offset 3"],
  ["a folder without text", "none", undefined, "data/no-files", "none"],
  ["a glob that matches nothing", "tree/*.csv", undefined, "data/no-files", "no file matches"],
  ["an unknown field", "rows.jsonl", "bodi", "data/column", 'Did you mean "body"?'],
  ["an unknown column", "rows.csv", "txt", "data/column", 'it has "id", "text"'],
  ["an unknown Parquet column", "rows.parquet", "text", "data/column", 'it has "body"'],
  ["a broken line", "broken.jsonl", undefined, "data/json", "broken.jsonl:2: expected a JSON object"],
  ["an empty cell", "gap.csv", undefined, "data/empty-cell", "gap.csv:3 has nothing"],
])("%s", (_, name, column, code, words) => {
  it(`is ${code}`, async () => {
    await expect(texts(at(name), column)).rejects.toMatchObject({ code, message: expect.stringContaining(words) });
  });
});
