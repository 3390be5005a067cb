import { expect, test } from "vitest";
import { bitsPer, languageScores, measureText, perplexity, sumScored } from "../../../src/metrics/language.ts";

test("a model that guesses among eight tokens has perplexity 8 and needs 3 bits", () => {
  const nats = Math.log(8) * 100;
  expect(perplexity(nats, 100)).toBeCloseTo(8, 12);
  expect(bitsPer(nats, 100)).toBeCloseTo(3, 12);
});

test("scores of a text: the same nats divided by tokens, characters and bytes", () => {
  const text = "白鲸 whale";
  const { characters, bytes } = measureText(text);
  expect([characters, bytes]).toEqual([8, 12]);
  const scores = languageScores({ nats: 24 * Math.LN2, tokens: 4, characters, bytes });
  expect(scores.nats).toBeCloseTo(6 * Math.LN2, 12);
  expect(
    [scores.perplexity, scores.bitsPerToken, scores.bitsPerCharacter, scores.bitsPerByte].map((score) =>
      Number(score.toFixed(9)),
    ),
  ).toEqual([64, 6, 3, 2]);
});

test("characters are code points", () => {
  expect(measureText("🐋e\u0301")).toEqual({ characters: 3, bytes: 7 });
  expect(measureText("")).toEqual({ characters: 0, bytes: 0 });
});

test("texts scored apart add up to the texts joined", () => {
  const parts = [
    { nats: 3, tokens: 2, characters: 7, bytes: 9 },
    { nats: 5, tokens: 3, characters: 11, bytes: 12 },
  ];
  expect(sumScored(parts)).toEqual({ nats: 8, tokens: 5, characters: 18, bytes: 21 });
});

test("no tokens is an error, an endless loss is not", () => {
  expect(() => perplexity(1, 0)).toThrow("expected a positive number of tokens, got 0");
  expect(() => languageScores({ nats: 1, tokens: 1, characters: 1, bytes: 0 })).toThrow(/positive number of .*bytes, got 0/);
  expect(perplexity(Number.POSITIVE_INFINITY, 3)).toBe(Number.POSITIVE_INFINITY);
  expect(perplexity(Number.NaN, 3)).toBeNaN();
});
