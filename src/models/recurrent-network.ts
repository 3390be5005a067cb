/**
 * RNN, GRU and LSTM as networks for sequences: an encoder that reads in both directions, a decoder that looks at what was read.
 *
 * The decoder's bottom layer follows what is written; its states ask the encoder's states by additive attention, and what is
 * found joins them on their way through the layers above (as in GNMT). Since nothing that was found comes back to the bottom layer,
 * each layer runs over all places at once and all of them ask at once. Without attention, the source is known by its summary alone,
 * which joins every input (as in the first encoder-decoder).
 *
 * Papers: Cho et al. 2014 (encoder-decoder), Sutskever et al. 2014, Bahdanau et al. 2015 (attention), Luong et al. 2015 (the map of
 * state and context), Wu et al. 2016 (GNMT), Schuster & Paliwal 1997 (both directions), Zaremba et al. 2014 (dropout).
 *
 * Legend: B sequences, T places of the source, U places of what is written, W width, A width of the attention, G blocks of
 * pre-activations, K ways in which one source is written about at once.
 */
import { customVjp } from "../core/grad.ts";
import { ShapeError, type Tensor, typeName } from "../core/tensor.ts";
import { paddingMask } from "../nn/attention.ts";
import { dropout } from "../nn/dropout.ts";
import { uniformInit } from "../nn/init.ts";
import { type Linear, linear } from "../nn/linear.ts";
import {
  add,
  arange,
  broadcastTo,
  concat,
  less,
  matmul,
  mul,
  reshape,
  softmax,
  split,
  sub,
  sum,
  tanh,
  transpose,
} from "../ops/index.ts";
import { HeptagenError } from "../util/errors.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";
import type { Tree } from "../util/tree.ts";
import { gruCell } from "./gru.ts";
import { lstmCell } from "./lstm.ts";
import {
  blankState,
  type Cell,
  type CellState,
  checkRecurrentConfig,
  type FirstPart,
  initRecurrentLayers,
  inputPart,
  type LayerState,
  type RecurrentConfig,
  type RecurrentLayer,
  runLayers,
  stepLayers,
} from "./recurrent.ts";
import { rnnCell } from "./rnn.ts";
import type { Encoded, SequenceDecoder, SequenceEncoder, SequenceNetwork } from "./sequence-network.ts";

export interface RecurrentNetworkConfig {
  /** Recurrent layers of the encoder, and of the decoder. */
  readonly layers: number;
  /** W; even, since each direction of the encoder has half of it. */
  readonly width: number;
  /** Whether the decoder looks at each place of the source, or knows its summary only. */
  readonly attention: "additive" | "none";
  /** Fraction of each layer's input dropped in training. */
  readonly dropout: number;
}

export interface RnnNetworkConfig extends RecurrentNetworkConfig {
  /** Nonlinearity of the cell. */
  readonly activation: "tanh" | "relu";
}

export const recurrentNetworkDefaults: RecurrentNetworkConfig = { layers: 2, width: 256, attention: "additive", dropout: 0.1 };

interface EncoderParams<Leaf = Tensor> {
  readonly layers: readonly RecurrentLayer<Leaf>[];
}

/** Additive attention: v · tanh(query s + key h). */
interface AttentionParams<Leaf = Tensor> {
  /** [W, A], without bias: the key has one. */
  readonly query: Linear<Leaf>;
  /** [W, A] */
  readonly key: Required<Linear<Leaf>>;
  /** [A, 1] */
  readonly score: { readonly weight: Leaf };
  /** [W, G W]: what is found, to the second layer's pre-activations; or with one layer [W, W], beside `out`. */
  readonly context: Linear<Leaf>;
  /** With one layer [W, W]: of its state, to what goes out. */
  readonly out?: Required<Linear<Leaf>>;
}

interface DecoderParams<Leaf = Tensor> {
  readonly layers: readonly RecurrentLayer<Leaf>[];
  /** [W, layers W], twice as wide where cells remember: the source's summary to the states to begin with. */
  readonly bridge?: Required<Linear<Leaf>>;
  readonly attention?: AttentionParams<Leaf>;
  /** Without attention [W, G W]: the source's summary to the first layer's pre-activations. */
  readonly summary?: Linear<Leaf>;
}

/** Wider attention costs memory (B U T A numbers) and gains little. */
const widestAttention = 128;

