/**
 * Every primitive there is, by name: the engine's own and the ops'.
 *
 * Nothing in the engine looks a primitive up here. The record exists so that tables about primitives (reference semantics,
 * test samples) can be typed over their names, and one that is missing fails to compile.
 */
import {
  accumulatePrimitive,
  barrierPrimitive,
  constantPrimitive,
  customPrimitive,
  identityPrimitive,
  inputPrimitive,
  zerosPrimitive,
} from "../core/builtin.ts";
import { randomPrimitive } from "../core/random.ts";
import { scanPrimitive, whilePrimitive } from "../core/scan.ts";
import { convKernelGradientPrimitive, convPrimitive, convTransposePrimitive } from "./conv.ts";
import {
  absPrimitive,
  addPrimitive,
  andPrimitive,
  castPrimitive,
  cosPrimitive,
  divPrimitive,
  equalPrimitive,
  erfPrimitive,
  expPrimitive,
  floorPrimitive,
  hardSigmoidPrimitive,
  lessEqualPrimitive,
  lessPrimitive,
  logPrimitive,
  maximumPrimitive,
  minimumPrimitive,
  modPrimitive,
  mulPrimitive,
  negPrimitive,
  notPrimitive,
  powPrimitive,
  reluPrimitive,
  roundPrimitive,
  sigmoidPrimitive,
  signPrimitive,
  sinPrimitive,
  sqrtPrimitive,
  subPrimitive,
  tanhPrimitive,
  wherePrimitive,
} from "./elementwise.ts";
import { gatherPrimitive, scatterAddPrimitive, scatterAlongPrimitive, takeAlongPrimitive, topKPrimitive } from "./indexing.ts";
import { matmulPrimitive } from "./linear.ts";
import { layerNormPrimitive, logSoftmaxPrimitive, softmaxPrimitive } from "./normalize.ts";
import { avgPoolPrimitive, maxPoolPrimitive } from "./pool.ts";
import { argmaxPrimitive, cumsumPrimitive, reduceMaxPrimitive, reduceMinPrimitive, sumPrimitive } from "./reduce.ts";
import {
  broadcastPrimitive,
  concatPrimitive,
  fullPrimitive,
  iotaPrimitive,
  padPrimitive,
  reshapePrimitive,
  slicePrimitive,
  splitPrimitive,
  transposePrimitive,
} from "./shape.ts";

/** All primitives; each stands under its own name. */
export const primitives = {
  // core: what the engine needs
  input: inputPrimitive,
  constant: constantPrimitive,
  zeros: zerosPrimitive,
  identity: identityPrimitive,
  accumulate: accumulatePrimitive,
  barrier: barrierPrimitive,
  custom: customPrimitive,
  random: randomPrimitive,
  scan: scanPrimitive,
  whileLoop: whilePrimitive,
  // elementwise
  neg: negPrimitive,
  abs: absPrimitive,
  sign: signPrimitive,
  exp: expPrimitive,
  log: logPrimitive,
  sqrt: sqrtPrimitive,
  sin: sinPrimitive,
  cos: cosPrimitive,
  tanh: tanhPrimitive,
  sigmoid: sigmoidPrimitive,
  erf: erfPrimitive,
  floor: floorPrimitive,
  round: roundPrimitive,
  relu: reluPrimitive,
  hardSigmoid: hardSigmoidPrimitive,
  not: notPrimitive,
  add: addPrimitive,
  sub: subPrimitive,
  mul: mulPrimitive,
  div: divPrimitive,
  pow: powPrimitive,
  maximum: maximumPrimitive,
  minimum: minimumPrimitive,
  mod: modPrimitive,
  equal: equalPrimitive,
  less: lessPrimitive,
  lessEqual: lessEqualPrimitive,
  and: andPrimitive,
  where: wherePrimitive,
  cast: castPrimitive,
  // moving elements
  reshape: reshapePrimitive,
  transpose: transposePrimitive,
  broadcast: broadcastPrimitive,
  concat: concatPrimitive,
  split: splitPrimitive,
  slice: slicePrimitive,
  pad: padPrimitive,
  iota: iotaPrimitive,
  full: fullPrimitive,
  // folding axes
  sum: sumPrimitive,
  reduceMax: reduceMaxPrimitive,
  reduceMin: reduceMinPrimitive,
  argmax: argmaxPrimitive,
  cumsum: cumsumPrimitive,
  // indexing
  gather: gatherPrimitive,
  scatterAdd: scatterAddPrimitive,
  takeAlongAxis: takeAlongPrimitive,
  scatterAddAlongAxis: scatterAlongPrimitive,
  topK: topKPrimitive,
  // products, convolutions, pooling, normalisation
  matmul: matmulPrimitive,
  conv: convPrimitive,
  convTranspose: convTransposePrimitive,
  convKernelGradient: convKernelGradientPrimitive,
  maxPool: maxPoolPrimitive,
  avgPool: avgPoolPrimitive,
  softmax: softmaxPrimitive,
  logSoftmax: logSoftmaxPrimitive,
  layerNorm: layerNormPrimitive,
};

export type PrimitiveName = keyof typeof primitives;

/** Params of the primitive of a name. */
export type ParamsOf<Name extends PrimitiveName> = Parameters<(typeof primitives)[Name]["bind"]>[1];
