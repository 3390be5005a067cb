/** Linear maps and embeddings. Weights are stored [in, out], so that y = x W + b reads as it is written. */
import type { Tensor } from "../core/tensor.ts";
import { add, gather, matmul } from "../ops/index.ts";
import type { NdArray } from "../util/ndarray.ts";
import type { Key } from "../util/random.ts";
import { constantInit, normalInit } from "./init.ts";

/** Parameters of a linear map: weight [in, out] and, if it has one, bias [out]. */
export interface Linear<Leaf = Tensor> {
  readonly weight: Leaf;
  readonly bias?: Leaf;
}

export interface LinearInit {
  readonly bias?: boolean;
  /** Standard deviation of the weights; 0.02 unless told, as in GPT-2. */
  readonly deviation?: number;
}

/** Normal weights, zero bias. */
export function initLinear(
  key: Key,
  from: number,
  to: number,
  { bias = true, deviation = 0.02 }: LinearInit = {},
): Linear<NdArray> {
  const weight = normalInit(key, [from, to], deviation);
  return bias ? { weight, bias: constantInit([to], 0) } : { weight };
}

/** x [..., in] → [..., out] */
export function linear({ weight, bias }: Linear, x: Tensor): Tensor {
  const y = matmul(x, weight);
  return bias ? add(y, bias) : y;
}

/** A table of vectors: weight [count, width]. */
export interface Embedding<Leaf = Tensor> {
  readonly weight: Leaf;
}

/** Normal vectors. */
export function initEmbedding(key: Key, count: number, width: number, deviation = 0.02): Embedding<NdArray> {
  return { weight: normalInit(key, [count, width], deviation) };
}

/** ids (int32) [...] → vectors [..., width] */
export function embedding({ weight }: Embedding, ids: Tensor): Tensor {
  return gather(weight, ids);
}
