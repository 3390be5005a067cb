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
