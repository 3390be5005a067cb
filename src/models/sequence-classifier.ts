/**
 * A classifier of sequences: what an encoder has read, as one vector, decides how likely each class is.
 *
 * Beside the network there can be a bag: the mean of vectors of a text's tokens, and of those pairs of neighbours that occur in
 * several texts, which knows "not good" but no order beyond. Each of the two learns the classes by itself, and their scores are added up:
 * from few texts a bag generalises better than a network, and if the two had one loss, the network would have explained all texts of
 * training before the bag has learnt from them.
 *
 * With one label an example the classes share a softmax; with several each has its own yes or no. In training, some tokens are hidden
 * behind the one that stands for any, so that no class hangs on a single word.
 *
 * Papers: Schuster & Paliwal 1997 (reading both ways), Collobert et al. 2011 (the largest of each feature), Iyyer et al. 2015 (the mean of
 * words' vectors, hidden words), Joulin et al. 2017 (pairs of words: fastText), Sundararajan et al. 2017 (integrated gradients),
 * Szegedy et al. 2016 (label smoothing).
 *
 * Legend: B sequences, T tokens, V vocabulary, W width, C classes, P known pairs, S slots of the table that finds them.
 */
import { constant, type Tensor, type TracedKey } from "../core/index.ts";
import { dropout, type Embedding, embedding, initEmbedding, initLinear, type Linear, linear } from "../nn/index.ts";
import {
  add,
  and,
  arange,
  bernoulli,
  cast,
  concat,
  div,
  equal,
  gather,
  less,
  logSoftmax,
  max,
  maximum,
  mean,
  mod,
  mul,
  neg,
  pad,
  reshape,
  slice,
  softplus,
  sub,
  sum,
  takeAlongAxis,
  where,
} from "../ops/index.ts";
import { type NdArray, ndarray } from "../util/ndarray.ts";
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
  /** Fraction of the summary, and of the bag, dropped in training. */
  readonly dropout: number;
  /** Fraction of the tokens that are replaced by `mask` in training. */
  readonly tokenDropout: number;
  /** The token that stands for any. */
  readonly mask: number;
  /** What the network sums a text up to: its own summary [B, W], or the mean and the largest of its states [B, 2 W]. */
  readonly pooling: "summary" | "mean-max";
  /** The bag's share in the decision, from 0 (there is none) to 1. */
  readonly bag: number;
  /** The pairs of tokens that the bag knows. */
  readonly pairs: PairTable;
}

export interface ClassifierParams<Leaf = Tensor> {
  readonly tokens: Embedding<Leaf>;
  readonly encoder: Tree<Leaf>;
  readonly head: Linear<Leaf>;
  readonly bag?: Bag<Leaf>;
}

export interface Bag<Leaf = Tensor> {
  /** [V, W] */
  readonly tokens: Embedding<Leaf>;
  /** [P + 1, W]; row 0 is of no pair */
  readonly pairs: Embedding<Leaf>;
  readonly head: Linear<Leaf>;
}

export function init<Config>(
  { network, config, vocabulary, classes, pooling, bag, pairs }: ClassifierConfig<Config>,
  key: Key,
): ClassifierParams<NdArray> {
  const width = network.width(config);
  return {
    tokens: initEmbedding(fold(key, "tokens"), vocabulary, width),
    encoder: network.encoder.init(config, fold(key, "encoder")),
    head: initLinear(fold(key, "head"), pooling === "summary" ? width : 2 * width, classes),
    ...(bag > 0 && {
      bag: {
        tokens: initEmbedding(fold(key, "bag.tokens"), vocabulary, width, 0.1),
        pairs: initEmbedding(fold(key, "bag.pairs"), pairs.count + 1, width, 0.1),
        head: initLinear(fold(key, "bag.head"), width, classes),
      },
    }),
  };
}

/** Known pairs of tokens as a hash table without chains: a slot holds one pair and its number. */
export interface PairTable {
  /** P */
  readonly count: number;
  /** The two tokens of each slot's pair and its number from 1 on, int32 [S]; an empty slot has the number 0. */
  readonly first: NdArray;
  readonly second: NdArray;
  readonly number: NdArray;
}

/** Spreads pairs over the slots; times the largest vocabulary it stays below 2³¹. */
const spread = 7919;

/**
 * A table of pairs.
 *
 * @param pairs the most important first; one whose slot is taken is left out, which befalls about one of ten
 * @example const table = pairTable([[17, 4], [4, 9]]); // of slots filled: { count: 2, … }
 */
export function pairTable(pairs: readonly (readonly [number, number])[]): PairTable {
  const slots = 2 ** Math.ceil(Math.log2(Math.max(1, 4 * pairs.length)));
  const [first, second, number] = [new Int32Array(slots), new Int32Array(slots), new Int32Array(slots)];
  let count = 0;
  for (const [a, b] of pairs) {
    const slot = (a * spread + b) % slots;
    if (number[slot]) continue;
    count++;
    [first[slot], second[slot], number[slot]] = [a, b, count];
  }
  const held = (data: Int32Array) => ndarray("int32", [slots], data);
  return { count, first: held(first), second: held(second), number: held(number) };
}

