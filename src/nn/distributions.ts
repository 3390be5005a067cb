/**
 * Probability distributions: log-probabilities, entropies and divergences, in nats.
 *
 * All work element by element and broadcast, unless a last axis is named. Sum over the axes that make up one observation.
 */
import { constant } from "../core/builtin.ts";
import { ShapeError, type Tensor, typeName } from "../core/tensor.ts";
import {
  add,
  and,
  div,
  exp,
  expm1,
  greater,
  less,
  log,
  log1p,
  logSoftmax,
  logsumexp,
  maximum,
  mul,
  neg,
  reshape,
  sigmoid,
  softplus,
  square,
  sub,
  sum,
  type TensorLike,
  takeAlongAxis,
  where,
} from "../ops/index.ts";
import { ndarray } from "../util/ndarray.ts";
import { logGammaRatio, negativeBinomialTerms } from "./special.ts";

/** A normal distribution by its mean and the logarithm of its variance. */
export interface Gaussian {
  readonly mean: TensorLike;
  readonly logVariance: Tensor;
}

const logTwoPi = Math.log(2 * Math.PI);

/** Log-density of x: -½ (log 2π + log σ² + (x - μ)² / σ²). */
export function gaussianLogProb({ mean, logVariance }: Gaussian, x: Tensor): Tensor {
  const distance = mul(square(sub(x, mean)), exp(neg(logVariance)));
  return mul(add(add(distance, logVariance), logTwoPi), -0.5);
}

/** Differential entropy: ½ (1 + log 2π + log σ²). */
export const gaussianEntropy = ({ logVariance }: Pick<Gaussian, "logVariance">): Tensor =>
  mul(add(logVariance, 1 + logTwoPi), 0.5);

/** KL divergence of one normal distribution from another: KL(p ‖ q). */
export function gaussianDivergence(p: Gaussian, q: Gaussian): Tensor {
  const ratio = sub(p.logVariance, q.logVariance); // log of σp² / σq²
  const distance = mul(square(sub(p.mean, q.mean)), exp(neg(q.logVariance)));
  return mul(sub(add(exp(ratio), distance), add(ratio, 1)), 0.5);
}

/** Student's t distribution, moved and stretched. */
export interface StudentT {
  readonly mean: Tensor;
  readonly scale: Tensor;
  /** Degrees of freedom; the variance is finite above 2. */
  readonly degrees: Tensor;
}

/** Log-density of x: log Γ((ν + 1)/2) - log Γ(ν/2) - ½ log(ν π) - log σ - (ν + 1)/2 log(1 + ((x - μ)/σ)²/ν). */
export function studentTLogProb({ mean, scale, degrees }: StudentT, x: Tensor): Tensor {
  const distance = div(square(div(sub(x, mean), scale)), degrees);
  const tails = mul(mul(add(degrees, 1), 0.5), log1p(distance));
  const normaliser = add(mul(add(log(degrees), Math.log(Math.PI)), 0.5), log(scale));
  return sub(sub(logGammaRatio(mul(degrees, 0.5), 0.5), normaliser), tails);
}

/** Counts whose variance is mean + dispersion mean²: Poisson's with a rate that is Gamma's. */
export interface NegativeBinomial {
  readonly mean: Tensor;
  /** Above 0; Poisson's distribution as it vanishes. */
  readonly dispersion: Tensor;
}

/** Log-probability of counts x (0, 1, 2, …). */
export const negativeBinomialLogProb = ({ mean, dispersion }: NegativeBinomial, x: Tensor): Tensor =>
  negativeBinomialTerms(x, mean, div(1, dispersion));

/**
 * Pinball loss of quantiles: level × what they are too low by, or (1 - level) × what they are too high by (Koenker & Bassett 1978).
 *
 * @param quantiles [..., K]
 * @param x [...]
 * @param levels K numbers between 0 and 1
 * @returns [..., K]
 */
export function pinballLoss(quantiles: Tensor, x: Tensor, levels: readonly number[]): Tensor {
  const distance = sub(reshape(x, [...x.shape, 1]), quantiles);
  const level = constant(ndarray("float32", [levels.length], levels));
  return maximum(mul(distance, level), mul(distance, sub(level, 1)));
}

