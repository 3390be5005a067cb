/** Records made from fetched sets: R's data, translations, names, questions, transcripts; and how they get into the cache. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { findDataSet, getData, locateData, namedData, readDocuments } from "../../../src/data/index.ts";
import { unpackLzma2 } from "../../../src/data/lzma2.ts";
import { preparations } from "../../../src/data/prepare.node.ts";
import { kindOfName, nameSpans, readSentence, written } from "../../../src/data/prepare-brown-names.node.ts";
import { textBlocks } from "../../../src/data/prepare-reference.node.ts";
import { expansions, quizRows } from "../../../src/data/quiz-grammar.ts";
import { readRColumns, readRData } from "../../../src/data/r-data.ts";
import { formantVoices, recordedVoices, spokenWords } from "../../../src/data/speech-words.ts";
import { spokenText } from "../../../src/data/transcripts.ts";

const folder = mkdtempSync(join(tmpdir(), "heptagen-records-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A folder with these files. */
function made(files: Readonly<Record<string, string>>): string {
  const top = mkdtempSync(join(folder, "made-"));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(join(top, name, ".."), { recursive: true });
    writeFileSync(join(top, name), content);
  }
  return top;
}
const rows = (path: string) =>
  readFileSync(path, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));

/** R's serialisation, written as R writes it. */
const r = {
  int: (value: number) => {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value);
    return bytes;
  },
  double: (value: number) => {
    const bytes = Buffer.alloc(8);
    bytes.writeDoubleBE(value);
    return bytes;
  },
  text: (value: string | null) =>
    value === null
      ? Buffer.concat([r.int(9), r.int(-1)])
      : Buffer.concat([r.int(9 | (1 << 15)), r.int(Buffer.byteLength(value)), Buffer.from(value)]),
  texts: (values: readonly (string | null)[]) => Buffer.concat([r.int(16), r.int(values.length), ...values.map(r.text)]),
  symbol: (name: string) => Buffer.concat([r.int(1), r.text(name)]),
  nothing: Buffer.from([0, 0, 0, 254]),
  pairs: (pairs: readonly (readonly [Buffer, Buffer])[]) =>
    Buffer.concat([...pairs.flatMap(([tag, value]) => [r.int(2 | 0x400), tag, value]), r.nothing]),
  file: (value: Buffer, version = 3) => {
    const encoding = version === 3 ? [r.int(5), Buffer.from("UTF-8")] : [];
    return Buffer.concat([Buffer.from("X\n"), r.int(version), r.int(0), r.int(0), ...encoding, value]);
  },
};

