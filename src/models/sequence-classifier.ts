/**
 * A classifier of sequences: what an encoder has read, as one vector, decides how likely each class is.
 *
 * With one label an example the classes share a softmax; with several each has its own yes or no. In training, some tokens are hidden
 * behind the one that stands for any, so that no class hangs on a single word.
 *
 * Papers: Schuster & Paliwal 1997 (reading both ways), Collobert et al. 2011 (the largest of each feature), Iyyer et al. 2015 (hidden
 * words), Sundararajan et al. 2017 (integrated gradients), Szegedy et al. 2016 (label smoothing).
 *
 * Legend: B sequences, T tokens, V vocabulary, W width, C classes.
 */
import type { Tensor, TracedKey } from "../core/index.ts";
import { dropout, type Embedding, embedding, initEmbedding, initLinear, type Linear, linear } from "../nn/index.ts";
import {
  add,
  arange,
  bernoulli,
  cast,
  concat,
  div,
  less,
  logSoftmax,
  max,
  maximum,
  mean,
  mul,
  neg,
  reshape,
  softplus,
  sub,
  sum,
  takeAlongAxis,
  where,
} from "../ops/index.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";
import type { Tree } from "../util/tree.ts";
import type { Encoded, SequenceNetwork } from "./sequence-network.ts";

export interface ClassifierConfig<Config> {
  readonly network: SequenceNetwork<Config>;
  readonly config: Config;
  /** V */
  readonly vocabulary: number;
  /** C */
  readonly classes: number;
  /** Fraction of the summary dropped in training. */
  readonly dropout: number;
  /** Fraction of the tokens that are replaced by `mask` in training. */
  readonly tokenDropout: number;
  /** The token that stands for any. */
  readonly mask: number;
  /** What the text is summed up to: the network's own summary [B, W], or the mean and the largest of its states [B, 2 W]. */
  readonly pooling: "summary" | "mean-max";
}

export interface ClassifierParams<Leaf = Tensor> {
  readonly tokens: Embedding<Leaf>;
  readonly encoder: Tree<Leaf>;
  readonly head: Linear<Leaf>;
}

export function init<Config>(
  { network, config, vocabulary, classes, pooling }: ClassifierConfig<Config>,
  key: Key,
): ClassifierParams<NdArray> {
  const width = network.width(config);
  return {
    tokens: initEmbedding(fold(key, "tokens"), vocabulary, width),
    encoder: network.encoder.init(config, fold(key, "encoder")),
    head: initLinear(fold(key, "head"), pooling === "summary" ? width : 2 * width, classes),
  };
}

export interface ClassifyOptions {
  /** Present in training: draws dropout masks. */
  readonly key?: TracedKey | undefined;
  /** Share of each token's vector that is kept, [B, T, 1]: the gradient with respect to it tells what a token has to do with a class. */
  readonly presence?: Tensor | undefined;
}

/**
 * Scores of the classes.
 *
 * @param tokens int32 [B, T], of which `lengths` (int32 [B]) count
 * @returns logits [B, C]
 */
export function forward<Config>(
  { network, config, dropout: rate, tokenDropout, mask, pooling }: ClassifierConfig<Config>,
  params: ClassifierParams,
  tokens: Tensor,
  lengths: Tensor,
  { key, presence }: ClassifyOptions = {},
): Tensor {
  const hidden = key && tokenDropout > 0 ? bernoulli(key.fold("tokens"), tokenDropout, tokens.shape) : undefined;
  const vectors = embedding(params.tokens, hidden ? where(hidden, mask, tokens) : tokens); // [B, T, W]
  const x = presence ? mul(vectors, presence) : vectors;
  const encoded = network.encoder.forward(config, params.encoder, x, lengths, { key: key?.fold("encoder") });
  const summary = pooling === "summary" ? encoded.summary : meanAndLargest(encoded);
  return linear(params.head, dropout(summary, rate, key?.fold("summary")));
}

/** The mean and the largest of each of a text's states: [B, 2 W] */
function meanAndLargest({ states, lengths }: Encoded): Tensor {
  const [batch, places] = states.shape as [number, number, number];
  const counts = reshape(less(arange(places), reshape(lengths, [batch, 1])), [batch, places, 1]); // [B, T, 1]
  const sizes = cast(maximum(reshape(lengths, [batch, 1]), 1), "float32"); // [B, 1]
  return concat([div(sum(states, 1), sizes), max(where(counts, states, -1e9), 1)], 1); // places that do not count are 0
}

/**
 * Mean loss of one label an example.
 *
 * @param labels int32 [B]
 * @param weights how much each example counts, [B]: 0 for rows that only fill a batch up
 */
export function labelLoss(logits: Tensor, labels: Tensor, weights: Tensor, smoothing = 0): Tensor {
  const logs = logSoftmax(logits);
  const chosen = reshape(takeAlongAxis(logs, reshape(labels, [-1, 1])), [-1]); // [B]
  const soft = smoothing === 0 ? chosen : add(mul(chosen, 1 - smoothing), mul(mean(logs, -1), smoothing));
  return div(neg(sum(mul(soft, weights))), maximum(sum(weights), 1e-6));
}

/**
 * Mean loss of any number of labels an example.
 *
 * @param labels 1 or 0, int32 [B, C]
 */
export function labelSetLoss(logits: Tensor, labels: Tensor, weights: Tensor): Tensor {
  const each = mean(sub(softplus(logits), mul(logits, cast(labels, "float32"))), -1); // [B]
  return div(sum(mul(each, weights)), maximum(sum(weights), 1e-6));
}
