/**
 * Batch normalisation (Ioffe & Szegedy 2015).
 *
 * In training a channel is normalised by its mean and variance over the batch and all places. A model that is used one example
 * at a time cannot do that, so training also keeps running averages of both (buffers: no gradient reaches them), and inference
 * normalises by those.
 *
 * Where pictures are of classes, each may have a weight and a bias of its own class (conditional batch norm, Dumoulin et al. 2017,
 * de Vries et al. 2017): the caller looks them up, and gives [B, C] for [C].
 *
 * Legend: B batch, C channels, S spatial dims.
 */
import { stopGradient } from "../core/builtin.ts";
import { customVjp } from "../core/grad.ts";
import { ShapeError, type Tensor, typeName } from "../core/tensor.ts";
import { add, mean, mul, reshape, rsqrt, square, sub, sum } from "../ops/index.ts";
import type { NdArray } from "../util/ndarray.ts";
import { constantInit } from "./init.ts";
import type { Norm } from "./norm.ts";

/** Weight and bias of each channel [C], and the running averages [C] that inference uses. */
export interface BatchNorm<Leaf = Tensor> {
  readonly weight: Leaf;
  readonly bias: Leaf;
  readonly runningMean: Leaf;
  readonly runningVariance: Leaf;
}

/** Mean and variance of each channel [C]; the variance as PyTorch averages it: divided by one less than the number of values. */
export interface Statistics {
  readonly mean: Tensor;
  readonly variance: Tensor;
}

/** Weight 1, bias 0, running mean 0, running variance 1. */
export function initBatchNorm(channels: number): BatchNorm<NdArray> {
  const all = (value: number) => constantInit([channels], value);
  return { weight: all(1), bias: all(0), runningMean: all(0), runningVariance: all(1) };
}

const epsilonDefault = 1e-5;

/**
 * Normalises each channel over the batch: (x - mean) / sqrt(var + epsilon), then a weight and a bias per channel.
 *
 * @param norm weight and bias, both [C], or both [B, C]
 * @param x [B, C, ...S]
 * @returns the normalised x, and what it was normalised by, for `runningStatistics`; no gradient flows through the latter
 * @throws ShapeError when x has no channels, or each channel has one value only
 * @example const { y, statistics } = batchNorm(params.norm, x);
 */
export function batchNorm(
  { weight, bias }: Required<Norm>,
  x: Tensor,
  { epsilon = epsilonDefault }: { readonly epsilon?: number } = {},
): { y: Tensor; statistics: Statistics } {
  const [batch, , ...spatial] = x.shape as [number, number, ...number[]];
  const count = spatial.reduce((a, b) => a * b, batch);
  if (x.shape.length < 2 || count < 2) {
    throw new ShapeError(
      "batchNorm",
      `expected [B, C, ...] with at least two values per channel, got ${typeName(x)}`,
      "Take larger batches.",
    );
  }
  const places = spatial.map((_, i) => i + 2);
  const axes = [0, ...places];
  const perChannel = (p: Tensor) => reshape(p, [...p.shape, ...spatial.map(() => 1)]); // [C] → [C, 1, ...], [B, C] → [B, C, 1, ...]
  const perExample = weight.shape.length === 2;
  const own = perExample ? places : axes; // what one weight is for
  const overAll = (p: Tensor) => (perExample ? sum(p, 0) : p); // [C]
  const measure = (input: Tensor) => {
    const mu = mean(input, axes);
    const centred = sub(input, perChannel(mu));
    return { mu, centred, variance: mean(square(centred), axes) };
  };
  // With y = g centred + bias and g = weight inv, where inv = 1 / sqrt(var + epsilon), and sums over what one weight is for:
  //   dbias = Σ dy,  dweight = inv Σ dy centred,  dx = g dy - Σ g dbias / n - centred inv Σ g dweight / n
  // where Σ g … is over all examples that have weights of their own.
  const normalize = customVjp(
    (input: Tensor, gain: Tensor, shift: Tensor) => {
      const { centred, variance } = measure(input);
      const inv = rsqrt(add(variance, epsilon));
      const value = add(mul(centred, perChannel(mul(gain, inv))), perChannel(shift));
      return { value, residuals: { centred, inv, gain } };
    },
    ({ centred, inv, gain }, dy) => {
      const dShift = sum(dy, own);
      const dGain = mul(inv, sum(mul(dy, centred), own));
      const scale = mul(gain, inv);
      const along = mul(mul(overAll(mul(scale, dGain)), inv), -1 / count);
      const constant = mul(overAll(mul(scale, dShift)), -1 / count);
      const dx = add(mul(dy, perChannel(scale)), add(mul(centred, perChannel(along)), perChannel(constant)));
      return [dx, dGain, dShift];
    },
  );
  const { mu, variance } = measure(stopGradient(x));
  return {
    y: normalize(x, weight, bias),
    statistics: { mean: mu, variance: mul(variance, count / (count - 1)) },
  };
}

/**
 * Moves the running averages towards the statistics of a batch, as PyTorch does: running + momentum (batch - running).
 *
 * @returns the new buffers, by the names of their leaves
 */
export function runningStatistics(
  { runningMean, runningVariance }: BatchNorm,
  { mean: mu, variance }: Statistics,
  momentum = 0.1,
): { readonly runningMean: Tensor; readonly runningVariance: Tensor } {
  const move = (running: Tensor, value: Tensor) => add(mul(running, 1 - momentum), mul(value, momentum));
  return { runningMean: move(stopGradient(runningMean), mu), runningVariance: move(stopGradient(runningVariance), variance) };
}

/**
 * Batch normalisation in inference: by the running averages, each example on its own.
 *
 * @param norm weight and bias, both [C], or both [B, C]
 * @param x [B, C, ...S]
 * @returns the shape of x
 */
export function batchNormInference(
  { weight, bias, runningMean, runningVariance }: BatchNorm,
  x: Tensor,
  { epsilon = epsilonDefault }: { readonly epsilon?: number } = {},
): Tensor {
  const perChannel = (p: Tensor) => reshape(p, [...p.shape, ...x.shape.slice(2).map(() => 1)]); // [C] → [C, 1, ...]
  const scale = mul(weight, rsqrt(add(runningVariance, epsilon)));
  return add(mul(x, perChannel(scale)), perChannel(sub(bias, mul(runningMean, scale))));
}
