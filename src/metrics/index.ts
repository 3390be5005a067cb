/** Scores of what models make. */

export { logSpectralDistance, multiResolutionDistance } from "./audio.ts";
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
export { type BleuOptions, type BleuScore, type BleuSmoothing, type BleuTokenizer, corpusBleu, sentenceBleu } from "./bleu.ts";
export { type ChrfOptions, type ChrfScore, corpusChrf } from "./chrf.ts";
export { type Overlap } from "./overlap.ts";
export { type RougeOptions, type RougeScores, rouge, rougeMean } from "./rouge.ts";
export { type AlignmentChunk, align, characterErrorRate, type ErrorRate, wordErrorRate } from "./word-error.ts";
