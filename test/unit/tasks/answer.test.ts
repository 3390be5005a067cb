import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { byteTokenizer, characterTokenizer, type Tokenizer } from "../../../src/data/index.ts";
import { answerTask } from "../../../src/tasks/answer/answer.ts";
import { neighbourAnswers, sentenceAnswers } from "../../../src/tasks/answer/baseline.ts";
import {
  placedTokens,
  questionTokens,
  readerInput,
  readQuestions,
  tokenSpan,
  windowsOf,
} from "../../../src/tasks/answer/data.ts";
import type { TrainingOptions } from "../../../src/tasks/answer/options.ts";
import { bestSpan } from "../../../src/tasks/answer/reading.ts";
import { trainingRows } from "../../../src/tasks/answer/training-rows.ts";
import { bestThreshold } from "../../../src/tasks/answer/use.ts";
import { fillNormal, key } from "../../../src/util/random.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "heptagen-answer-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const passage = { text: "Zürich is a city. The capital of Perú is Lima 🙂, not Cuzco.", place: "here" };
const tokenizers: readonly [string, Tokenizer][] = [
  ["bytes", byteTokenizer()],
  ["characters", characterTokenizer(`${passage.text}WhatistheblofP?`)],
];

describe.each(tokenizers)("tokens of %s", (_, tokenizer) => {
  const tokens = placedTokens(tokenizer, passage.text, "here");

  it("know their characters, beyond ASCII too", () => {
    for (const word of ["Zürich", "Perú", "Lima", "🙂", "Cuzco."]) {
      const from = passage.text.indexOf(word);
      const [first, last] = tokenSpan(tokens, [from, from + word.length]);
      expect(passage.text.slice(tokens.starts[first], tokens.ends[last]), word).toBe(word);
      expect(tokenizer.decode(tokens.ids.subarray(first, last + 1)), word).toBe(word);
    }
  });

  it("are read in windows that cover them all and know the question's words", () => {
    const question = questionTokens(tokenizer, "What is the capital of Perú?", 99, "here");
    const windows = windowsOf(passage, tokens, question, 20);
    const seen = new Set<number>();
    for (const { first, ids, matches } of windows) {
      expect(ids.length).toBeLessThanOrEqual(20);
      expect(matches.length).toBe(ids.length);
      ids.forEach((id, i) => {
        expect(id).toBe(tokens.ids[first + i]);
        seen.add(first + i);
      });
    }
    expect(seen.size).toBe(tokens.ids.length);
    const [whole] = windowsOf(passage, tokens, question, 1000);
    const matched = (word: string) => {
      const [first, last] = tokenSpan(tokens, [passage.text.indexOf(word), passage.text.indexOf(word) + word.length]);
      return whole?.matches.slice(first, last + 1);
    };
    expect(matched("Perú")?.every(Boolean)).toBe(true);
    expect(matched("Lima")?.some(Boolean)).toBe(false);
    const { tokens: row, kinds, between } = readerInput(tokenizer, question, whole as NonNullable<typeof whole>);
    expect(between).toBe(question.ids.length);
    expect([...row.subarray(between + 1)]).toEqual([...tokens.ids]);
    expect([...kinds.subarray(0, between)].every((kind) => kind === 0)).toBe(true);
    expect(kinds[between]).toBe(1);
  });
});

describe("spans", () => {
  it("the best one is that of trying all", () => {
    const places = 12;
    const [between, longest] = [3, 4];
    for (let seed = 0; seed < 20; seed++) {
      const logs = new Float32Array(2 * places);
      fillNormal(key(seed), logs);
      const none = (logs[2 * between] as number) + (logs[2 * between + 1] as number);
      let best = Number.NEGATIVE_INFINITY;
      for (let s = between + 1; s < places; s++) {
        for (let e = s; e < places && e < s + longest; e++) {
          best = Math.max(best, (logs[2 * s] as number) + (logs[2 * e + 1] as number) - none);
        }
      }
      const { first, last, score } = bestSpan(logs, { between }, longest);
      expect(score).toBeCloseTo(best, 6);
      expect(last - first).toBeLessThan(longest);
    }
  });

  it("the threshold is that of trying all", () => {
    const noise = new Float32Array(60);
    fillNormal(key(3), noise);
    const all = Array.from({ length: 20 }, (_, i) => ({
      score: noise[3 * i] as number,
      given: (noise[3 * i + 1] as number) > 0 ? 1 : 0,
      none: (noise[3 * i + 2] as number) > 0 ? 1 : 0,
    }));
    const worth = (t: number) => all.reduce((sum, { score, given, none }) => sum + (score >= t ? given : none), 0);
    const most = Math.max(...[-9, ...all.map(({ score }) => score + 1e-6)].map(worth));
    expect(worth(bestThreshold(all))).toBe(most);
  });
});

