/** By hand; scikit-learn's figures are replayed in test/golden/baselines.test.ts. */
import { expect, test } from "vitest";
import {
  fitLogisticRegression,
  fitOneVersusRest,
  fitTfIdf,
  predictLabels,
  predictProbabilities,
  sparseRows,
  tfIdfVectors,
} from "../../../src/baselines/index.ts";
import { minimize } from "../../../src/baselines/lbfgs.ts";

test("L-BFGS finds the minimum of a stretched bowl", () => {
  const scales = [1, 10, 100, 1000];
  const bowl = (x: Float64Array, gradient: Float64Array) => {
    let value = 0;
    for (const [i, scale] of scales.entries()) {
      const off = (x[i] as number) - i;
      value += (scale * off * off) / 2 + off ** 4;
      gradient[i] = scale * off + 4 * off ** 3;
    }
    return value;
  };
  const { x, converged, iterations } = minimize(bowl, new Float64Array(4), { tolerance: 1e-9, maxIterations: 100 });
  expect(converged).toBe(true);
  expect(iterations).toBeLessThan(40);
  for (const i of [0, 1, 2, 3]) expect(x[i]).toBeCloseTo(i, 9);
  expect(minimize(bowl, new Float64Array(4), { tolerance: 1e-9, maxIterations: 2 })).toMatchObject({
    converged: false,
    iterations: 2,
  });
});

test("weights of two documents by hand", () => {
  const model = fitTfIdf(["Big cat, big dog.", "a cat"]);
  expect(model.terms).toEqual(["big", "cat", "dog"]);
  const [rare, common] = [Math.log(3 / 2) + 1, 1];
  expect(model.idf).toEqual([rare, common, rare]);
  const { values, columns } = tfIdfVectors(model, ["big big cat"]);
  const length = Math.hypot(2 * rare, common);
  expect([...columns]).toEqual([0, 1]);
  expect(values[0]).toBeCloseTo((2 * rare) / length, 12);
  expect(values[1]).toBeCloseTo(common / length, 12);
});

test("words in any script are terms, single letters are not", () => {
  expect(fitTfIdf(["Ärger 茶叶 x_1 a 7 42"]).terms).toEqual(["42", "x_1", "ärger", "茶叶"]);
});

test("examples that the features separate are told apart, the more surely the weaker the regularisation", () => {
  const vectors = sparseRows([[[0, 1]], [[0, 1]], [[1, 1]], [[1, 1]], [[2, 1]]], 3);
  const sure = [0.1, 1, 100].map((inverseRegularization) => {
    const model = fitLogisticRegression(vectors, [0, 0, 1, 1, 2], 3, { inverseRegularization });
    const probabilities = predictProbabilities(model, vectors);
    for (let n = 0; n < 5; n++) {
      const row = probabilities.slice(n * 3, n * 3 + 3);
      expect(row.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 12);
    }
    return probabilities[0] as number;
  });
  expect(sure[0]).toBeLessThan(sure[1] as number);
  expect(sure[1]).toBeLessThan(sure[2] as number);
  expect(sure[2]).toBeGreaterThan(0.95);
});

test("without features the probabilities are how often classes occur", () => {
  const none = sparseRows([[], [], [], []], 0);
  const probabilities = predictProbabilities(fitLogisticRegression(none, [0, 0, 0, 1], 2, { tolerance: 1e-9 }), none);
  expect(probabilities[0]).toBeCloseTo(0.75, 8);
  const models = fitOneVersusRest(none, [1, 0, 0, 0, 1, 0, 0, 0], 2, { tolerance: 1e-9 });
  expect(predictLabels(models, none)[0]).toBeCloseTo(0.5, 8);
});

test("a label that is never true is given a small probability", () => {
  const vectors = sparseRows([[[0, 1]], [[0, 2]]], 1);
  expect(predictLabels(fitOneVersusRest(vectors, [0, 0], 1), vectors)[0]).toBeLessThan(1e-3);
});

test("what cannot be fitted is refused", () => {
  const vectors = sparseRows([[[0, 1]]], 1);
  expect(() => fitTfIdf(["a b c", "?"])).toThrow("expected at least one term in 1 of 2 texts, got none");
  expect(() => fitLogisticRegression(vectors, [0, 1], 2)).toThrow("expected 1 labels, at least one, got 2");
  expect(() => fitLogisticRegression(vectors, [2], 2)).toThrow("classes from 0 to 1, got 2 for example 0");
  expect(() => fitOneVersusRest(vectors, [0], 2)).toThrow("expected 2 labels");
  const model = fitLogisticRegression(vectors, [0], 2);
  expect(() => predictProbabilities(model, sparseRows([[]], 2))).toThrow("expected vectors of 1 features, got 2");
});