describe("data of R", () => {
  const missing = Buffer.from("7ff00000000007a2", "hex");
  const names = r.symbol("names");
  const reference = r.int((1 << 8) | 255); // to the first symbol: "names"
  it("are read: numbers, factors, dates, texts and what is missing", () => {
    const classOf = (name: string): [Buffer, Buffer] => [r.symbol("class"), r.texts([name])];
    const columns = [
      Buffer.concat([r.int(13), r.int(3), r.int(7), r.int(-(2 ** 31)), r.int(-1)]),
      Buffer.concat([r.int(14), r.int(3), r.double(0.5), missing, r.double(Number.NaN)]),
      Buffer.concat([r.int(10), r.int(3), r.int(1), r.int(0), r.int(-(2 ** 31))]),
      r.texts(["a", null, "ü"]),
      Buffer.concat([
        r.int(13 | 0x200),
        r.int(3),
        ...[2, 1, -(2 ** 31)].map(r.int),
        r.pairs([[r.symbol("levels"), r.texts(["great", "other"])], classOf("factor")]),
      ]),
      Buffer.concat([
        r.int(14 | 0x200),
        r.int(3),
        ...[0, 11344, 16071.5].map(r.double),
        r.pairs([[r.int((3 << 8) | 255), r.texts(["Date"])]]),
      ]),
    ];
    const labels = r.texts(["i", "d", "l", "t", "f", "day"]);
    const frame = (tag: Buffer) =>
      Buffer.concat([r.int(19 | 0x200), r.int(columns.length), ...columns, r.pairs([[tag, labels]])]);
    // Symbols are numbered as they come: levels, class, then names.
    const file = r
      .file(frame(names))
      .toString("latin1")
      .replace(r.int((3 << 8) | 255).toString("latin1"), r.int((2 << 8) | 255).toString("latin1"));
    const read = readRColumns(readRData(Buffer.from(file, "latin1"), "x.rds"), "x.rds");
    expect(Object.fromEntries(read)).toEqual({
      i: [7, null, -1],
      d: [0.5, null, Number.NaN],
      l: [true, false, null],
      t: ["a", null, "ü"],
      f: ["other", "great", null],
      day: ["1970-01-01", "2001-01-22", "2014-01-01"],
    });
  });

  it("are read in their compact forms", () => {
    const compact = (name: string, state: Buffer) =>
      Buffer.concat([
        r.int(238),
        r.int(2),
        r.symbol(name),
        r.int(2),
        r.symbol("base"),
        r.int(2),
        r.int(13),
        r.int(1),
        r.int(13),
        r.nothing,
        state,
        r.nothing,
      ]);
    const sequence = Buffer.concat([r.int(14), r.int(3), ...[4, 2, 1].map(r.double)]);
    expect(readRData(r.file(compact("compact_intseq", sequence)), "x")).toMatchObject({ values: [2, 3, 4, 5] });
    const wrapped = Buffer.concat([r.int(19), r.int(2), r.texts(["a"]), sequence]);
    expect(readRData(r.file(compact("wrap_string", wrapped)), "x")).toMatchObject({ values: ["a"] });
    expect(() => readRData(r.file(compact("mmap_real", sequence)), "x.rds")).toThrow(/x\.rds: .*compact form "mmap_real"/);
  });

  it("resolve symbols that are named again, in both versions", () => {
    const list = Buffer.concat([r.int(19), r.int(2), names, reference]);
    for (const version of [2, 3]) expect(readRData(r.file(list, version), "x")).toMatchObject({ values: ["names", "names"] });
  });

  it("are refused with the reason when they are cut short, or something else", () => {
    const whole = r.file(r.texts(["abc", "def"]));
    for (let size = 2; size < whole.length; size += 3)
      expect(() => readRData(whole.subarray(0, size), "x.rds")).toThrow(/x\.rds: /);
    expect(() => readRData(Buffer.from("RDX3"), "x.rds")).toThrow(/expected "X\\n"/);
    expect(() => readRData(r.file(r.int(3)), "x.rds")).toThrow(/type 3, which is neither a vector nor a list/);
    expect(() => readRColumns(readRData(whole, "x.rds"), "x.rds")).toThrow(/something else than a data frame/);
  });
});

describe("bare LZMA2 data", () => {
  // A chunk that is not packed: 1, its size less one, the bytes; then the end.
  const plain = (text: string) => Buffer.from([1, 0, text.length - 1, ...Buffer.from(text), 0]);
  it("are unpacked, of any length", async () => {
    for (const text of ["a", "ab", "abc", "abcd", "x".repeat(200)]) {
      expect(Buffer.from(await unpackLzma2(plain(text), text.length)).toString()).toBe(text);
    }
    // `xz --format=raw --lzma2=preset=6` of 64 times "heptagen "
    const packed = Buffer.from("e0023f00135d0034194a6822bc53f02e6ea303ed31616843e00000", "hex");
    expect(Buffer.from(await unpackLzma2(packed, 576)).toString()).toBe("heptagen ".repeat(64));
  });
  it("are refused when they are damaged", async () => {
    await expect(unpackLzma2(Buffer.from([0x55, 1, 2, 3]), 3)).rejects.toThrow();
  });
});

const description = (name: string, source: string, en: string, fr?: string) => {
  const of = (text: string) => ({ title: text.split("|")[0], body: text.split("|").slice(1).join("\n\n") });
  return { package: name, source, section: name.length > 3 ? "doc" : "net", text: { en: of(en), ...(fr && { fr: of(fr) }) } };
};
const descriptions = [
  description("foo", "foo", "a tool|It helps.|For all.", "un outil|Il aide.|Pour tous."),
  description("foo-doc", "foo", "manual|It helps.|The manual.", "manuel|Il aide."),
  description("bar", "bar", "a tool|Another.", "a tool|Un autre."),
]
  .map((row) => JSON.stringify(row))
  .join("\n");

