/**
 * Conversation from end to end on dialogues in which the emotion alone decides about the reply: the model must learn that, tell it
 * apart from no emotion, and score what it writes as it scores what it reads.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { emotionLabeller } from "../../src/tasks/converse/emotions.ts";
import type { Options, TrainedModel } from "../../src/tasks/recipe.ts";
import { findRecipe } from "../../src/tasks/recipes.ts";

let folder: string;
const places = ["ship", "reef", "cave", "wreck", "sea", "deck"];
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "heptagen-converse-"));
  const line = (i: number) => {
    const mood = Math.floor(i / 6) % 2 ? "glad" : "cross"; // each place in each mood
    return JSON.stringify({ context: [`a ${places[i % 6]}`], reply: mood === "glad" ? "yes" : "bah", mood, level: i });
  };
  writeFileSync(join(folder, "moods.jsonl"), Array.from({ length: 48 }, (_, i) => line(i)).join("\n"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const small: Options = {
  tokenizer: "byte",
  batch: 16,
  shapes: 1,
  validation: 0,
  test: 0,
  steps: 120,
  learningRate: 1e-2,
  labelSmoothing: 0,
  outputDropout: 0,
  dropout: 0,
  longestReply: 6,
  sampleEvery: 1000,
  evaluateEvery: 1000,
  checkpointEvery: 1000,
};

async function answers(model: TrainedModel, inputs: readonly unknown[], options: Options): Promise<Options[]> {
  const all: Options[] = [];
  const placed = inputs.map((value, i) => ({ value, place: `line ${i + 1}` }));
  for await (const answer of model.predict?.(placed, options) ?? []) all.push(answer);
  return all;
}

describe.each([
  ["lstm/converse", { layers: 1, width: 32 }],
  ["transformer/converse", { layers: 1, width: 32, heads: 2, hidden: 32 }],
] as const)("%s", (name, network) => {
  const recipe = findRecipe(name);
  const options = (more: Options) => ({
    ...small,
    ...network,
    data: join(folder, "moods.jsonl"),
    emotionColumn: "mood",
    speakerColumn: undefined,
    ...more,
  });

  it("replies in the emotion asked for", async () => {
    const out = join(folder, name);
    await recipe.train(options({}), { out, device: "cpu" });
    const model = await recipe.open(out, { device: "cpu" });
    const asked = [
      { context: "a reef", emotion: "glad" },
      { context: ["a cave"], emotion: "cross" },
    ];
    for (const writing of [{ temperature: 0, repetitionPenalty: 1 }, { beams: 1 }]) {
      const replies = await answers(model, asked, writing);
      expect(replies.map(({ reply, emotion }) => [reply, emotion])).toEqual([
        ["yes", "glad"],
        ["bah", "cross"],
      ]);
    }
    const [own] = await answers(model, ["a ship"], { emotion: "glad", temperature: 0 });
    expect(own).toMatchObject({ reply: "yes", emotion: "glad" });
    const [guess] = await answers(model, ["a ship"], {});
    expect(["glad", "cross"]).toContain(guess?.emotion);
    expect(guess?.probability).toBeGreaterThan(0.3);
    await expect(answers(model, [{ context: "a reef", emotion: "glat" }], {})).rejects.toMatchObject({
      code: "data/label",
      next: 'Did it mean "glad"?',
    });

    const measures = await model.evaluate({ side: "train", replies: 6, temperature: 0, repetitionPenalty: 1 });
    const value = (key: string) => measures.find((measure) => measure.key === key)?.value as number;
    expect(value("perplexity")).toBeLessThan(1.1);
    expect(value("perplexityHidden")).toBeGreaterThan(1.15); // half a bit of a choice in four or five tokens
    expect(value("emotionAccuracy")).toBe(1);
    expect(value("copied")).toBe(1);
    // A reply's score is what reading it gives: the likeliest reply of each emotion is the true one.
    const beams = await answers(
      model,
      places.map((place) => ({ context: `a ${place}`, emotion: "glad" })),
      { beams: 1, guidance: 1 },
    );
    const mean = beams.reduce((sum, { score }) => sum + (score as number), 0) / beams.length;
    expect(Math.exp(-mean)).toBeLessThan(1.1);
  });

  it("knows no emotions where it was trained without", async () => {
    const out = join(folder, `${name}-plain`);
    await recipe.train(options({ condition: false, steps: 2, warmup: 0 }), { out, device: "cpu" });
    const model = await recipe.open(out, { device: "cpu" });
    expect((await answers(model, ["a reef"], {}))[0]?.emotion).toBeNull();
    await expect(answers(model, [{ context: "a reef", emotion: "glad" }], {})).rejects.toMatchObject({ code: "options/value" });
    await expect(answers(model, ["a reef"], { emotion: "glad" })).rejects.toMatchObject({ code: "options/value" });
    const keys = (await model.evaluate({ side: "train", replies: 2 })).map(({ key }) => key);
    expect(keys).toContain("perplexity");
    expect(keys).not.toContain("emotionAccuracy");
    await expect(emotionLabeller({ emotionRun: out })).rejects.toMatchObject({ code: "options/value" }); // it classifies nothing
  });
});

it("takes the classes of a classifier for emotions", async () => {
  const data = join(folder, "texts.jsonl");
  const text = (i: number) => {
    const glad = Math.floor(i / 6) % 2 === 1; // each place in each mood
    return JSON.stringify({ text: `${glad ? "yes" : "bah"} ${places[i % 6]}`, label: glad ? "glad" : "cross" });
  };
  writeFileSync(data, Array.from({ length: 48 }, (_, i) => text(i)).join("\n"));
  const out = join(folder, "moods");
  const { dropout, longestReply: _, outputDropout: __, ...rest } = small;
  const given = { ...rest, data, testData: undefined, validation: 0, layers: 1, width: 32, dropout, headDropout: 0 };
  await findRecipe("gru/sentiment").train(given, { out, device: "cpu" });
  const labeller = await emotionLabeller({ emotionRun: out });
  expect(labeller?.emotions).toEqual(["cross", "glad"]);
  expect(await labeller?.label(["yes ship", "bah reef"])).toEqual(["glad", "cross"]);
});
