/** The recipes `…/forecast`: what comes next in series, for every network. */
import { gruSequence, lstmSequence, rnnSequence, transformerSequence } from "../backbones/sequence.ts";
import { forecastTask } from "../forecast/forecast.ts";
import type { Options, Preset, Recipe } from "../recipe.ts";
import { sequenceRecipe } from "../sequence/sequence-recipe.ts";
import { sequenceDefaults } from "./sequence-defaults.ts";

/** What every preset starts from. */
const base: Options = {
  ...sequenceDefaults,
  timeColumn: "date",
  valueColumn: "value",
  knownCovariates: [],
  pastCovariates: [],
  gaps: "error",
  context: 56,
  horizon: 14,
  lags: [1, 7, 14],
  distribution: "student-t",
  scaling: "standard",
  logReturns: false,
  seriesEmbedding: true,
  samples: 50,
  validation: 0.1,
  test: 0.1,
  batch: 64,
  steps: 1000,
  learningRate: 2e-3,
  finalLearningRate: 2e-5,
  warmup: 50,
  weightDecay: 0.05,
  evaluateEvery: 100,
  checkpointEvery: 250,
  sampleEvery: 250,
};

const recurrent: Options = { layers: 2, width: 64, dropout: 0.1 };

/** What each network starts from. */
const networks = [
  [transformerSequence, "Transformer", { layers: 2, heads: 4, width: 64, hidden: 256, dropout: 0.1, learningRate: 1e-3 }],
  [lstmSequence, "LSTM", recurrent],
  [gruSequence, "GRU", recurrent],
  [rnnSequence, "RNN", { ...recurrent, activation: "tanh", learningRate: 1e-3 }],
] as const;

const stations =
  "Austin Quincy_Wells Belmont Archer_35th Oak_Park Western Clark_Lake Clinton Merchandise_Mart Irving_Park Washington_Wells Harlem Monroe Polk Ashland Kedzie Addison Jefferson_Park Montrose California".split(
    " ",
  );

const presets: Readonly<Record<string, Preset>> = {
  "seattle-weather": {
    summary: "temperatures and wind in Seattle, two weeks ahead",
    options: {
      data: "seattle-weather",
      targets: ["temp_max", "temp_min", "wind"],
      pastCovariates: ["precipitation"],
      lags: [1, 2, 3, 7],
      context: 42,
      steps: 300,
      test: 0.2,
    },
  },
  "chicago-ridership": {
    summary: "passengers at 20 stations of Chicago's L, two weeks ahead; games known beforehand, weather of the past",
    options: {
      data: "chicago-ridership",
      targets: stations,
      knownCovariates: ["Blackhawks_Home", "Bulls_Home", "Bears_Home", "WhiteSox_Home", "Cubs_Home"],
      pastCovariates: ["temp", "percip"],
      lags: [1, 7, 14, 28],
      steps: 700,
      test: 0.08,
      validation: 0.06,
    },
  },
  sp500: {
    summary: "the S&P 500's log returns, four weeks ahead; expect no more than the random walk",
    options: {
      data: "sp500",
      targets: ["close"],
      frequency: "business-day",
      gaps: "missing",
      logReturns: true,
      scaling: "mean", // the context's mean return would be taken for a drift
      lags: [1, 2, 3, 4, 5],
      context: 60,
      horizon: 20,
      steps: 200,
      dropout: 0.2,
    },
  },
};

export const forecastRecipes: Recipe[] = networks.map(([backbone, title, own]) =>
  sequenceRecipe(forecastTask, backbone as never, {
    summary: `${title} that forecasts series, with how sure it is`,
    presets: Object.fromEntries(
      Object.entries(presets).map(([preset, { summary, options }]) => [
        preset,
        { summary, options: { ...base, ...own, ...options } },
      ]),
    ),
  }),
);
