import { expect, test } from "vitest";
import { HeptagenError, nearest } from "../../../src/util/errors.ts";

test("an error says what failed, where it was written and what to do next", () => {
  const error = new HeptagenError("matmul/shape", "matmul: expected K = 3, got 4", {
    facts: { expected: 3, got: 4 },
    at: "model.ts:12:7",
    next: "Transpose the second argument.",
  });
  expect(error.message).toBe("matmul: expected K = 3, got 4\n  written at model.ts:12:7\n  → Transpose the second argument.");
  expect(error).toMatchObject({ name: "HeptagenError", code: "matmul/shape", facts: { expected: 3, got: 4 } });
});

test("the cause is kept, and absent when there is none", () => {
  const cause = new RangeError("inner");
  expect(new HeptagenError("a/b", "outer", { cause }).cause).toBe(cause);
  expect("cause" in new HeptagenError("a/b", "outer")).toBe(false);
});

test.each([
  ["trasformer", ["transformer", "rnn"], "transformer"],
  ["LSTM", ["lstm", "gan"], "lstm"],
  ["transformer/langage-model", ["transformer/language-model", "lstm/translate"], "transformer/language-model"],
  ["banana", ["transformer", "rnn"], undefined],
  ["anything", [], undefined],
])("nearest(%j) of %j is %j", (word, candidates, expected) => {
  expect(nearest(word, candidates)).toBe(expected);
});
