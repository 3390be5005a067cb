/** Expected values and alignments are those published in jiwer's tests (jitsi/jiwer, tests/test_measures.py, test_cer.py, test_alignment.py). */
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { align, characterErrorRate, type ErrorRate, wordErrorRate } from "../../../src/metrics/index.ts";

it.each<[string[], string[], number]>([
  [["This is a test"], ["This is a test"], 0],
  [["This is a test"], [""], 1],
  [["This is a test"], ["This test"], 0.5],
  [["i am a short ground truth"], ["i am a considerably longer and very much incorrect hypothesis"], 7 / 6],
  [["X"], ["X X Y Y"], 3],
  [["X Y X"], ["X Z"], 2 / 3],
  [["X"], ["Y"], 1],
  [["X"], ["Y Z"], 2],
  [["hello world", ""], ["hello world", "done"], 1 / 2],
  [[""], [""], 0],
  [[""], ["hello"], 1],
  [[""], ["0 1 2"], 3],
])("WER of %j heard as %j is %d", (references, hypotheses, expected) => {
  expect(wordErrorRate(references, hypotheses).rate).toBeCloseTo(expected, 15);
});

it.each<[string[], string[], number]>([
  [["This is a test"], ["This is a test"], 0],
  [["This is a test"], [""], 1],
  [["This is a test"], ["This test"], 5 / 14],
  [["X"], ["X X Y Y"], 6],
  [["X Y X"], ["X Z"], 3 / 5],
  [["X"], ["Y Z"], 3],
  [["i", "am i good"], ["i am", "i good"], 0.6],
  [["am i good", "i"], ["i good", "i am"], 0.6],
  [[""], [""], 0],
  [[""], ["abd"], 3],
  [["abc"], [""], 1],
])("CER of %j heard as %j is %d", (references, hypotheses, expected) => {
  expect(characterErrorRate(references, hypotheses).rate).toBeCloseTo(expected, 15);
});

test("each kind of error is counted", () => {
  const { alignments, ...counts } = characterErrorRate(["i", "am i good"], ["i am", "y good"]);
  expect(counts).toEqual({ rate: 0.7, hits: 6, substitutions: 1, deletions: 3, insertions: 3 });
  expect(alignments).toHaveLength(2);
  expect(characterErrorRate(["𝄞a"], ["𝄞"]).rate).toBe(0.5);
});

/** Three lines as jiwer prints them: what was said, what was heard, the errors. */
function show({ alignments }: ErrorRate, said: string[], heard: string[]): string[] {
  let [above, below, errors] = ["", "", ""];
  const letters = { equal: " ", substitute: "S", delete: "D", insert: "I" };
  for (const { type, reference, hypothesis } of alignments[0] ?? []) {
    const count = Math.max(reference[1] - reference[0], hypothesis[1] - hypothesis[0]);
    for (let k = 0; k < count; k++) {
      above += type === "insert" ? "*" : said[reference[0] + k];
      below += type === "delete" ? "*" : heard[hypothesis[0] + k];
      errors += letters[type];
    }
  }
  return [above, below, errors];
}

describe("alignments of characters", () => {
  it.each([
    ["this is a", "this is a test", "this is a*****", "this is a test", "         IIIII"],
    ["this is a test", "this is a", "this is a test", "this is a*****", "         DDDDD"],
    ["this is a test", "this iz a test", "this is a test", "this iz a test", "      S       "],
    [
      "this is a test of skill",
      "this was a messy test",
      "this *is a tes*t of skill",
      "this was a messy te*st***",
      "     IS    S  IS SSD SDDD",
    ],
    [
      "this test will  have a high word error rate",
      "no it will not",
      "this test will  have a high word error rate",
      "no** i**t will n*************o***********t*",
      "SSDD SDD       SDDDDDDDDDDDDD DDDDDDDDDDD D",
    ],
    [
      "this sentence could be split",
      "this sentence will be split by ai",
      "this sentence could be split******",
      "this sentence will* be split by ai",
      "              SSS D         IIIIII",
    ],
  ])("%s, heard as %s", (reference, hypothesis, ...expected) => {
    expect(show(characterErrorRate([reference], [hypothesis]), [...reference], [...hypothesis])).toEqual(expected);
  });
});

test("an alignment of words", () => {
  const chunks = align("this is a test of skill".split(" "), "this was a messy test".split(" "));
  expect(chunks).toEqual([
    { type: "equal", reference: [0, 1], hypothesis: [0, 1] },
    { type: "substitute", reference: [1, 2], hypothesis: [1, 2] },
    { type: "equal", reference: [2, 3], hypothesis: [2, 3] },
    { type: "insert", reference: [3, 3], hypothesis: [3, 4] },
    { type: "equal", reference: [3, 4], hypothesis: [4, 5] },
    { type: "delete", reference: [4, 6], hypothesis: [5, 5] },
  ]);
});

test("any alignment covers both sides, is true where it says equal, and has the fewest errors", () => {
  const parts = fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 8 });
  fc.assert(
    fc.property(parts, parts, (reference, hypothesis) => {
      let errors = 0;
      let [i, j] = [0, 0];
      for (const chunk of align(reference, hypothesis)) {
        expect([chunk.reference[0], chunk.hypothesis[0]]).toEqual([i, j]);
        [i, j] = [chunk.reference[1], chunk.hypothesis[1]];
        const heard = hypothesis.slice(...chunk.hypothesis);
        if (chunk.type === "equal") expect(reference.slice(...chunk.reference)).toEqual(heard);
        else errors += Math.max(i - chunk.reference[0], j - chunk.hypothesis[0]);
      }
      expect([i, j]).toEqual([reference.length, hypothesis.length]);
      expect(errors).toBe(distance(reference, hypothesis));
    }),
  );
});

/** Edit distance by its recursive definition. */
function distance(
  a: readonly number[],
  b: readonly number[],
  i = a.length,
  j = b.length,
  seen = new Map<number, number>(),
): number {
  if (i === 0 || j === 0) return i + j;
  const known = seen.get(i * 100 + j);
  if (known !== undefined) return known;
  const rest = (di: number, dj: number) => distance(a, b, i - di, j - dj, seen);
  const value = a[i - 1] === b[j - 1] ? rest(1, 1) : 1 + Math.min(rest(1, 1), rest(1, 0), rest(0, 1));
  seen.set(i * 100 + j, value);
  return value;
}

test("lists of different lengths are refused", () => {
  expect(() => wordErrorRate(["a", "b"], ["a b"])).toThrow("got 2 references and 1 predictions");
  expect(() => characterErrorRate([], [])).toThrow("at least one item");
});
