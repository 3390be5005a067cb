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
} from "./distributions.ts";
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
export { initPowerIteration, spectralNorm } from "./spectral-norm.ts";
