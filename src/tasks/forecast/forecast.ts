/**
 * Forecasting of series: the distribution of the next steps of one or many, from their past and what is known of their future.
 *
 * Reading order of the task's files: options, data (series made ready), windows (cut, and forecast as sample paths), scores, questions
 * (of `predict`), use, and this one, which joins them.
 */
import { countedSteps, type ForecasterParams, forward, init, loss, outputsOf } from "../../models/forecaster.ts";
import type { NdArray } from "../../util/ndarray.ts";
import type { Tree } from "../../util/tree.ts";
import type { SequenceTask } from "../sequence/sequence-task.ts";
import {
  encodeSeries,
  featureCount,
  type RawSeries,
  readRawSeries,
  type SeriesExample,
  type SeriesFacts,
  seriesFacts,
  splitByTime,
} from "./data.ts";
import {
  evaluateOptions,
  inspectOptions,
  predictOptions,
  sampleOptions,
  type TrainingOptions,
  trainingOptions,
} from "./options.ts";
import { questionOf } from "./questions.ts";
import { scoreNames } from "./scores.ts";
import { useForecaster } from "./use.ts";
import { type WindowBatch, windowBatches } from "./windows.ts";

export const forecastTask: SequenceTask<TrainingOptions, RawSeries, SeriesFacts, SeriesExample, WindowBatch> = {
  name: "forecast",
  options: trainingOptions,
  abilities: { sample: sampleOptions, evaluate: evaluateOptions, inspect: inspectOptions, predict: predictOptions },
  columnOptions: ["targets", "knownCovariates", "pastCovariates", "frequency"],
  sampleFile: ".png",
  read: readRawSeries,
  identify: ({ series: { id, grid, values, known, past } }) =>
    [id, JSON.stringify(grid), ...[values, ...known, ...past].map((column) => column.join())].join("\n"),
  split: async (raws, options) => splitByTime(raws, options),
  learn: async (train, options) => ({ facts: seriesFacts(train, options) }),
  // A question is made ready when it is answered, since its series may lie in the run's data.
  encode: (raw, assets, options) => (raw.question ? ({ raw } as SeriesExample) : encodeSeries(raw, assets, options)),
  input: questionOf,
  describe({ train, validation, test }, { facts }) {
    const steps = (examples: readonly SeriesExample[]) =>
      Math.max(0, ...examples.map(({ modelled, from }) => modelled.length - from)).toLocaleString("en");
    const missing = train.reduce((sum, { raw }) => sum + raw.series.values.filter(Number.isNaN).length, 0);
    return {
      series: `${facts.ids.length} (${facts.ids.slice(0, 8).join(", ")}${facts.ids.length > 8 ? ", …" : ""})`,
      steps: `${steps(train)} (${facts.grid.frequency}) to learn from, ${steps(validation)} for validation, ${steps(test)} for the final evaluation`,
      ...((missing > 0 || facts.gaps > 0) && {
        missing: `${missing.toLocaleString("en")} values, ${facts.gaps.toLocaleString("en")} steps without a row`,
      }),
    };
  },
  measureNames: { ...scoreNames, scaledCrps: "CRPS in units of the seasonal naive error" },
  unit: "steps",
  model({ network, config, assets, options }) {
    const { facts } = assets;
    const { distribution, lags, seriesEmbedding } = options;
    const features = featureCount(facts, options);
    const series = seriesEmbedding && facts.ids.length > 1 ? facts.ids.length : 0;
    const model = { network, config, distribution, series, lags, features };
    return {
      init: (key) => init(model, key) as unknown as Tree<NdArray>,
      loss: (params, windows, key) => ({ loss: loss(model, params as unknown as ForecasterParams, windows, { key }) }),
      counts: ({ observed }) => countedSteps(model, observed),
      batches: (examples, key) => windowBatches(examples, key, facts, options),
      use: (device) => useForecaster(model, assets, options, device),
      graphs: [
        {
          name: "forecaster",
          inputs: [
            {
              name: "lagged",
              dtype: "float32",
              shape: ["batch", "length", 2 * lags.length],
              note: `scaled values ${lags.join(", ")} steps before, then 1 for each that is known`,
            },
            {
              name: "features",
              dtype: "float32",
              shape: ["batch", "length", features],
              note: "calendar and covariates of each step",
            },
            ...(series > 0
              ? [{ name: "series", dtype: "int32" as const, shape: ["batch"], note: "which of the run's series", below: series }]
              : []),
          ],
          output: { name: "outputs", note: `${outputsOf(distribution)} parameters (${distribution}) of each step's value` },
          apply: (params, lagged, features_, which) =>
            forward(model, params as unknown as ForecasterParams, {
              lagged: lagged as never,
              features: features_ as never,
              series: which as never,
            }),
        },
      ],
    };
  },
};
