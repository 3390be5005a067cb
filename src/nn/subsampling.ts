/**
 * The front of a speech recogniser: two convolutions over time that each leave every second frame, so that what follows has a quarter
 * of them (as in Synnaeve et al. 2020 and Radford et al. 2023).
 *
 * Frames lie one behind the other, so a convolution of width 3 and stride 2 is one matrix product: each pair of frames with the one
 * before it is a row.
 *
 * Legend: B sounds, T frames, F numbers of each, W width of what comes out.
 */
import { ShapeError, type Tensor, typeName } from "../core/tensor.ts";
import { add, arange, cast, concat, div, gelu, less, mul, pad, reshape, slice } from "../ops/index.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";
import { uniformInit } from "./init.ts";
import { type Linear, linear } from "./linear.ts";

/** Parameters: weights [3 F, W] and [3 W, W], rows in the order of the frames, and biases [W]. */
export interface Subsampling<Leaf = Tensor> {
  readonly first: Required<Linear<Leaf>>;
  readonly second: Required<Linear<Leaf>>;
}

/** Initial parameters, as PyTorch's for a convolution: even numbers up to 1 / √fan-in on both sides of 0. */
export function initSubsampling(key: Key, from: number, to: number): Subsampling<NdArray> {
  const map = (name: string, rows: number): Required<Linear<NdArray>> => ({
    weight: uniformInit(fold(fold(key, name), "weight"), [rows, to], 1 / Math.sqrt(rows)),
    bias: uniformInit(fold(fold(key, name), "bias"), [to], 1 / Math.sqrt(rows)),
  });
  return { first: map("first", 3 * from), second: map("second", 3 * to) };
}

/** How many frames are left of some: a quarter, rounded up. */
export const subsampledFrames = (frames: number): number => Math.ceil(frames / 4);

/**
 * Both convolutions, each followed by GELU.
 *
 * @param x [B, T, F]
 * @param lengths how many frames count, int32 [B]; what lies behind has no influence
 * @returns `states` [B, ⌈T / 4⌉, W], 0 where a frame does not count, and how many count, int32 [B]
 * @throws ShapeError when operands do not fit
 * @example const { states, lengths } = subsample(params.subsampling, features, frames);
 */
export function subsample(
  { first, second }: Subsampling,
  x: Tensor,
  lengths: Tensor,
): { readonly states: Tensor; readonly lengths: Tensor } {
  if (x.shape.length !== 3 || lengths.dtype !== "int32" || lengths.shape.length !== 1 || lengths.shape[0] !== x.shape[0]) {
    throw new ShapeError("subsample", `expected x [B, T, F] and int32 lengths [B], got ${typeName(x)} and ${typeName(lengths)}`);
  }
  const half = halved(lengths);
  const middle = blank(gelu(linear(first, triples(blank(x, lengths)))), half);
  const quarter = halved(half);
  return { states: blank(gelu(linear(second, triples(middle))), quarter), lengths: quarter };
}

const halved = (lengths: Tensor): Tensor => div(add(lengths, 1), 2);

/** Zeros where a frame does not count. */
function blank(x: Tensor, lengths: Tensor): Tensor {
  const [batch, time] = x.shape as [number, number];
  const counts = less(arange(time), reshape(lengths, [batch, 1]));
  return mul(x, cast(reshape(counts, [batch, time, 1]), "float32"));
}

/** Each pair of frames with the one before it: [B, T, F] → [B, ⌈T / 2⌉, 3 F] */
function triples(x: Tensor): Tensor {
  const [batch, time, width] = x.shape as [number, number, number];
  const count = Math.ceil(time / 2);
  const none = [0, 0] as const;
  const pairs = reshape(pad(x, [none, [0, 2 * count - time], none]), [batch, count, 2 * width]); // [B, ⌈T / 2⌉, 2 F]
  const later = slice(pairs, { 2: { start: width } }); // the second of each pair
  const before = count > 1 ? pad(slice(later, { 1: { stop: -1 } }), [none, [1, 0], none]) : mul(later, 0);
  return concat([before, pairs], 2);
}
