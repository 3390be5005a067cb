/** Scores of what models make. */

export { type AnswerMeans, type AnswerScores, answerF1, answerScores, exactMatch, normalizeAnswer } from "./answers.ts";
export { logSpectralDistance, multiResolutionDistance } from "./audio.ts";
export { type BleuOptions, type BleuScore, type BleuSmoothing, type BleuTokenizer, corpusBleu, sentenceBleu } from "./bleu.ts";
export { type ChrfOptions, type ChrfScore, corpusChrf } from "./chrf.ts";
export {
  brierScore,
  type ClassificationScores,
  type ClassScores,
  calibrationError,
  classificationScores,
  confusionMatrix,
  logLoss,
  multiLabelScores,
} from "./classification.ts";
export { distinctN } from "./diversity.ts";
export {
  type Coverage,
  type DistributionScores,
  ensembleCrps,
  type PointForecast,
  type PointScores,
  pinballLoss,
  pointScores,
  type QuantileForecast,
  quantileOf,
  quantileScores,
  type SampleForecast,
  type ScoredSteps,
  sampleQuantiles,
  sampleScores,
  seasonalScale,
} from "./forecast.ts";
export { frechetDistance, type Gaussian, gaussianDistance, gaussianOf } from "./frechet.ts";
export { type KernelDistance, type KernelDistanceOptions, kernelDistance } from "./kernel-distance.ts";
export {
  bitsPer,
  type LanguageScores,
  languageScores,
  measureText,
  perplexity,
  type ScoredText,
  sumScored,
} from "./language.ts";
export { type ManifoldScores, manifoldScores } from "./manifolds.ts";
export type { Overlap } from "./overlap.ts";
export { porterStem } from "./porter-stemmer.ts";
export {
  averagePrecision,
  type DocumentId,
  ndcgAt,
  type RankedQuery,
  type RankingScores,
  rankingScores,
  recallAt,
  reciprocalRank,
} from "./ranking.ts";
export { type RougeOptions, type RougeScores, rouge, rougeMean } from "./rouge.ts";
export { compareSpans, type Span, type SpanOptions, type SpanScores, spanScores, spansOf } from "./spans.ts";
export { type AlignmentChunk, align, characterErrorRate, type ErrorRate, wordErrorRate } from "./word-error.ts";
