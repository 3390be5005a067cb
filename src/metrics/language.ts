/**
 * How well a language model predicts text, from two things a model and a dataset give: the summed negative log-likelihood in
 * nats, and counts.
 *
 * Perplexity and bits per token depend on the tokenizer: compare them between models that share one. Bits per character and
 * per byte divide the same nats by the length of the text itself and so compare across tokenizers; bytes also across scripts.
 */
import { HeptagenError } from "../util/errors.ts";

/** A text that was scored. */
export interface ScoredText {
  /** Summed −ln p over all predicted tokens. */
  readonly nats: number;
  /** Tokens predicted. */
  readonly tokens: number;
  /** Unicode code points of the text these tokens stand for. */
  readonly characters: number;
  /** Its bytes in UTF-8. */
  readonly bytes: number;
}

export interface LanguageScores {
  readonly nats: number;
  readonly perplexity: number;
  readonly bitsPerToken: number;
  readonly bitsPerCharacter: number;
  readonly bitsPerByte: number;
}

/**
 * exp(nats / tokens): the number of equally likely tokens among which the model is as unsure.
 *
 * @throws HeptagenError `metrics/count` when `tokens` is not positive
 * @example perplexity(Math.log(8) * 100, 100) // 8
 */
export function perplexity(nats: number, tokens: number): number {
  return Math.exp(nats / positive(tokens, "tokens"));
}

/**
 * Bits for one token, character or byte, by what `count` counts.
 *
 * @throws HeptagenError `metrics/count` when `count` is not positive
 * @example bitsPer(Math.LN2 * 300, 100) // 3
 */
export function bitsPer(nats: number, count: number): number {
  return nats / Math.LN2 / positive(count, "tokens, characters or bytes");
}

/**
 * All scores of a text; `nats` among them is the mean per token, the loss that training prints.
 *
 * @throws HeptagenError `metrics/count` when a count is not positive
 */
export function languageScores({ nats, tokens, characters, bytes }: ScoredText): LanguageScores {
  return {
    nats: nats / positive(tokens, "tokens"),
    perplexity: perplexity(nats, tokens),
    bitsPerToken: bitsPer(nats, tokens),
    bitsPerCharacter: bitsPer(nats, characters),
    bitsPerByte: bitsPer(nats, bytes),
  };
}

/** Adds up texts scored apart; scores of the sum are those of the texts joined. */
export function sumScored(texts: Iterable<ScoredText>): ScoredText {
  const sum = { nats: 0, tokens: 0, characters: 0, bytes: 0 };
  for (const text of texts) {
    sum.nats += text.nats;
    sum.tokens += text.tokens;
    sum.characters += text.characters;
    sum.bytes += text.bytes;
  }
  return sum;
}

/**
 * Code points and UTF-8 bytes of a text.
 *
 * @example measureText("鲸") // { characters: 1, bytes: 3 }
 */
export function measureText(text: string): Pick<ScoredText, "characters" | "bytes"> {
  let characters = 0;
  for (const _ of text) characters++;
  return { characters, bytes: new TextEncoder().encode(text).length };
}

function positive(count: number, what: string): number {
  if (count > 0) return count;
  throw new HeptagenError("metrics/count", `expected a positive number of ${what}, got ${count}`, {
    facts: { count },
    next: "Evaluate on a text with at least one token to predict.",
  });
}