/** What has been made of the source, before any place is written. */
interface Read {
  /** With attention: keys [B, T, A], states [B, T, W] and the scores to add for places that do not count [B, 1, T]. */
  readonly keys?: Tensor;
  readonly states?: Tensor;
  readonly mask?: Tensor;
  /** Without: the summary's part of the first layer's pre-activations [B, G W]. */
  readonly part?: Tensor;
}

/** Scores of all queries for all keys, v · tanh(q + k): q [B, N, A], k [B, T, A], v [A, 1] → [B, N, T] */
const additiveScores = customVjp(
  (q: Tensor, k: Tensor, v: Tensor) => {
    const [batch, queries, width] = q.shape as [number, number, number];
    const keys = k.shape[1] as number;
    const both = tanh(add(reshape(q, [batch, queries, 1, width]), reshape(k, [batch, 1, keys, width]))); // [B, N, T, A]
    return { value: reshape(matmul(both, v), [batch, queries, keys]), residuals: { both, v } };
  },
  // With v taken out of the sums, what is summed is ct (1 - tanh²), and two passes over it are all there is.
  ({ both, v }, ct) => {
    const [batch, queries, keys, width] = both.shape as [number, number, number, number];
    const rows = batch * queries * keys;
    const weight = matmul(reshape(both, [rows, width]), reshape(ct, [rows, 1]), { transposeA: true }); // [A, 1]
    const slopes = mul(sub(1, mul(both, both)), reshape(ct, [batch, queries, keys, 1]));
    const row = reshape(v, [width]);
    return [mul(sum(slopes, 2), row), mul(sum(slopes, 1), row), weight];
  },
);

/** What states s [B, N, W] find in the source: contexts [B, N, W], and how much each looked at each place [B, N, T]. */
function ask({ query, score }: AttentionParams, read: Read, s: Tensor): { context: Tensor; looked: Tensor } {
  const { keys, states, mask } = read as Required<Read>;
  const looked = softmax(add(additiveScores(linear(query, s), keys, score.weight), mask));
  return { context: matmul(looked, states), looked };
}

/** With one layer: what goes out is made of its state and what that has found. */
function join({ out, context: map }: AttentionParams, s: Tensor, context: Tensor): Tensor {
  return tanh(add(linear(out as Linear, s), linear(map, context)));
}

/** [B, ...] → [B times, ...], copies of one next to each other. */
function repeat(x: Tensor, times: number): Tensor {
  if (times === 1) return x;
  const [batch, ...rest] = x.shape as [number, ...number[]];
  return reshape(broadcastTo(reshape(x, [batch, 1, ...rest]), [batch, times, ...rest]), [batch * times, ...rest]);
}

/** First two axes swapped: time in front, or the batch again. */
const turn = (x: Tensor): Tensor => transpose(x, [1, 0, 2]);

function layersOf({ layers, width, dropout: rate }: RecurrentNetworkConfig, bidirectional: boolean): RecurrentConfig {
  return { layers, width: bidirectional ? width / 2 : width, bidirectional, norm: "none", dropout: rate };
}

function uniformLinear(key: Key, from: number, to: number, width: number): Required<Linear<NdArray>> {
  const bound = 1 / Math.sqrt(width);
  return { weight: uniformInit(fold(key, "weight"), [from, to], bound), bias: uniformInit(fold(key, "bias"), [to], bound) };
}

/** Uniform in ±1/√W as the layers: the parameters of how a decoder knows its source. */
function initReading(cell: Cell, config: RecurrentNetworkConfig, key: Key): Omit<DecoderParams<NdArray>, "layers"> {
  const { layers, width, attention } = config;
  const blocks = cell.blocks.length * width;
  const map = (name: string, to: number) => uniformLinear(fold(key, name), width, to, width);
  const bridge = map("bridge", layers * (cell.remembers ? 2 : 1) * width);
  if (attention === "none") return { bridge, summary: { weight: map("summary", blocks).weight } };
  const asked = Math.min(width, widestAttention);
  return {
    bridge,
    attention: {
      query: { weight: map("query", asked).weight },
      key: map("key", asked),
      score: { weight: uniformInit(fold(key, "score"), [asked, 1], 1 / Math.sqrt(asked)) },
      context: { weight: map("context", layers === 1 ? width : blocks).weight },
      ...(layers === 1 && { out: map("out", width) }),
    },
  };
}

/**
 * The network of a cell.
 *
 * @param cellOf the cell that a configuration asks for; throws `recurrent/config` when there is none
 */
