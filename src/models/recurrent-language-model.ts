/**
 * Recurrent language models: token vectors, recurrent layers, scores of the next token.
 *
 * The network reads a text token by token and keeps what matters in its state, whose size does not grow with the text. The last
 * layer's hidden state is turned into scores over the vocabulary. RNN, GRU and LSTM differ in their cell alone.
 *
 * Papers: Mikolov et al. 2010, Graves 2013 (generating sequences), Zaremba et al. 2014.
 *
 * Legend: B batch, T time, E width of the token vectors, H width of the state, V vocabulary, S tokens of a prompt.
 */
import type { Tensor } from "../core/tensor.ts";
import { uniformInit } from "../nn/init.ts";
import { type Embedding, embedding, initEmbedding, type Linear, linear } from "../nn/linear.ts";
import { broadcastTo, gather, reshape, transpose } from "../ops/index.ts";
import { HeptagenError } from "../util/errors.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold } from "../util/random.ts";
import type { Tree } from "../util/tree.ts";
import type { LanguageModel, RecurrentForwardOptions } from "./language-model.ts";
import {
  type Cell,
  type CellState,
  checkRecurrentConfig,
  type Direction,
  initRecurrentLayers,
  inputPart,
  type LayerState,
  type RecurrentConfig,
  type RecurrentLayer,
  type RecurrentOptions,
  runLayers,
  stepLayers,
} from "./recurrent.ts";

/** A recurrent language model's configuration; it reads in one direction. */
export interface RecurrentModelConfig extends RecurrentConfig {
  /** Number of different tokens. */
  readonly vocabulary: number;
  /** Width of the token vectors. */
  readonly embedding: number;
}

export const recurrentModelDefaults: RecurrentModelConfig = {
  vocabulary: 256,
  embedding: 128,
  layers: 2,
  width: 256,
  bidirectional: false,
  norm: "none",
  dropout: 0,
};

/** Parameters: a plain tree whose dotted paths are the names in `model.safetensors`. */
export interface RecurrentModelParams<Leaf = Tensor> {
  readonly tokens: Embedding<Leaf>;
  readonly layers: readonly RecurrentLayer<Leaf>[];
  readonly head: Linear<Leaf>;
}

/** Vocabularies up to this size (characters, bytes) have fewer tokens than a batch has places. */
const fewTokens = 512;

/**
 * The language model of a cell.
 *
 * @param cellOf the cell that a configuration asks for; throws `recurrent/config` when there is none
 * @throws HeptagenError (from `check`) `recurrent/config` naming the first value that does not fit
 */
export function recurrentLanguageModel<Config extends RecurrentModelConfig>(
  name: string,
  defaults: Config,
  cellOf: (config: Config) => Cell,
): LanguageModel<Config> {
  const check = (config: Config): void => {
    for (const field of ["vocabulary", "embedding"] as const) {
      if (Number.isInteger(config[field]) && config[field] >= 1) continue;
      const message = `${name}: expected ${field} to be a whole number above 0, got ${config[field]}`;
      throw new HeptagenError("recurrent/config", message, { next: `Set ${field}.` });
    }
    checkRecurrentConfig(name, config);
    cellOf(config);
    if (config.bidirectional) {
      throw new HeptagenError("recurrent/config", `${name}: a language model cannot be bidirectional`, {
        next: "Read from the end, it would see the token that it is to predict. Encoders (recurrentLayers) can be bidirectional.",
      });
    }
  };

  /** What the first layer makes of tokens [...]: [..., G H]. Of few tokens, what it makes of each is computed once and looked up. */
  const firstPart = (cell: Cell, params: RecurrentModelParams, tokens: Tensor) => (direction: Direction) =>
    (params.tokens.weight.shape[0] as number) <= fewTokens
      ? gather(inputPart(cell, direction, params.tokens.weight), tokens)
      : inputPart(cell, direction, embedding(params.tokens, tokens));

  /** Last layer's hidden states, time in front [T, B, H], and the states after each layer's last token. */
  const read = (config: Config, params: RecurrentModelParams, tokens: Tensor, options: RecurrentOptions) => {
    const cell = cellOf(config);
    return runLayers(cell, config, params.layers, firstPart(cell, params, transpose(tokens)), options);
  };

  const carryOn = (config: Config, tree: Tree<Tensor>, tokens: Tensor, options: RecurrentForwardOptions) => {
    const params = tree as unknown as RecurrentModelParams;
    const state = options.state as readonly LayerState[] | undefined;
    const nudges = options.nudges as readonly CellState[] | undefined;
    const { outputs, state: last } = read(config, params, tokens, { ...options, state, nudges });
    const logits = linear(params.head, transpose(outputs, [1, 0, 2])); // [B, T, V]
    return { logits, state: last as unknown as Tree<Tensor> };
  };

  return {
    name,
    defaults,
    check,
    init(config, key) {
      check(config);
      const { vocabulary, embedding: width, width: hidden } = config;
      const bound = 1 / Math.sqrt(hidden);
      const params: RecurrentModelParams<NdArray> = {
        tokens: initEmbedding(fold(key, "tokens"), vocabulary, width, 1),
        layers: initRecurrentLayers(cellOf(config), config, width, fold(key, "layers")),
        head: {
          weight: uniformInit(fold(key, "head"), [hidden, vocabulary], bound),
          bias: uniformInit(fold(fold(key, "head"), "bias"), [vocabulary], bound),
        },
      };
      return params as unknown as Tree<NdArray>;
    },
    forward: (config, params, tokens, options = {}) => carryOn(config, params, tokens, options).logits,
    recurrence: {
      blank(config, batch) {
        const zero = (): NdArray => ({
          dtype: "float32",
          shape: [batch, config.width],
          data: new Float32Array(batch * config.width),
        });
        const { remembers } = cellOf(config);
        return Array.from({ length: config.layers }, () => ({ hidden: zero(), ...(remembers && { memory: zero() }) }));
      },
      forward: carryOn,
    },
    decoder: {
      endless: true,
      read(config, tree, tokens, length) {
        const params = tree as unknown as RecurrentModelParams;
        const lengths = broadcastTo(reshape(length, [1]), [tokens.shape[0] as number]);
        const { state } = read(config, params, tokens, { lengths });
        const top = state.at(-1) as LayerState; // after `length` tokens
        return { logits: linear(params.head, top.hidden), memory: state as unknown as Tree<Tensor> };
      },
      open: (_config, memory) => memory,
      step(config, tree, _memory, carry, token) {
        const params = tree as unknown as RecurrentModelParams;
        const before = carry as unknown as readonly CellState[];
        const cell = cellOf(config);
        const { outputs, state } = stepLayers(cell, params.layers, firstPart(cell, params, token), before);
        return { logits: linear(params.head, outputs), carry: state as unknown as Tree<Tensor> };
      },
      close: (_config, _memory, carry) => carry,
    },
  };
}
