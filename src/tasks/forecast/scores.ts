/** How good forecasts are: those of a model and of methods without one, measured alike. */
import { driftForecast, type NaiveForecast, naiveForecast, seasonalNaiveForecast } from "../../baselines/index.ts";
import { pointScores, sampleQuantiles, sampleScores, seasonalScale } from "../../metrics/index.ts";
import type { Measure } from "../recipe.ts";
import type { Origin, Paths } from "./windows.ts";

/** Bounds of the intervals of 95 % and 80 %. */
const bounds = [0.025, 0.1, 0.9, 0.975];

export interface ForecastScores {
  readonly mase: number;
  readonly smape: number;
  readonly crps: number;
  readonly coverage80: number;
  readonly coverage95: number;
  readonly mae: number;
  readonly rmse: number;
}

/** What scores are called, and which are the better ones. */
export const scoreNames: Readonly<Record<keyof ForecastScores, string>> = {
  mase: "MASE",
  smape: "sMAPE (%)",
  crps: "CRPS",
  coverage80: "coverage of the 80 % interval",
  coverage95: "coverage of the 95 % interval",
  mae: "mean absolute error",
  rmse: "root mean squared error",
};

const truthOf = ({ example, origin }: Origin, horizon: number): Float64Array =>
  example.raw.series.values.subarray(origin, origin + horizon);
const pastOf = ({ example, origin }: Origin): Float64Array => example.raw.series.values.subarray(0, origin);

/** Scores over all origins; the median is the forecast value. */
export function scoresOf(origins: readonly Origin[], paths: readonly Paths[], season: number): ForecastScores {
  const horizon = paths[0]?.[0]?.length ?? 0;
  const points = pointScores(
    origins.map((one, i) => ({
      actual: truthOf(one, horizon),
      predicted: sampleQuantiles(paths[i] as Paths, [0.5])[0] as Float64Array,
      past: pastOf(one),
    })),
    { season },
  );
  const distribution = sampleScores(
    origins.map((one, i) => ({ actual: truthOf(one, horizon), samples: paths[i] as Paths })),
    bounds,
  );
  const coverage = (nominal: number) =>
    distribution.coverage.find((one) => Math.abs(one.nominal - nominal) < 1e-6)?.actual ?? Number.NaN;
  return {
    mase: points.mase ?? Number.NaN,
    smape: points.smape,
    crps: distribution.crps,
    coverage80: coverage(0.8),
    coverage95: coverage(0.95),
    mae: points.mae,
    rmse: points.rmse,
  };
}

/** Mean CRPS in units of the seasonal naive forecast's errors, so that series of any size count alike. */
export function scaledCrps(origins: readonly Origin[], paths: readonly Paths[], season: number): number {
  const each = origins.flatMap((one, i) => {
    const samples = paths[i] as Paths;
    const scale = seasonalScale(pastOf(one), season) || 1;
    const actual = truthOf(one, samples[0]?.length ?? 0);
    return [sampleScores([{ actual, samples }], bounds).crps / scale];
  });
  return each.reduce((sum, value) => sum + value, 0) / each.length;
}

/** Levels at which the distribution of a method without a model is taken, as if they were paths. */
const baselineLevels = Array.from({ length: 99 }, (_, i) => (i + 1) / 100);

const methods = {
  naive: "naive forecast",
  seasonalNaive: "seasonal naive forecast",
  drift: "drift forecast",
} as const;
type Method = keyof typeof methods;

/** Forecasts of a method without a model, as quantiles in place of paths. */
export function baselinePaths(origins: readonly Origin[], method: Method, horizon: number, season: number): Paths[] {
  const options = { levels: baselineLevels };
  return origins.map((one) => {
    const past = pastOf(one);
    const forecast: NaiveForecast =
      method === "naive"
        ? naiveForecast(past, horizon, options)
        : method === "drift"
          ? driftForecast(past, horizon, options)
          : seasonalNaiveForecast(past, horizon, { ...options, season });
    return forecast.quantiles;
  });
}

export function scoreMeasures(scores: ForecastScores, method?: Method): Measure[] {
  return (Object.entries(scores) as [keyof ForecastScores, number][])
    .filter(([, value]) => Number.isFinite(value))
    .map(([key, value]) => ({
      key: method ? `${method}${key[0]?.toUpperCase()}${key.slice(1)}` : key,
      name: `${scoreNames[key]}${method ? ` of the ${methods[method]}` : ""}`,
      value,
      ...(!key.startsWith("coverage") && { better: "lower" as const }),
    }));
}

/** Scores of all methods without a model. */
export function baselineMeasures(origins: readonly Origin[], horizon: number, season: number): Measure[] {
  return (Object.keys(methods) as Method[]).flatMap((method) =>
    scoreMeasures(scoresOf(origins, baselinePaths(origins, method, horizon, season), season), method),
  );
}