export interface ClassifyOptions {
  /** Present in training: draws dropout masks. */
  readonly key?: TracedKey | undefined;
  /** Share of each token's vector that is kept, [B, T, 1]: the gradient with respect to it tells what a token has to do with a class. */
  readonly presence?: Tensor | undefined;
}

/**
 * Scores of the classes by each reader: the network, and the bag where there is one. Each has a loss of its own in training.
 *
 * @param tokens int32 [B, T], of which `lengths` (int32 [B]) count
 * @returns logits [B, C] of each
 */
export function readers<Config>(
  { network, config, dropout: rate, tokenDropout, mask, pooling, pairs }: ClassifierConfig<Config>,
  params: ClassifierParams,
  tokens: Tensor,
  lengths: Tensor,
  { key, presence }: ClassifyOptions = {},
): Tensor[] {
  const hidden = key && tokenDropout > 0 ? bernoulli(key.fold("tokens"), tokenDropout, tokens.shape) : undefined;
  const seen = hidden ? where(hidden, mask, tokens) : tokens;
  const vectors = embedding(params.tokens, seen); // [B, T, W]
  const x = presence ? mul(vectors, presence) : vectors;
  const encoded = network.encoder.forward(config, params.encoder, x, lengths, { key: key?.fold("encoder") });
  const summary = pooling === "summary" ? encoded.summary : meanAndLargest(encoded);
  const logits = linear(params.head, dropout(summary, rate, key?.fold("summary")));
  if (!params.bag) return [logits];
  const bag = meanOfBag(params.bag, pairs, seen, lengths, presence);
  return [logits, linear(params.bag.head, dropout(bag, rate, key?.fold("bag")))];
}

/**
 * Scores of the classes: those of the network and of the bag, by their shares.
 *
 * @param tokens int32 [B, T], of which `lengths` (int32 [B]) count
 * @returns logits [B, C]
 */
export function forward<Config>(
  model: ClassifierConfig<Config>,
  params: ClassifierParams,
  tokens: Tensor,
  lengths: Tensor,
  options: ClassifyOptions = {},
): Tensor {
  const [network, bag] = readers(model, params, tokens, lengths, options);
  return bag ? add(mul(network as Tensor, 1 - model.bag), mul(bag, model.bag)) : (network as Tensor);
}

/** The mean of the vectors of a text's tokens and of its known pairs: [B, W] */
function meanOfBag(bag: Bag, table: PairTable, tokens: Tensor, lengths: Tensor, presence: Tensor | undefined): Tensor {
  const [batch, count] = tokens.shape as [number, number];
  /** Each place's right neighbour, 0 behind the last one. */
  const behind = [
    [0, 0],
    [0, 1],
  ] as const;
  const next = (x: Tensor) => slice(pad(x, behind), { 1: { start: 1 } });
  const after = next(tokens);
  const slot = mod(add(mul(tokens, spread), after), table.number.shape[0] as number); // [B, T]
  const of = (held: NdArray) => gather(constant(held), slot);
  const known = and(equal(of(table.first), tokens), equal(of(table.second), after));
  const inside = less(add(arange(count), 1), reshape(lengths, [batch, 1])); // the neighbour counts
  const numbers = where(and(known, inside), of(table.number), 0);
  const ones = cast(places(lengths, tokens.shape), "float32"); // [B, T, 1]
  const pairs = reshape(cast(less(0, numbers), "float32"), [batch, count, 1]);
  const present = presence ? reshape(presence, [batch, count]) : undefined;
  const both = present ? reshape(mul(present, next(present)), [batch, count, 1]) : undefined;
  const total = add(
    sum(mul(embedding(bag.tokens, tokens), presence ? mul(ones, presence) : ones), 1),
    sum(mul(embedding(bag.pairs, numbers), both ? mul(pairs, both) : pairs), 1),
  );
  return div(total, maximum(add(sum(ones, 1), sum(pairs, 1)), 1));
}

/** Which places count, [B, T, 1]. */
function places(lengths: Tensor, [batch, count]: readonly number[]): Tensor {
  return reshape(less(arange(count as number), reshape(lengths, [batch as number, 1])), [batch as number, count as number, 1]);
}

/** The mean and the largest of each of a text's states: [B, 2 W] */
function meanAndLargest({ states, lengths }: Encoded): Tensor {
  const counts = places(lengths, states.shape);
  const size = cast(maximum(reshape(lengths, [states.shape[0] as number, 1]), 1), "float32");
  return concat([div(sum(mul(states, cast(counts, "float32")), 1), size), max(where(counts, states, -1e9), 1)], 1);
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
