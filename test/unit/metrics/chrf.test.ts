/** Expected values are those published in sacreBLEU's own tests (mjpost/sacrebleu, test/test_chrf.py) and in Hugging Face evaluate's card of chrF. */
import { describe, expect, it, test } from "vitest";
import { corpusChrf } from "../../../src/metrics/index.ts";

const risk = [
  " risk assessment must be made of those who are qualified and expertise in the sector - these are the scientists .",
  "risk assessment has to be undertaken by those who are qualified and expert in that area - that is the scientists .",
] as const;

describe("with epsilons, β = 3", () => {
  it.each<[string[], string[], number]>([
    [["abcdefg"], ["hijklmnop"], 0],
    [["a"], ["b"], 0],
    [[""], ["reference"], 0],
    [["aa"], ["ab"], 8.3333],
    [["a", "b"], ["a", "c"], 8.3333],
    [["a"], ["a"], 16.6667],
    [["a b c"], ["a b c"], 50],
    [["a b c"], ["abc"], 50],
    [[risk[0]], [risk[1]], 63.36173],
    [
      [" Die    Beziehung zwischen  Obama und Netanjahu ist nicht gerade  freundlich. "],
      ["Das Verhältnis zwischen Obama und Netanyahu ist nicht gerade freundschaftlich."],
      64.1302698,
    ],
    [["Niemand hat die Absicht, eine Mauer zu errichten"], ["Niemand hat die Absicht, eine Mauer zu errichten"], 100],
  ])("%j against %j scores %d", (hypotheses, references, expected) => {
    const { score } = corpusChrf(hypotheses, references, { beta: 3, epsilonSmoothing: true });
    expect(Math.abs(score - expected)).toBeLessThan(1e-4);
  });
});

describe("with effective order, β = 3", () => {
  it.each<[string[], string[], number]>([
    [["a"], ["a"], 100],
    [[""], ["reference"], 0],
    [["a b c"], ["a b c"], 100],
    [["a b c"], ["abc"], 100],
    [["a", "b"], ["a", "c"], 50],
    [["aa"], ["ab"], 25],
  ])("%j against %j scores %d", (hypotheses, references, expected) => {
    expect(corpusChrf(hypotheses, references, { beta: 3 }).score).toBeCloseTo(expected, 10);
  });

  it("white space counts if asked for", () => {
    const { score } = corpusChrf([risk[0].trim()], [risk[1]], { beta: 3, whitespace: true });
    expect(Math.abs(score - 65.2414427)).toBeLessThan(1e-4);
  });
});

it.each([
  [
    "Co nás nejvíc trápí, protože lékaři si vybírají, kdo bude žít a kdo zemře.",
    "Nejvíce smutní jsme z toho, že musíme rozhodovat o tom, kdo bude žít a kdo zemře.",
    39.14078509,
  ],
  [
    "Nebo prostě nemají vybavení, které by jim pomohlo, uvedli lékaři.",
    "A někdy nemáme ani potřebný materiál, abychom jim pomohli, popsali lékaři.",
    31.22557079,
  ],
  [
    "Lapali po dechu, jejich životy skončily dřív, než skutečně začaly.",
    "Lapali po dechu a pak jejich život skončil - dřív, než skutečně mohl začít, připomněli.",
    57.15704367,
  ],
])("a Czech sentence, with epsilons: %s", (hypothesis, reference, expected) => {
  expect(corpusChrf([hypothesis], [reference], { epsilonSmoothing: true }).score).toBeCloseTo(expected, 6);
});

describe("chrF and chrF++ of two sentences", () => {
  const hypotheses = [
    "The relationship between cats and dogs is not exactly friendly.",
    "a good bookshop is just a genteel black hole that knows how to read.",
  ];
  const references = [
    ["The relationship between dogs and cats is not exactly friendly."],
    ["A good bookshop is just a genteel Black Hole that knows how to read."],
  ];

  test("as published", () => {
    expect(corpusChrf(hypotheses, references).score).toBeCloseTo(84.64214891738334, 8);
    expect(corpusChrf(hypotheses, references, { wordOrder: 2 }).score).toBeCloseTo(82.87263732906315, 8);
    expect(corpusChrf(hypotheses, references, { wordOrder: 2, lowercase: true }).score).toBeCloseTo(92.12853119829202, 8);
  });

  test("names and signatures as sacreBLEU prints them", () => {
    const plain = corpusChrf(hypotheses, references);
    expect([plain.name, plain.signature]).toEqual(["chrF2", "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.0.0"]);
    const words = corpusChrf(hypotheses, references, { wordOrder: 2 });
    expect([words.name, words.signature]).toEqual(["chrF2++", "nrefs:1|case:mixed|eff:yes|nc:6|nw:2|space:no|version:2.0.0"]);
  });
});

test("of several references the one that fits best counts", () => {
  const alone = corpusChrf(["the cat sat"], ["the cat sits"]).score;
  expect(corpusChrf(["the cat sat"], [["a dog lay down", "the cat sits"]]).score).toBe(alone);
  expect(corpusChrf(["the cat sat"], [["the cat sits", "the cat sat"]]).score).toBeCloseTo(100, 10);
});

test("of a word at most one sign is split off, its last before its first", () => {
  const words = { charOrder: 1, wordOrder: 1 };
  // "(hi)" is "(hi" and ")": of 2 words 1 is right, all 4 characters are
  const { score } = corpusChrf(["(hi)"], ["( hi )"], words);
  const [precision, recall] = [(1 + 1 / 2) / 2, (1 + 1 / 3) / 2];
  expect(score).toBeCloseTo((100 * 5 * precision * recall) / (4 * precision + recall), 10);
});

test("what cannot be scored is refused", () => {
  expect(() => corpusChrf(["a"], [])).toThrow("got 0 references and 1 predictions");
  expect(() => corpusChrf(["a"], [""])).toThrow("got none for segment 0");
});
