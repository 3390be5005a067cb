/** Cases worked by hand; scikit-learn's figures are replayed in test/golden/classification.test.ts. */
import { describe, expect, it, test } from "vitest";
import {
  brierScore,
  calibrationError,
  classificationScores,
  confusionMatrix,
  logLoss,
  multiLabelScores,
} from "../../../src/metrics/index.ts";

test("four examples of two classes", () => {
  const scores = classificationScores([0, 0, 1, 1], [0, 0, 1, 0], 2);
  expect(scores.accuracy).toBe(0.75);
  expect(scores.classes).toEqual([
    { precision: 2 / 3, recall: 1, f1: 0.8, support: 2 },
    { precision: 1, recall: 0.5, f1: 2 / 3, support: 2 },
  ]);
  expect(scores.macro.f1).toBeCloseTo((0.8 + 2 / 3) / 2, 12);
  expect(scores.micro).toEqual({ precision: 0.75, recall: 0.75, f1: 0.75 });
});

test("a class that never occurs does not lower the average, one that is only predicted does", () => {
  expect(classificationScores([0, 1], [0, 1], 9).macro.f1).toBe(1);
  expect(classificationScores([0, 1], [0, 2], 9).macro.f1).toBeCloseTo(1 / 3, 12);
});

describe("probabilities", () => {
  it("calibrated ones have no error", () => {
    const rows = Array.from({ length: 4 }, () => [0.75, 0.25]).flat();
    expect(calibrationError(rows, [0, 0, 0, 1])).toBeCloseTo(0, 12);
    expect(calibrationError(rows, [1, 1, 1, 1])).toBeCloseTo(0.75, 12);
  });

  it("errors of different bins do not cancel", () => {
    expect(calibrationError([0.9, 0.1, 0.6, 0.4], [1, 0], 10)).toBeCloseTo((0.9 + 0.4) / 2, 12);
    expect(calibrationError([0.9, 0.1, 0.6, 0.4], [1, 0], 1)).toBeCloseTo(0.25, 12);
  });

  it("the Brier score runs from 0 to 2", () => {
    expect(brierScore([1, 0, 0, 1], [0, 1])).toBe(0);
    expect(brierScore([1, 0, 0, 1], [1, 0])).toBe(2);
    expect(brierScore([0.5, 0.3, 0.2], [0])).toBeCloseTo(0.25 + 0.09 + 0.04, 12);
  });

  it("a true class thought impossible costs as much as a probability of 2⁻⁵²", () => {
    expect(logLoss([0, 1], [0])).toBeCloseTo(52 * Math.LN2, 12);
    expect(logLoss([0.5, 0.5, 0.25, 0.75], [0, 0])).toBeCloseTo(1.5 * Math.LN2, 12);
  });
});

test("several labels: right only if all are", () => {
  const scores = multiLabelScores([1, 0, 1, 1], [1, 0, 0, 1], 2);
  expect(scores.accuracy).toBe(0.5);
  expect(scores.classes.map(({ f1 }) => f1)).toEqual([2 / 3, 1]);
  expect(scores.micro.recall).toBeCloseTo(2 / 3, 12);
});

test("what cannot be scored is refused", () => {
  expect(() => confusionMatrix([0, 3], [0, 1], 3)).toThrow("expected classes from 0 to 2, got 3 for example 1");
  expect(() => classificationScores([0], [0, 1], 2)).toThrow("got 1 references and 2 predictions");
  expect(() => multiLabelScores([1, 0, 1], [1, 0, 1], 2)).toThrow("rows of 2 classes, got 3 values");
  expect(() => multiLabelScores([1, 0], [0.7, 0], 2)).toThrow(/labels of 0 or 1, got 0.7 at place 0.*\n.*threshold/);
  expect(() => logLoss([2, -1], [0])).toThrow("with values below 0");
  expect(() => logLoss([3, 1], [0])).toThrow(/sum of 4 for example 0.*\n.*logits/);
  expect(() => brierScore([0.5, 0.5, 1], [0, 0])).toThrow("got 3 in all");
});
