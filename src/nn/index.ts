/** Building blocks that models share: layers as pure functions of parameters, initial values, losses, distributions. */
export {
  attention,
  attentionInParts,
  causalMask,
  type Part,
  paddingMask,
  rotaryAngles,
  rotate,
} from "./attention.ts";
export {
  type BatchNorm,
  batchNorm,
  batchNormInference,
  initBatchNorm,
  runningStatistics,
  type Statistics,
} from "./batch-norm.ts";
export {
  type BeamSearchOptions,
  beamSearch,
  type ReadToken,
  type SampleSequencesOptions,
  sampleSequences,
  type TokenStep,
  type WritingOptions,
  type WrittenSequences,
} from "./beam-search.ts";
export { type Conv, type ConvInit, conv, convTranspose, initConv, initConvTranspose } from "./conv.ts";
export {
  bioRules,
  type Crf,
  constrainCrf,
  crfDecode,
  crfLogPartition,
  crfLosses,
  crfMarginals,
  crfScores,
  initCrf,
  type TagScores,
} from "./crf.ts";
export { type CtcOptions, type CtcTargets, ctcLoss, ctcLosses } from "./ctc.ts";
export { type AlignedLabel, ctcAlign } from "./ctc-alignment.ts";
export {
  type BeamSearchOptions as CtcBeamSearchOptions,
  type BestPath,
  bestPath,
  type CtcScores,
  ctcBeamSearch,
  type Hypothesis,
  type LabelScorer,
  labelScorer,
  type NextToken,
  type ScorerOptions,
  wordScorer,
} from "./ctc-decoding.ts";
export {
  bernoulliEntropy,
  bernoulliLogProb,
  categoricalEntropy,
  categoricalLogProb,
  type Gaussian,
  gaussianDivergence,
  gaussianEntropy,
  gaussianLogProb,
  type Logistic,
  type LogisticMixture,
  logisticLogProb,
  logisticMixtureLogProb,
  type NegativeBinomial,
  negativeBinomialLogProb,
  pinballLoss,
  type StudentT,
  studentTLogProb,
} from "./distributions.ts";
export { drawNegativeBinomial, drawNormal, drawStudentT, negativeBinomialNoise } from "./draws.ts";
export { dropout } from "./dropout.ts";
export { type GroupNormOptions, groupNorm } from "./group-norm.ts";
export { constantInit, normalInit, uniformInit } from "./init.ts";
export {
  type Embedding,
  embedding,
  initEmbedding,
  initLinear,
  type Linear,
  type LinearInit,
  linear,
} from "./linear.ts";
export {
  bce,
  bceWithLogits,
  type CrossEntropyOptions,
  crossEntropies,
  crossEntropy,
  gaussianKl,
  hinge,
  huber,
  meanAbsoluteError,
  meanSquaredError,
} from "./losses.ts";
export { initNorm, layerNorm, type Norm, rmsNorm } from "./norm.ts";
export { markSeen, type SamplingOptions, sampleToken, samplingDefaults } from "./sampling.ts";
export { type SpecAugmentOptions, specAugment, specAugmentDefaults } from "./spec-augment.ts";
export { logGammaRatio } from "./special.ts";
export { initPowerIteration, spectralNorm } from "./spectral-norm.ts";
export { initSubsampling, type Subsampling, subsample, subsampledFrames } from "./subsampling.ts";
