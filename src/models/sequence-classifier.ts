/**
 * A classifier of sequences: what an encoder has read, as one vector, decides how likely each class is.
 *
 * With one label an example the classes share a softmax; with several each has its own yes or no. In training, some tokens are hidden
 * behind the one that stands for any, so that no class hangs on a single word.
 *
 * Papers: Schuster & Paliwal 1997 (reading both ways), Collobert et al. 2011 (the largest of each feature), Iyyer et al. 2015 (the mean of
 * words' vectors, hidden words), Sundararajan et al. 2017 (integrated gradients), Szegedy et al. 2016 (label smoothing).
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
  /**
   * What the text is summed up to: the network's own summary [B, W], the mean and the largest of its states [B, 2 W], or its summary and
   * the mean of the tokens' vectors, as they go in [B, 2 W].
   */
  readonly pooling: "summary" | "mean-max" | "summary-words";
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
  const summary =
    pooling === "summary"
      ? encoded.summary
      : pooling === "mean-max"
        ? meanAndLargest(encoded)
        : concat([mul(encoded.summary, wordsFirst), meanVector(x, lengths)], 1);
  return linear(params.head, dropout(summary, rate, key?.fold("summary")));
}

/** How much a summary counts beside the mean of the words' vectors: these are learnt first, and from few texts they generalise better. */
const wordsFirst = 0.1;

/** Which places count, [B, T, 1]. */
function places(lengths: Tensor, [batch, count]: readonly number[]): Tensor {
  return reshape(less(arange(count as number), reshape(lengths, [batch as number, 1])), [batch as number, count as number, 1]);
}

/** The mean of the places that count: x [B, T, W] → [B, W] */
function meanVector(x: Tensor, lengths: Tensor): Tensor {
  const counts = cast(places(lengths, x.shape), "float32");
  return div(sum(mul(x, counts), 1), cast(maximum(reshape(lengths, [x.shape[0] as number, 1]), 1), "float32"));
}

/** The mean and the largest of each of a text's states: [B, 2 W] */
function meanAndLargest({ states, lengths }: Encoded): Tensor {
  return concat([meanVector(states, lengths), max(where(places(lengths, states.shape), states, -1e9), 1)], 1);
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
