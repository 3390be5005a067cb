/**
 * A tagger of words: each word is the mean of its pieces' vectors and what a small convolution finds in its letters; an encoder reads the
 * words in both directions, and the tags of a sentence are one decision, since some follow each other more readily than others.
 *
 * The letters tell of words that training has not seen (capitals, endings); the pieces are the tokens of other tasks on text, so that
 * their vectors and their encoder can be started from. Words hidden in training make the tagger look at letters and neighbours.
 *
 * Papers: Ma & Hovy 2016 (letters by convolution, words, encoder, CRF), Lample et al. 2016 (CRF on top of a network), Ramshaw & Marcus 1995
 * (BIO).
 *
 * Legend: B sentences, T words, P pieces of a word, L letters of a word, E width of a letter, F features of letters, W width, K tags,
 * M types.
 */
import { constant, type Tensor, type TracedKey } from "../core/index.ts";
import {
  bioRules,
  type Crf,
  constrainCrf,
  crfDecode,
  crfLosses,
  crfMarginals,
  dropout,
  type Embedding,
  embedding,
  initCrf,
  initEmbedding,
  initLinear,
  type Linear,
  linear,
} from "../nn/index.ts";
import {
  add,
  bernoulli,
  cast,
  concat,
  div,
  greater,
  greaterEqual,
  logSoftmax,
  max,
  maximum,
  mul,
  pad,
  relu,
  reshape,
  slice,
  sub,
  sum,
  takeAlongAxis,
  where,
  zeros,
} from "../ops/index.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";
import type { Tree } from "../util/tree.ts";
import type { SequenceNetwork } from "./sequence-network.ts";

export interface TaggerConfig<Config> {
  readonly network: SequenceNetwork<Config>;
  readonly config: Config;
  /** Different pieces of words. */
  readonly vocabulary: number;
  /** The piece that stands for any word. */
  readonly mask: number;
  /** Different letters, with 0 for none; 0 where letters are not looked at. */
  readonly letters: number;
  /** F */
  readonly letterFeatures: number;
  /** Names: "O", "B-X", "I-X". */
  readonly tags: readonly string[];
  /** M: a second, independent opinion on each word (weak types of names); 0 for none. */
  readonly types: number;
  /** Whether neighbouring tags have scores of their own. Tags that may not follow each other never do. */
  readonly crf: boolean;
  /** Fraction of a word's vector, and of its state, dropped in training. */
  readonly dropout: number;
  /** Fraction of the words hidden in training: their letters remain. */
  readonly tokenDropout: number;
}

export interface TaggerParams<Leaf = Tensor> {
  readonly tokens: Embedding<Leaf>;
  readonly letters?: LetterParams<Leaf>;
  readonly encoder: Tree<Leaf>;
  readonly head: Linear<Leaf>;
  readonly types?: Linear<Leaf>;
  readonly crf?: Crf<Leaf>;
}

interface LetterParams<Leaf = Tensor> {
  readonly table: Embedding<Leaf>;
  /** Of three letters at once, [3 E, F]. */
  readonly conv: Linear<Leaf>;
  /** [F, W] */
  readonly out: Linear<Leaf>;
}

/** E */
const letterWidth = 24;

export function init<Config>(model: TaggerConfig<Config>, key: Key): TaggerParams<NdArray> {
  const { network, config, vocabulary, letters, letterFeatures, tags, types, crf } = model;
  const width = network.width(config);
  return {
    tokens: initEmbedding(fold(key, "tokens"), vocabulary, width),
    ...(letters > 0 && {
      letters: {
        table: initEmbedding(fold(key, "letters"), letters, letterWidth, 0.3),
        conv: initLinear(fold(key, "conv"), 3 * letterWidth, letterFeatures, { deviation: Math.sqrt(2 / (3 * letterWidth)) }),
        out: initLinear(fold(key, "out"), letterFeatures, width, { deviation: Math.sqrt(1 / letterFeatures) }),
      },
    }),
    encoder: network.encoder.init(config, fold(key, "encoder")),
    head: initLinear(fold(key, "head"), width, tags.length),
    ...(types > 0 && { types: initLinear(fold(key, "types"), width, types) }),
    ...(crf && { crf: initCrf(fold(key, "crf"), tags.length) }),
  };
}

/** Sentences. What lies behind a sentence's words has no influence. */
export interface Sentences<Leaf = Tensor> {
  /** Pieces of words, int32 [B, T, P]: -1 where a word has fewer. */
  readonly tokens: Leaf;
  /** Letters of words, int32 [B, T, L]: 0 where a word has fewer. */
  readonly letters: Leaf;
  /** How many words count, int32 [B]. */
  readonly lengths: Leaf;
}

/** Scores of the tags of each word [B, T, K], and of the types [B, T, M] where there are any. */
export interface WordScores {
  readonly scores: Tensor;
  readonly types?: Tensor;
}

