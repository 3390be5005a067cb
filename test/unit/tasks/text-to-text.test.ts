/** Pairs of texts: what is read, what is refused and why, what is left out and said, what batches hold. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { byteTokenizer, sharedGroups } from "../../../src/data/index.ts";
import { rnnSequence } from "../../../src/tasks/backbones/sequence.ts";
import { presetOptions } from "../../../src/tasks/recipe.ts";
import { findRecipe } from "../../../src/tasks/recipes.ts";
import { summarizeTask } from "../../../src/tasks/summarize/summarize.ts";
import { collatePairs, encodePair, type RawPair, readPairs, textOf } from "../../../src/tasks/text-to-text/data.ts";
import { type TranslationOptions, translateTask } from "../../../src/tasks/translate/translate.ts";
import { key } from "../../../src/util/random.ts";

let folder: string;
const file = (name: string, content: string | Uint8Array): string => {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
};
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "heptagen-pairs-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const preset = presetOptions(findRecipe("rnn/translate"), undefined) as unknown as TranslationOptions;
const options = (given: Partial<TranslationOptions>): TranslationOptions => ({
  ...preset,
  groupColumn: undefined,
  tokenizer: "byte",
  ...given,
});
const own = (given: object) => ({ layers: 1, width: 8, dropout: 0, activation: "tanh", ...given });
const assets = { facts: {}, tokenizer: byteTokenizer() };
const pair = (source: string, target: string | undefined = "x"): RawPair => ({
  source,
  target,
  placed: { place: "pairs.tsv:3" },
});

describe("reading", () => {
  it("takes records, and two plain files line by line", async () => {
    const records = file("pairs.tsv", "source\ttarget\na dog\tun chien\n");
    const [en, fr] = [file("text.en", "a dog\na cat\n"), file("text.fr", "un chien\nun chat\n")];
    expect(await readPairs(options({ data: records }))).toMatchObject([{ source: "a dog", target: "un chien" }]);
    const parallel = await readPairs(options({ data: [en, fr] }));
    expect(parallel.map(({ source, target }) => [source, target])).toEqual([
      ["a dog", "un chien"],
      ["a cat", "un chat"],
    ]);
    expect(parallel[1]?.placed.place).toMatch(/text\.en:2 and .*text\.fr:2/);
  });

  it("refuses parallel files of different length, and says how long each is", async () => {
    const [en, fr] = [file("long.en", "a\nb\nc\n"), file("short.fr", "a\nb\n")];
    await expect(readPairs(options({ data: [en, fr] }))).rejects.toMatchObject({
      code: "data/parallel",
      message: expect.stringMatching(/long\.en has 3, .*short\.fr has 2/),
    });
  });

  it("refuses text that is not UTF-8 and a column that is not there, with the place", async () => {
    const [en, fr] = [file("latin.en", "a\n"), file("latin.fr", Uint8Array.of(0xe9, 0x0a))];
    await expect(readPairs(options({ data: [en, fr] }))).rejects.toMatchObject({
      code: "data/not-text",
      message: expect.stringContaining("latin.fr"),
    });
    const records = file("named.jsonl", '{"source": "a", "french": "b"}\n');
    await expect(readPairs(options({ data: records }))).rejects.toMatchObject({
      code: "data/column",
      message: expect.stringContaining("named.jsonl:1"),
    });
  });

  it("keeps what belongs to a group on one side", async () => {
    const rows = Array.from({ length: 200 }, (_, i) => JSON.stringify({ source: `s ${i}`, target: "t", group: `g${i % 40}` }));
    const given = options({ data: file("grouped.jsonl", rows.join("\n")), groupColumn: "group", validation: 0.2, test: 0.2 });
    const { train, validation, test } = await translateTask.split(await translateTask.read(given), given);
    const groupOf = ({ placed }: RawPair) => placed.group as string;
    expect(sharedGroups(train, [...validation, ...test], groupOf)).toEqual([]);
    expect(sharedGroups(validation, test, groupOf)).toEqual([]);
  });
});

describe("encoding", () => {
  it("refuses a text of nothing on either side, with file and line", () => {
    for (const raw of [pair("  "), pair("a", "")]) {
      expect(() => translateTask.encode(raw, assets, options({}))).toThrow(/pairs\.tsv:3: expected a text/);
    }
  });

  it("gives the text back, and begins it with a space so that first words are like others", () => {
    const { ids, targetIds } = encodePair(pair("été", "summer"), assets, { longestSource: 99 }, { cuts: false });
    expect(assets.tokenizer.decode(ids)).toBe(" été");
    expect(textOf(assets.tokenizer, [...targetIds, 257])).toBe("summer");
  });

  it("cuts sources for summaries and says so; leaves long pairs out of learning to translate and counts them", () => {
    const long = pair("word ".repeat(20));
    const [given, short] = [options({ longestSource: 16, longestTarget: 16 }), pair("a")];
    const described = (task: typeof translateTask) => {
      const train = [long, short].map((raw) => task.encode(raw, assets, given));
      return task.describe({ train, validation: [], test: [] }, assets, given).lengths;
    };
    expect(described(translateTask)).toContain("1 pairs are left out of training as too long");
    expect(described(summarizeTask as unknown as typeof translateTask)).toMatch(/0 pairs are left out .*1 sources are cut/);
    expect(summarizeTask.encode(long, assets, given).ids.length).toBe(16);
    expect(translateTask.encode(long, assets, given).ids.length).toBe(100);
  });
});

describe("batches", () => {
  it("shift what is written by one, end it, and count neither padding nor rows that only fill up", () => {
    const [a, b] = [
      encodePair(pair("ab", "cd"), assets, { longestSource: 9 }, { cuts: false }),
      encodePair(pair("a", "e"), assets, { longestSource: 9 }, { cuts: false }),
    ];
    const batch = collatePairs([a, b, b], { begin: 300, end: 301 }, { rows: 4, lengths: [3, 5], counted: [true, true, false] });
    const code = (text: string) => [...assets.tokenizer.encode(text)];
    expect([...batch.source.data].slice(0, 3)).toEqual(code(" ab"));
    expect([...batch.written.data].slice(0, 10)).toEqual([300, ...code(" cd"), 0, 300, ...code(" e"), 0, 0]);
    expect([...batch.targets.data].slice(0, 10)).toEqual([...code(" cd"), 301, -1, ...code(" e"), 301, -1, -1]);
    expect([...batch.targets.data].slice(10)).toEqual(new Array(10).fill(-1));
  });

  it("of a data set leave out what is too long, and are refused when nothing is left", () => {
    const config = rnnSequence.configure(own({}));
    const given = options({ longestSource: 4, copy: false, batch: 2 });
    const model = translateTask.model({ network: rnnSequence.network, config, assets, options: given });
    const examples = [pair("a"), pair("long source")].map((raw) => translateTask.encode(raw, assets, given));
    const { source } = model.batches(examples, key(0)).batch(0);
    expect(source.shape).toEqual([2, 2]);
    expect(() => model.batches(examples.slice(1), key(0))).toThrow(/at most 4 and 80 tokens, got none of 1/);
  });
});

it("refuses to copy with a network that does not look at its source", () => {
  const config = rnnSequence.configure(own({ attention: "none" }));
  const build = (copy: boolean) =>
    translateTask.model({ network: rnnSequence.network, config, assets, options: options({ copy }) });
  expect(() => build(true)).toThrow(/expected a network that looks at its source/);
  expect(build(false)).toBeDefined();
});
