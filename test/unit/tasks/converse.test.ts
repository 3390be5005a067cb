/** Conversation's data: emotions by a lexicon, dialogues as they are read, and what is said about bad ones. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, test } from "vitest";
import { byteTokenizer } from "../../../src/data/index.ts";
import { replyBatch } from "../../../src/tasks/converse/batch.ts";
import { type ConverseFacts, converseFacts, encodeReply, inputReply, readReplies } from "../../../src/tasks/converse/data.ts";
import { lexiconEmotion } from "../../../src/tasks/converse/lexicon.ts";
import { fitJudge, replyMeasures, retrievedReplies } from "../../../src/tasks/converse/measures.ts";
import type { TrainingOptions } from "../../../src/tasks/converse/options.ts";
import { specialTokens } from "../../../src/tasks/sequence/special-tokens.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "heptagen-converse-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const options = (more: Partial<TrainingOptions> = {}) =>
  ({ contextColumn: "context", replyColumn: "reply", turns: 2, longest: 12, longestReply: 6, ...more }) as TrainingOptions;
const write = (name: string, lines: readonly unknown[]): string => {
  const file = join(folder, name);
  writeFileSync(file, lines.map((line) => JSON.stringify(line)).join("\n"));
  return file;
};
const facts: ConverseFacts = { emotions: ["anger", "joy"], counts: [1, 1], weak: null, speakers: ["big fish"] };
const assets = { facts, tokenizer: byteTokenizer() };

test.each([
  ["What a lovely day, thank you!", "joy"],
  ["I am not happy.", "neutral"],
  ["I don’t like stopping, but you are an idiot and a fool.", "anger"],
  ["Careful, that looks dangerous.", "fear"],
  ["He cared for it.", "neutral"],
  ["We are worried and scared, unfortunately.", "fear"],
  ["I am sorry. How sad.", "sadness"],
  ["You did what?!", "surprise"],
  ["It is a ship.", "neutral"],
  ["", "neutral"],
] as const)("the lexicon finds in “%s” %s", (text, emotion) => {
  expect(lexiconEmotion(text)).toBe(emotion);
});

describe("dialogues", () => {
  it("are read with turns from lists or texts, and labelled by a column or the lexicon", async () => {
    const lists = write("lists.jsonl", [{ context: ["a", "b"], reply: "Thanks!", speaker: null }]);
    expect(await readReplies(options({ data: lists, speakerColumn: "speaker" }))).toMatchObject([
      { context: ["a", "b"], reply: "Thanks!", emotion: "joy", speaker: undefined },
    ]);
    writeFileSync(join(folder, "table.csv"), "context,reply,mood\na|b,no,calm\nc,yes,\n");
    const read = await readReplies(options({ data: join(folder, "table.csv"), turnSeparator: "|", emotionColumn: "mood" }));
    expect(read.map(({ context, emotion }) => [context, emotion])).toEqual([
      [["a", "b"], "calm"],
      [["c"], undefined],
    ]);
  });

  it("keep the last turns and tokens, with a token between two turns", () => {
    const { mask } = specialTokens(assets.tokenizer);
    const { context, reply, emotion, speaker } = encodeReply(
      inputReply({ context: ["long ago", "ab", "cd"], emotion: "joy" }, "line 1"),
      assets,
      options(),
    );
    expect([...context]).toEqual([97, 98, mask, 99, 100]);
    expect([reply.length, emotion, speaker]).toEqual([0, 1, 1]);
    expect([...encodeReply(inputReply("0123456789abcdef", "line 1"), assets, options()).context]).toEqual(
      [..."456789abcdef"].map((c) => c.charCodeAt(0)),
    );
  });

  it("become batches that read what they have written so far", () => {
    const tokens = specialTokens(assets.tokenizer);
    const raw = { context: ["a"], reply: "ok", emotion: "joy", speaker: undefined, placed: { place: "line 1" } };
    const batch = replyBatch([encodeReply(raw, assets, options())], {
      rows: 2,
      lengths: [3, 4],
      hidden: 2,
      tokens,
      importance: [1, 3, 1],
    });
    expect([...batch.read.data]).toEqual([tokens.begin, 111, 107, tokens.end, tokens.begin, tokens.end, tokens.end, tokens.end]);
    expect([...batch.written.data]).toEqual([111, 107, tokens.end, -1, -1, -1, -1, -1]);
    expect([...batch.emotion.data, ...batch.weights.data]).toEqual([1, 2, 3, 0]);
  });

  it.each([
    [{ context: [], reply: "a" }, {}, "data/empty", /bad\.jsonl:2: expected at least one turn/],
    [{ context: ["a", " "], reply: "a" }, {}, "data/empty", /bad\.jsonl:2/],
    [{ context: ["a", 3], reply: "a" }, {}, "data/column", /bad\.jsonl:2: expected turns that are texts.* got 3/],
    [{ context: ["a"], reply: " " }, {}, "data/empty-cell", /bad\.jsonl:2 has nothing in "reply"/],
    [{ context: ["a"] }, {}, "data/column", /bad\.jsonl:2/],
    [{ context: ["a"], reply: "a" }, { emotionColumn: "mood" }, "data/column", /bad\.jsonl:2/],
  ] as const)("are refused with file and line: %j", async (line, more, code, message) => {
    const data = write("bad.jsonl", [{ context: ["a"], reply: "b", mood: "calm" }, line]);
    await expect(readReplies(options({ data, ...more }))).rejects.toMatchObject({
      code,
      message: expect.stringMatching(message),
    });
  });

  it("need two emotions, known ones, and known speakers where one is asked for", async () => {
    const data = write("one.jsonl", [{ context: ["a"], reply: "b", mood: "calm" }]);
    const given = options({ data, emotionColumn: "mood" });
    const raws = await readReplies(given);
    await expect(converseFacts(raws, given)).rejects.toMatchObject({ code: "data/one-class" });
    expect(() => encodeReply(raws[0] as never, assets, given)).toThrow(
      /one\.jsonl:1: expected one of the emotions that the run knows, got "calm"/,
    );
    expect(() => encodeReply(inputReply({ context: "a", emotion: "joi" }, "line 3"), assets, given)).toThrow(/line 3/);
    expect(() => encodeReply(inputReply({ context: "a", speaker: "whale" }, "line 3"), assets, given)).toThrow(/speakers/);
    expect(() => inputReply(["a"], "line 4")).toThrow(/line 4: expected a text or an object with "context"/);
    expect(() => inputReply({ turns: ["a"] }, "line 4")).toThrow(/line 4/);
  });
});

test("the judge learns emotions from replies, and the baseline repeats what a similar context got", () => {
  const raw = (context: string, reply: string, emotion: string) => ({
    context: [context],
    reply,
    emotion,
    speaker: undefined,
    placed: { place: "" },
  });
  const training = [
    raw("where is the whale", "how lovely and nice", "joy"),
    raw("where is the ship", "what a stupid thing", "anger"),
    raw("who sank the boat", "lovely, thank you", "joy"),
  ];
  expect(fitJudge(training, ["anger", "joy"])(["a lovely thing", "stupid"])).toEqual([1, 0]);
  expect(retrievedReplies(training, [raw("a boat that sank", "", "joy")])).toEqual(["lovely, thank you"]);
  const measures = replyMeasures({ key: "", name: "replies" }, ["lovely thank you", "new"], {
    references: ["a", "b"],
    known: new Set(["lovely thank you"]),
  });
  expect(measures.find(({ key }) => key === "copied")?.value).toBe(0.5);
});