describe("records out of Debian's descriptions", () => {
  const from = made({ "descriptions.jsonl": `${descriptions}\n` });
  it("translations: titles, and paragraphs where there are as many; each once, what is not translated left out", async () => {
    const to = made({});
    await preparations["debian-en-fr"]([from], to);
    const expected = [
      ["a tool", "un outil", "foo"],
      ["It helps.", "Il aide.", "foo"],
      ["For all.", "Pour tous.", "foo"],
      ["manual", "manuel", "foo"],
      ["Another.", "Un autre.", "bar"],
    ].map(([source, target, group]) => ({ source, target, group }));
    expect(rows(join(to, "all.jsonl"))).toEqual(expected);
    expect(rows(join(to, "short.jsonl"))).toEqual(expected);
  });
  it("summaries: each first paragraph once, and all in another part; sections and passages", async () => {
    const to = made({});
    await preparations["debian-summaries"]([from], to);
    expect(rows(join(to, "summaries.jsonl")).map(({ package: name }) => name)).toEqual(["foo", "bar"]);
    expect(rows(join(to, "all.jsonl"))[1]).toEqual({
      text: "It helps.\n\nThe manual.",
      summary: "manual",
      group: "foo",
      package: "foo-doc",
    });
    await preparations["debian-sections"]([from], to);
    expect(rows(join(to, "sections.jsonl")).map(({ label }) => label)).toEqual(["net", "doc", "net"]);
    await preparations["debian-passages"]([from], to);
    expect(rows(join(to, "passages.jsonl"))[2]).toEqual({
      id: "2",
      query: "a tool",
      text: "Another.",
      group: "bar",
      package: "bar",
    });
  });
});

describe("names in the Brown corpus", () => {
  const sentence = readSentence("\t``/`` The/at Fulton/np-tl County/nn-tl ,/, said/vbd Mr./np Smith's/np$ 1/2/cd ''/'' ./.");
  it("are the longest runs of names and titles", () => {
    expect(sentence.tokens).toEqual(["``", "The", "Fulton", "County", ",", "said", "Mr.", "Smith's", "1/2", "''", "."]);
    expect(nameSpans(sentence)).toEqual([
      [2, 4],
      [6, 8],
    ]);
  });
  it("are told with the sentence as it is printed", () => {
    const { text, offsets } = written(sentence.tokens);
    expect(text).toBe('"The Fulton County, said Mr. Smith\'s 1/2".');
    expect(offsets.map(([start, end]) => text.slice(start, end))).toEqual([
      '"',
      "The",
      "Fulton",
      "County",
      ",",
      "said",
      "Mr.",
      "Smith's",
      "1/2",
      '"',
      ".",
    ]);
  });
  it("are typed by lists of words", () => {
    const kinds = ["Mr. Smith", "New York's", "Brown University", "Department of State", "Hudson River", "John", "Act"].map(
      (name) => kindOfName(name.split(" ")),
    );
    expect(kinds).toEqual(["PER", "LOC", "ORG", "ORG", "LOC", "PER", "MISC"]);
  });
});

describe("questions", () => {
  it("quiz: rows and patterns are read as the game reads them", () => {
    expect(quizRows("a:b\\:c\nlong:\\\nline\nempty::x\n")).toEqual([
      ["a", "b\\:c"],
      ["long", "line"],
      ["empty", "", "x"],
    ]);
    expect(expansions("{G{eorge} }Washington|GW")).toEqual(["George Washington", "G Washington", "Washington", "GW"]);
    expect(expansions("Gr[a|e]y\\|x")).toEqual(["Gray|x", "Grey|x"]);
    expect(expansions("Bras'\bilia")).toEqual(["Brasília"]);
    expect(expansions("")).toEqual([]);
  });
  it("FAQ: headings of one or two lines, answers without their breaks", async () => {
    const to = made({});
    const faq =
      "Contents\n1.1. What?\n\nChapter\u00a01.\u00a0Basics\n\n1.1.\u00a0What is\nit?\n\n    A system,\n    free.\n\n    1.1.1. More\n\n1.2. Authors\n\n    Us.\n\nChapter 2. Use\n\n2.1. How?\n\n    So.\n";
    await preparations["debian-faq-questions"]([made({ "debian-faq.txt": faq })], to);
    expect(rows(join(to, "questions.jsonl"))).toEqual([
      { question: "What is it?", answer: "A system, free.\nMore", section: "Basics" },
      { question: "How?", answer: "So.", section: "Use" },
    ]);
  });
  it("replies: up to three lines before, of the same scene", async () => {
    const to = made({});
    const lines = ["a-m-1", "a-v-2", "x", "a-m-4", "a-m-5"].map((id, i) => ({ level: i < 4 ? "one" : "two", id, text: `${i}` }));
    const text = `${lines.map((line) => JSON.stringify(line)).join("\n")}\n`;
    await preparations["fish-replies"]([made({ "dialogues.jsonl": text })], to);
    expect(rows(join(to, "replies.jsonl"))).toEqual([
      { context: ["0"], reply: "1", speaker: "big fish", level: "one" },
      { context: ["0", "1"], reply: "2", speaker: null, level: "one" },
      { context: ["0", "1", "2"], reply: "3", speaker: "small fish", level: "one" },
    ]);
  });
});

