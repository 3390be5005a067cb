/** Series to learn from: read, split by time, described, and made ready to be cut into windows. */
import {
  calendarFeatures,
  calendarWidth,
  type DataRecord,
  formatTime,
  readSeries,
  type TimeGrid,
  type TimeSeries,
  timeOf,
  usualSeason,
} from "../../data/index.ts";
import { HeptagenError, nearest } from "../../util/errors.ts";
import type { Assets, Sides } from "../sequence/sequence-task.ts";
import type { TrainingOptions } from "./options.ts";

/** A series up to some time, of which steps from `from` on are to be forecast. */
export interface RawSeries {
  readonly series: TimeSeries;
  readonly from: number;
  /** Where it is a line of `predict`: what is asked; the series is filled in when it is answered. */
  readonly question?: Question;
}

/** A line of `predict`. */
export interface Question {
  readonly place: string;
  readonly series?: string;
  /** The first time to forecast; after the last value unless set. */
  readonly origin?: number;
  /** Rows of `time`, `value` and covariates by name; the run's data has them unless set. */
  readonly history?: readonly DataRecord[];
  /** Rows of `time` and known covariates by name. */
  readonly future: readonly DataRecord[];
}

export interface Moments {
  readonly mean: number;
  readonly deviation: number;
}

/** What training learns about its series. */
export interface SeriesFacts {
  readonly ids: readonly string[];
  readonly grid: TimeGrid;
  readonly season: number;
  /** Of each series, as it is modelled (values or log returns). */
  readonly series: readonly Moments[];
  /** Of each covariate, known ones first. */
  readonly covariates: readonly Moments[];
  /** Steps without a row, taken as missing. */
  readonly gaps: number;
}

/** A series made ready. T steps, F0 features that do not depend on where a forecast begins. */
export interface SeriesExample {
  readonly raw: RawSeries;
  /** Which of the known series; 0 where they have no vectors. */
  readonly index: number;
  readonly moments: Moments;
  /** What is modelled: values, or log returns. NaN where missing. [T] */
  readonly modelled: Float64Array;
  /** First step with a known value. */
  readonly first: number;
  readonly from: number;
  /** [T, F0]: calendar, known covariates, whether they are known. */
  readonly fixed: Float32Array;
  /** [T, F1]: past covariates of the step before, and whether they are known: not told ahead of the origin. */
  readonly past: Float32Array;
}

/** Features that say how the window's scale compares with the series' usual one. */
const levelFeatures = 2;

/** F */
export function featureCount({ grid }: SeriesFacts, { knownCovariates, pastCovariates }: TrainingOptions): number {
  return calendarWidth(grid.frequency) + 2 * (knownCovariates.length + pastCovariates.length) + levelFeatures;
}

/** @throws HeptagenError `options/value`, `series/…`, `data/…` with file and row */
export async function readRawSeries(options: TrainingOptions): Promise<RawSeries[]> {
  checkOptions(options);
  const { data } = options;
  if (data === undefined) {
    throw new HeptagenError("options/value", "train: expected data, got none", {
      next: "Name files with --data, or choose a preset that has some.",
    });
  }
  return (await readSeries(data, options)).map((series) => ({ series, from: 0 }));
}

function checkOptions({ lags, distribution, scaling, logReturns }: TrainingOptions): void {
  const fail = (message: string, next: string): never => {
    throw new HeptagenError("options/value", `train: ${message}`, { next });
  };
  if (!lags.includes(1)) fail(`expected 1 among the lags, got [${lags}]`, "Add 1 to lags: the value just before.");
  if (lags.some((lag, i) => i > 0 && lag <= (lags[i - 1] as number)))
    fail(`expected ascending lags, got [${lags}]`, "Sort them.");
  if (distribution !== "negative-binomial") return;
  if (scaling !== "mean")
    fail(
      "expected scaling mean with the negative binomial distribution, got standard",
      "Counts can only be divided: set scaling.",
    );
  if (logReturns) fail("expected counts for the negative binomial distribution, got log returns", "Choose another distribution.");
}

/** Last step at which any series has a value. */
function knownLength(raws: readonly RawSeries[]): number {
  let last = 0;
  for (const { series } of raws)
    for (let t = series.values.length - 1; t > last; t--) if (!Number.isNaN(series.values[t])) last = t;
  return last + 1;
}

/** The series up to a step. */
function until({ series }: RawSeries, end: number, from: number): RawSeries {
  const cut = (x: Float64Array) => x.subarray(0, end);
  return { series: { ...series, values: cut(series.values), known: series.known.map(cut), past: series.past.map(cut) }, from };
}

/**
 * Splits by time: the last steps for the test, those before for validation. Each part knows nothing of what comes after it.
 *
 * @throws HeptagenError `series/short`
 */
