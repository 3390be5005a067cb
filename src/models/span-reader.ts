/**
 * Span reader: reads a question and a passage as one sequence and points at where in the passage the answer begins and ends, or at
 * the place between the two, which says that the passage has none.
 *
 * Each place is told which kind it is: of the question, between, of the passage, or of a word of the passage that the question has
 * too. The last saves a small network from learning to compare every word with every other.
 *
 * Papers: Chen et al. 2017 (words that match exactly), Devlin et al. 2019 (question and passage as one sequence), Rajpurkar et al. 2018
 * and Alberti et al. 2019 (pointing at a place outside for no answer).
 *
 * Legend: B pairs, T tokens, V vocabulary, W width.
 */
import type { Tensor } from "../core/tensor.ts";
import { dropout, type Embedding, embedding, initEmbedding, initLinear, type Linear, linear } from "../nn/index.ts";
import {
  add,
  arange,
  cast,
  div,
  greaterEqual,
  less,
  logSoftmax,
  maximum,
  mul,
  neg,
  reshape,
  sub,
  sum,
  takeAlongAxis,
} from "../ops/index.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";
import type { Tree } from "../util/tree.ts";
import type { ForwardOptions } from "./language-model.ts";
import type { SequenceNetwork } from "./sequence-network.ts";

/** Kinds of places. All from `between` on can be pointed at. */
export const placeKinds = { question: 0, between: 1, passage: 2, match: 3 } as const;

export interface SpanReaderConfig<Config> {
  readonly network: SequenceNetwork<Config>;
  readonly config: Config;
  /** V */
  readonly vocabulary: number;
  /** Fraction of each state dropped in training before it is scored. */
  readonly dropout: number;
}

export interface SpanReaderParams<Leaf = Tensor> {
  readonly tokens: Embedding<Leaf>;
  /** [4, W] */
  readonly kinds: Embedding<Leaf>;
  readonly encoder: Tree<Leaf>;
  /** [W, 2], without bias, which would change nothing: scores of beginning and end */
  readonly head: Linear<Leaf>;
}

export function init<Config>({ network, config, vocabulary }: SpanReaderConfig<Config>, key: Key): SpanReaderParams<NdArray> {
  const width = network.width(config);
  return {
    tokens: initEmbedding(fold(key, "tokens"), vocabulary, width),
    kinds: initEmbedding(fold(key, "kinds"), Object.keys(placeKinds).length, width),
    encoder: network.encoder.init(config, fold(key, "encoder")),
    head: initLinear(fold(key, "head"), width, 2, { bias: false }),
  };
}

/** A question, a token between, and a passage. */
export interface QuestionWithPassage<Leaf = Tensor> {
  /** int32 [B, T] */
  readonly tokens: Leaf;
  /** Of `placeKinds`, int32 [B, T]. */
  readonly kinds: Leaf;
  /** How many places count, int32 [B]. */
  readonly lengths: Leaf;
}

/**
 * Log-probabilities of each place to be the answer's first, and its last.
 *
 * @returns [B, T, 2]; about -1e9 where an answer cannot be
 */
export function forward<Config>(
  { network, config, dropout: rate }: SpanReaderConfig<Config>,
  params: SpanReaderParams,
  { tokens, kinds, lengths }: QuestionWithPassage,
  { key }: ForwardOptions = {},
): Tensor {
  const [batch, places] = tokens.shape as [number, number];
  const x = add(embedding(params.tokens, tokens), embedding(params.kinds, kinds)); // [B, T, W]
  const { states } = network.encoder.forward(config, params.encoder, x, lengths, { key: key?.fold("encoder") });
  const scores = linear(params.head, dropout(states, rate, key?.fold("states"))); // [B, T, 2]
  const counts = cast(less(arange(places), reshape(lengths, [batch, 1])), "float32"); // [B, T]
  const open = mul(counts, cast(greaterEqual(kinds, placeKinds.between), "float32"));
  return logSoftmax(add(scores, mul(sub(reshape(open, [batch, places, 1]), 1), 1e9)), 1);
}

/**
 * Mean of −log p(first place) and −log p(last place).
 *
 * @param logs of `forward`
 * @param spans first and last place of each answer, int32 [B, 2]; the place between, twice, for none
 * @param weights how much each pair counts, [B]
 */
export function spanLoss(logs: Tensor, spans: Tensor, weights: Tensor): Tensor {
  const batch = logs.shape[0] as number;
  const chosen = takeAlongAxis(logs, reshape(spans, [batch, 1, 2]), 1); // [B, 1, 2]
  const each = mul(neg(sum(reshape(chosen, [batch, 2]), -1)), 0.5);
  return div(sum(mul(each, weights)), maximum(sum(weights), 1e-6));
}
