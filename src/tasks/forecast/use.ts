/** A trained forecaster at work: backtests with baselines, forecasts, fan charts. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { formatTime, timeOf } from "../../data/index.ts";
import { sampleQuantiles } from "../../metrics/index.ts";
import type { ForecasterConfig } from "../../models/forecaster.ts";
import type { Device } from "../../runtime/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import { fold, key, randint } from "../../util/random.ts";
import { drawFans, type Fan } from "../drawing/fan-chart.node.ts";
import { drawCharts } from "../drawing/line-chart.node.ts";
import { checkStop, type Options } from "../recipe.ts";
import type { Assets, TaskUse } from "../sequence/sequence-task.ts";
import type { RawSeries, SeriesExample, SeriesFacts } from "./data.ts";
import type { TrainingOptions } from "./options.ts";
import { answerable } from "./questions.ts";
import { baselineMeasures, baselinePaths, scaledCrps, scoreMeasures, scoresOf } from "./scores.ts";
import { type Origin, type Paths, pathSampler, rollingOrigins } from "./windows.ts";

/** Origins looked at in a validation while training, at most. */
const mostValidated = 64;
/** Steps of the past that are drawn, at least: three horizons. */
const drawnHorizons = 3;
/** Bars of the histogram of where truths lie among the paths. */
const bars = 10;

