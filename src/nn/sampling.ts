/**
 * Choosing the next token from its scores, inside the graph.
 *
 * Legend: B sequences, V vocabulary.
 */
import type { Tensor } from "../core/tensor.ts";
import {
  add,
  arange,
  argmax,
  cast,
  cumsum,
  div,
  equal,
  greater,
  lessEqual,
  max,
  min,
  minimum,
  mul,
  or,
  reshape,
  slice,
  softmax,
  sub,
  sum,
  topK,
  where,
} from "../ops/index.ts";

export interface SamplingOptions {
  /** Divides the scores: below 1 bolder, above 1 wilder; 0 always takes the likeliest token. */
  readonly temperature: number;
  /** Only the k likeliest tokens; 0 for all. */
  readonly topK: number;
  /** Only the likeliest tokens that together reach this probability (nucleus sampling, Holtzman et al. 2020); 1 for all. */
  readonly topP: number;
  /** Only tokens at least this fraction as likely as the likeliest (Nguyen et al. 2024); 0 for all. */
  readonly minP: number;
  /** Makes tokens that already occurred less likely (Keskar et al. 2019); 1 for not. */
  readonly repetitionPenalty: number;
}

export const samplingDefaults: SamplingOptions = { temperature: 1, topK: 0, topP: 1, minP: 0, repetitionPenalty: 1 };

/** Low enough that exp gives 0, yet finite. */
const excluded = -1e9;

/**
 * One token per sequence.
 *
 * @param logits [B, V]
 * @param chance uniform numbers in [0, 1) [B]
 * @param seen bool [B, V]: tokens that already occurred (read only when there is a repetition penalty)
 * @returns tokens, int32 [B]
 */
export function sampleToken(logits: Tensor, chance: Tensor, seen: Tensor | undefined, options: SamplingOptions): Tensor {
  const { temperature, topK: k, topP, minP, repetitionPenalty } = options;
  const [batch, vocabulary] = logits.shape as [number, number];
  let scores = logits;
  if (seen && repetitionPenalty !== 1) {
    const lowered = where(greater(scores, 0), div(scores, repetitionPenalty), mul(scores, repetitionPenalty));
    scores = where(seen, lowered, scores);
  }
  if (temperature === 0) return argmax(scores);
  if (temperature !== 1) scores = mul(scores, 1 / temperature);
  if (k > 0 && k < vocabulary) {
    const least = slice(topK(scores, k).values, { 1: { start: -1 } }); // [B, 1]
    scores = where(lessEqual(least, scores), scores, excluded);
  }
  if (topP < 1) {
    const { values } = topK(scores, vocabulary); // falling
    const probabilities = softmax(values);
    const before = sub(cumsum(probabilities), probabilities); // what likelier tokens reach together
    const least = min(where(lessEqual(topP, before), 1e30, values), 1, { keepDims: true });
    scores = where(lessEqual(least, scores), scores, excluded);
  }
  if (minP > 0) {
    const least = add(max(scores, 1, { keepDims: true }), Math.log(minP));
    scores = where(lessEqual(least, scores), scores, excluded);
  }
  const reached = cumsum(softmax(scores)); // [B, V]
  const all = slice(reached, { 1: { start: -1 } });
  // Held below the total, so that rounding can never pick a token of probability 0 at the end.
  const target = mul(all, minimum(reshape(chance, [batch, 1]), 1 - 1e-6));
  return sum(cast(lessEqual(reached, target), "int32"), 1);
}

/** Marks tokens int32 [B] as seen: bool [B, V]. */
export function markSeen(seen: Tensor, token: Tensor): Tensor {
  const [batch, vocabulary] = seen.shape as [number, number];
  return or(seen, equal(arange(vocabulary), reshape(token, [batch, 1])));
}