export function splitByTime(raws: readonly RawSeries[], options: TrainingOptions): Sides<RawSeries> {
  const { validation, test, horizon, context } = options;
  const length = knownLength(raws);
  const tested = test > 0 ? Math.max(horizon, Math.round(length * test)) : 0;
  const validated = validation > 0 ? Math.max(horizon, Math.round(length * validation)) : 0;
  const trained = length - tested - validated;
  if (trained < context + horizon) {
    throw new HeptagenError(
      "series/short",
      `${raws[0]?.series.place}: expected at least ${context + horizon} steps to learn from (context and horizon), got ${Math.max(0, trained)} of ${length}`,
      {
        facts: { length, validation: validated, test: tested },
        next: "Give longer series, a shorter context or horizon, or keep less for validation and test.",
      },
    );
  }
  const has = (raw: RawSeries) => raw.series.values.some((value, t) => t >= raw.from && !Number.isNaN(value));
  const train = raws.map((raw) => until(raw, trained, 0));
  for (const { series } of train) {
    if (series.values.some((value) => !Number.isNaN(value))) continue;
    throw new HeptagenError("series/short", `${series.place}: expected values of "${series.id}" in the training part, got none`, {
      next: `Training ends before ${formatTime(timeOf(trained, series.grid), series.grid)}: leave the series out, or keep less for validation and test.`,
    });
  }
  return {
    train,
    validation: validated > 0 ? raws.map((raw) => until(raw, trained + validated, trained)).filter(has) : [],
    test: tested > 0 ? raws.map((raw) => until(raw, length, trained + validated)).filter(has) : [],
  };
}

function momentsOf(values: Iterable<number>): Moments {
  let [n, sum, squares] = [0, 0, 0];
  for (const value of values) {
    if (Number.isNaN(value)) continue;
    n++;
    sum += value;
    squares += value * value;
  }
  const mean = n > 0 ? sum / n : 0;
  const deviation = n > 0 ? Math.sqrt(Math.max(0, squares / n - mean * mean)) : 0;
  return { mean, deviation: deviation > 1e-9 * Math.max(1, Math.abs(mean)) ? deviation : 1 };
}

export function seriesFacts(train: readonly RawSeries[], options: TrainingOptions): SeriesFacts {
  const one = train[0] as RawSeries;
  const { grid } = one.series;
  const covariates = (pick: (series: TimeSeries) => readonly Float64Array[], count: number) =>
    Array.from({ length: count }, (_, i) =>
      momentsOf([...new Set(train.map(({ series }) => pick(series)[i] as Float64Array))].flatMap((x) => [...x])),
    );
  return {
    ids: train.map(({ series }) => series.id),
    grid,
    season: options.season ?? usualSeason[grid.frequency],
    series: train.map((raw) => momentsOf(modelled(raw, options))),
    covariates: [
      ...covariates(({ known }) => known, options.knownCovariates.length),
      ...covariates(({ past }) => past, options.pastCovariates.length),
    ],
    gaps: train.reduce((sum, { series }) => sum + series.gaps, 0),
  };
}

/** Values, or changes of their logarithm since the last known value. */
function modelled(
  { series: { values, grid, id, place } }: RawSeries,
  { logReturns, distribution }: Pick<TrainingOptions, "logReturns" | "distribution">,
): Float64Array {
  const fail = (t: number, expected: string, next: string): never => {
    throw new HeptagenError(
      "series/value",
      `${place}: expected ${expected} in "${id}", got ${values[t]} at ${formatTime(timeOf(t, grid), grid)}`,
      { facts: { series: id, value: values[t] }, next },
    );
  };
  if (distribution === "negative-binomial") {
    const wrong = values.findIndex((value) => value < 0 || !(Number.isNaN(value) || Number.isInteger(value)));
    if (wrong >= 0) fail(wrong, "counts (0, 1, 2, …)", "Choose another distribution with --distribution.");
  }
  if (!logReturns) return values;
  const returns = new Float64Array(values.length).fill(Number.NaN);
  let before = Number.NaN;
  values.forEach((value, t) => {
    if (Number.isNaN(value)) return;
    if (value <= 0) fail(t, "values above 0 for log returns", "Set logReturns to false.");
    returns[t] = Math.log(value / before);
    before = value;
  });
  return returns;
}

/** @throws HeptagenError `series/unknown`, `series/frequency`, `series/value` */
export function encodeSeries(raw: RawSeries, { facts }: Assets<SeriesFacts>, options: TrainingOptions): SeriesExample {
  const { series } = raw;
  const { frequency } = facts.grid;
  if (series.grid.frequency !== frequency) {
    throw new HeptagenError(
      "series/frequency",
      `${series.place}: expected steps of the run's frequency (${frequency}), got ${series.grid.frequency}`,
      { next: "Forecast with a run that was trained on such steps." },
    );
  }
  const index = facts.ids.indexOf(series.id);
  if (index < 0 && options.seriesEmbedding) throw unknownSeries(series.id, facts.ids, series.place);
  const values = modelled(raw, options);
  const length = values.length;
  const [known, past] = [options.knownCovariates.length, options.pastCovariates.length];
  const calendar = calendarWidth(frequency);
  const fixed = new Float32Array(length * (calendar + 2 * known));
  const behind = new Float32Array(length * 2 * past);
  for (let t = 0; t < length; t++) {
    const at = t * (calendar + 2 * known);
    fixed.set(calendarFeatures(timeOf(t, series.grid), frequency), at);
    for (let i = 0; i < known; i++)
      put(fixed, at + calendar + 2 * i, series.known[i]?.[t] ?? Number.NaN, facts.covariates[i] as Moments);
    for (let i = 0; i < past; i++)
      put(behind, (t * past + i) * 2, series.past[i]?.[t - 1] ?? Number.NaN, facts.covariates[known + i] as Moments);
  }
  return {
    raw,
    index: Math.max(0, index),
    moments: index >= 0 ? (facts.series[index] as Moments) : momentsOf(values),
    modelled: values,
    first: Math.max(
      0,
      values.findIndex((value) => !Number.isNaN(value)),
    ),
    from: raw.from,
    fixed,
    past: behind,
  };
}

