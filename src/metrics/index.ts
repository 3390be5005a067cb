/** Scores of what models make. */
export {
  bitsPer,
  type LanguageScores,
  languageScores,
  measureText,
  perplexity,
  type ScoredText,
  sumScored,
} from "./language.ts";
