/** Reading examples: every format, and where what is wrong is said to be. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readDocuments, readParallel, readRecords, textIn } from "../../../src/data/index.ts";
import { openDuckdb } from "../../../src/data/tables.node.ts";

let folder: string;
const put = (name: string, content: string | Uint8Array): string => {
  writeFileSync(join(folder, name), content);
  return join(folder, name);
};
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "heptagen-records-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("tables", () => {
  it("CSV is read as text, with the line each row begins in", async () => {
    const file = put("a.csv", '\ufeffid,text\n01,"two\nlines, ""quoted"""\n02,\n\n');
    expect(await readRecords(file)).toEqual([
      { values: { id: "01", text: 'two\nlines, "quoted"' }, place: `${file}:2` },
      { values: { id: "02", text: null }, place: `${file}:4` },
    ]);
  });
  it("the header tells what separates the columns; names may be missing, or differ in case alone", async () => {
    expect((await readRecords(put("semi.csv", 'Text;text\r\n"a;b, c";x\r\n')))[0]?.values).toEqual({ Text: "a;b, c", text: "x" });
    expect((await readRecords(put("index.csv", ",text\n0,x\n")))[0]?.values).toEqual({ "column 1": "0", text: "x" });
    expect((await readRecords(put("a.tsv", "a, b\tc\nx, y\tz\n")))[0]?.values).toEqual({ "a, b": "x, y", c: "z" });
  });
  it("no row is taken for a preamble, by records and by documents", async () => {
    const file = put("preamble.csv", `text,label\nshort\n${'"a, b",x\n'.repeat(30)}`);
    await expect(readRecords(file)).rejects.toThrow(`${file}:2: expected 2 columns, got 1`);
    await expect(readDocuments(file)).rejects.toThrow(`${file}:2: expected 2 columns, got 1`);
    const good = put("good.csv", `text,label\n${'"a\nb",x\n'.repeat(3)}`);
    expect((await readDocuments(good)).map(({ text, source }) => [text, source])).toEqual(
      [2, 4, 6].map((line) => ["a\nb", `${good}:${line}`]),
    );
  });
  it("what is wrong is said with its line", async () => {
    const ragged = put("ragged.csv", 'a,b\n"1\n2",2\n1,2,3\n');
    await expect(readRecords(ragged)).rejects.toThrow(`${ragged}:4: expected 2 columns, got 3`);
    const blank = put("blank.csv", "a,b\n1,2\n\n3,4\n");
    await expect(readRecords(blank)).rejects.toThrow(`${blank}:3 is blank`);
    const open = put("open.csv", 'a,b\n1,2\n"3,4\n');
    await expect(readRecords(open)).rejects.toThrow(`${open}:3: there is a " that is never closed`);
    const twice = put("twice.csv", "a,b,a\n1,2,3\n");
    await expect(readRecords(twice)).rejects.toThrow(`${twice}:1: expected a name of its own for every column, got "a" twice`);
    const latin = put("latin.csv", Uint8Array.of(97, 10, 0xe9, 33, 10));
    await expect(readRecords(latin)).rejects.toThrow(/latin\.csv: expected UTF-8 text, got .* at offset 2 \(line 2\)/);
    await expect(readRecords(put("empty.csv", "a,b\n"))).rejects.toThrow("expected records, got none");
  });
  it("Parquet keeps numbers and lists; structures become columns", async () => {
    const file = join(folder, "a.parquet");
    const { connection, close } = await openDuckdb(file);
    const row = "{'en': 'x', 'fr': 'y'} AS translation, ['a', 'b'] AS tags, 9007199254740993::BIGINT AS big, 7::BIGINT AS n";
    await connection.run(`COPY (SELECT ${row}) TO '${file}'`);
    close();
    const values = { "translation.en": "x", "translation.fr": "y", tags: ["a", "b"], big: "9007199254740993", n: 7 };
    expect(await readRecords(file)).toEqual([{ values, place: `${file}: row 1` }]);
  });
});

describe("JSON", () => {
  it("lines and arrays hold a record each", async () => {
    const file = put("a.jsonl", '{"translation":{"en":"a","fr":"b"},"n":2,"tags":["x"]}\n\n{"n":3}\n');
    expect(await readRecords(file)).toEqual([
      { values: { "translation.en": "a", "translation.fr": "b", n: 2, tags: ["x"] }, place: `${file}:1` },
      { values: { n: 3 }, place: `${file}:3` },
    ]);
    const array = put("a.json", '[{"n":1}]');
    expect(await readRecords(array)).toEqual([{ values: { n: 1 }, place: `${array}: element 1` }]);
  });
  it("what is wrong is said with its line", async () => {
    const lines = put("bad.jsonl", '{"a":1}\n{a}\n');
    await expect(readRecords(lines)).rejects.toThrow(`${lines}:2: expected a JSON object, got "{a}"`);
    await expect(readRecords(put("bad.json", '{"a":1}'))).rejects.toThrow("expected an array of objects");
    const list = put("list.json", "[[1]]");
    await expect(readRecords(list)).rejects.toThrow(`${list}: element 1: expected a JSON object, got [1]`);
  });
  it("lines come from standard input", () => {
    const program = 'import("./src/data/index.ts").then((d) => d.readRecords("-")).then((r) => console.log(JSON.stringify(r)))';
    const run = spawnSync(process.execPath, ["--import", "tsx", "-e", program], { input: '{"a":1}\n', encoding: "utf8" });
    expect(JSON.parse(run.stdout || run.stderr)).toEqual([{ values: { a: 1 }, place: "standard input:1" }]);
  });
});

describe("sentences", () => {
  it("of CoNLL's two and four columns", async () => {
    const four = put("a.conll", "-DOCSTART- -X- O O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n\nPeter NNP B-NP B-PER");
    expect(await readRecords(four)).toEqual([
      { values: { tokens: ["EU", "rejects"], tags: ["B-ORG", "O"] }, place: `${four}:3` },
      { values: { tokens: ["Peter"], tags: ["B-PER"] }, place: `${four}:6` },
    ]);
    const two = put("a.bio", "# id = 1\r\n#\tO\r\nParis\tB-LOC\r\n");
    expect((await readRecords(two))[0]?.values).toEqual({ tokens: ["#", "Paris"], tags: ["O", "B-LOC"] });
  });
  it("lines of another number of columns are errors", async () => {
    const bad = put("bad.conll", "EU B-ORG\nrejects\n");
    await expect(readRecords(bad)).rejects.toThrow(`${bad}:2: expected 2 columns as before, got "rejects"`);
    await expect(readRecords(put("one.conll", "EU\n"))).rejects.toThrow("one.conll:1: expected a token and its tag");
  });
});

describe("parallel texts", () => {
  it("are read side by side", async () => {
    const [source, target] = [put("c.en", "one\ntwo\n"), put("c.fr", "un\r\ndeux")];
    expect(await readParallel({ source, target })).toEqual([
      { values: { source: "one", target: "un" }, place: `${source}:1 and ${target}:1` },
      { values: { source: "two", target: "deux" }, place: `${source}:2 and ${target}:2` },
    ]);
  });
  it("say which of the files is short, blank or missing", async () => {
    const [source, target] = [put("d.en", "one\ntwo\n"), put("d.fr", "un\n\ndeux\n")];
    const counts = `${source} has 2, ${target} has 3; the first blank one is ${target}:2`;
    await expect(readParallel({ source, target })).rejects.toThrow(counts);
    put("d.fr", "un\n \n");
    await expect(readParallel({ source, target })).rejects.toThrow(`${target}:2 is blank`);
    await expect(readParallel({ source, target: join(folder, "e.fr") })).rejects.toThrow("there is no file");
  });
});

describe("a record's text", () => {
  it("is that of a column, or an error with its place and the option", () => {
    const record = { values: { text: "a", stars: 5, none: null, blank: " ", tags: [] }, place: "x.csv:7" };
    expect([textIn(record, "text"), textIn(record, "stars")]).toEqual(["a", "5"]);
    for (const column of ["none", "blank"]) expect(() => textIn(record, column)).toThrow(`x.csv:7 has nothing in "${column}"`);
    expect(() => textIn(record, "tags")).toThrow('x.csv:7: expected text in "tags", got []');
    expect(() => textIn(record, "txt", "--text-column")).toThrow('Did you mean "text"? Name it with --text-column.');
  });
});
