/** Expected values are those published in google-research's tests (rouge/rouge_scorer_test.py), most of them measured by ROUGE-1.5.5. */
import { describe, expect, it, test } from "vitest";
import { type Overlap, type RougeScores, rouge, rougeMean } from "../../../src/metrics/index.ts";

const targets = [
  "ZfbCUIUuePaiLVUlCaUXxkpu XPeWing tUHfPMuZ',-Xd Y BrUgVJing M-HV.-DgdDaY.rFDJCRing Ht-LM EKBDXkME,yz'RBr q'wtion wIojNbN wL,b .a-'XdQggyFl jB-RPP'iyOIcUxer tKM L",
  "KsJdPByEtAor fE-Qg Dpdbring cw-WeFyu vC MoBL Xdn g wkvcEiGvKtion BDFhrpMtion psing sbKao Q m qiing LMmer HqqLFXe,XPY,J XsurkMer ,ed nB'wH'bWVHjWFEing tQ.saefZwJtKrTlixYpMMsJing UCAPwNHeYVjDing c T BUySKtion gMPfJpwGw p'NvxAoping eu pBwMBKV'I DNxqelhu,PHPxDEq,mtion SN",
] as const;
const predictions = [
  "rFDJCRtion Ht-LM EKtDXkME,yz'RBr q'wer wrojNbN wL,b .a-'XdQggyFl jB-RPP'iyOIcUxi",
  "n cw-WeFyu vC MoBL Xdn g wkvcEiGvKtion BDFhrpMer pstion sbKao Q m qier LMmed HqqLFXe,XPY,J XsurkMeo ,ed nB'wH'bWVHjWFEer tQ.saefZwJtKrTlixYpMMNJtion UCAPwNHeYVjD",
] as const;

const close = (scores: Overlap, [recall, precision, f1]: readonly [number, number, number], digits = 5) => {
  expect(scores.recall).toBeCloseTo(recall, digits);
  expect(scores.precision).toBeCloseTo(precision, digits);
  expect(scores.f1).toBeCloseTo(f1, digits);
};

describe("as ROUGE-1.5.5 measures", () => {
  it.each<[keyof RougeScores, 0 | 1, boolean, [number, number, number]]>([
    ["rouge1", 0, false, [0.40741, 0.6875, 0.51163]],
    ["rouge1", 1, false, [0.40476, 0.65385, 0.5]],
    ["rouge1", 0, true, [0.40741, 0.6875, 0.51163]],
    ["rouge1", 1, true, [0.42857, 0.69231, 0.52941]],
    ["rouge2", 0, false, [0.30769, 0.53333, 0.39024]],
    ["rouge2", 1, false, [0.29268, 0.48, 0.36364]],
    ["rouge2", 0, true, [0.30769, 0.53333, 0.39024]],
    ["rouge2", 1, true, [0.29268, 0.48, 0.36364]],
    ["rougeL", 0, false, [0.40741, 0.6875, 0.51163]],
    ["rougeL", 1, false, [0.40476, 0.65385, 0.5]],
  ])("%s of text %d, stemmed: %s", (which, i, stem, expected) => {
    close(rouge(targets[i], predictions[i], { stem })[which], expected);
  });

  test("rougeLsum of several lines, stemmed", () => {
    const target = [
      ...targets,
      "NhETebUbBk'er WOvoHMTjSRizKgH'vHiing Xu,hWxfs VkNE QhgKiLHE -HidivzoM.dO anhtion jbLQiSGDTCsuhREebUaKM dv J dVN tmbOT",
      "vMR HDm,xOAetion D,tion HJtodT.mHl UIv-p VjWH'BdyWjnfGU-OjT aEMdFICyLWfQMtion wEMfdOKing AwkeKbO 'DxqNOHBH qKtVvm OYJl mM",
    ];
    const prediction = [
      ...predictions,
      "xfs VkJE QhgKiLHE -HidivzoM.dO anhing jbLQiSGDTCsuhREebUaKM dv J",
      "VjWH'BdyWjnfGU-OjTNaEMdFICyLWfQMing wEMfdOKijg AwkeKbO 'DxqNO",
    ];
    close(rouge(target.join("\n"), prediction.join("\n"), { stem: true }).rougeLsum, [0.36538, 0.66667, 0.47205]);
  });
});

describe("small texts", () => {
  it.each<[keyof RougeScores, string, string, [number, number, number]]>([
    ["rouge1", "testing one two", "testing", [1 / 3, 1, 1 / 2]],
    ["rouge2", "testing one two", "testing one", [1 / 2, 1, 2 / 3]],
    ["rougeL", "testing one two", "testing one", [2 / 3, 1, 4 / 5]],
    ["rougeL", "testing one two", "testing two", [2 / 3, 1, 4 / 5]],
    ["rougeLsum", "w1 w2 w3 w4 w5", "w1 w2 w6 w7 w8\nw1 w3 w8 w9 w5", [0.8, 0.4, 8 / 15]],
    ["rougeLsum", "w1 w2 w3 w4 w5", "/", [0, 0, 0]],
    ["rougeLsum", "", "w1", [0, 0, 0]],
  ])("%s of %j and %j", (which, reference, prediction, expected) => {
    close(rouge(reference, prediction)[which], expected, 12);
  });

  it.each(["rouge1", "rouge2", "rougeL", "rougeLsum"] as const)("%s of an empty summary is 0", (which) => {
    close(rouge("testing one two", "")[which], [0, 0, 0], 12);
  });
});

test("the mean of many is the mean of their scores", () => {
  const { rouge1 } = rougeMean(["testing one two", "a b"], ["testing", "c"]);
  close(rouge1, [1 / 6, 1 / 2, 1 / 4], 12);
  expect(() => rougeMean(["a"], [])).toThrow("got 1 references and 0 predictions");
});
