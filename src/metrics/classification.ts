/**
 * How good a classifier is: which classes it finds (accuracy, precision, recall, F1, confusion), and whether its probabilities can be
 * believed (calibration error, Brier score, log loss). The definitions are scikit-learn's; a share without a denominator is 0.
 *
 * Legend: N examples, C classes. Classes are whole numbers from 0 to C - 1; probabilities are [N, C], row by row.
 */
import { HeptagenError } from "../util/errors.ts";
import { checkPairs, meanOverlap, type Overlap, overlap } from "./overlap.ts";

/** One class: the share of its predictions that are right, the share of its examples that are found. */
export interface ClassScores extends Overlap {
  /** Examples that are of this class. */
  readonly support: number;
}

export interface ClassificationScores {
  /** Share of examples that are right: for several labels an example, those whose labels all are. */
  readonly accuracy: number;
  readonly classes: readonly ClassScores[];
  /** Each class counts alike. */
  readonly macro: Overlap;
  /** Each decision counts alike. For one label an example all three are the accuracy. */
  readonly micro: Overlap;
  /** Each class counts by its support. */
  readonly weighted: Overlap;
}

/**
 * Scores of a classifier that gives each example one class. Classes that neither occur nor are predicted are left out of the averages.
 *
 * @param actual [N] the true classes
 * @param predicted [N]
 * @throws HeptagenError `metrics/length`, `metrics/class` when a class is not one of `classes`
 * @example classificationScores([0, 1, 1], [0, 1, 0], 2).macro.f1 // 2/3
 */
export function classificationScores(
  actual: ArrayLike<number>,
  predicted: ArrayLike<number>,
  classes: number,
): ClassificationScores {
  const confusion = confusionMatrix(actual, predicted, classes);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const predictions = confusion.map((_, c) => sum(confusion.map((row) => row[c] as number)));
  const hits = confusion.map((row, c) => row[c] as number);
  const scores = confusion.map((row, c) => scoresOf(hits[c] as number, predictions[c] as number, sum(row)));
  const seen = scores.filter(({ support }, c) => support > 0 || (predictions[c] as number) > 0);
  return {
    accuracy: sum(hits) / actual.length,
    classes: scores,
    macro: meanOverlap(seen),
    micro: overlap(sum(hits), actual.length, actual.length),
    weighted: meanOverlap(
      scores,
      scores.map(({ support }) => support),
    ),
  };
}

/**
 * How often each class was taken for each: `matrix[actual][predicted]`.
 *
 * @throws HeptagenError `metrics/length`, `metrics/class`
 * @example confusionMatrix([0, 1, 1], [0, 1, 0], 2) // [[1, 0], [1, 1]]
 */
export function confusionMatrix(actual: ArrayLike<number>, predicted: ArrayLike<number>, classes: number): number[][] {
  checkPairs("confusionMatrix", actual, predicted);
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let i = 0; i < actual.length; i++) {
    const row = matrix[checkClass("confusionMatrix", actual, i, classes)] as number[];
    (row[checkClass("confusionMatrix", predicted, i, classes)] as number)++;
  }
  return matrix;
}

/**
 * Scores of a classifier that gives each example any number of labels.
 *
 * @param actual [N, C] 1 where the label is true, else 0
 * @param predicted [N, C] 1 where the label is given, else 0
 * @throws HeptagenError `metrics/length`, `metrics/label` when an entry is neither 0 nor 1
 * @example multiLabelScores([1, 0, 1, 1], [1, 0, 0, 1], 2).micro.recall // 2/3
 */
export function multiLabelScores(actual: ArrayLike<number>, predicted: ArrayLike<number>, classes: number): ClassificationScores {
  const examples = checkRows("multiLabelScores", actual, classes);
  checkPairs("multiLabelScores", actual, predicted);
  const counts = Array.from({ length: classes }, () => ({ hits: 0, predicted: 0, actual: 0 }));
  let right = 0;
  for (let i = 0; i < examples; i++) {
    let same = true;
    for (let c = 0; c < classes; c++) {
      const [wanted, given] = [label(actual, i * classes + c), label(predicted, i * classes + c)];
      const count = counts[c] as (typeof counts)[number];
      count.actual += wanted;
      count.predicted += given;
      count.hits += wanted * given;
      same &&= wanted === given;
    }
    if (same) right++;
  }
  const scores = counts.map((count) => scoresOf(count.hits, count.predicted, count.actual));
  const sum = (of: "hits" | "predicted" | "actual") => counts.reduce((total, count) => total + count[of], 0);
  return {
    accuracy: right / examples,
    classes: scores,
    macro: meanOverlap(scores),
    micro: overlap(sum("hits"), sum("predicted"), sum("actual")),
    weighted: meanOverlap(
      scores,
      scores.map(({ support }) => support),
    ),
  };
}

/**
 * Expected calibration error (Guo et al. 2017, arXiv:1706.04599): how far, on average, the probability of the likeliest class is from
 * the share of times that class is right, over bins of equal width. 0 is perfect.
 *
 * @param probabilities [N, C]
 * @param actual [N] the true classes
 * @param bins 15 unless told, as in the paper
 * @throws HeptagenError `metrics/length`, `metrics/class`, `metrics/probability`
 * @example calibrationError([0.8, 0.2, 0.8, 0.2], [0, 1]) // 0.3: sure at 80 %, right at 50 %
 */
