/** The options of forecasting: of training, evaluating, predicting and inspecting. */
import { z } from "zod";
import { frequencies } from "../../data/index.ts";
import { distributionNames } from "../../models/forecaster.ts";
import { files, showOptions, sideOption } from "../sequence/options.ts";
import { count, fraction, optimization } from "../training.ts";

const names = z.array(z.string());

export const trainingOptions = z.strictObject({
  data: files
    .optional()
    .describe("series: .csv .tsv .jsonl .parquet, a column a series or a row a value, or a name of `heptagen data list`"),
  timeColumn: z.string().describe("which column holds the time"),
  targets: names.min(1).optional().describe("wide tables: the columns to forecast; all but the time and covariates unless set"),
  seriesColumn: z.string().optional().describe("long tables: which column names the series"),
  valueColumn: z.string().describe("long tables: which column holds the values"),
  knownCovariates: names.default([]).describe("columns that are known for the future, too: a calendar of events"),
  pastCovariates: names.default([]).describe("columns that are known up to the present only: the weather"),
  frequency: z.enum(frequencies).optional().describe("how far steps are apart; as the times have it unless set"),
  gaps: z.enum(["error", "missing"]).describe("what a step without a row is: an error, or a missing value"),
  context: count.describe("steps of the past that a forecast is made from"),
  horizon: count.describe("steps to forecast"),
  lags: z.array(count).min(1).describe("how many steps back values are looked at directly; 1 has to be among them"),
  season: count
    .optional()
    .describe("steps after which the series repeats, for MASE and the seasonal naive forecast; of the frequency unless set"),
  distribution: z.enum(distributionNames).describe("what is said of each next value"),
  scaling: z
    .enum(["mean", "standard"])
    .describe("mean: divide by the mean absolute value of the context; standard: take its mean away and divide by its deviation"),
  logReturns: z.boolean().describe("forecast changes of the logarithm, for prices; values have to be above 0"),
  seriesEmbedding: z.boolean().describe("whether each series has a vector of its own; without, unknown series can be forecast"),
  samples: count.describe("sample paths of a forecast while training"),
  initFrom: z.string().optional().describe("fine-tune: start from this run: its network's options, and all parameters that fit"),
  validation: fraction.describe("fraction of the steps for validation: those before the test part"),
  test: fraction.describe("fraction of the steps for the final evaluation: the last ones"),
  batch: count.describe("windows per step"),
  ...optimization,
});
export type TrainingOptions = z.output<typeof trainingOptions>;

const samples = count.default(200).describe("sample paths of each forecast");
const seed = z.int().default(0).describe("the same seed draws the same paths");
const stride = count.optional().describe("steps between two origins of the backtest; the horizon unless set");

export const evaluateOptions = z.strictObject({
  data: files.optional().describe("series to backtest on; the run's own test part unless set"),
  side: sideOption,
  baseline: z.boolean().default(true).describe("also measure the naive, the seasonal naive and the drift forecast"),
  samples,
  seed,
  stride,
});

export const predictOptions = z.strictObject({
  data: files.optional().describe("series to forecast where a line has no history of its own; those of the training unless set"),
  samples,
  seed,
  levels: z.array(z.number().gt(0).lt(1)).min(1).default([0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975]).describe("quantiles to give"),
  paths: z.int().min(0).default(0).describe("sample paths to give"),
});

export const sampleOptions = z.strictObject({
  ...showOptions,
  numSamples: count.default(4).describe("series to draw"),
  out: z.string().optional().describe("file to write; the run's samples/ unless set"),
  side: sideOption,
  samples,
});

export const inspectOptions = z.strictObject({
  out: z.string().optional().describe("folder for the pictures; the run's inspect/ unless set"),
  numSamples: count.default(6).describe("series to draw"),
  samples,
  seed,
  stride,
});
