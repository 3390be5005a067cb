/** TF-IDF and logistic regression against scikit-learn (test/golden/fixtures/baselines.json). */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  fitLogisticRegression,
  fitOneVersusRest,
  fitTfIdf,
  predictLabels,
  predictProbabilities,
  type SparseRows,
  type TfIdfOptions,
  tfIdfVectors,
} from "../../src/baselines/index.ts";

interface Sparse {
  readonly starts: number[];
  readonly columns: number[];
  readonly values: number[];
}

interface Fixture {
  readonly texts: string[];
  readonly held: string[];
  readonly vectors: Record<string, { terms: string[]; idf: number[]; fitted: Sparse; held: Sparse }>;
  readonly regressions: Record<
    string,
    { C: number; balanced: boolean; labels: number[]; coefficients: number[][]; intercepts: number[]; probabilities: number[][] }
  >;
  readonly multiLabel: { C: number; labels: number[][]; probabilities: number[][] };
}

const fixture = JSON.parse(readFileSync(new URL("./fixtures/baselines.json", import.meta.url), "utf8")) as Fixture;
const { texts, held } = fixture;

const settings: Record<string, TfIdfOptions> = {
  words: {},
  pairs: { bigrams: true, minDocuments: 2 },
  sublinear: { sublinear: true, minDocuments: 3 },
};

function near(got: ArrayLike<number>, expected: readonly number[], tolerance: number): void {
  expect(got.length).toBe(expected.length);
  for (const [i, value] of expected.entries()) expect(Math.abs((got[i] as number) - value), `place ${i}`).toBeLessThan(tolerance);
}

describe.each(Object.entries(settings))("TF-IDF of %s", (name, options) => {
  const expected = fixture.vectors[name] as Fixture["vectors"][string];
  const model = fitTfIdf(texts, options);

  const same = (got: SparseRows, wanted: Sparse) => {
    expect([...got.starts]).toEqual(wanted.starts);
    expect([...got.columns]).toEqual(wanted.columns);
    near(got.values, wanted.values, 1e-12);
  };

  it("has scikit-learn's terms and their weights", () => {
    expect(model.terms).toEqual(expected.terms);
    near(model.idf, expected.idf, 1e-12);
  });

  it("has its vectors, of texts seen and unseen, unknown and empty", () => {
    same(tfIdfVectors(model, texts), expected.fitted);
    same(tfIdfVectors(JSON.parse(JSON.stringify(model)), held), expected.held);
  });
});

describe("logistic regression", () => {
  const terms = fitTfIdf(texts);
  const vectors = tfIdfVectors(terms, texts);
  const unseen = tfIdfVectors(terms, held);

  it.each(Object.entries(fixture.regressions))("of %s has scikit-learn's coefficients and probabilities", (_, expected) => {
    const options = { inverseRegularization: expected.C, balanced: expected.balanced, tolerance: 1e-7 };
    const classes = Math.max(...expected.labels) + 1;
    const model = fitLogisticRegression(vectors, expected.labels, classes, options);
    expect(model.converged).toBe(true);
    const byFeature = terms.terms.flatMap((_, f) => expected.coefficients.map((row) => row[f] as number));
    near(model.parameters, [...byFeature, ...expected.intercepts], 1e-5);
    near(predictProbabilities(model, unseen), expected.probabilities.flat(), 1e-6);
  });

  it("reaches four digits of the probabilities with its usual tolerance", () => {
    for (const { C, balanced, labels, probabilities } of Object.values(fixture.regressions)) {
      const model = fitLogisticRegression(vectors, labels, Math.max(...labels) + 1, { inverseRegularization: C, balanced });
      near(predictProbabilities(model, unseen), probabilities.flat(), 1e-4);
    }
  });

  it("of several labels is one against the rest", () => {
    const { C, labels, probabilities } = fixture.multiLabel;
    const models = fitOneVersusRest(vectors, labels.flat(), 3, { inverseRegularization: C, tolerance: 1e-7 });
    near(predictLabels(models, unseen), probabilities.flat(), 1e-6);
  });
});
