/**
 * What tasks on sequences ask of an architecture, so that RNN, GRU, LSTM and Transformer are interchangeable in all of them.
 *
 * A network is what lies between the vectors that a task puts in (words, frames of sound, days of a series) and those it reads out:
 * an encoder, which sees a whole sequence in both directions, and a decoder, which goes from left to right and may look at what
 * an encoder has read. Embeddings and output layers belong to the task.
 *
 * Legend: B sequences, T places of what is read, U places of what is written, W width of the vectors that go in and come out,
 * K ways in which one source is written about at once.
 */
import type { Tensor } from "../core/tensor.ts";
import type { NdArray } from "../util/ndarray.ts";
import type { Key } from "../util/random.ts";
import type { Tree } from "../util/tree.ts";
import type { ForwardOptions } from "./language-model.ts";

/** What an encoder has read. */
export interface Encoded {
  /** [B, T, W]; places that do not count are 0 */
  readonly states: Tensor;
  /** The sequence as one vector, [B, W]: final states of a recurrent network, the mean of the places of a Transformer. */
  readonly summary: Tensor;
  /** How many places of each sequence count, int32 [B]. */
  readonly lengths: Tensor;
}

/** Reads a whole sequence. */
export interface SequenceEncoder<Config> {
  init(config: Config, key: Key): Tree<NdArray>;
  /** x [B, T, W], of which `lengths` (int32 [B]) places count; what lies behind has no influence. */
  forward(config: Config, params: Tree<Tensor>, x: Tensor, lengths: Tensor, options?: ForwardOptions): Encoded;
}

/** Goes from left to right: no place has seen a later one. */
export interface SequenceDecoder<Config> {
  /** @param reads whether the decoder looks at what an encoder has read */
  init(config: Config, key: Key, reads: boolean): Tree<NdArray>;
  /**
   * All places at once: y [B, U, W] → states [B, U, W].
   *
   * @returns also `attention` [B, U, T], how much each place looked at each of the source (the mean of the last layer's heads),
   *   where there is a source and the architecture has attention
   */
  forward(
    config: Config,
    params: Tree<Tensor>,
    y: Tensor,
    source?: Encoded,
    options?: ForwardOptions,
  ): { readonly states: Tensor; readonly attention?: Tensor };
  /** Prepares for going place by place, at most `places` of them. */
  start(
    config: Config,
    params: Tree<Tensor>,
    size: { readonly batch: number; readonly places: number },
    source?: Encoded,
  ): SequenceStart;
  /**
   * One place.
   *
   * @param source of `start`
   * @param memory of the place before, or of `start`
   * @param y [B K, W]
   * @param n the how-manieth place it is, int32 scalar, from 0
   * @returns state [B K, W], attention [B K, T] (as `forward`'s) and the memory after it, of the same shapes
   */
  step(
    config: Config,
    params: Tree<Tensor>,
    source: Tree<Tensor>,
    memory: Tree<Tensor>,
    y: Tensor,
    n: Tensor,
  ): { readonly state: Tensor; readonly attention?: Tensor; readonly memory: Tree<Tensor> };
}

/**
 * What a decoder holds on to while it goes place by place. Each of B sources may be written about K times at once (beams,
 * samples): `batch` is then B K, with the K of a source next to each other.
 */
export interface SequenceStart {
  /** What has been made of the source, once: leaves [B, …], the same at every place. `{}` without a source. */
  readonly source: Tree<Tensor>;
  /** What it remembers of its own places: leaves [B K, …], so that beams can be reordered along axis 0. */
  readonly memory: Tree<Tensor>;
}

/** An architecture for sequences of vectors. */
export interface SequenceNetwork<Config> {
  readonly name: string;
  readonly defaults: Config;
  /** Throws a HeptagenError naming the first value that does not fit. */
  check(config: Config): void;
  /** W */
  width(config: Config): number;
  /** Whether its decoder looks at each place of its source. */
  attends(config: Config): boolean;
  readonly encoder: SequenceEncoder<Config>;
  readonly decoder: SequenceDecoder<Config>;
}