/** @param key present in training: draws dropout masks */
export function forward<Config>(
  { network, config, mask, dropout: rate, tokenDropout }: TaggerConfig<Config>,
  params: TaggerParams,
  { tokens, letters, lengths }: Sentences,
  key?: TracedKey,
): WordScores {
  const [batch, words, pieces] = tokens.shape as [number, number, number];
  const hidden = key && tokenDropout > 0 ? bernoulli(key.fold("words"), tokenDropout, [batch, words, 1]) : undefined;
  const known = hidden ? where(hidden, mask, tokens) : tokens; // [B, T, P]
  const there = reshape(cast(greaterEqual(known, 0), "float32"), [batch, words, pieces, 1]);
  const vectors = mul(embedding(params.tokens, maximum(known, 0)), there); // [B, T, P, W]
  let x = div(sum(vectors, 2), maximum(sum(there, 2), 1)); // [B, T, W]
  if (params.letters) x = add(x, letterVectors(params.letters, letters));
  const { states } = network.encoder.forward(config, params.encoder, dropout(x, rate, key?.fold("input")), lengths, {
    key: key?.fold("encoder"),
  });
  const read = dropout(states, rate, key?.fold("states")); // [B, T, W]
  return { scores: linear(params.head, read), ...(params.types && { types: linear(params.types, read) }) };
}

/** The largest of what three neighbouring letters say, anywhere in a word: letters [B, T, L] → [B, T, W] */
function letterVectors({ table, conv, out }: LetterParams, letters: Tensor): Tensor {
  const [batch, words, count] = letters.shape as [number, number, number];
  const flat = reshape(letters, [batch * words, count]);
  const there = cast(reshape(greater(flat, 0), [batch * words, count, 1]), "float32"); // [B T, L, 1]
  const padded = pad(mul(embedding(table, flat), there), [
    [0, 0],
    [1, 1],
    [0, 0],
  ]); // [B T, L + 2, E]
  const three = concat(
    [0, 1, 2].map((from) => slice(padded, { 1: { start: from, stop: from + count } })),
    2,
  ); // [B T, L, 3 E]
  const found = max(mul(relu(linear(conv, three)), there), 1); // [B T, F]
  return reshape(linear(out, found), [batch, words, -1]);
}

/** The scores of neighbours: learnt or none; those that BIO rules out never win. */
function neighbours<Config>({ tags }: TaggerConfig<Config>, { crf }: TaggerParams): Crf {
  const count = tags.length;
  const scores = crf ?? { start: zeros([count]), end: zeros([count]), transition: zeros([count, count]) };
  const { start, end, transition } = bioRules(tags);
  return constrainCrf(scores, { start: constant(start), end: constant(end), transition: constant(transition) });
}

/** The true tags of sentences, int32 [B, T]; types too, -1 where a word has none. */
export interface Answers<Leaf = Tensor> {
  readonly tags: Leaf;
  readonly types: Leaf;
  /** Whether a sentence counts, [B]: 0 for rows that only fill a batch up. */
  readonly weights: Leaf;
}

/** Mean loss of a word: how unlikely the tags of its sentence are, and the types. */
export function loss<Config>(
  model: TaggerConfig<Config>,
  params: TaggerParams,
  sentences: Sentences,
  { tags, types, weights }: Answers,
  key?: TracedKey,
): Tensor {
  const found = forward(model, params, sentences, key);
  const each = crfLosses(neighbours(model, params), { scores: found.scores, lengths: sentences.lengths }, tags); // [B]
  const words = maximum(sum(mul(cast(sentences.lengths, "float32"), weights)), 1);
  const total = div(sum(mul(each, weights)), words);
  if (!found.types) return total;
  const [batch, places] = types.shape as [number, number];
  const there = mul(cast(greaterEqual(types, 0), "float32"), reshape(weights, [batch, 1])); // [B, T]
  const logs = logSoftmax(found.types);
  const right = reshape(takeAlongAxis(logs, reshape(maximum(types, 0), [batch, places, 1])), [batch, places]);
  return sub(total, div(sum(mul(right, there)), words));
}

/** What a tagger says of sentences. */
export interface Tagged<Leaf = Tensor> {
  /** The best sequences, int32 [B, T]. */
  readonly tags: Leaf;
  /** How likely each tag of each word is, [B, T, K]. */
  readonly marginals: Leaf;
  /** Scores of the types, [B, T, M]; [B, T, 1] of zeros where there are none. */
  readonly types: Leaf;
}

export function tag<Config>(model: TaggerConfig<Config>, params: TaggerParams, sentences: Sentences): Tagged {
  const { scores, types } = forward(model, params, sentences);
  const crf = neighbours(model, params);
  const batch = { scores, lengths: sentences.lengths };
  const [size, places] = scores.shape as [number, number, number];
  return {
    tags: crfDecode(crf, batch).tags,
    marginals: crfMarginals(crf, batch),
    types: types ?? zeros([size, places, 1]),
  };
}