const options = {
  questionColumn: "question",
  answerColumn: "answer",
  passageColumn: "passage",
  startColumn: "start",
} as TrainingOptions;

const read = (name: string, rows: readonly object[], more: Partial<TrainingOptions> = {}) => {
  const file = join(folder, name);
  writeFileSync(file, rows.map((row) => JSON.stringify(row)).join("\n"));
  return readQuestions({ ...options, ...more, data: file });
};

describe("reading questions", () => {
  it("finds the answer, or takes the place that is told", async () => {
    const rows = [
      { question: "Which?", answer: "b", passage: "a b b" },
      { question: "Which?", answer: "b", passage: "a b b", start: 4 },
      { question: "Which?", answer: "", passage: "a b b" },
    ];
    const raws = await read("good.jsonl", rows);
    expect(raws.map(({ span }) => span)).toEqual([[2, 3], [4, 5], undefined]);
    expect(raws[2]?.answers).toEqual([]);
  });

  it("says in which line the passage lacks the answer", async () => {
    const good = { question: "Which?", answer: "b", passage: "a b b" };
    await expect(read("lacks.jsonl", [good, { ...good, answer: "c" }])).rejects.toMatchObject({
      code: "data/answer",
      message: expect.stringMatching(/lacks\.jsonl:2: .*"c"/),
    });
    await expect(read("place.jsonl", [{ ...good, start: 1 }])).rejects.toMatchObject({
      code: "data/answer",
      message: expect.stringMatching(/place\.jsonl:1: .*at character 1/),
    });
    await expect(read("column.jsonl", [good], { passageColumn: "pasage" })).rejects.toMatchObject({ code: "data/column" });
    await expect(read("list.jsonl", [{ ...good, all: "b" }], { answersColumn: "all" })).rejects.toMatchObject({
      code: "data/column",
    });
  });

  it("leaves no passage on two sides", async () => {
    const rows = Array.from({ length: 300 }, (_, i) => ({ question: `Which ${i}?`, answer: "b", passage: `a b ${i % 60}` }));
    const raws = await read("split.jsonl", rows);
    const { train, validation, test } = await answerTask.split(raws, {
      ...options,
      validation: 0.2,
      test: 0.2,
    } as TrainingOptions);
    const passages = (side: typeof train) => new Set(side.map((raw) => raw.passage));
    expect(train.length + validation.length + test.length).toBe(300);
    for (const text of [...passages(validation), ...passages(test)]) expect(passages(train).has(text)).toBe(false);
    for (const text of passages(test)) expect(passages(validation).has(text)).toBe(false);
  });
});

describe("training rows", () => {
  it("point at the answer, and between for passages that only look right", async () => {
    const tokenizer = byteTokenizer();
    const raws = await read("rows.jsonl", [
      { question: "capital of Peru", answer: "Lima", passage: "The capital of Peru is Lima." },
      { question: "capital of Chile", answer: "Santiago", passage: "The capital of Chile is Santiago." },
    ]);
    const examples = raws.map((raw) => ({ raw, question: questionTokens(tokenizer, raw.question, 99, "here") }));
    const rows = trainingRows(examples, tokenizer, { window: 99, negatives: 1 });
    expect(rows.length).toBe(4);
    const said = rows.map(({ tokens, span: [first, last], between }) =>
      first === between ? "" : tokenizer.decode(tokens.subarray(first, last + 1)),
    );
    expect(said).toEqual(["Lima", "", "Santiago", ""]);
  });
});

describe("baselines", () => {
  it("give the most similar sentence, and the nearest question's answer", async () => {
    const raws = await read("base.jsonl", [
      { question: "capital of Peru", answer: "Lima", passage: "The capital of Peru is Lima." },
    ]);
    expect(sentenceAnswers(["Peru's capital", "zzz"], [{ text: "Quito is high. Lima is Peru's capital.", place: "" }])).toEqual([
      "Lima is Peru's capital.",
      "",
    ]);
    expect(neighbourAnswers(["the capital of Chile"], raws)).toEqual(["Lima"]);
  });
});
