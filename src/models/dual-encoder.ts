/**
 * Dual encoder: queries and passages become vectors of length 1 in one space, so that finding what a query asks for is finding the
 * passages of largest cosine.
 *
 * In training each query is to pick its own passage among all those of the batch, and each passage its query: the other examples
 * are the wrong answers, and passages that only look right may be added to them.
 *
 * Papers: Karpukhin et al. 2020 (dense passage retrieval, hard negatives from BM25), van den Oord et al. 2018 (InfoNCE), Radford et
 * al. 2021 (both directions).
 *
 * Legend: B queries, P passages (the first B are the queries' own), T tokens, V vocabulary, W width.
 */
import type { Tensor } from "../core/tensor.ts";
import { type Embedding, embedding, initEmbedding, initLinear, type Linear, linear } from "../nn/index.ts";
import {
  add,
  arange,
  cast,
  div,
  equal,
  logSoftmax,
  matmul,
  maximum,
  mul,
  not,
  reshape,
  slice,
  sqrt,
  sub,
  sum,
} from "../ops/index.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";
import type { Tree } from "../util/tree.ts";
import type { ForwardOptions } from "./language-model.ts";
import type { SequenceNetwork } from "./sequence-network.ts";

export interface DualEncoderConfig<Config> {
  readonly network: SequenceNetwork<Config>;
  readonly config: Config;
  /** V */
  readonly vocabulary: number;
  /** Whether one encoder reads both, or queries have their own. */
  readonly shared: boolean;
}

export interface DualEncoderParams<Leaf = Tensor> {
  readonly tokens: Embedding<Leaf>;
  readonly encoder: Tree<Leaf>;
  /** [W, W], without bias */
  readonly head: Linear<Leaf>;
  /** Where queries have their own. */
  readonly queries?: { readonly encoder: Tree<Leaf>; readonly head: Linear<Leaf> };
}

export function init<Config>(
  { network, config, vocabulary, shared }: DualEncoderConfig<Config>,
  key: Key,
): DualEncoderParams<NdArray> {
  const width = network.width(config);
  const reader = (own: Key) => ({
    encoder: network.encoder.init(config, fold(own, "encoder")),
    head: initLinear(fold(own, "head"), width, width, { bias: false, deviation: 1 / Math.sqrt(width) }),
  });
  return {
    tokens: initEmbedding(fold(key, "tokens"), vocabulary, width),
    ...reader(key),
    ...(!shared && { queries: reader(fold(key, "queries")) }),
  };
}

/** What a text is: encoders may differ. */
export type TextKind = "query" | "passage";

/**
 * Texts as vectors of length 1.
 *
 * @param tokens int32 [B, T], of which `lengths` (int32 [B]) count
 * @returns [B, W]
 */
export function embed<Config>(
  { network, config }: DualEncoderConfig<Config>,
  params: DualEncoderParams,
  kind: TextKind,
  tokens: Tensor,
  lengths: Tensor,
  { key }: ForwardOptions = {},
): Tensor {
  const { encoder, head } = kind === "query" && params.queries ? params.queries : params;
  const x = embedding(params.tokens, tokens); // [B, T, W]
  const { summary } = network.encoder.forward(config, encoder, x, lengths, { key: key?.fold(kind) });
  const y = linear(head, summary);
  return div(y, sqrt(add(sum(mul(y, y), -1, { keepDims: true }), 1e-12)));
}

export interface ContrastiveOptions {
  /** What cosines are divided by: the smaller, the more the nearest wrong passages matter. */
  readonly temperature: number;
  /** Which document each passage is, int32 [P]: the same one elsewhere in the batch is no wrong answer. */
  readonly documents: Tensor;
  /** How much each query counts, [B]. */
  readonly weights: Tensor;
}

/**
 * InfoNCE: the mean of −log p(own passage | query) and −log p(own query | passage).
 *
 * @param queries [B, W]
 * @param passages [P, W], the queries' own first
 */
export function contrastiveLoss(
  queries: Tensor,
  passages: Tensor,
  { temperature, documents, weights }: ContrastiveOptions,
): Tensor {
  const batch = queries.shape[0] as number;
  const count = passages.shape[0] as number;
  const own = slice(documents, { 0: { stop: batch } }); // [B]
  const same = equal(reshape(own, [batch, 1]), reshape(documents, [1, count])); // [B, P]
  const diagonal = equal(reshape(arange(batch), [batch, 1]), reshape(arange(count), [1, count]));
  const mine = cast(diagonal, "float32");
  const twice = mul(cast(same, "float32"), cast(not(diagonal), "float32"));
  const scores = sub(div(matmul(queries, passages, { transposeB: true }), temperature), mul(twice, 1e9));
  const forth = sum(mul(logSoftmax(scores), mine), -1); // [B]
  const square = (x: Tensor) => (count === batch ? x : slice(x, { 1: { stop: batch } })); // [B, B]
  const back = sum(mul(logSoftmax(square(scores), 0), square(mine)), 0); // [B]
  const each = mul(add(forth, back), -0.5);
  return div(sum(mul(each, weights)), maximum(sum(weights), 1e-6));
}
