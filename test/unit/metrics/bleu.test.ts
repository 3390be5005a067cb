/** Expected values are those published in sacreBLEU's own tests and README (mjpost/sacrebleu, test/test_bleu.py, test_sentence_bleu.py). */
import { describe, expect, it, test } from "vitest";
import { type BleuOptions, corpusBleu, sentenceBleu } from "../../../src/metrics/index.ts";

const hypotheses = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."];
const references = [
  ["The dog bit the man.", "The dog had bit the man."],
  ["It was not unexpected.", "No one was surprised."],
  ["The man bit him first.", "The man had bitten the dog."],
];

describe("the corpus of sacreBLEU's README", () => {
  it.each<[BleuOptions, number]>([
    [{}, 48.530827],
    [{ tokenizer: "none" }, 49.1919566],
    [{ tokenizer: "13a" }, 48.530827],
    [{ smoothing: "none" }, 48.530827],
  ])("under %j scores %d", (options, expected) => {
    expect(corpusBleu(hypotheses, references, options).score).toBeCloseTo(expected, 6);
  });

  it("keeps empty hypotheses", () => {
    expect(corpusBleu(["", "", ""], references).score).toBe(0);
  });

  it("has the signature that sacreBLEU prints", () => {
    const one = references.map(([first]) => first as string);
    expect(corpusBleu(hypotheses, one).signature).toBe("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.0.0");
    expect(corpusBleu(hypotheses, references).signature).toMatch(/^nrefs:2\|/);
    expect(corpusBleu(hypotheses, [one[0] as string, ...references.slice(1)]).signature).toMatch(/^nrefs:var\|/);
    expect(sentenceBleu("a", "a", { lowercase: true, tokenizer: "zh", smoothing: "floor" }).signature).toBe(
      "nrefs:1|case:lc|eff:yes|tok:zh|smooth:floor[0.10]|version:2.0.0",
    );
  });
});

describe("one sentence", () => {
  const hypothesis = "Producția de zahăr primă va fi exprimată în ceea ce privește zahărul alb;";
  const reference = "producţia de zahăr brut se exprimă în zahăr alb;";

  it.each<[BleuOptions, number]>([
    [{ smoothing: "exp" }, 8.493],
    [{ smoothing: "none" }, 0],
    [{ smoothing: "floor" }, 4.51688],
    [{ smoothing: "floor", smoothingValue: 0.5 }, 10.1],
    [{ smoothing: "add-k" }, 14.882],
    [{ smoothing: "add-k", smoothingValue: 2 }, 21.389],
    [{ tokenizer: "none" }, 7.347],
    [{ tokenizer: "char" }, 40.8759],
    [{ tokenizer: "char", lowercase: true }, 42.0267],
  ])("under %j scores %d", (options, expected) => {
    expect(Math.abs(sentenceBleu(hypothesis, reference, options).score - expected)).toBeLessThan(1e-3);
  });

  it.each(["exp", "none", "floor", "add-k"] as const)("without a word in common scores 0 under %s", (smoothing) => {
    expect(sentenceBleu("this is a cat", "okay thanks", { smoothing }).score).toBe(0);
  });
});

describe("raw text with a floor of 0.01", () => {
  const raw: BleuOptions = { tokenizer: "none", smoothing: "floor", smoothingValue: 0.01, effectiveOrder: true };

  it.each([
    [["this is a test", "another test"], ["ref1", "ref2"], 0],
    [["this is a test"], ["this is a test"], 1],
    [["this is a fest"], ["this is a test"], 0.223606797749979],
    [["test"], ["a test"], 0.3678794411714425],
    [["a test"], ["a test"], 1],
    [["a little test"], ["a test"], 0.03218297948685433],
  ])("%j against %j scores %d", (given, wanted, expected) => {
    expect(corpusBleu(given, wanted, raw).score / 100).toBeCloseTo(expected, 8);
  });

  it("counts n-grams as published", () => {
    const { counts, totals } = corpusBleu(["am I am a character sequence"], ["I am a symbol string sequence a a"], raw);
    expect([counts, totals]).toEqual([
      [4, 2, 1, 0],
      [6, 5, 4, 3],
    ]);
    const floor = { ...raw, smoothingValue: 0.1 };
    const { score } = corpusBleu(["am I am a character sequence"], ["I am a symbol string sequence a a"], floor);
    expect(score / 100).toBeCloseTo(0.1555722182, 8);
  });
});

describe("tokens", () => {
  /** A hypothesis made of the tokens wanted, joined by spaces, has all their 1-grams: totals tell how many tokens there are. */
  const same = (text: string, tokens: string, tokenizer: "13a" | "zh") => {
    const { counts, totals } = corpusBleu([text], [tokens], { tokenizer });
    expect(counts[0], text).toBe(totals[0]);
    expect(totals[0], text).toBe(tokens.split(" ").length);
  };

  test("of 13a: punctuation apart, numbers whole, entities read, lines joined", () => {
    same("Hello, world!", "Hello , world !", "13a");
    same("It costs 1,234.50 dollars.", "It costs 1,234.50 dollars .", "13a");
    same("10-20 well-known", "10 - 20 well-known", "13a");
    same("a &amp; b &quot;c&quot;", 'a & b " c "', "13a");
    same("over-\nhang and\nmore", "overhang and more", "13a");
  });

  test("of zh: each Chinese character apart, full-width signs too, the rest as in 13a", () => {
    same("我爱BLEU,你呢?", "我 爱 BLEU , 你 呢 ?", "zh");
    same("共“3.5”元。", "共 “ 3.5 ” 元 。", "zh");
    same("𠀀𠀁", "𠀀𠀁", "zh"); // beyond U+20000: one token, in sacreBLEU as here
  });
});

test("what cannot be scored is refused", () => {
  expect(() => corpusBleu(["a"], ["a", "b"])).toThrow("got 2 references and 1 predictions");
  expect(() => corpusBleu([], [])).toThrow("with at least one item");
  expect(() => corpusBleu(["a", "b"], ["a", ["", ""]])).toThrow("got none for segment 1");
});
