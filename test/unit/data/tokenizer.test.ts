/** Tokenizers: exact round trips, Hugging Face's format, agreement with Hugging Face's own library. */
import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  byteTokenizer,
  characterTokenizer,
  streamDecoder,
  type Tokenizer,
  tokenizerFromJSON,
  trainBpe,
} from "../../../src/data/index.ts";

const moby = readFileSync(new URL("../../../assets/moby-dick.txt", import.meta.url), "utf8").slice(0, 200_000);
const odd = "Hello 世界 \n\n\t naïve 🐋🐋 don't  stop\r\n x y\u0000 \ufeff";
const chinese = "床前明月光，疑是地上霜。\n舉頭望明月，低頭思故鄉。\n".repeat(50);

const kinds: Record<string, { tokenizer: () => Tokenizer | Promise<Tokenizer>; text: string }> = {
  character: { tokenizer: () => characterTokenizer(moby), text: moby.slice(5000, 9000) },
  "character, Chinese": { tokenizer: () => characterTokenizer(chinese), text: chinese },
  byte: { tokenizer: byteTokenizer, text: odd },
  bpe: { tokenizer: () => trainBpe(moby, 400), text: odd + moby.slice(0, 70_000) },
  "bpe, Chinese": { tokenizer: () => trainBpe(chinese, 300), text: chinese + odd },
};

describe.each(Object.entries(kinds))("%s", (_, { tokenizer, text }) => {
  it("gives back the text it was given", async () => {
    const t = await tokenizer();
    expect(t.decode(t.encode(text))).toBe(text);
  });

  it("is read back from its tokenizer.json and gives the same tokens", async () => {
    const t = await tokenizer();
    const again = tokenizerFromJSON(JSON.parse(JSON.stringify(t.toJSON())));
    expect(again.kind).toBe(t.kind);
    expect(again.vocabularySize).toBe(t.vocabularySize);
    expect(again.encode(text)).toEqual(t.encode(text));
  });

  it("gives the tokens that Hugging Face's library gives for the same file", async () => {
    const library = await import("tokenizers").catch(() => undefined);
    if (!library) return console.log("skipped: the optional package tokenizers is not installed");
    const t = await tokenizer();
    const theirs = (library.default ?? library).Tokenizer.fromString(JSON.stringify(t.toJSON()));
    const encoded = await theirs.encode(text, null, { addSpecialTokens: false });
    expect(encoded.getIds()).toEqual([...t.encode(text)]);
  });

  it("counts every byte of the text once", async () => {
    const t = await tokenizer();
    const bytes = [...t.encode(text)].reduce((n, token) => n + (t.tokenBytes[token] as Uint8Array).length, 0);
    expect(bytes).toBe(new TextEncoder().encode(text).length);
  });
});

it("joins frequent bytes: fewer tokens than bytes, and the size asked for", async () => {
  const t = await trainBpe(moby, 512);
  expect(t.vocabularySize).toBe(512);
  expect(t.encode(moby).length).toBeLessThan(0.55 * moby.length);
  expect(t.endOfText).toBe(511);
});

it("round-trips any text there is", async () => {
  const bpe = await trainBpe(moby, 300);
  fc.assert(
    fc.property(fc.string({ unit: "binary" }), (text) => {
      for (const t of [byteTokenizer(), bpe]) expect(t.decode(t.encode(text))).toBe(text);
      if (text.length > 0) expect(characterTokenizer(text).decode(characterTokenizer(text).encode(text))).toBe(text);
    }),
  );
});

it("names characters that are not in the vocabulary, and where the first is", () => {
  expect(() => characterTokenizer("abc").encode("cab é世 abc")).toThrow(
    expect.objectContaining({
      code: "tokenizer/unknown-character",
      message: expect.stringContaining('" " (U+0020), "é" (U+00E9), "世" (U+4E16), first at character 4'),
    }),
  );
});

it("never hands out half a character while streaming", () => {
  const t = byteTokenizer();
  const decoder = streamDecoder(t.tokenBytes);
  const seen = [...t.encode("a🐋é")].map((token) => decoder.push([token]));
  expect(seen).toEqual(["a", "", "", "", "🐋", "", "é"]);
  expect(decoder.end()).toBe("");
});

it("agrees with GPT-2's way of writing tokens", () => {
  const folder = new URL("../../golden/fixtures/gpt2-tiny/", import.meta.url);
  const t = tokenizerFromJSON(JSON.parse(readFileSync(new URL("tokenizer.json", folder), "utf8")));
  const { encodings } = JSON.parse(readFileSync(new URL("expected.json", folder), "utf8")) as {
    encodings: { text: string; ids: number[] }[];
  };
  expect(encodings.length).toBeGreaterThan(3);
  for (const { text, ids } of encodings) {
    expect([...t.encode(text)]).toEqual(ids);
    expect(t.decode(ids)).toBe(text);
  }
});

it("refuses other kinds of tokenizer with words", () => {
  const unigram = { model: { type: "Unigram", vocab: [["a", 0]] } };
  expect(() => tokenizerFromJSON(unigram, "x/tokenizer.json")).toThrow(expect.objectContaining({ code: "tokenizer/format" }));
  expect(() => tokenizerFromJSON(null)).toThrow(expect.objectContaining({ code: "tokenizer/format" }));
});

it("needs room for all bytes", async () => {
  await expect(trainBpe("abc", 200)).rejects.toMatchObject({ code: "tokenizer/size" });
});
