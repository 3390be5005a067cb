/** What a trained model has to beat: the field's simple methods, for the same tasks. */

export { type Bm25Index, type Bm25Options, buildBm25, type SearchHit, searchBm25 } from "./bm25.ts";
export { nearestTemplate, type VectorSequence, type WarpingOptions, warpingDistance } from "./dynamic-time-warping.ts";
export { leadWords } from "./lead.ts";
export {
  fitLogisticRegression,
  fitOneVersusRest,
  type LogisticRegression,
  type LogisticRegressionOptions,
  predictLabels,
  predictProbabilities,
} from "./logistic-regression.ts";
export { driftForecast, type NaiveForecast, type NaiveOptions, naiveForecast, seasonalNaiveForecast } from "./naive-forecast.ts";
export { type SparseRows, sparseRows } from "./sparse.ts";
export { fitTfIdf, type TfIdf, type TfIdfOptions, tfIdfVectors } from "./tf-idf.ts";