describe("texts", () => {
  it("of a page: paragraphs and cells, not what lies around them; lines of Chinese are joined without a space", () => {
    const page =
      "<h2>3.1. The <b>kernel</b></h2><ul><li><p>One\n  two</p><pre>code</pre></li><li>内核\n消息 Debian\n系统</li></ul>";
    expect(textBlocks(page).filter(({ text }) => text !== "")).toEqual([
      { tag: "h2", text: "The kernel" },
      { tag: "p", text: "One two" },
      { tag: "li", text: "内核消息 Debian 系统" },
    ]);
  });
  it("of speech: words in small letters, digits and keys as they are read", () => {
    expect(spokenText("Press 1 or #, it’s 3-D.  [beep]")).toBe("press one or pound it's three d");
    expect(spokenText("A.M.")).toBe("a m");
    expect(spokenText("[ascending tones]")).toBe("");
  });
  it("of synthesised speech: 200 words, each voice once and in one split", () => {
    expect(new Set(spokenWords).size).toBe(200);
    expect(spokenWords.map(spokenText)).toEqual(spokenWords);
    expect(new Set(formantVoices.map(({ name }) => name)).size).toBe(formantVoices.length);
    expect(new Set(formantVoices.map(({ split }) => split))).toEqual(new Set(["train", "validation", "test"]));
    expect(new Set(recordedVoices.map(({ name }) => name)).size).toBe(recordedVoices.length);
    const people = (side: string) => recordedVoices.filter(({ split }) => split === side).map(({ person }) => person);
    expect(people("train").filter((person) => people("test").includes(person))).toEqual([]);
  });
});

describe("a set made from another", () => {
  beforeAll(() => {
    vi.stubEnv("HEPTAGEN_CACHE", join(folder, "cache"));
  });
  afterAll(() => vi.unstubAllEnvs());
  const base = join(folder, "cache/data/debian-descriptions");
  const receipt = (revision?: number) =>
    JSON.stringify({
      format: 1,
      name: "x",
      source: "",
      licence: "",
      archives: [{ name: "list", bytes: 1, sha256: "0" }],
      fetched: "2020-01-01",
      content: "",
      revision,
    });

  it("is made of what is in the cache, with its licences and checksums", async () => {
    mkdirSync(join(base, "licences"), { recursive: true });
    writeFileSync(join(base, "descriptions.jsonl"), `${descriptions}\n`);
    writeFileSync(join(base, "licences/terms.txt"), "terms");
    writeFileSync(join(base, ".heptagen.json"), receipt());
    const { path, receipt: told } = await getData("debian-en-fr:all");
    expect((await readDocuments("debian-en-fr:all", { column: "target" })).length).toBe(5);
    expect(path.endsWith("all.jsonl")).toBe(true);
    expect(told?.archives).toEqual([{ name: "list", bytes: 1, sha256: "0" }]);
    expect(existsSync(join(path, "../licences/terms.txt"))).toBe(true);
  });

  it("is not taken as it is when an earlier version prepared it otherwise, and made anew", async () => {
    const set = { ...findDataSet("debian-en-fr"), name: "revised", revision: 2 } as NonNullable<ReturnType<typeof findDataSet>>;
    const old = join(folder, "cache/data/revised");
    mkdirSync(old, { recursive: true });
    writeFileSync(join(old, ".heptagen.json"), receipt());
    const named = { set, part: undefined, whole: "revised" };
    expect(await locateData(named)).toBeUndefined();
    const { receipt: anew } = await getData(set);
    expect(anew?.revision).toBe(2);
    expect(await locateData(named)).toBe(join(old, "short.jsonl"));
    // One that a later version made is read as it is.
    writeFileSync(join(old, ".heptagen.json"), receipt(3));
    expect(await locateData(named)).toBe(join(old, "short.jsonl"));
  });

  it("is asked for again where only an earlier version's is in the cache", async () => {
    expect(findDataSet("spoken-words")?.revision).toBe(2);
    const old = join(folder, "cache/data/spoken-words");
    mkdirSync(old, { recursive: true });
    writeFileSync(join(old, ".heptagen.json"), receipt());
    const named = namedData("spoken-words:transcripts") as NonNullable<ReturnType<typeof namedData>>;
    expect(await locateData(named)).toBeUndefined();
  });
});
