/**
 * A masked language model: some tokens of a text are hidden, and an encoder that reads it in both directions guesses them from the others.
 *
 * No one has to label anything, and what it learns (vectors of tokens, an encoder) is where classifiers, taggers and searches of texts
 * can start from. Scores of tokens are products with the same vectors that tokens go in as, and only hidden places are scored.
 *
 * Papers: Devlin et al. 2019 (BERT), Liu et al. 2019 (RoBERTa: other places each time), Press & Wolf 2017 (tied vectors).
 *
 * Legend: B texts, T tokens, N hidden places of a text, V vocabulary, W width.
 */
import type { Tensor, TracedKey } from "../core/index.ts";
import {
  constantInit,
  type Embedding,
  embedding,
  initEmbedding,
  initLinear,
  initNorm,
  type Linear,
  layerNorm,
  linear,
  type Norm,
} from "../nn/index.ts";
import {
  add,
  arange,
  div,
  gather,
  gelu,
  logSoftmax,
  matmul,
  maximum,
  mul,
  neg,
  reshape,
  sum,
  takeAlongAxis,
} from "../ops/index.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";
import type { Tree } from "../util/tree.ts";
import type { SequenceNetwork } from "./sequence-network.ts";

export interface MaskedConfig<Config> {
  readonly network: SequenceNetwork<Config>;
  readonly config: Config;
  /** V */
  readonly vocabulary: number;
}

export interface MaskedParams<Leaf = Tensor> {
  readonly tokens: Embedding<Leaf>;
  readonly encoder: Tree<Leaf>;
  readonly head: {
    /** [W, W] */
    readonly map: Linear<Leaf>;
    readonly norm: Norm<Leaf>;
    /** [V] */
    readonly bias: Leaf;
  };
}

export function init<Config>({ network, config, vocabulary }: MaskedConfig<Config>, key: Key): MaskedParams<NdArray> {
  const width = network.width(config);
  return {
    tokens: initEmbedding(fold(key, "tokens"), vocabulary, width),
    encoder: network.encoder.init(config, fold(key, "encoder")),
    head: {
      map: initLinear(fold(key, "map"), width, width, { deviation: Math.sqrt(1 / width) }),
      norm: initNorm(width, { bias: true }),
      bias: constantInit([vocabulary], 0),
    },
  };
}

/**
 * Scores of all tokens.
 *
 * @param tokens int32 [B, T], of which `lengths` (int32 [B]) count
 * @param places which are asked about, int32 [B, N]: from 0 to T - 1; all of them unless given
 * @param key present in training: draws dropout masks
 * @returns logits [B, N, V]
 */
export function forward<Config>(
  { network, config }: MaskedConfig<Config>,
  params: MaskedParams,
  { tokens, lengths, places }: { readonly tokens: Tensor; readonly lengths: Tensor; readonly places?: Tensor },
  key?: TracedKey,
): Tensor {
  const width = network.width(config);
  const x = embedding(params.tokens, tokens); // [B, T, W]
  const { states } = network.encoder.forward(config, params.encoder, x, lengths, { key: key?.fold("encoder") });
  const [batch, length] = tokens.shape as [number, number];
  const rows = reshape(mul(arange(batch), length), [batch, 1]); // where each text begins in the flat batch
  const asked = places ? gather(reshape(states, [-1, width]), add(places, rows)) : states; // [B, N, W]
  const { map, norm, bias } = params.head;
  return add(matmul(layerNorm(norm, gelu(linear(map, asked))), params.tokens.weight, { transposeB: true }), bias);
}

/**
 * Mean loss of a hidden token, in nats.
 *
 * @param targets what is hidden at each place asked about, int32 [B, N]
 * @param weights 1 for places that count, 0 for those that only fill up, [B, N]
 */
export function loss(logits: Tensor, targets: Tensor, weights: Tensor): Tensor {
  const [batch, places] = targets.shape as [number, number];
  const right = reshape(takeAlongAxis(logSoftmax(logits), reshape(targets, [batch, places, 1])), [batch, places]);
  return div(neg(sum(mul(right, weights))), maximum(sum(weights), 1));
}