/** Log-probability of x (0 or 1, or in between) when 1 has the log-odds `logits`: x l - log(1 + e^l). */
export const bernoulliLogProb = (logits: Tensor, x: Tensor): Tensor => sub(mul(x, logits), softplus(logits));

/** Entropy of a yes or no with these log-odds. */
export const bernoulliEntropy = (logits: Tensor): Tensor => sub(softplus(logits), mul(logits, sigmoid(logits)));

/**
 * Log-probability of each class drawn.
 *
 * @param logits [..., V]
 * @param classes int32 [...]
 * @returns [...]
 */
export function categoricalLogProb(logits: Tensor, classes: Tensor): Tensor {
  return reshape(takeAlongAxis(logSoftmax(logits), reshape(classes, [...classes.shape, 1])), classes.shape);
}

/** Entropy over the last axis: logits [..., V] → [...] */
export function categoricalEntropy(logits: Tensor): Tensor {
  const logs = logSoftmax(logits);
  return neg(sum(mul(exp(logs), logs), -1));
}

/** A logistic distribution by its mean and the logarithm of its scale. */
export interface Logistic {
  readonly mean: Tensor;
  /** Held above -7, as in PixelCNN++. */
  readonly logScale: Tensor;
}

/**
 * Log-probability of values under a discretised logistic distribution: the mass that falls into each value's bin, where the first
 * and the last bin reach to infinity.
 *
 * With a and b the scaled edges of a bin, its mass is σ(a) - σ(b) = σ(a) σ(-b) (1 - e^(b - a)), whose logarithm is exact for
 * every scale, so that no bin needs the density in place of its mass.
 *
 * @param x values scaled to [-1, 1]; broadcasts against mean and scale
 * @param levels how many values there are: 256 for bytes
 */
export function logisticLogProb(
  { mean, logScale }: Logistic,
  x: Tensor,
  { levels = 256 }: { readonly levels?: number } = {},
): Tensor {
  const half = 1 / (levels - 1); // half a bin
  const precision = exp(neg(maximum(logScale, -7)));
  const centred = sub(x, mean);
  const above = mul(add(centred, half), precision);
  const below = mul(sub(centred, half), precision);
  const notFirst = greater(x, -1 + half);
  const notLast = less(x, 1 - half);

  const upTo = where(notLast, softplus(neg(above)), 0); // -log σ(a)
  const from = where(notFirst, softplus(below), 0); // -log σ(-b)
  const within = where(and(notFirst, notLast), log(neg(expm1(mul(precision, -2 * half)))), 0);
  return sub(within, add(upTo, from));
}

/** A mixture of M components, each a product of logistic distributions over D channels. */
export interface LogisticMixture {
  /** Log-weights of the components, up to a constant: [..., M]. */
  readonly logits: Tensor;
  /** [..., D, M] */
  readonly means: Tensor;
  /** Logarithms of the scales [..., D, M]; held above -7, as in PixelCNN++. */
  readonly logScales: Tensor;
}

/**
 * Log-probability of pixel values under a discretised mixture of logistics (Salimans et al. 2017, PixelCNN++): the mass that
 * falls into each value's bin (see `logisticLogProb`). Channels that depend on each other (as PixelCNN++ has them) enter through
 * the means.
 *
 * @param x [..., D], values scaled to [-1, 1]
 * @param levels how many values there are: 256 for bytes
 * @returns [...]
 * @throws ShapeError when the mixture's shapes do not fit x
 */
export function logisticMixtureLogProb(
  { logits, means, logScales }: LogisticMixture,
  x: Tensor,
  { levels = 256 }: { readonly levels?: number } = {},
): Tensor {
  const components = logits.shape.at(-1);
  const wanted = [...x.shape, components];
  if ([means, logScales].some((t) => `${t.shape}` !== `${wanted}`)) {
    throw new ShapeError(
      "logisticMixtureLogProb",
      `expected means and logScales [${wanted}] for x ${typeName(x)} and logits ${typeName(logits)}, got ${typeName(means)} and ${typeName(logScales)}`,
    );
  }
  const value = reshape(x, [...x.shape, 1]); // [..., D, 1]
  const bins = logisticLogProb({ mean: means, logScale: logScales }, value, { levels }); // [..., D, M]
  return logsumexp(add(logSoftmax(logits), sum(bins, -2)), -1);
}
