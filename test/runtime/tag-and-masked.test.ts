/** What trained taggers and masked language models answer, from a run to the last line; and that one can start from the other. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Options, TrainEvent, TrainedModel } from "../../src/tasks/recipe.ts";
import { findRecipe } from "../../src/tasks/recipes.ts";

const folder = mkdtempSync(join(tmpdir(), "heptagen-tag-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);
const device = "cpu";
const short = {
  tokenizer: "byte",
  width: 16,
  layers: 1,
  batch: 4,
  shapes: 2,
  validation: 0.2,
  test: 0,
  warmup: 0,
  sampleEvery: 0,
};

async function answers(model: TrainedModel, inputs: readonly unknown[], options: Options = {}): Promise<Options[]> {
  const found: Options[] = [];
  const given = inputs.map((value, i) => ({ value, place: `-:${i + 1}` }));
  for await (const answer of (model.predict as NonNullable<TrainedModel["predict"]>)(given, options)) found.push(answer);
  return found;
}

let guesser: TrainedModel;
let tagger: TrainedModel;
const notes: string[] = [];
beforeAll(async () => {
  writeFileSync(at("text.txt"), Array.from({ length: 40 }, (_, i) => `The whale number ${i} swims.`).join("\n\n"));
  const sentence = (i: number) => `Captain B-PER\nAhab${i} I-PER\nleft O\nOslo B-LOC\n. O\n`;
  writeFileSync(at("names.conll"), Array.from({ length: 40 }, (_, i) => sentence(i)).join("\n"));
  const masked = findRecipe("lstm/masked-language-model");
  await masked.train({ ...short, data: at("text.txt"), steps: 2 }, { out: at("masked"), device });
  guesser = await masked.open(at("masked"), { device });
  const tag = findRecipe("lstm/tag");
  const onEvent = (event: TrainEvent) => event.kind === "note" && notes.push(event.message);
  const options = { ...short, data: at("names.conll"), initFrom: at("masked"), steps: 60, learningRate: 1e-2, longest: 8 };
  await tag.train({ ...options, evaluateEvery: 60 }, { out: at("tag"), device, onEvent });
  tagger = await tag.open(at("tag"), { device });
}, 120_000);

describe("masked language model", () => {
  it("gives as many guesses as there are markers, and the text with the best of them", async () => {
    const [one] = await answers(guesser, ["The [MASK] swims."], { top: 3 });
    const [two] = await answers(guesser, [{ text: "_ and _" }], { marker: "_", top: 2 });
    const masks = (one as Options).masks as { token: string; probability: number }[][];
    expect(masks.map(({ length }) => length)).toEqual([3]);
    expect(one?.filled).toBe(`The${masks[0]?.[0]?.token} swims.`);
    expect(((two as Options).masks as unknown[]).length).toBe(2);
  });

  it("says where a text has no marker", async () => {
    await expect(answers(guesser, ["The [MASK].", "Nothing hidden."])).rejects.toMatchObject({ code: "data/mask" });
    await expect(answers(guesser, ["Nothing hidden."])).rejects.toThrow("-:1: expected [MASK] where a token is to be guessed");
  });
});

describe("tagger", () => {
  it("starts from the masked language model's tokens and encoder, with a fresh head", () => {
    expect(notes.join()).toMatch(/starts from .*masked: all parameters but letters\.table\.weight/);
    expect(notes.join()).not.toMatch(/encoder|tokens\.weight/);
  });

  it("finds spans by their offsets in the text, or by words where words were given", async () => {
    const text = "  Captain Ahab7 left Oslo.";
    const [ofText, ofWords] = await answers(tagger, [text, { tokens: ["Captain", "Ahab7", "left", "Oslo", "."] }], {
      tags: true,
    });
    const spans = ofText?.spans as { text: string; type: string; start: number; end: number; score: number }[];
    expect(spans.map(({ text: found, type }) => [found, type])).toEqual([
      ["Captain Ahab7", "PER"],
      ["Oslo", "LOC"],
    ]);
    for (const span of spans) {
      expect(text.slice(span.start, span.end)).toBe(span.text);
      expect(span.score).toBeGreaterThan(0.5);
    }
    expect(ofWords?.spans).toMatchObject([
      { start: 0, end: 2 },
      { start: 3, end: 4 },
    ]);
    expect(ofWords?.tags).toEqual(["B-PER", "I-PER", "O", "B-LOC", "O"]);
  });

  it("reads sentences that are longer than it reads at once", async () => {
    const words = Array.from({ length: 5 }, () => ["Captain", "Ahab7", "left", "Oslo", "."]).flat();
    const [found] = await answers(tagger, [{ tokens: words }], { tags: true });
    expect(((found as Options).tags as string[]).length).toBe(25);
    expect(((found as Options).spans as { end: number }[]).at(-1)?.end).toBe(24);
  });

  it("refuses tags that it does not know, with file and line", async () => {
    writeFileSync(at("other.conll"), "Pequod B-SHIP\n");
    await expect(tagger.evaluate({ data: at("other.conll") })).rejects.toThrow(
      `${at("other.conll")}:1: word 1: expected a tag that the run knows, got "B-SHIP"`,
    );
  });
});
