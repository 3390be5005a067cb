/**
 * Scores of forecasts of series: how far the expected values are off (MAE, RMSE, sMAPE, MASE) and how good the forecast distribution
 * is (pinball loss, CRPS, coverage of intervals).
 *
 * Legend: H steps ahead. Values that were never measured are NaN: they are skipped and counted. A forecast must be a number wherever
 * the truth is known. Sources: Hyndman & Koehler 2006 (MASE), Makridakis et al. 2020 (sMAPE as in the M4 competition), Gneiting &
 * Raftery 2007 (CRPS).
 */
import { HeptagenError } from "../util/errors.ts";

export interface PointForecast {
  /** [H] */
  readonly actual: ArrayLike<number>;
  /** [H] */
  readonly predicted: ArrayLike<number>;
  /** The series before the forecast, which MASE scales errors by. */
  readonly past?: ArrayLike<number>;
}

export interface ScoredSteps {
  /** Steps whose truth is known, over all series. */
  readonly counted: number;
  /** Steps whose truth is missing. */
  readonly missing: number;
}

export interface PointScores extends ScoredSteps {
  readonly mae: number;
  readonly rmse: number;
  /** Mean of 200 |error| / (|actual| + |predicted|), in per cent; 0 where both are 0. */
  readonly smape: number;
  /**
   * Mean over series of the mean error in units of what the seasonal naive forecast errs one step ahead within the past: below 1 is
   * better than that. Undefined when no series has a past that varies.
   */
  readonly mase: number | undefined;
  /** Series that MASE leaves out: without a past, with one that never changes, or without a known step. */
  readonly unscaled: number;
}

export interface QuantileForecast {
  /** [H] */
  readonly actual: ArrayLike<number>;
  /** For each level [H]. */
  readonly quantiles: readonly ArrayLike<number>[];
}

export interface SampleForecast {
  /** [H] */
  readonly actual: ArrayLike<number>;
  /** Sample paths, each [H]. */
  readonly samples: readonly ArrayLike<number>[];
}

export interface Coverage {
  /** Share of truths that the interval should hold, 0.8 between the levels 0.1 and 0.9. */
  readonly nominal: number;
  /** Share that it holds, bounds included. */
  readonly actual: number;
}

export interface DistributionScores extends ScoredSteps {
  /** Mean pinball loss at each level. */
  readonly pinball: readonly number[];
  /** Mean continuous ranked probability score, in the unit of the series. */
  readonly crps: number;
  /** Of each pair of levels as far from 0 as from 1, the widest first. */
  readonly coverage: readonly Coverage[];
}

/**
 * Scores of forecast values, over several series or several origins of one.
 *
 * @param season steps after which the series repeats, for MASE: 7 for days of the week; 1 unless told
 * @throws HeptagenError `metrics/length`, `metrics/forecast` when a forecast is no number or no truth is known
 * @example pointScores([{ actual: [3, 5], predicted: [2, 7], past: [1, 2, 3] }]).mase // 1.5
 */
export function pointScores(series: readonly PointForecast[], { season = 1 }: { readonly season?: number } = {}): PointScores {
  const sums = { absolute: 0, squared: 0, relative: 0 };
  const steps = { counted: 0, missing: 0 };
  const scaled: number[] = [];
  for (const [s, { actual, predicted, past }] of series.entries()) {
    checkSteps("pointScores", s, actual, [predicted]);
    let errors = 0;
    let known = 0;
    for (let h = 0; h < actual.length; h++) {
      const [truth, value] = [actual[h] as number, predicted[h] as number];
      if (Number.isNaN(truth)) continue;
      const error = Math.abs(truth - value);
      errors += error;
      known++;
      sums.squared += error * error;
      sums.relative += error === 0 ? 0 : (200 * error) / (Math.abs(truth) + Math.abs(value));
    }
    sums.absolute += errors;
    steps.counted += known;
    steps.missing += actual.length - known;
    const scale = past === undefined ? 0 : seasonalScale(past, season);
    if (scale > 0 && known > 0) scaled.push(errors / known / scale);
  }
  const counted = checkCounted("pointScores", steps);
  return {
    mae: sums.absolute / counted,
    rmse: Math.sqrt(sums.squared / counted),
    smape: sums.relative / counted,
    mase: scaled.length > 0 ? scaled.reduce((sum, value) => sum + value, 0) / scaled.length : undefined,
    unscaled: series.length - scaled.length,
    ...steps,
  };
}

