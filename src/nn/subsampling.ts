/**
 * The front of a speech recogniser: two convolutions over time and bands that each leave every second frame and every second band, so that
 * what follows has a quarter of the frames (Deep Speech 2's, Amodei et al. 2016, in the sizes of Speech-Transformer, Dong et al. 2018).
 * What lies a little higher or lower, as from another voice, is recognised by the same kernels.
 *
 * Legend: B sounds, T frames, F bands, C channels, W width of what comes out.
 */
import { ShapeError, type Tensor, typeName } from "../core/tensor.ts";
import { add, arange, cast, div, less, mul, relu, reshape, transpose } from "../ops/index.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";
import { type Conv, conv, initConv } from "./conv.ts";
import { initLinear, type Linear, linear } from "./linear.ts";

/** Channels of both convolutions. */
const channels = 32;

/** Parameters: kernels [C, 1, 3, 3] and [C, C, 3, 3], and a map [C ⌈F / 4⌉, W], each with a bias. */
export interface Subsampling<Leaf = Tensor> {
  readonly first: Conv<Leaf>;
  readonly second: Conv<Leaf>;
  readonly output: Linear<Leaf>;
}

/** Initial parameters: convolutions as PyTorch's, the map as other linear maps. */
export function initSubsampling(key: Key, from: number, to: number): Subsampling<NdArray> {
  return {
    first: initConv(fold(key, "first"), 1, channels, [3, 3]),
    second: initConv(fold(key, "second"), channels, channels, [3, 3]),
    output: initLinear(fold(key, "output"), channels * subsampledFrames(from), to),
  };
}

/** How many frames, or bands, are left of some: a quarter, rounded up. */
export const subsampledFrames = (frames: number): number => Math.ceil(frames / 4);

/**
 * Both convolutions, each followed by ReLU, and a linear map of the bands that are left.
 *
 * @param x [B, T, F]
 * @param lengths how many frames count, int32 [B]; what lies behind has no influence
 * @returns `states` [B, ⌈T / 4⌉, W], 0 where a frame does not count, and how many count, int32 [B]
 * @throws ShapeError when operands do not fit
 * @example const { states, lengths } = subsample(params.subsampling, features, frames);
 */
export function subsample(
  { first, second, output }: Subsampling,
  x: Tensor,
  lengths: Tensor,
): { readonly states: Tensor; readonly lengths: Tensor } {
  if (x.shape.length !== 3 || lengths.dtype !== "int32" || lengths.shape.length !== 1 || lengths.shape[0] !== x.shape[0]) {
    throw new ShapeError("subsample", `expected x [B, T, F] and int32 lengths [B], got ${typeName(x)} and ${typeName(lengths)}`);
  }
  const [batch, time, bands] = x.shape as [number, number, number];
  const half = halved(lengths);
  const middle = relu(conv(first, reshape(blank(x, lengths), [batch, 1, time, bands]), every2)); // [B, C, T / 2, F / 2]
  const last = relu(conv(second, blank(middle, half), every2)); // [B, C, T / 4, F / 4]
  const rows = reshape(transpose(last, [0, 2, 1, 3]), [batch, last.shape[2] as number, -1]);
  const quarter = halved(half);
  return { states: blank(linear(output, rows), quarter), lengths: quarter };
}

const every2 = { stride: 2, padding: 1 } as const;

const halved = (lengths: Tensor): Tensor => div(add(lengths, 1), 2);

/** Zeros where a frame does not count: [B, T, …] or [B, C, T, F]. */
function blank(x: Tensor, lengths: Tensor): Tensor {
  const [batch, time] = [x.shape[0] as number, x.shape.at(-2) as number];
  const counts = less(arange(time), reshape(lengths, [batch, 1]));
  return mul(x, cast(reshape(counts, [batch, ...x.shape.slice(1, -2).map(() => 1), time, 1]), "float32"));
}
