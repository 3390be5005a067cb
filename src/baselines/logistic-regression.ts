/**
 * Multinomial logistic regression on sparse vectors, as scikit-learn's LogisticRegression (its default: L2, lbfgs): the softmax of a
 * linear map, fitted to the minimum of Σ −ln p(class) + |W|² / 2C, the intercepts free. Two classes are fitted as one logit.
 *
 * Legend: N examples, F features, C classes, L logits: C, or 1 for two classes.
 */
import { HeptagenError } from "../util/errors.ts";
import { minimize } from "./lbfgs.ts";
import type { SparseRows } from "./sparse.ts";

export interface LogisticRegressionOptions {
  /** C of scikit-learn: how much the examples count against small weights; 1 unless told. */
  readonly inverseRegularization?: number;
  /** Whether each class counts alike, its examples weighing N / (classes that occur × examples of it); they weigh 1 unless told. */
  readonly balanced?: boolean;
  /** Stops when no part of the gradient is larger; 1e-5 unless told. */
  readonly tolerance?: number;
  /** 1,000 unless told. */
  readonly maxIterations?: number;
}

/** What was learnt. */
export interface LogisticRegression {
  readonly classes: number;
  readonly features: number;
  /** [F + 1, L], row by row: the weights of each feature, then the intercepts. */
  readonly parameters: Float64Array;
  readonly iterations: number;
  /** Whether the minimum was reached within the tolerance. */
  readonly converged: boolean;
}

/**
 * Fits a classifier that gives each example one class.
 *
 * @param vectors [N, F]
 * @param labels [N] classes from 0 to `classes` - 1
 * @throws HeptagenError `baselines/length`, `baselines/class`
 * @example
 * const model = fitLogisticRegression(tfIdfVectors(terms, reviews), labels, 2);
 * const probabilities = predictProbabilities(model, tfIdfVectors(terms, ["a fine soup"])); // [1, 2]
 */
export function fitLogisticRegression(
  vectors: SparseRows,
  labels: ArrayLike<number>,
  classes: number,
  options: LogisticRegressionOptions = {},
): LogisticRegression {
  const { inverseRegularization = 1, balanced = false, tolerance = 1e-5, maxIterations = 1000 } = options;
  const counts = countClasses(vectors, labels, classes);
  const occurring = counts.filter((count) => count > 0).length;
  const importance = counts.map((count) => (balanced ? vectors.rows / (occurring * count) : 1));
  const logits = classes === 2 ? 1 : classes;
  const intercepts = vectors.width * logits;
  const row = new Float64Array(logits);
  const objective = (x: Float64Array, gradient: Float64Array): number => {
    let value = 0;
    for (let i = 0; i < intercepts; i++) {
      const weight = x[i] as number;
      value += (weight * weight) / (2 * inverseRegularization);
      gradient[i] = weight / inverseRegularization;
    }
    gradient.fill(0, intercepts);
    for (let n = 0; n < vectors.rows; n++) {
      const label = labels[n] as number;
      logitsOf(x, vectors, n, row);
      value += lossOf(row, label, importance[label] as number);
      for (let l = 0; l < logits; l++) (gradient[intercepts + l] as number) += row[l] as number;
      for (let p = vectors.starts[n] as number; p < (vectors.starts[n + 1] as number); p++) {
        const from = (vectors.columns[p] as number) * logits;
        const feature = vectors.values[p] as number;
        for (let l = 0; l < logits; l++) (gradient[from + l] as number) += feature * (row[l] as number);
      }
    }
    return value;
  };
  const start = new Float64Array(intercepts + logits);
  const { x, iterations, converged } = minimize(objective, start, { tolerance, maxIterations });
  return { classes, features: vectors.width, parameters: x, iterations, converged };
}

/**
 * Probabilities of the classes: [N, C], row by row, each row summing to 1.
 *
 * @throws HeptagenError `baselines/length` when the vectors have other features than those fitted
 */
export function predictProbabilities(model: LogisticRegression, vectors: SparseRows): Float64Array {
  const { classes, features, parameters } = model;
  if (vectors.width !== features) {
    throw new HeptagenError(
      "baselines/length",
      `predictProbabilities: expected vectors of ${features} features, got ${vectors.width}`,
      {
        facts: { expected: features, got: vectors.width },
        next: "Make the vectors with the TF-IDF that the model was fitted with.",
      },
    );
  }
  const row = new Float64Array(classes === 2 ? 1 : classes);
  const probabilities = new Float64Array(vectors.rows * classes);
  for (let n = 0; n < vectors.rows; n++) {
    logitsOf(parameters, vectors, n, row);
    if (row.length > 1) softmax(row);
    const positive = sigmoid(row[0] as number);
    probabilities.set(row.length > 1 ? row : [1 - positive, positive], n * classes);
  }
  return probabilities;
}

