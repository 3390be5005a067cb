/** Scores of what models make. */

export { logSpectralDistance, multiResolutionDistance } from "./audio.ts";
export {
  bitsPer,
  type LanguageScores,
  languageScores,
  measureText,
  perplexity,
  type ScoredText,
  sumScored,
} from "./language.ts";