function recurrentNetwork<Config extends RecurrentNetworkConfig>(
  name: string,
  defaults: Config,
  cellOf: (config: Config) => Cell,
): SequenceNetwork<Config> {
  const check = (config: Config): void => {
    const { width, attention } = config;
    checkRecurrentConfig(name, layersOf(config, false));
    cellOf(config);
    const fail = (message: string, next: string): never => {
      throw new HeptagenError("recurrent/config", `${name}: ${message}`, { next });
    };
    if (width % 2 !== 0) fail(`expected an even width, half of it for each direction, got ${width}`, `Try width ${width + 1}.`);
    if (attention !== "additive" && attention !== "none")
      fail(`expected attention "additive" or "none", got "${attention}"`, "Set attention.");
  };

  const checkInput = (part: string, { width }: Config, x: Tensor): void => {
    if (x.shape.length === 3 && x.shape[2] === width) return;
    throw new ShapeError(name, `expected the ${part}'s input to be [B, places, ${width}], got ${typeName(x)}`);
  };

  const encoder: SequenceEncoder<Config> = {
    init(config, key) {
      check(config);
      const layers = initRecurrentLayers(cellOf(config), layersOf(config, true), config.width, fold(key, "layers"));
      return { layers } as unknown as Tree<NdArray>;
    },

    forward(config, tree, x, lengths, { key, probe } = {}) {
      checkInput("encoder", config, x);
      const { layers } = tree as unknown as EncoderParams;
      const cell = cellOf(config);
      const turned = turn(dropout(x, config.dropout, key?.fold("input")));
      const first: FirstPart = (direction) => inputPart(cell, direction, turned);
      const { outputs, state } = runLayers(cell, layersOf(config, true), layers, first, { lengths, key, probe });
      const last = state.at(-1) as LayerState;
      const summary = concat([last.hidden, (last.reverse as CellState).hidden], 1); // [B, W]
      return { states: turn(outputs), summary, lengths };
    },
  };

  const readSource = (params: DecoderParams, { states, summary, lengths }: Encoded): Read => {
    if (params.summary) return { part: linear(params.summary, summary) };
    if (!params.attention)
      throw new ShapeError(name, "expected no source: the decoder was made without one", "Init it with reads.");
    const [batch, places] = states.shape as [number, number, number];
    const counts = reshape(less(arange(places), reshape(lengths, [batch, 1])), [batch, 1, places]);
    return { keys: linear(params.attention.key, states), states, mask: paddingMask(counts) };
  };

  /** States to begin with, [batch, W] each: made of the source's summary, or zeros. */
  const begin = (config: Config, params: DecoderParams, batch: number, source: Encoded | undefined): CellState[] => {
    const cell = cellOf(config);
    if (!source) {
      if (params.bridge) throw new ShapeError(name, "expected a source: the decoder was made to read one, got none");
      return Array.from({ length: config.layers }, () => blankState(cell, layersOf(config, false), batch));
    }
    const times = batch / (source.summary.shape[0] as number);
    if (!Number.isInteger(times))
      throw new ShapeError(name, `expected a batch that is a multiple of the ${source.summary.shape[0]} sources, got ${batch}`);
    const made = repeat(tanh(linear(params.bridge as Linear, source.summary)), times); // [B K, 1 or 2 layers W]
    const parts: readonly Tensor[] = split(made, config.layers * (cell.remembers ? 2 : 1), 1);
    return Array.from({ length: config.layers }, (_, i) => ({
      hidden: parts[i] as Tensor,
      ...(cell.remembers && { memory: parts[config.layers + i] as Tensor }),
    }));
  };

  const decoder: SequenceDecoder<Config> = {
    init(config, key, reads) {
      check(config);
      const cell = cellOf(config);
      const params: DecoderParams<NdArray> = {
        layers: initRecurrentLayers(cell, layersOf(config, false), config.width, fold(key, "layers")),
        ...(reads && initReading(cell, config, key)),
      };
      return params as unknown as Tree<NdArray>;
    },

    forward(config, tree, y, source, { key, probe } = {}) {
      checkInput("decoder", config, y);
      const params = tree as unknown as DecoderParams;
      const cell = cellOf(config);
      const read = source && readSource(params, source);
      const state = begin(config, params, y.shape[0] as number, source);
      const drop = (x: Tensor, part: string) => dropout(x, config.dropout, key?.fold(part));
      const turned = turn(drop(y, "input"));
      const first: FirstPart = (direction) => {
        const own = inputPart(cell, direction, turned); // [U, B, G W]
        return read?.part ? add(own, read.part) : own;
      };
      const sizes = layersOf(config, false);
      if (!params.attention || !read) {
        return { states: turn(runLayers(cell, sizes, params.layers, first, { state, key, probe }).outputs) };
      }
      const [bottom, ...upper] = params.layers as [RecurrentLayer, ...RecurrentLayer[]];
      const below = runLayers(cell, { ...sizes, layers: 1 }, [bottom], first, { state: state.slice(0, 1), probe }).outputs;
      const s = turn(below);
      const { context, looked } = ask(params.attention, read, s);
      probe?.("attention", looked);
      if (upper.length === 0) return { states: join(params.attention, s, context), attention: looked };
      const found = linear(params.attention.context, turn(drop(context, "context"))); // [U, B, G W]
      const joined: FirstPart = (direction) => add(inputPart(cell, direction, drop(below, "below")), found);
      const { outputs } = runLayers(cell, { ...sizes, layers: upper.length }, upper, joined, {
        state: state.slice(1),
        key: key?.fold("upper"),
        probe: probe && ((path, value) => probe(`upper.${path}`, value)),
      });
      return { states: turn(outputs), attention: looked };
    },

    start(config, tree, { batch }, source) {
      const params = tree as unknown as DecoderParams;
      const memory = begin(config, params, batch, source);
      const read: Read = source ? readSource(params, source) : {};
      return { source: read as unknown as Tree<Tensor>, memory: memory as unknown as Tree<Tensor> };
    },

    step(config, tree, source, memory, y) {
      const params = tree as unknown as DecoderParams;
      const read = source as unknown as Read;
      const states = memory as unknown as readonly CellState[];
      const cell = cellOf(config);
      const width = y.shape[1] as number;
      const first: FirstPart = (direction) => {
        const own = inputPart(cell, direction, y); // [B K, G W]
        if (!read.part) return own;
        const [rows, columns] = read.part.shape as [number, number];
        return reshape(add(reshape(own, [rows, -1, columns]), reshape(read.part, [rows, 1, columns])), own.shape);
      };
      if (!params.attention) {
        const { outputs, state } = stepLayers(cell, params.layers, first, states);
        return { state: outputs, memory: state as unknown as Tree<Tensor> };
      }
      const [bottom, ...upper] = params.layers as [RecurrentLayer, ...RecurrentLayer[]];
      const below = stepLayers(cell, [bottom], first, states.slice(0, 1));
      const s = reshape(below.outputs, [(read.keys as Tensor).shape[0] as number, -1, width]); // [B K, W] → [B, K, W]
      const { context, looked } = ask(params.attention, read, s);
      const attention = reshape(looked, [-1, looked.shape[2] as number]); // [B K, T]
      if (upper.length === 0) {
        const state = reshape(join(params.attention, s, context), y.shape);
        return { state, attention, memory: below.state as unknown as Tree<Tensor> };
      }
      const found = linear(params.attention.context, reshape(context, y.shape));
      const joined: FirstPart = (direction) => add(inputPart(cell, direction, below.outputs), found);
      const above = stepLayers(cell, upper, joined, states.slice(1));
      return { state: above.outputs, attention, memory: [...below.state, ...above.state] as unknown as Tree<Tensor> };
    },
  };

  return {
    name,
    defaults,
    check,
    width: ({ width }) => width,
    attends: ({ attention }) => attention !== "none",
    encoder,
    decoder,
  };
}

export const rnnNetworkDefaults: RnnNetworkConfig = { ...recurrentNetworkDefaults, activation: "tanh" };

/** RNN, GRU and LSTM as tasks on sequences see them. */
export const rnnNetwork = recurrentNetwork<RnnNetworkConfig>("rnn", rnnNetworkDefaults, ({ activation }) => {
  if (activation === "tanh" || activation === "relu") return rnnCell(activation);
  throw new HeptagenError("recurrent/config", `rnn: expected activation "tanh" or "relu", got "${activation}"`, {
    next: "Set activation.",
  });
});
export const gruNetwork = recurrentNetwork<RecurrentNetworkConfig>("gru", recurrentNetworkDefaults, () => gruCell);
export const lstmNetwork = recurrentNetwork<RecurrentNetworkConfig>("lstm", recurrentNetworkDefaults, () => lstmCell);