export function calibrationError(probabilities: ArrayLike<number>, actual: ArrayLike<number>, bins = 15): number {
  const classes = checkProbabilities("calibrationError", probabilities, actual);
  const gaps = new Float64Array(bins); // in each bin: the sum of probabilities less the count of right ones
  for (let i = 0; i < actual.length; i++) {
    let best = 0;
    for (let c = 1; c < classes; c++) {
      if ((probabilities[i * classes + c] as number) > (probabilities[i * classes + best] as number)) best = c;
    }
    const sure = probabilities[i * classes + best] as number;
    const bin = Math.min(bins - 1, Math.max(0, Math.ceil(sure * bins) - 1)); // (low, high]
    (gaps[bin] as number) += sure - (best === actual[i] ? 1 : 0);
  }
  return gaps.reduce((sum, gap) => sum + Math.abs(gap), 0) / actual.length;
}

/**
 * Brier score (Brier 1950): the mean squared distance of the probabilities from certainty in the true class, summed over classes: 0 is
 * perfect, 2 the worst. For two classes it is twice scikit-learn's `brier_score_loss`, which looks at one of them.
 *
 * @param probabilities [N, C]
 * @param actual [N] the true classes
 * @throws HeptagenError `metrics/length`, `metrics/class`, `metrics/probability`
 * @example brierScore([0.8, 0.2], [0]) // 0.08
 */
export function brierScore(probabilities: ArrayLike<number>, actual: ArrayLike<number>): number {
  const classes = checkProbabilities("brierScore", probabilities, actual);
  let sum = 0;
  for (let i = 0; i < probabilities.length; i++) {
    const wanted = actual[Math.floor(i / classes)] === i % classes ? 1 : 0;
    sum += ((probabilities[i] as number) - wanted) ** 2;
  }
  return sum / actual.length;
}

/**
 * Mean −ln of the probability of the true class, in nats. A probability of 0 counts as 2⁻⁵², as in scikit-learn.
 *
 * @param probabilities [N, C]
 * @param actual [N] the true classes
 * @throws HeptagenError `metrics/length`, `metrics/class`, `metrics/probability`
 * @example logLoss([0.5, 0.5], [1]) // ln 2
 */
export function logLoss(probabilities: ArrayLike<number>, actual: ArrayLike<number>): number {
  const classes = checkProbabilities("logLoss", probabilities, actual);
  let sum = 0;
  for (let i = 0; i < actual.length; i++) {
    sum -= Math.log(Math.max(Number.EPSILON, probabilities[i * classes + (actual[i] as number)] as number));
  }
  return sum / actual.length;
}

const scoresOf = (hits: number, given: number, support: number): ClassScores => ({ ...overlap(hits, given, support), support });

function checkClass(what: string, values: ArrayLike<number>, i: number, classes: number): number {
  const value = values[i] as number;
  if (Number.isInteger(value) && value >= 0 && value < classes) return value;
  throw new HeptagenError("metrics/class", `${what}: expected classes from 0 to ${classes - 1}, got ${value} for example ${i}`, {
    facts: { example: i, value, classes },
  });
}

function label(values: ArrayLike<number>, i: number): 0 | 1 {
  const value = values[i];
  if (value === 0 || value === 1) return value;
  throw new HeptagenError("metrics/label", `multiLabelScores: expected labels of 0 or 1, got ${value} at place ${i}`, {
    facts: { place: i, value },
    next: "Compare probabilities with a threshold first.",
  });
}

function checkRows(what: string, values: ArrayLike<number>, classes: number): number {
  const rows = values.length / classes;
  if (Number.isInteger(rows)) return rows;
  throw new HeptagenError("metrics/length", `${what}: expected rows of ${classes} classes, got ${values.length} values in all`, {
    facts: { values: values.length, classes },
  });
}

/** The number of classes, once every row is known to be a distribution over them. */
function checkProbabilities(what: string, probabilities: ArrayLike<number>, actual: ArrayLike<number>): number {
  const classes = probabilities.length / actual.length;
  if (actual.length === 0 || !Number.isInteger(classes)) {
    throw new HeptagenError(
      "metrics/length",
      `${what}: expected as many probabilities for each of ${actual.length} examples, at least one, got ${probabilities.length} in all`,
      { facts: { probabilities: probabilities.length, examples: actual.length } },
    );
  }
  for (let i = 0; i < actual.length; i++) {
    checkClass(what, actual, i, classes);
    let sum = 0;
    let inside = true;
    for (let c = 0; c < classes; c++) {
      const value = probabilities[i * classes + c] as number;
      inside &&= value >= 0;
      sum += value;
    }
    if (inside && Math.abs(sum - 1) < 1e-3) continue;
    throw new HeptagenError(
      "metrics/probability",
      `${what}: expected probabilities that sum to 1, got a sum of ${sum}${inside ? "" : " with values below 0 or NaN"} for example ${i}`,
      { facts: { example: i, sum }, next: "Give what a softmax returns, not logits." },
    );
  }
  return classes;
}