/**
 * What the seasonal naive forecast errs one step ahead within a series: the mean |y(t) − y(t − season)| over pairs that are both known,
 * 0 without one.
 *
 * @example seasonalScale([1, 2, 4], 1) // 1.5
 */
export function seasonalScale(past: ArrayLike<number>, season: number): number {
  let sum = 0;
  let pairs = 0;
  for (let t = season; t < past.length; t++) {
    const change = Math.abs((past[t] as number) - (past[t - season] as number));
    if (Number.isNaN(change)) continue;
    sum += change;
    pairs++;
  }
  return pairs > 0 ? sum / pairs : 0;
}

/**
 * Scores of forecast quantiles. CRPS is twice the mean pinball loss over the levels: exact as evenly spaced levels grow many.
 *
 * @param levels of the quantiles, ascending, each between 0 and 1
 * @throws HeptagenError `metrics/length`, `metrics/levels`, `metrics/forecast`
 * @example quantileScores([{ actual: [3], quantiles: [[1], [2], [4]] }], [0.1, 0.5, 0.9]).coverage // nominal 0.8, actual 1
 */
export function quantileScores(series: readonly QuantileForecast[], levels: readonly number[]): DistributionScores {
  checkLevels(levels);
  const losses = levels.map(() => 0);
  const pairs = levels.flatMap((level, low) => {
    const high = levels.findIndex((other) => Math.abs(level + other - 1) < 1e-9);
    return high > low ? [{ low, high, nominal: (levels[high] as number) - level, held: 0 }] : [];
  });
  const steps = { counted: 0, missing: 0 };
  for (const [s, { actual, quantiles }] of series.entries()) {
    checkSteps("quantileScores", s, actual, quantiles, levels.length);
    const at = (level: number, h: number) => (quantiles[level] as ArrayLike<number>)[h] as number;
    for (let h = 0; h < actual.length; h++) {
      const truth = actual[h] as number;
      if (Number.isNaN(truth)) {
        steps.missing++;
        continue;
      }
      steps.counted++;
      for (const [l, level] of levels.entries()) (losses[l] as number) += pinballLoss(truth, at(l, h), level);
      for (const pair of pairs) if (at(pair.low, h) <= truth && truth <= at(pair.high, h)) pair.held++;
    }
  }
  const counted = checkCounted("quantileScores", steps);
  const pinball = losses.map((loss) => loss / counted);
  return {
    pinball,
    crps: (2 * pinball.reduce((sum, loss) => sum + loss, 0)) / levels.length,
    coverage: pairs.map(({ nominal, held }) => ({ nominal, actual: held / counted })),
    ...steps,
  };
}

/**
 * Scores of sample paths: the exact CRPS of the ensemble, and pinball losses and coverage of its quantiles.
 *
 * @throws HeptagenError `metrics/length`, `metrics/levels`, `metrics/forecast`
 * @example sampleScores([{ actual: [0], samples: [[0], [1]] }], [0.1, 0.9]).crps // 0.25
 */
export function sampleScores(series: readonly SampleForecast[], levels: readonly number[]): DistributionScores {
  for (const [s, { actual, samples }] of series.entries()) checkSteps("sampleScores", s, actual, samples);
  const scores = quantileScores(
    series.map(({ actual, samples }) => ({ actual, quantiles: sampleQuantiles(samples, levels) })),
    levels,
  );
  let sum = 0;
  for (const { actual, samples } of series) {
    for (let h = 0; h < actual.length; h++) {
      if (!Number.isNaN(actual[h]))
        sum += ensembleCrps(
          actual[h] as number,
          Float64Array.from(samples, (path) => path[h] as number),
        );
    }
  }
  return { ...scores, crps: sum / scores.counted };
}

