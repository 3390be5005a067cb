/** Ops on symbolic tensors. NumPy's names and broadcasting; see each file for shapes and gradients. */
export type { TensorLike } from "../core/builtin.ts";
export { stopGradient } from "../core/builtin.ts";
export { bernoulli, normal, randint, TracedKey, uniform } from "../core/random.ts";
export { broadcastShapes } from "./broadcast.ts";
export {
  ceil,
  clamp,
  einsum,
  expm1,
  gelu,
  geluTanh,
  leakyRelu,
  log1p,
  logsumexp,
  rsqrt,
  silu,
  softplus,
  square,
  tan,
  variance,
} from "./compose.ts";
export { type ConvOptions, conv, convTranspose, type PerAxis } from "./conv.ts";
export {
  abs,
  add,
  and,
  cast,
  cos,
  div,
  equal,
  erf,
  exp,
  floor,
  greater,
  greaterEqual,
  hardSigmoid,
  less,
  lessEqual,
  log,
  maximum,
  minimum,
  mod,
  mul,
  neg,
  not,
  or,
  pow,
  relu,
  round,
  sigmoid,
  sign,
  sin,
  sqrt,
  sub,
  tanh,
  where,
} from "./elementwise.ts";
export { gather, scatterAdd, scatterAddAlongAxis, takeAlongAxis, topK } from "./indexing.ts";
export { type MatmulOptions, matmul } from "./linear.ts";
export { layerNorm, logSoftmax, softmax } from "./normalize.ts";
export { avgPool, maxPool, type PoolOptions } from "./pool.ts";
export { argmax, cumsum, max, mean, min, type ReduceOptions, sum } from "./reduce.ts";
export { type ResizeOptions, resize } from "./resize.ts";
export {
  arange,
  broadcastTo,
  concat,
  flip,
  full,
  ones,
  type PadOptions,
  pad,
  type Range,
  reshape,
  slice,
  split,
  stack,
  transpose,
  zeros,
} from "./shape.ts";
