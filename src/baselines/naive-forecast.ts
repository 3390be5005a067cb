/**
 * Forecasts without a model (Hyndman & Athanasopoulos 2021, "Forecasting: principles and practice", 5.2 and 5.5): the last value, the
 * last season, or the last value plus the mean change. What cannot beat them has learnt nothing.
 *
 * Quantiles are those of the method's own errors one step ahead in the past, added to its forecast and widened as errors add up:
 * √h for the last value after h steps, √(seasons ahead) for the last season, √(h (1 + h / (changes))) with drift. Nothing is assumed
 * of the errors' distribution but that they are independent.
 *
 * Legend: T steps of the past, H steps ahead. Values that were never measured are NaN and are passed over.
 */
import { quantileOf } from "../metrics/forecast.ts";
import { HeptagenError } from "../util/errors.ts";

export interface NaiveForecast {
  /** [H] */
  readonly predicted: Float64Array;
  /** For each level [H]; none without levels. */
  readonly quantiles: readonly Float64Array[];
}

export interface NaiveOptions {
  /** Levels of the quantiles wanted, each between 0 and 1; none unless told. */
  readonly levels?: readonly number[];
}

/**
 * The last known value, for all steps: the best there is for a random walk, such as prices.
 *
 * @param past [T] at least one known value; two neighbours known for quantiles
 * @param steps H
 * @throws HeptagenError `baselines/past` when the past is too short
 * @example naiveForecast([1, 3, 2], 2).predicted // [2, 2]
 */
export function naiveForecast(past: ArrayLike<number>, steps: number, options: NaiveOptions = {}): NaiveForecast {
  const [last] = lastKnown("naiveForecast", past, 1);
  const gap = past.length - 1 - last;
  const predicted = new Float64Array(steps).fill(past[last] as number);
  return widen(predicted, changesOf(past, 1), (h) => Math.sqrt(gap + h), options);
}

/**
 * The value of the same place in the last season that has it known.
 *
 * @param past [T] each place of the season known at least once; two neighbouring seasons for quantiles
 * @param season its length in steps: 7 for days of a week
 * @throws HeptagenError `baselines/past` when the past is too short
 * @example seasonalNaiveForecast([1, 2, 3, 4], 3, { season: 2 }).predicted // [3, 4, 3]
 */
export function seasonalNaiveForecast(
  past: ArrayLike<number>,
  steps: number,
  { season, ...options }: NaiveOptions & { readonly season: number },
): NaiveForecast {
  const places = Float64Array.from({ length: Math.min(season, steps) }, (_, h) => {
    for (let t = past.length + h - season; t >= 0; t -= season) if (!Number.isNaN(past[t])) return past[t] as number;
    throw tooShort("seasonalNaiveForecast", past, `place ${h} of a season of ${season} known at least once`);
  });
  const predicted = Float64Array.from({ length: steps }, (_, h) => places[h % season] as number);
  return widen(predicted, changesOf(past, season), (h) => Math.sqrt(Math.ceil(h / season)), options);
}

/**
 * The last known value plus the mean change a step between the first and the last: a random walk with drift.
 *
 * @param past [T] at least two known values
 * @throws HeptagenError `baselines/past` when the past is too short
 * @example driftForecast([1, 3, 5], 2).predicted // [7, 9]
 */
export function driftForecast(past: ArrayLike<number>, steps: number, options: NaiveOptions = {}): NaiveForecast {
  const [last] = lastKnown("driftForecast", past, 2);
  const first = Array.from(past).findIndex((value) => !Number.isNaN(value));
  const gap = past.length - 1 - last; // steps that are missing at the end have drifted too
  const changes = last - first;
  const drift = ((past[last] as number) - (past[first] as number)) / changes;
  const predicted = Float64Array.from({ length: steps }, (_, h) => (past[last] as number) + drift * (gap + h + 1));
  const errors = changesOf(past, 1).map((change) => change - drift);
  return widen(predicted, errors, (h) => Math.sqrt((gap + h) * (1 + (gap + h) / changes)), options);
}

/** Known changes over `lag` steps, ascending. */
function changesOf(past: ArrayLike<number>, lag: number): Float64Array {
  return Float64Array.from({ length: Math.max(0, past.length - lag) }, (_, t) => (past[t + lag] as number) - (past[t] as number))
    .filter((change) => !Number.isNaN(change))
    .sort();
}

/** Adds quantiles of the errors, `widthAt(h)` times as wide h steps ahead. */
function widen(
  predicted: Float64Array,
  errors: Float64Array,
  widthAt: (h: number) => number,
  { levels = [] }: NaiveOptions,
): NaiveForecast {
  if (levels.length > 0 && errors.length === 0) {
    throw new HeptagenError("baselines/past", "expected a past with at least one known change to take quantiles from, got none", {
      next: "Give a longer past, or no levels.",
    });
  }
  const quantiles = levels.map((level) => {
    const error = quantileOf(errors, level);
    return predicted.map((value, h) => value + widthAt(h + 1) * error);
  });
  return { predicted, quantiles };
}

/** Places of the last `count` known values, the latest first. */
function lastKnown(what: string, past: ArrayLike<number>, count: 1 | 2): [number, ...number[]] {
  const known: number[] = [];
  for (let t = past.length - 1; t >= 0 && known.length < count; t--) if (!Number.isNaN(past[t])) known.push(t);
  const [latest, ...others] = known;
  if (latest === undefined || known.length < count) throw tooShort(what, past, `at least ${count} known values`);
  return [latest, ...others];
}

function tooShort(what: string, past: ArrayLike<number>, expected: string): HeptagenError {
  return new HeptagenError("baselines/past", `${what}: expected a past with ${expected}, got ${past.length} steps`, {
    facts: { steps: past.length },
    next: "Give a longer past.",
  });
}
