/** Tokens beside those of a tokenizer, the same in all tasks on text, so that one task's embeddings fit another's. */
import type { Tokenizer } from "../../data/index.ts";

export interface SpecialTokens {
  /** Stands before the first token that is written. */
  readonly begin: number;
  /** Ends what is written. */
  readonly end: number;
  /** Stands for a token to be guessed, and between two texts. */
  readonly mask: number;
  /** How many tokens there are with these. */
  readonly vocabulary: number;
}

export function specialTokens({ vocabularySize: size }: Pick<Tokenizer, "vocabularySize">): SpecialTokens {
  return { begin: size, end: size + 1, mask: size + 2, vocabulary: size + 3 };
}
