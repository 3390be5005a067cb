/**
 * Sequence to sequence: an encoder reads a text, a decoder writes another, token by token, looking back at what was read.
 *
 * One embedding serves what is read, what is written and the output layer. With the pointer, each token is a mixture: with
 * probability g it is taken from the vocabulary, else copied from the place of the source that the decoder looks at.
 *
 * Papers: Sutskever et al. 2014, Bahdanau et al. 2015 (with attention), Vaswani et al. 2017 (scale of embeddings, label smoothing),
 * Press & Wolf 2017 (tied embeddings), See et al. 2017 (pointer).
 *
 * Legend: B sentences, T tokens of the source, U tokens of the target, V vocabulary, W width, K beams, R = B K rows.
 */
import { ShapeError, type Tensor, type TracedKey } from "../core/index.ts";
import {
  beamSearch,
  type Embedding,
  embedding,
  initEmbedding,
  initLinear,
  type Linear,
  linear,
  type WrittenSequences,
} from "../nn/index.ts";
import {
  add,
  broadcastTo,
  cast,
  concat,
  div,
  equal,
  exp,
  gather,
  log,
  logSoftmax,
  matmul,
  maximum,
  mean,
  mul,
  neg,
  not,
  reshape,
  scatterAddAlongAxis,
  sigmoid,
  sub,
  sum,
  takeAlongAxis,
  where,
} from "../ops/index.ts";
import { type NdArray, ndarray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";
import type { Tree } from "../util/tree.ts";
import type { Encoded, SequenceNetwork } from "./sequence-network.ts";

export interface SequenceToSequenceConfig<Config> {
  readonly network: SequenceNetwork<Config>;
  readonly config: Config;
  /** V */
  readonly vocabulary: number;
  /** The token that is read before the first one is written. */
  readonly begin: number;
  /** The token that ends what is written. */
  readonly end: number;
  /** Whether tokens of the source can be copied; asks for a network that looks at its source. */
  readonly copy: boolean;
}

export interface SequenceToSequenceParams<Leaf = Tensor> {
  /** [V, W] */
  readonly tokens: Embedding<Leaf>;
  readonly encoder: Tree<Leaf>;
  readonly decoder: Tree<Leaf>;
  /** [V], of the output layer, whose matrix is the embedding. */
  readonly bias: Leaf;
  /** With the pointer [3 W, 1]: what was found in the source, state and token read, to g. */
  readonly gate?: Linear<Leaf>;
}

/** So that a logarithm has something to take, far below any probability that matters. */
const tiny = 1e-10;

export function init<Config>(
  { network, config, vocabulary, copy }: SequenceToSequenceConfig<Config>,
  key: Key,
): SequenceToSequenceParams<NdArray> {
  const width = network.width(config);
  return {
    // Read as √W times as much, yet small: a token that goes through to the output would else be taken for the next one.
    tokens: initEmbedding(fold(key, "tokens"), vocabulary, width),
    encoder: network.encoder.init(config, fold(key, "encoder")),
    decoder: network.decoder.init(config, fold(key, "decoder"), true),
    bias: ndarray("float32", [vocabulary], new Float32Array(vocabulary)),
    ...(copy && { gate: initLinear(fold(key, "gate"), 3 * width, 1) }),
  };
}

/** Tokens as vectors: int32 [...] → [..., W] */
function embed(params: SequenceToSequenceParams, ids: Tensor): Tensor {
  return mul(embedding(params.tokens, ids), Math.sqrt(params.tokens.weight.shape[1] as number));
}

/** Scores of the vocabulary: [..., W] → [..., V] */
function logitsOf(params: SequenceToSequenceParams, states: Tensor): Tensor {
  return add(matmul(states, params.tokens.weight, { transposeB: true }), params.bias);
}

/**
 * How probable it is that a token is not copied.
 *
 * @param attention [B, N, T], where the N places of each sentence looked
 * @param states [B, N, W] of the decoder, after having read `y` [B, N, W]
 * @returns g [B, N, 1]
 */
function gateOf(
  gate: Linear,
  { states: source }: Encoded,
  { attention, states, y }: { attention: Tensor; states: Tensor; y: Tensor },
) {
  return sigmoid(linear(gate, concat([matmul(attention, source), states, y], -1)));
}

function looking(attention: Tensor | undefined): Tensor {
  if (attention) return attention;
  throw new ShapeError("sequenceToSequence", "expected a network that looks at its source, since tokens are to be copied");
}

export interface ReadOptions {
  /** Present in training: draws dropout masks. */
  readonly key?: TracedKey | undefined;
}

/** A source and the target up to each token: int32 [B, T], of which `lengths` (int32 [B]) count, and [B, U], beginning with `begin`. */
export interface Teaching<Leaf = Tensor> {
  readonly source: Leaf;
  readonly lengths: Leaf;
  readonly written: Leaf;
}

function decoded<Config>(
  { network, config }: SequenceToSequenceConfig<Config>,
  params: SequenceToSequenceParams,
  { source, lengths, written }: Teaching,
  { key }: ReadOptions,
) {
  const read = network.encoder.forward(config, params.encoder, embed(params, source), lengths, { key: key?.fold("encoder") });
  const y = embed(params, written);
  return { read, y, ...network.decoder.forward(config, params.decoder, y, read, { key: key?.fold("decoder") }) };
}

/**
 * Losses of the tokens that are to be written next, in nats.
 *
 * @param targets int32 [B, U]; -1 where none counts
 * @returns `losses` and `counted` (1 or 0), [B, U] each
 */
export function tokenLosses<Config>(
  model: SequenceToSequenceConfig<Config>,
  params: SequenceToSequenceParams,
  teaching: Teaching,
  targets: Tensor,
  { labelSmoothing = 0, ...options }: ReadOptions & { readonly labelSmoothing?: number } = {},
): { readonly losses: Tensor; readonly counted: Tensor } {
  const { read, y, states, attention } = decoded(model, params, teaching, options);
  const [batch, places] = targets.shape as [number, number];
  const ignored = equal(targets, -1);
  const wanted = where(ignored, 0, targets);
  const known = takeAlongAxis(logSoftmax(logitsOf(params, states)), reshape(wanted, [batch, places, 1])); // [B, U, 1]
  let chosen = known;
  if (params.gate) {
    const looked = looking(attention); // [B, U, T]
    const g = gateOf(params.gate, read, { attention: looked, states, y });
    const same = cast(equal(reshape(teaching.source, [batch, 1, -1]), reshape(wanted, [batch, places, 1])), "float32");
    const copied = sum(mul(looked, same), -1, { keepDims: true }); // [B, U, 1]
    chosen = log(add(add(mul(g, exp(known)), mul(sub(1, g), copied)), tiny));
  }
  if (labelSmoothing > 0) {
    // The mean of all log-probabilities, without another look at them: the mean logit, less what normalises logits.
    const { weight } = params.tokens;
    const meanLogit = add(matmul(states, reshape(mean(weight, 0), [-1, 1])), mean(params.bias)); // [B, U, 1]
    const own = add(sum(mul(states, gather(weight, wanted)), -1), gather(params.bias, wanted)); // [B, U]
    const average = add(sub(meanLogit, reshape(own, known.shape)), known);
    chosen = add(mul(chosen, 1 - labelSmoothing), mul(average, labelSmoothing));
  }
  const counted = cast(not(ignored), "float32"); // [B, U]
  return { losses: mul(neg(reshape(chosen, [batch, places])), counted), counted };
}

/** Mean loss of the tokens that count; see `tokenLosses`. */
export function meanLoss<Config>(
  model: SequenceToSequenceConfig<Config>,
  params: SequenceToSequenceParams,
  teaching: Teaching,
  targets: Tensor,
  options: ReadOptions & { readonly labelSmoothing?: number } = {},
): Tensor {
  const { losses, counted } = tokenLosses(model, params, teaching, targets, options);
  return div(sum(losses), maximum(sum(counted), 1));
}

/** Log-probabilities of the vocabulary and what is copied into it: logits [N, V], ids of the source int32 [N, T]. */
function mixed(logits: Tensor, { g, attention, ids }: { g: Tensor; attention: Tensor; ids: Tensor }): Tensor {
  const logs = logSoftmax(logits);
  const copied = scatterAddAlongAxis(attention, ids, { size: logits.shape.at(-1) as number });
  return log(add(add(mul(g, exp(logs)), mul(sub(1, g), copied)), tiny));
}

/**
 * Log-probabilities of every token to come next, at each place of a target.
 *
 * @returns [B, U, V]
 */
export function forward<Config>(
  model: SequenceToSequenceConfig<Config>,
  params: SequenceToSequenceParams,
  teaching: Teaching,
  options: ReadOptions = {},
): Tensor {
  const { read, y, states, attention } = decoded(model, params, teaching, options);
  const logits = logitsOf(params, states);
  if (!params.gate) return logSoftmax(logits);
  const looked = looking(attention); // [B, U, T]
  const g = gateOf(params.gate, read, { attention: looked, states, y });
  const [batch, , places] = looked.shape as [number, number, number];
  const ids = broadcastTo(reshape(teaching.source, [batch, 1, places]), looked.shape);
  return mixed(logits, { g, attention: looked, ids });
}

export interface WriteOptions {
  /** K */
  readonly beams: number;
  /** U: how many tokens may be written, the end token among them. */
  readonly places: number;
  readonly lengthPenalty: number;
  /** Whether to tell where each token looked. */
  readonly alignment?: boolean;
}

/**
 * Writes the likeliest targets of sources, by beam search, in one loop with the decoder's cached steps.
 *
 * @param source int32 [B, T], of which `lengths` (int32 [B]) count
 * @example
 * const { tokens, lengths } = write(model, params, source, sourceLengths, { beams: 4, places: 40, lengthPenalty: 1 });
 */
export function write<Config>(
  { network, config, begin, end, copy }: SequenceToSequenceConfig<Config>,
  params: SequenceToSequenceParams,
  source: Tensor,
  lengths: Tensor,
  { beams, places, lengthPenalty, alignment = false }: WriteOptions,
): WrittenSequences {
  const [batch, length] = source.shape as [number, number];
  const rows = batch * beams;
  const read = network.encoder.forward(config, params.encoder, embed(params, source), lengths);
  const start = network.decoder.start(config, params.decoder, { batch: rows, places }, read);
  const ids = reshape(broadcastTo(reshape(source, [batch, 1, length]), [batch, beams, length]), [rows, length]);
  const width = network.width(config);
  return beamSearch(
    (before: Tree<Tensor>, token: Tensor, n: Tensor) => {
      const y = embed(params, token); // [R, W]
      const { state, attention, memory } = network.decoder.step(config, params.decoder, start.source, before, y, n);
      const logits = logitsOf(params, state);
      const told = { memory, ...(alignment && attention && { attention }) };
      if (!copy || !params.gate) return { ...told, logProbabilities: logSoftmax(logits) };
      const grouped = (x: Tensor, size: number) => reshape(x, [batch, beams, size]);
      const looked = looking(attention); // [R, T]
      const asked = { attention: grouped(looked, length), states: grouped(state, width), y: grouped(y, width) };
      const g = reshape(gateOf(params.gate, read, asked), [rows, 1]);
      return { ...told, logProbabilities: mixed(logits, { g, attention: looked, ids }) };
    },
    start.memory,
    { batch, beams, places, begin, end, lengthPenalty },
  );
}
