/** Normalisation over the last axis. */
import type { Tensor } from "../core/tensor.ts";
import { add, mean, mul, layerNorm as normalize, rsqrt, square } from "../ops/index.ts";
import type { NdArray } from "../util/ndarray.ts";
import { constantInit } from "./init.ts";

/** Parameters of a normalisation: weight [C] and, for layer norm if it has one, bias [C]. */
export interface Norm<Leaf = Tensor> {
  readonly weight: Leaf;
  readonly bias?: Leaf;
}

/** Weight 1, bias 0. */
export function initNorm(width: number, { bias = false }: { readonly bias?: boolean } = {}): Norm<NdArray> {
  const weight = constantInit([width], 1);
  return bias ? { weight, bias: constantInit([width], 0) } : { weight };
}

/** Layer normalisation (Ba et al. 2016): [..., C] → [..., C] */
export function layerNorm({ weight, bias }: Norm, x: Tensor, epsilon = 1e-5): Tensor {
  return normalize(x, weight, bias, { epsilon });
}

/** Root-mean-square normalisation (Zhang & Sennrich 2019): [..., C] → [..., C] */
export function rmsNorm({ weight }: Norm, x: Tensor, epsilon = 1e-5): Tensor {
  return mul(mul(x, rsqrt(add(mean(square(x), -1, { keepDims: true }), epsilon))), weight);
}
