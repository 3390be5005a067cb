/**
 * Convolution layers over 1, 2 or 3 spatial axes, with the initial values PyTorch gives them.
 *
 * Legend: B batch, C input channels, O output channels, K kernel sizes, one per spatial axis.
 */
import type { Tensor } from "../core/tensor.ts";
import { add, type ConvOptions, conv as convolve, convTranspose as deconvolve, type PerAxis, reshape } from "../ops/index.ts";
import type { NdArray, Shape } from "../util/ndarray.ts";
import { sizeOf } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";
import { uniformInit } from "./init.ts";

/** Parameters of a convolution: weight [O, C / groups, ...K] (transposed: [C, O / groups, ...K]) and, if it has one, bias [O]. */
export interface Conv<Leaf = Tensor> {
  readonly weight: Leaf;
  readonly bias?: Leaf;
}

export interface ConvInit {
  readonly bias?: boolean;
  readonly groups?: number;
}

/** Even numbers up to 1 / √fan-in on both sides of 0 (He et al. 2015 with PyTorch's a = √5), for weight and bias alike. */
function initialize(key: Key, shape: Shape, channels: number, bias: boolean): Conv<NdArray> {
  const bound = 1 / Math.sqrt(sizeOf(shape.slice(1)));
  const weight = uniformInit(fold(key, "weight"), shape, bound);
  return bias ? { weight, bias: uniformInit(fold(key, "bias"), [channels], bound) } : { weight };
}

/**
 * Parameters of `conv`.
 *
 * @param kernel sizes, one per spatial axis
 * @example initConv(key(1), 3, 64, [3, 3])
 */
export function initConv(
  key: Key,
  from: number,
  to: number,
  kernel: readonly number[],
  { bias = true, groups = 1 }: ConvInit = {},
): Conv<NdArray> {
  return initialize(key, [to, from / groups, ...kernel], to, bias);
}

/** Parameters of `convTranspose`; fan-in counts as PyTorch counts it, by the second axis of the weight. */
export function initConvTranspose(
  key: Key,
  from: number,
  to: number,
  kernel: readonly number[],
  { bias = true, groups = 1 }: ConvInit = {},
): Conv<NdArray> {
  return initialize(key, [from, to / groups, ...kernel], to, bias);
}

/** Convolution, plus bias: x [B, C, ...] → [B, O, ...]. Errors are those of the op. */
export function conv({ weight, bias }: Conv, x: Tensor, options: ConvOptions = {}): Tensor {
  return convolve(x, weight, bias ? { ...options, bias } : options);
}

/** Transposed convolution, plus bias: x [B, C, ...] → [B, O, ...] larger by the stride. Errors are those of the op. */
export function convTranspose(
  { weight, bias }: Conv,
  x: Tensor,
  options: ConvOptions & { readonly outputPadding?: PerAxis } = {},
): Tensor {
  const y = deconvolve(x, weight, options);
  return bias ? add(y, reshape(bias, [-1, ...y.shape.slice(2).map(() => 1)])) : y; // [O] → [O, 1, ...]
}
