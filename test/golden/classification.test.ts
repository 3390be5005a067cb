/** Scores of classifiers and rankings against scikit-learn, stems against NLTK (test/golden/fixtures/classification.json). */
import { readFileSync } from "node:fs";
import { describe, expect, it, test } from "vitest";
import {
  averagePrecision,
  brierScore,
  type ClassificationScores,
  calibrationError,
  classificationScores,
  confusionMatrix,
  logLoss,
  multiLabelScores,
  ndcgAt,
  type Overlap,
  porterStem,
} from "../../src/metrics/index.ts";

interface Labelled extends Record<"macro" | "micro" | "weighted", Overlap> {
  readonly actual: number[];
  readonly predicted: number[];
  readonly accuracy: number;
  readonly perClass: (Overlap & { readonly support: number })[];
}

interface Fixture {
  readonly singleLabel: Labelled & {
    readonly probabilities: number[];
    readonly confusion: number[][];
    readonly logLoss: number;
    readonly binaryBrier: number;
    readonly calibrationError: Record<string, number>;
  };
  readonly multiLabel: Labelled;
  readonly rankings: { gains: number[]; ranked: number[]; ndcg: Record<string, number>; averagePrecision: number }[];
  readonly stems: string;
}

const fixture = JSON.parse(readFileSync(new URL("./fixtures/classification.json", import.meta.url), "utf8")) as Fixture;

function same(scores: ClassificationScores, expected: Labelled): void {
  expect(scores.accuracy).toBeCloseTo(expected.accuracy, 12);
  for (const average of ["macro", "micro", "weighted"] as const) {
    for (const of of ["precision", "recall", "f1"] as const) {
      expect(scores[average][of], `${average} ${of}`).toBeCloseTo(expected[average][of], 12);
    }
  }
  expect(scores.classes).toHaveLength(expected.perClass.length);
  for (const [c, wanted] of expected.perClass.entries()) {
    for (const [of, value] of Object.entries(wanted)) {
      expect(scores.classes[c]?.[of as keyof Overlap], `class ${c}, ${of}`).toBeCloseTo(value, 12);
    }
  }
}

describe("one label an example", () => {
  const { actual, predicted, probabilities, ...expected } = fixture.singleLabel;

  it("has scikit-learn's accuracy, precision, recall and F1", () => {
    same(classificationScores(actual, predicted, 5), fixture.singleLabel);
  });

  it("has its confusion matrix", () => {
    expect(confusionMatrix(actual, predicted, 5)).toEqual(expected.confusion);
  });

  it("has its log loss", () => {
    expect(logLoss(probabilities, actual)).toBeCloseTo(expected.logLoss, 12);
  });

  it("has twice its Brier score of class 0 against the rest", () => {
    const positive = actual.map((_, i) => probabilities[i * 5] as number);
    const both = positive.flatMap((value) => [value, 1 - value]);
    expect(
      brierScore(
        both,
        actual.map((c) => (c === 0 ? 0 : 1)),
      ),
    ).toBeCloseTo(2 * expected.binaryBrier, 12);
  });

  it.each(Object.entries(expected.calibrationError))("has the calibration error of its curve of %s bins", (bins, error) => {
    expect(calibrationError(probabilities, actual, Number(bins))).toBeCloseTo(error, 12);
  });
});

it("several labels an example have scikit-learn's scores", () => {
  const { actual, predicted } = fixture.multiLabel;
  same(multiLabelScores(actual, predicted, 4), fixture.multiLabel);
});

it.each(fixture.rankings.map((ranking, i) => [i, ranking] as const))(
  "ranking %d has scikit-learn's nDCG and average precision",
  (_, ranking) => {
    const relevant = new Map(ranking.gains.flatMap((gain, document) => (gain > 0 ? [[document, gain] as const] : [])));
    for (const [k, value] of Object.entries(ranking.ndcg)) {
      expect(ndcgAt({ ranked: ranking.ranked, relevant }, Number(k)), `k = ${k}`).toBeCloseTo(value, 12);
    }
    expect(averagePrecision({ ranked: ranking.ranked, relevant })).toBeCloseTo(ranking.averagePrecision, 12);
  },
);

test("words have NLTK's stems", () => {
  const pairs = fixture.stems.split(" ").map((pair) => pair.split(":") as [string, string]);
  expect(pairs.length).toBeGreaterThan(250);
  for (const [word, stem] of pairs) expect(porterStem(word), word).toBe(stem);
});
