/**
 * A classifier of sequences: what an encoder has read, as one vector, decides how likely each class is.
 *
 * With one label an example the classes share a softmax; with several each has its own yes or no.
 *
 * Papers: Schuster & Paliwal 1997 (reading both ways), Sundararajan et al. 2017 (integrated gradients), Szegedy et al. 2016 (label
 * smoothing).
 *
 * Legend: B sequences, T tokens, V vocabulary, W width, C classes.
 */
import type { Tensor, TracedKey } from "../core/index.ts";
import { dropout, type Embedding, embedding, initEmbedding, initLinear, type Linear, linear } from "../nn/index.ts";
import { add, cast, div, logSoftmax, maximum, mean, mul, neg, reshape, softplus, sub, sum, takeAlongAxis } from "../ops/index.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";
import type { Tree } from "../util/tree.ts";
import type { SequenceNetwork } from "./sequence-network.ts";

export interface ClassifierConfig<Config> {
  readonly network: SequenceNetwork<Config>;
  readonly config: Config;
  /** V */
  readonly vocabulary: number;
  /** C */
  readonly classes: number;
  /** Fraction of the summary dropped in training. */
  readonly dropout: number;
}

export interface ClassifierParams<Leaf = Tensor> {
  readonly tokens: Embedding<Leaf>;
  readonly encoder: Tree<Leaf>;
  readonly head: Linear<Leaf>;
}

export function init<Config>(
  { network, config, vocabulary, classes }: ClassifierConfig<Config>,
  key: Key,
): ClassifierParams<NdArray> {
  const width = network.width(config);
  return {
    tokens: initEmbedding(fold(key, "tokens"), vocabulary, width),
    encoder: network.encoder.init(config, fold(key, "encoder")),
    head: initLinear(fold(key, "head"), width, classes),
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
  { network, config, dropout: rate }: ClassifierConfig<Config>,
  params: ClassifierParams,
  tokens: Tensor,
  lengths: Tensor,
  { key, presence }: ClassifyOptions = {},
): Tensor {
  const vectors = embedding(params.tokens, tokens); // [B, T, W]
  const x = presence ? mul(vectors, presence) : vectors;
  const { summary } = network.encoder.forward(config, params.encoder, x, lengths, { key: key?.fold("encoder") });
  return linear(params.head, dropout(summary, rate, key?.fold("summary")));
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