export function useForecaster<Config>(
  model: ForecasterConfig<Config>,
  { facts }: Assets<SeriesFacts>,
  options: TrainingOptions,
  device: Device,
): TaskUse<RawSeries, SeriesExample> {
  const { horizon, context } = options;
  const { season } = facts;
  const forecast = pathSampler(model, facts, options, device);

  const origins = (examples: readonly SeriesExample[], stride?: number): Origin[] => {
    const found = rollingOrigins(examples, options, stride);
    if (found.length > 0) return found;
    throw new HeptagenError("series/short", `expected series with ${horizon} steps to forecast, got none`, {
      facts: { horizon, series: examples.length },
      next: "Give longer series, or choose another part with --side.",
    });
  };

  return {
    async validate(params, examples) {
      const some = spread(origins(examples), mostValidated);
      const paths = await forecast(params, some, { samples: options.samples, key: key(0) });
      const score = scaledCrps(some, paths, season);
      const { mase, coverage80 } = scoresOf(some, paths, season);
      // A past that repeats itself exactly has no MASE.
      return { measures: { scaledCrps: score, ...(Number.isFinite(mase) && { mase }), coverage80 }, score };
    },

    async evaluate(params, examples, evaluation) {
      const { samples, seed, stride, baseline } = evaluation.options as {
        samples: number;
        seed: number;
        stride?: number;
        baseline: boolean;
      };
      const look = (done: number) => {
        checkStop(evaluation);
        evaluation.onEvent?.({ kind: "progress", what: "forecasting", done });
      };
      look(0);
      const all = origins(examples, stride);
      const paths = await forecast(params, all, { samples, key: key(seed), look });
      return [
        ...scoreMeasures(scoresOf(all, paths, season)),
        ...(baseline ? baselineMeasures(all, horizon, season) : []),
        { key: "origins", name: "forecasts (series and origins)", value: all.length },
      ];
    },

    async predict(params, examples, asked) {
      const {
        samples,
        seed,
        levels,
        paths: shown,
        data,
      } = asked as {
        samples: number;
        seed: number;
        levels: number[];
        paths: number;
        data?: string | string[];
      };
      const ready = await answerable(examples, { facts, options, data });
      const paths = await forecast(params, ready, { samples, key: key(seed) });
      return ready.map((one, i) => {
        const own = paths[i] as Paths;
        const { series } = one.example.raw;
        const quantiles = sampleQuantiles(own, levels);
        return {
          series: series.id,
          times: Array.from({ length: horizon }, (_, h) => timeText(one, h)),
          mean: Array.from({ length: horizon }, (_, h) =>
            rounded(own.reduce((sum, path) => sum + (path[h] as number), 0) / own.length),
          ),
          quantiles: Object.fromEntries(levels.map((level, l) => [level, Array.from(quantiles[l] as Float64Array, rounded)])),
          ...(shown > 0 && { paths: own.slice(0, shown).map((path) => Array.from(path, rounded)) }),
        };
      });
    },

    async show(params, examples, { numSamples, seed, samples = options.samples }) {
      const some = pick(origins(examples), numSamples as number, seed as number);
      const paths = await forecast(params, some, { samples: samples as number, key: key(seed as number) });
      return drawFans(some.map((one, i) => fanOf(one, paths[i] as Paths)));
    },

    async inspect(params, examples, asked) {
      const { numSamples, samples, seed, stride, out } = asked as Options & {
        numSamples: number;
        samples: number;
        seed: number;
        stride?: number;
        out: string;
      };
      const all = origins(examples, stride);
      const paths = await forecast(params, all, { samples, key: key(seed) });
      const pictures: { file: string; caption: string }[] = [];
      const draw = async (name: string, picture: Uint8Array, caption: string) => {
        const file = join(out, name);
        await writeFile(file, picture);
        pictures.push({ file, caption });
      };
      const chosen = pick(all, numSamples, seed).map((one) => all.indexOf(one));
      await draw(
        "forecasts.png",
        await drawFans(chosen.map((i) => fanOf(all[i] as Origin, paths[i] as Paths))),
        "held-out steps with the forecast's median and its 50, 80 and 95 % bands",
      );
      await draw(
        "calibration.png",
        await drawCalibration(all, paths),
        "where the truth lies among the sample paths, and how often bands hold it",
      );
      await draw("horizon.png", await drawHorizons(all, paths), "errors by how far ahead, beside forecasts without a model");
      const table = join(out, "series.json");
      await writeFile(table, `${JSON.stringify(perSeries(all, paths), null, 1)}\n`);
      return { pictures };
    },

    async dispose() {},
  };

  function timeText({ example, origin }: Origin, h: number): string {
    const { grid } = example.raw.series;
    return formatTime(timeOf(origin + h, grid), grid);
  }

  function fanOf(one: Origin, paths: Paths): Fan {
    const { values, id } = one.example.raw.series;
    const from = Math.max(0, one.origin - Math.min(context, Math.max(drawnHorizons * horizon, 20)));
    const [l95, l80, l50, median, h50, h80, h95] = sampleQuantiles(paths, [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975]) as [
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    return {
      title: id,
      history: values.subarray(from, one.origin),
      truth: values.subarray(one.origin, one.origin + horizon),
      median,
      bands: [
        { name: "95 %", low: l95, high: h95 },
        { name: "80 %", low: l80, high: h80 },
        { name: "50 %", low: l50, high: h50 },
      ],
      times: [timeText(one, from - one.origin), timeText(one, 0), timeText(one, horizon - 1)],
    };
  }

  /** Histogram of the share of paths below the truth: level, if the forecast distribution is right; and coverage of all central bands. */
  function drawCalibration(all: readonly Origin[], paths: readonly Paths[]): Promise<Uint8Array> {
    const shares: number[] = [];
    forEachTruth(all, paths, (truth, values) => {
      const below = values.filter((value) => value < truth).length;
      const same = values.filter((value) => value === truth).length;
      shares.push((below + same / 2) / values.length);
    });
    const counts = new Array<number>(bars).fill(0);
    for (const share of shares) (counts[Math.min(bars - 1, Math.floor(share * bars))] as number) += 1;
    const density = counts.flatMap((count, b): [number, number][] => {
      const y = (count / shares.length) * bars;
      return [
        [b / bars, 0],
        [b / bars, y],
        [(b + 1) / bars, y],
        [(b + 1) / bars, 0],
      ];
    });
    const bands = Array.from({ length: 19 }, (_, i) => (i + 1) / 20);
    return drawCharts([
      {
        title: "Probability integral transform",
        note: "share of paths below the truth; level at 1 if calibrated",
        curves: [
          { name: "density", points: density },
          {
            name: "calibrated",
            points: [
              [0, 1],
              [1, 1],
            ],
          },
        ],
      },
      {
        title: "Coverage",
        note: "share of truths held by central bands, over their probability",
        curves: [
          {
            name: "held",
            points: bands.map((p) => [p, shares.filter((u) => Math.abs(u - 0.5) <= p / 2).length / shares.length]),
          },
          {
            name: "calibrated",
            points: [
              [0, 0],
              [1, 1],
            ],
          },
        ],
      },
    ]);
  }

  function drawHorizons(all: readonly Origin[], paths: readonly Paths[]): Promise<Uint8Array> {
    const errors = (own: readonly Paths[]) => {
      const medians = own.map((one) => sampleQuantiles(one, [0.5])[0] as Float64Array);
      return Array.from({ length: horizon }, (_, h): [number, number] => {
        const each = all.flatMap(({ example, origin }, i) => {
          const error = Math.abs((example.raw.series.values[origin + h] as number) - Number(medians[i]?.[h]));
          return Number.isNaN(error) ? [] : [error];
        });
        return [h + 1, each.reduce((sum, value) => sum + value, 0) / each.length];
      });
    };
    return drawCharts([
      {
        title: "Mean absolute error",
        note: "over steps ahead, all series and origins",
        curves: [
          { name: "model", points: errors(paths) },
          { name: "naive", points: errors(baselinePaths(all, "naive", horizon, season)) },
          { name: "seasonal naive", points: errors(baselinePaths(all, "seasonalNaive", horizon, season)) },
        ],
      },
    ]);
  }

  function perSeries(all: readonly Origin[], paths: readonly Paths[]): Options[] {
    const examples = [...new Set(all.map(({ example }) => example))];
    return examples.map((example) => {
      const places = all.flatMap((one, i) => (one.example === example ? [i] : []));
      const own = places.map((i) => all[i] as Origin);
      const scores = scoresOf(
        own,
        places.map((i) => paths[i] as Paths),
        season,
      );
      const naive = scoresOf(own, baselinePaths(own, "seasonalNaive", horizon, season), season);
      return { series: example.raw.series.id, origins: own.length, ...scores, seasonalNaive: naive };
    });
  }
}

/** Each known truth with the values that the paths have in its place. */
function forEachTruth(all: readonly Origin[], paths: readonly Paths[], look: (truth: number, values: number[]) => void): void {
  for (const [i, { example, origin }] of all.entries()) {
    const own = paths[i] as Paths;
    for (let h = 0; h < (own[0]?.length ?? 0); h++) {
      const truth = example.raw.series.values[origin + h] as number;
      if (!Number.isNaN(truth))
        look(
          truth,
          own.map((path) => path[h] as number),
        );
    }
  }
}

const rounded = (value: number): number => Number(value.toPrecision(6));

/** At most so many, evenly spread. */
function spread<T>(items: readonly T[], most: number): T[] {
  if (items.length <= most) return [...items];
  return Array.from({ length: most }, (_, i) => items[Math.floor((i * items.length) / most)] as T);
}

/** A few origins, of different series while there are, the same for the same seed. */
function pick(all: readonly Origin[], count: number, seed: number): Origin[] {
  const examples = [...new Set(all.map(({ example }) => example))];
  const draws = new Int32Array(examples.length + count);
  randint(fold(key(seed), "show"), 0, 2 ** 31 - 1, draws);
  const order = examples.map((example, i) => ({ example, draw: draws[i] as number })).sort((a, b) => a.draw - b.draw);
  return Array.from({ length: count }, (_, i) => {
    const { example } = order[i % order.length] as { example: SeriesExample };
    const own = all.filter((one) => one.example === example);
    return own[(draws[examples.length + i] as number) % own.length] as Origin;
  });
}
