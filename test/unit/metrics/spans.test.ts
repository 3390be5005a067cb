/** Expected values are those published in seqeval's README and tests (chakki-works/seqeval, tests/test_scheme.py, test_v1.py, test_metrics.py). */
import { describe, expect, it, test } from "vitest";
import { compareSpans, spanScores, spansOf } from "../../../src/metrics/index.ts";

type Triple = [type: string, start: number, end: number];
const triples = (tags: string[], strict: boolean) =>
  spansOf(tags, { strict }).map(({ type, start, end }): Triple => [type, start, end]);

describe("strict spans (IOB2)", () => {
  it.each<[string[], Triple[]]>([
    [[], []],
    [["B-PER"], [["PER", 0, 1]]],
    [["I-PER"], []],
    [["O"], []],
    [["O", "I-PER"], []],
    [["O", "B-PER"], [["PER", 1, 2]]],
    [["I-PER", "O"], []],
    [["I-PER", "I-PER"], []],
    [["I-PER", "I-ORG"], []],
    [["I-PER", "B-PER"], [["PER", 1, 2]]],
    [["I-PER", "B-ORG"], [["ORG", 1, 2]]],
    [["B-PER", "O"], [["PER", 0, 1]]],
    [["B-PER", "I-PER"], [["PER", 0, 2]]],
    [["B-PER", "I-ORG"], [["PER", 0, 1]]],
    [
      ["B-PER", "B-PER"],
      [
        ["PER", 0, 1],
        ["PER", 1, 2],
      ],
    ],
    [
      ["B-PER", "B-ORG"],
      [
        ["PER", 0, 1],
        ["ORG", 1, 2],
      ],
    ],
    [["B"], [["_", 0, 1]]],
    [["I", "B"], [["_", 1, 2]]],
    [["B", "I"], [["_", 0, 2]]],
    [
      ["B", "B"],
      [
        ["_", 0, 1],
        ["_", 1, 2],
      ],
    ],
  ])("%j marks %j", (tags, expected) => {
    expect(triples(tags, true)).toEqual(expected);
  });
});

describe("spans as conlleval sees them", () => {
  it.each<[string[], Triple[]]>([
    [
      ["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O", "B-PER", "I-PER"],
      [
        ["MISC", 3, 6],
        ["PER", 7, 9],
      ],
    ],
    [
      ["B-PER", "I-PER", "O", "B-LOC"],
      [
        ["PER", 0, 2],
        ["LOC", 3, 4],
      ],
    ],
    [["I-PER", "I-PER", "O"], [["PER", 0, 2]]],
    [
      ["B-PER", "I-ORG"],
      [
        ["PER", 0, 1],
        ["ORG", 1, 2],
      ],
    ],
    [
      ["I-ORG-COMPANY", "I-組織"],
      [
        ["ORG-COMPANY", 0, 1],
        ["組織", 1, 2],
      ],
    ],
  ])("%j marks %j", (tags, expected) => {
    expect(triples(tags, false)).toEqual(expected);
  });
});

describe("scores of README's sentences", () => {
  const actual = [
    ["O", "O", "O", "B-MISC", "I-MISC", "I-MISC", "O"],
    ["B-PER", "I-PER", "O"],
  ];
  const predicted = [
    ["O", "O", "B-MISC", "I-MISC", "I-MISC", "I-MISC", "O"],
    ["B-PER", "I-PER", "O"],
  ];

  it.each([false, true])("strict: %s", (strict) => {
    const { micro, macro, weighted, types } = spanScores(actual, predicted, { strict });
    const half = { precision: 0.5, recall: 0.5, f1: 0.5 };
    expect([micro, macro, weighted]).toEqual([half, half, half]);
    expect(types).toEqual({
      MISC: { precision: 0, recall: 0, f1: 0, support: 1 },
      PER: { precision: 1, recall: 1, f1: 1, support: 1 },
    });
  });

  it("a span without B is one by default and none when strict", () => {
    const [wanted, given] = [[["B-NP", "I-NP", "O"]], [["I-NP", "I-NP", "O"]]];
    expect(spanScores(wanted, given).micro.f1).toBe(1);
    expect(spanScores(wanted, given, { strict: true }).micro.f1).toBe(0);
  });
});

test("averages over types, one of which is only predicted", () => {
  const { micro, macro, weighted, types } = spanScores([["B-A", "B-B", "O", "B-A"]], [["O", "B-B", "B-C", "B-A"]], {
    strict: true,
  });
  expect(types).toEqual({
    A: { precision: 1, recall: 0.5, f1: 2 / 3, support: 2 },
    B: { precision: 1, recall: 1, f1: 1, support: 1 },
    C: { precision: 0, recall: 0, f1: 0, support: 0 },
  });
  const close = (scores: typeof micro, precision: number, recall: number, f1: number) => {
    expect(scores.precision).toBeCloseTo(precision, 12);
    expect(scores.recall).toBeCloseTo(recall, 12);
    expect(scores.f1).toBeCloseTo(f1, 12);
  };
  close(micro, 2 / 3, 2 / 3, 2 / 3);
  close(macro, 2 / 3, 0.5, 5 / 9);
  close(weighted, 1, 2 / 3, 7 / 9);
});

test("spans in characters, and texts without any", () => {
  const span = { type: "PER", start: 10, end: 14 };
  expect(compareSpans([[span], []], [[span, { ...span, end: 15 }], []]).micro).toEqual({ precision: 0.5, recall: 1, f1: 2 / 3 });
  expect(spanScores([["O"]], [["O"]]).micro.f1).toBe(0);
});

test("what are no tags is refused", () => {
  expect(() => spansOf(["O", "S-PER"])).toThrow('expected O, B-TYPE or I-TYPE, got "S-PER" at token 1');
  expect(() => spansOf(["BPER"])).toThrow('got "BPER" at token 0');
  expect(() => spanScores([["O", "O"]], [["O"]])).toThrow("a tag for each of 2 tokens of sequence 0, got 1");
});