/**
 * Pinball loss of a quantile: level × what it is too low by, or (1 − level) × what it is too high by. The true quantile has the least.
 *
 * @example pinballLoss(10, 8, 0.9) // 1.8
 */
export function pinballLoss(actual: number, quantile: number, level: number): number {
  return Math.max(level * (actual - quantile), (level - 1) * (actual - quantile));
}

/**
 * CRPS of an ensemble: mean |x − y| − ½ mean |x − x'| over its members x, x', exactly the integral of (F(z) − [z ≥ y])² for its
 * steps F. For a single member it is the absolute error.
 *
 * @example ensembleCrps(0, Float64Array.of(0, 1)) // 0.25
 */
export function ensembleCrps(actual: number, samples: ArrayLike<number>): number {
  const sorted = Float64Array.from(samples).sort();
  const count = sorted.length;
  let error = 0;
  let spread = 0; // Σ |x − x'| over pairs: member i is above i others and below count − 1 − i
  for (const [i, sample] of sorted.entries()) {
    error += Math.abs(sample - actual);
    spread += (2 * i - count + 1) * sample;
  }
  return error / count - spread / (count * count);
}

/**
 * Quantiles of sample paths at each step, between samples by straight lines (numpy's default): for each level [H].
 *
 * @example sampleQuantiles([[1], [2], [4]], [0.5, 0.75]) // [2], [3]
 */
export function sampleQuantiles(samples: readonly ArrayLike<number>[], levels: readonly number[]): Float64Array[] {
  const steps = samples[0]?.length ?? 0;
  const quantiles = levels.map(() => new Float64Array(steps));
  for (let h = 0; h < steps; h++) {
    const sorted = Float64Array.from(samples, (path) => path[h] as number).sort();
    for (const [l, level] of levels.entries()) (quantiles[l] as Float64Array)[h] = quantileOf(sorted, level);
  }
  return quantiles;
}

/**
 * The value below which a share `level` of sorted values lies, between values by a straight line.
 *
 * @example quantileOf([1, 2, 4], 0.75) // 3
 */
export function quantileOf(sorted: ArrayLike<number>, level: number): number {
  const place = level * (sorted.length - 1);
  const below = Math.floor(place);
  const [low, high] = [sorted[below] as number, sorted[Math.min(below + 1, sorted.length - 1)] as number];
  return low + (place - below) * (high - low);
}

function checkSteps(
  what: string,
  series: number,
  actual: ArrayLike<number>,
  forecasts: readonly ArrayLike<number>[],
  count = Math.max(1, forecasts.length),
): void {
  if (forecasts.length !== count || forecasts.some(({ length }) => length !== actual.length)) {
    throw new HeptagenError(
      "metrics/length",
      `${what}: expected ${count} forecasts of ${actual.length} steps for series ${series}, got lengths [${forecasts.map(({ length }) => length)}]`,
      { facts: { series, steps: actual.length, lengths: forecasts.map(({ length }) => length) } },
    );
  }
  for (const forecast of forecasts) {
    for (let h = 0; h < actual.length; h++) {
      if (Number.isNaN(actual[h]) || Number.isFinite(forecast[h])) continue;
      throw new HeptagenError(
        "metrics/forecast",
        `${what}: expected a finite forecast for series ${series}, got ${forecast[h]} at step ${h}`,
        {
          facts: { series, step: h, value: forecast[h] },
          next: "Look for what made the model give it: only truths may be missing.",
        },
      );
    }
  }
}

function checkCounted(what: string, { counted, missing }: ScoredSteps): number {
  if (counted > 0) return counted;
  throw new HeptagenError(
    "metrics/forecast",
    `${what}: expected at least one step whose truth is known, got none and ${missing} missing`,
    {
      facts: { counted, missing },
    },
  );
}

function checkLevels(levels: readonly number[]): void {
  if (levels.length > 0 && levels.every((level, i) => level > (levels[i - 1] ?? 0) && level < 1)) return;
  throw new HeptagenError("metrics/levels", `expected ascending levels between 0 and 1, got [${levels.join(", ")}]`, {
    facts: { levels },
  });
}
