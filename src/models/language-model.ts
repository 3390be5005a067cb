/**
 * What the language-model task asks of an architecture, so that Transformer, RNN, GRU and LSTM are interchangeable.
 *
 * Legend: B sequences at once, T time, V vocabulary, S tokens the memory has room for, N tokens written per chunk.
 */
import type { TracedKey } from "../core/random.ts";
import type { Tensor } from "../core/tensor.ts";
import type { NdArray } from "../util/ndarray.ts";
import type { Key } from "../util/random.ts";
import type { Tree } from "../util/tree.ts";

/** Sees a tensor on its way: `inspect` uses it to return attention maps and activations. */
export type Probe = (name: string, tensor: Tensor) => void;

export interface ForwardOptions {
  /** Present in training: draws dropout masks. */
  readonly key?: TracedKey | undefined;
  readonly probe?: Probe | undefined;
}

/**
 * Writing token by token without computing the past again.
 *
 * A prompt is read once into a memory. Tokens are then written in chunks of N: a chunk opens a carry, each step reads one
 * token and gives scores for the next, and at the end the carry is folded into the memory.
 */
export interface Decoder<Config> {
  /** The memory has one size however much was read: it never has to grow, and no text is too long for it. */
  readonly endless?: true;
  /** Reads tokens int32 [B, S], of which the first `length` (int32 scalar) count: scores after the last [B, V], and the memory. */
  read(config: Config, params: Tree<Tensor>, tokens: Tensor, length: Tensor): { logits: Tensor; memory: Tree<Tensor> };
  /** An empty carry for a chunk of N steps. */
  open(config: Config, memory: Tree<Tensor>, chunk: number): Tree<Tensor>;
  /** Reads token int32 [B] at place `n` (int32 scalar) of the chunk: scores [B, V] and the next carry. */
  step(
    config: Config,
    params: Tree<Tensor>,
    memory: Tree<Tensor>,
    carry: Tree<Tensor>,
    token: Tensor,
    n: Tensor,
  ): { logits: Tensor; carry: Tree<Tensor> };
  /** Folds a finished chunk into the memory. */
  close(config: Config, memory: Tree<Tensor>, carry: Tree<Tensor>): Tree<Tensor>;
}

export interface RecurrentForwardOptions extends ForwardOptions {
  /** The state to begin with, as `forward` returns it; blank unless given. */
  readonly state?: Tree<Tensor> | undefined;
  /** Where a new text begins, bool [B, T]: the state is forgotten before the token is read. */
  readonly resets?: Tensor | undefined;
  /**
   * Added to the state before each token is read: a tree like the state, its leaves [T, B, …]. The gradient with respect to
   * them tells what the states have to do with a loss.
   */
  readonly nudges?: Tree<Tensor> | undefined;
}

/** What an architecture can do that keeps its past in a state of fixed size: read a text in pieces as if it were one. */
export interface Recurrence<Config> {
  /** The state before any text, for B texts: leaves [B, …]. */
  blank(config: Config, batch: number): Tree<NdArray>;
  /** tokens int32 [B, T] → logits [B, T, V] and the state after the last token. */
  forward(
    config: Config,
    params: Tree<Tensor>,
    tokens: Tensor,
    options: RecurrentForwardOptions,
  ): { readonly logits: Tensor; readonly state: Tree<Tensor> };
}

/** An architecture that models sequences of tokens. */
export interface LanguageModel<Config> {
  readonly name: string;
  readonly defaults: Config;
  /** Throws a HeptagenError naming the first value that does not fit. */
  check(config: Config): void;
  init(config: Config, key: Key): Tree<NdArray>;
  /** tokens int32 [B, T] → logits [B, T, V] */
  forward(config: Config, params: Tree<Tensor>, tokens: Tensor, options?: ForwardOptions): Tensor;
  readonly decoder: Decoder<Config>;
  /** Where the past is a state of fixed size. */
  readonly recurrence?: Recurrence<Config>;
}