/** A covariate and whether it is known: 0 and 0 where it is missing. */
function put(into: Float32Array, at: number, value: number, { mean, deviation }: Moments): void {
  if (Number.isNaN(value)) return;
  into[at] = (value - mean) / deviation;
  into[at + 1] = 1;
}

export function unknownSeries(id: string, ids: readonly string[], place: string): HeptagenError {
  const near = nearest(id, ids);
  const known = ids.length > 12 ? `${ids.slice(0, 12).join(", ")}, …` : ids.join(", ");
  return new HeptagenError("series/unknown", `${place}: expected one of the series that the run knows, got "${id}"`, {
    facts: { series: id, known: ids },
    next: near ? `Did it mean "${near}"?` : `It knows ${known}; runs trained with seriesEmbedding false take any.`,
  });
}

/** A window around an origin, as numbers. */
export interface Window {
  readonly shift: number;
  readonly scale: number;
}

/** Where numbers of windows are put: one row after another. */
export interface WindowArrays {
  /** [B, M + N] */
  readonly values: Float32Array;
  readonly observed: Float32Array;
  /** [B, C + H, F] */
  readonly features: Float32Array;
}

export interface WindowSizes {
  readonly context: number;
  readonly horizon: number;
  /** M */
  readonly longest: number;
  readonly scaling: TrainingOptions["scaling"];
  /** Whether values ahead of the origin are put in, too: for training. */
  readonly ahead: boolean;
}

/**
 * Puts the window around an origin into row `row`. Nothing that is known only from the origin on goes in, but known covariates, and
 * the values to learn where `ahead` asks for them.
 */
export function putWindow(
  example: SeriesExample,
  origin: number,
  row: number,
  { values, observed, features }: WindowArrays,
  { context, horizon, longest, scaling, ahead }: WindowSizes,
): Window {
  const { modelled: x, fixed, past, moments } = example;
  const length = x.length;
  const { shift, scale } = scaleOf(x.subarray(Math.max(0, origin - context), Math.min(length, origin)), scaling);
  const columns = longest + context + (ahead ? horizon : 0);
  const start = origin - context - longest;
  for (let i = 0; i < columns; i++) {
    const t = start + i;
    const value = t >= 0 && t < length ? (x[t] as number) : Number.NaN;
    if (Number.isNaN(value)) continue;
    values[row * columns + i] = (value - shift) / scale;
    observed[row * columns + i] = 1;
  }
  const [ownFixed, ownPast] = [fixed.length / length, past.length / length];
  const width = ownFixed + ownPast + levelFeatures;
  const level = [
    Math.max(-5, Math.min(5, (shift - moments.mean) / moments.deviation)),
    Math.max(-5, Math.min(5, Math.log(scale / moments.deviation))),
  ];
  for (let i = 0; i < context + horizon; i++) {
    const t = origin - context + i;
    const at = (row * (context + horizon) + i) * width;
    if (t >= 0 && t < length) {
      features.set(fixed.subarray(t * ownFixed, (t + 1) * ownFixed), at);
      // The covariates of the step before are known up to the step at the origin.
      if (t <= origin) features.set(past.subarray(t * ownPast, (t + 1) * ownPast), at + ownFixed);
    }
    features.set(level, at + ownFixed + ownPast);
  }
  return { shift, scale };
}

/** What a context is scaled by; 1 for one of nothing or only zeros. */
function scaleOf(context: Float64Array, scaling: TrainingOptions["scaling"]): Window {
  let [n, sum, absolute, squares] = [0, 0, 0, 0];
  for (const value of context) {
    if (Number.isNaN(value)) continue;
    n++;
    sum += value;
    absolute += Math.abs(value);
    squares += value * value;
  }
  if (n === 0) return { shift: 0, scale: 1 };
  if (scaling === "mean") return { shift: 0, scale: absolute > 0 ? absolute / n : 1 };
  const mean = sum / n;
  // A hundredth of the size at least: a context that hardly moves does not blow up what comes after it.
  const deviation = Math.sqrt(Math.max(0, squares / n - mean * mean) + (0.01 * (absolute / n)) ** 2);
  return { shift: mean, scale: deviation > 0 ? deviation : 1 };
}