/**
 * Fits one classifier a label, for examples that have any number of labels.
 *
 * @param labels [N, C] 1 where the label is true, else 0, row by row
 * @throws HeptagenError `baselines/length`, `baselines/class`
 * @example predictLabels(fitOneVersusRest(vectors, labels, 3), vectors) // [N, 3]
 */
export function fitOneVersusRest(
  vectors: SparseRows,
  labels: ArrayLike<number>,
  classes: number,
  options: LogisticRegressionOptions = {},
): LogisticRegression[] {
  checkLength("fitOneVersusRest", labels, vectors.rows * classes);
  return Array.from({ length: classes }, (_, c) =>
    fitLogisticRegression(
      vectors,
      Int32Array.from({ length: vectors.rows }, (_, n) => labels[n * classes + c] as number),
      2,
      options,
    ),
  );
}

/** The probability of each label by itself: [N, C], row by row. */
export function predictLabels(models: readonly LogisticRegression[], vectors: SparseRows): Float64Array {
  const probabilities = new Float64Array(vectors.rows * models.length);
  for (const [c, model] of models.entries()) {
    const both = predictProbabilities(model, vectors);
    for (let n = 0; n < vectors.rows; n++) probabilities[n * models.length + c] = both[n * 2 + 1] as number;
  }
  return probabilities;
}

/** Intercepts plus weights · features of example `n`, into `row`. */
function logitsOf(parameters: Float64Array, { width, starts, columns, values }: SparseRows, n: number, row: Float64Array): void {
  const logits = row.length;
  for (let l = 0; l < logits; l++) row[l] = parameters[width * logits + l] as number;
  for (let p = starts[n] as number; p < (starts[n + 1] as number); p++) {
    const from = (columns[p] as number) * logits;
    const value = values[p] as number;
    for (let l = 0; l < logits; l++) (row[l] as number) += value * (parameters[from + l] as number);
  }
}

/** −ln p(label) times `weight`; the logits in `row` become their gradient. */
function lossOf(row: Float64Array, label: number, weight: number): number {
  const logit = row[row.length === 1 ? 0 : label] as number;
  if (row.length === 1) {
    row[0] = weight * (sigmoid(logit) - label);
    const wrong = label === 1 ? -logit : logit;
    return weight * (Math.max(0, wrong) + Math.log1p(Math.exp(-Math.abs(wrong))));
  }
  const normalizer = softmax(row);
  (row[label] as number) -= 1;
  for (let l = 0; l < row.length; l++) (row[l] as number) *= weight;
  return weight * (normalizer - logit);
}

/** Logits become probabilities; returns ln Σ exp. */
function softmax(row: Float64Array): number {
  let most = row[0] as number;
  for (let l = 1; l < row.length; l++) most = Math.max(most, row[l] as number);
  let sum = 0;
  for (let l = 0; l < row.length; l++) sum += row[l] = Math.exp((row[l] as number) - most);
  for (let l = 0; l < row.length; l++) (row[l] as number) /= sum;
  return most + Math.log(sum);
}

const sigmoid = (logit: number): number => 1 / (1 + Math.exp(-logit));

function countClasses(vectors: SparseRows, labels: ArrayLike<number>, classes: number): number[] {
  checkLength("fitLogisticRegression", labels, vectors.rows);
  const counts = new Array<number>(classes).fill(0);
  for (let n = 0; n < labels.length; n++) {
    const label = labels[n] as number;
    if (!Number.isInteger(label) || label < 0 || label >= classes) {
      throw new HeptagenError(
        "baselines/class",
        `fitLogisticRegression: expected classes from 0 to ${classes - 1}, got ${label} for example ${n}`,
        { facts: { example: n, label, classes } },
      );
    }
    (counts[label] as number)++;
  }
  return counts;
}

function checkLength(what: string, labels: ArrayLike<number>, expected: number): void {
  if (labels.length === expected && expected > 0) return;
  throw new HeptagenError("baselines/length", `${what}: expected ${expected} labels, at least one, got ${labels.length}`, {
    facts: { expected, got: labels.length },
  });
}
