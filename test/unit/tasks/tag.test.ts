import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { tagBaselines } from "../../../src/tasks/tag/baseline.ts";
import { checkTags, partsOf, type RawSentence, readSentences, sentenceInput, tagFacts } from "../../../src/tasks/tag/data.ts";
import type { TrainingOptions } from "../../../src/tasks/tag/options.ts";
import { tagTask } from "../../../src/tasks/tag/tag.ts";
import { splitWords } from "../../../src/tasks/tag/words.ts";

const folder = mkdtempSync(join(tmpdir(), "heptagen-tag-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const columns = { tokensColumn: "tokens", tagsColumn: "tags", repairTags: false } as TrainingOptions;
const file = (name: string, text: string): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

describe("words of a text", () => {
  it.each([
    ['Mr. Ahab, of "Pequod".', ["Mr.", "Ahab", ",", "of", '"', "Pequod", '"', "."]],
    ["J. Smith's term-end (U.S.) report...", ["J.", "Smith's", "term-end", "(", "U.S.", ")", "report", "..."]],
    ["-- 3.5% of $20", ["--", "3.5%", "of", "$20"]],
    ["Zürich 東京\nOslo!?", ["Zürich", "東京", "Oslo", "!", "?"]],
  ])("%s", (text, expected) => {
    const { words, offsets } = splitWords(text);
    expect(words).toEqual(expected);
    expect(offsets.map(([start, end]) => text.slice(start, end))).toEqual(expected);
  });
});

describe("tags", () => {
  it("says which word has a tag that continues nothing", async () => {
    const conll = file("ships.conll", "The O\nPequod B-SHIP\n\nCaptain I-PER\nAhab I-PER\n");
    await expect(readSentences({ ...columns, data: conll })).rejects.toThrow(
      `${conll}:4: word 1 ("Captain"): expected I-PER after B-PER or I-PER, got it after nothing`,
    );
    const [, sentence] = await readSentences({ ...columns, data: conll, repairTags: true });
    expect(sentence?.tags).toEqual(["B-PER", "I-PER"]);
  });

  it("says where tags are missing, of another scheme, or nowhere", async () => {
    const short = file("short.jsonl", '{"tokens":["a"],"tags":["O"]}\n{"tokens":["a","b"],"tags":["O"]}\n');
    await expect(readSentences({ ...columns, data: short })).rejects.toThrow(
      `${short}:2: expected a tag for each of 2 words, got 1`,
    );
    expect(() => checkTags(["U-PER"], ["Ahab"], "x:1", true)).toThrow('x:1: word 1 ("Ahab"): expected a tag O, B-TYPE or I-TYPE');
    const other = file("other.jsonl", '{"words":["a"],"tags":["O"]}\n');
    await expect(readSentences({ ...columns, data: other })).rejects.toThrow(`${other}:1: there is no column "tokens"`);
    const empty = file("empty.jsonl", '{"tokens":[],"tags":[]}\n');
    await expect(readSentences({ ...columns, data: empty })).rejects.toThrow(`${empty}:1: expected words, got none`);
  });

  it("reads CSV, where words are apart by spaces", async () => {
    const csv = file("ships.csv", "tokens,tags\nThe Pequod sails,O B-SHIP O\n");
    expect(await readSentences({ ...columns, data: csv })).toMatchObject([
      { words: ["The", "Pequod", "sails"], tags: ["O", "B-SHIP", "O"] },
    ]);
  });
});

const sentence = (words: string, tags: string, group: string): RawSentence => ({
  words: words.split(" "),
  tags: tags.split(" "),
  placed: { place: "x:1", group },
});

describe("data", () => {
  it("is split by group: no file is on two sides", async () => {
    const raws = Array.from({ length: 300 }, (_, i) => sentence(`word${i} Ahab`, "O B-PER", `file ${i % 30}`));
    const sides = await tagTask.split(raws, { validation: 0.2, test: 0.2 } as TrainingOptions);
    const groups = Object.values(sides).map((side) => new Set(side.map(({ placed }: RawSentence) => placed.group)));
    expect(groups.reduce((sum, own) => sum + own.size, 0)).toBe(30);
  });

  it("cuts long sentences so that a span goes on as one of its own", () => {
    const raw = sentence("a b c d e", "O B-X I-X I-X O", "");
    const facts = tagFacts([raw]);
    expect(facts.tags).toEqual(["O", "B-X", "I-X"]);
    const example = {
      raw,
      tokens: new Int32Array(20),
      letters: new Int32Array(80),
      tags: Int32Array.of(0, 1, 2, 2, 0),
      types: new Int32Array(5),
    };
    expect(partsOf(example, facts, 3).map(({ tags }) => [...tags])).toEqual([
      [0, 1, 2],
      [1, 0],
    ]);
  });

  it("takes texts and words to predict, and nothing else", () => {
    expect(sentenceInput("Ahab sails.", "-:1")).toMatchObject({ words: ["Ahab", "sails", "."], text: "Ahab sails." });
    expect(sentenceInput({ tokens: ["Ahab"] }, "-:1").words).toEqual(["Ahab"]);
    expect(() => sentenceInput({ words: 1 }, "-:3")).toThrow('-:3: expected a text, or an object with "text" or "tokens"');
    expect(() => sentenceInput("  ", "-:3")).toThrow("-:3: expected a text, got nothing but space");
  });
});

describe("baselines", () => {
  const { mostFrequent, capitals } = tagBaselines(
    [sentence("Captain Ahab sails", "B-PER I-PER O", ""), sentence("Captain Peleg hires Ahab", "B-PER I-PER O B-PER", "")],
    { tags: ["O", "B-PER", "I-PER"] },
  );

  it("gives each word its most frequent tag, and others none", () => {
    expect(mostFrequent(["Captain", "Ahab", "Bildad", "sails"])).toEqual(["B-PER", "I-PER", "O", "O"]);
  });

  it("takes unseen words with a capital for names, but not the first", () => {
    expect(capitals(["Then", "Captain", "Bildad", "sails", "Ahab"])).toEqual(["O", "B-PER", "I-PER", "O", "B-PER"]);
  });
});
