/**
 * Samples of distributions whose parameters are tensors, made of uniform numbers that come from outside: so draws work inside a loop,
 * where each step is given numbers of its own.
 *
 * Papers: Box & Muller 1958 (normal), Bailey 1994 (Student's t), Marsaglia & Tsang 2000 (gamma), Cornish & Fisher 1938 (quantiles near
 * the normal's).
 *
 * Legend: noise [..., N] uniform in [0, 1), N numbers for each draw [...].
 */
import type { Tensor } from "../core/tensor.ts";
import {
  add,
  and,
  cast,
  cos,
  div,
  exp,
  greater,
  greaterEqual,
  less,
  log,
  maximum,
  minimum,
  mul,
  neg,
  reshape,
  round,
  slice,
  sqrt,
  square,
  sub,
  where,
} from "../ops/index.ts";
import type { NegativeBinomial, StudentT } from "./distributions.ts";

/** Column i of the noise, [...]. */
const column = (noise: Tensor, i: number): Tensor =>
  reshape(slice(noise, { [-1]: { start: i, stop: i + 1 } }), noise.shape.slice(0, -1));

/** In (0, 1], so that its logarithm is finite. */
const positive = (u: Tensor): Tensor => sub(1, u);

/** Standard normal numbers out of 2 uniform ones each. */
export const drawNormal = (noise: Tensor): Tensor => normalOf(column(noise, 0), column(noise, 1));

const normalOf = (u: Tensor, v: Tensor): Tensor => mul(sqrt(mul(log(positive(u)), -2)), cos(mul(v, 2 * Math.PI)));

/** Draws of Student's t distribution out of 2 uniform numbers each: √(ν (u^(-2/ν) - 1)) cos 2πv. */
export function drawStudentT({ mean, scale, degrees }: StudentT, noise: Tensor): Tensor {
  const power = exp(div(mul(log(positive(column(noise, 0))), -2), degrees));
  const radius = sqrt(mul(degrees, maximum(sub(power, 1), 0)));
  return add(mean, mul(scale, mul(radius, cos(mul(column(noise, 1), 2 * Math.PI)))));
}

/** Candidates of a gamma draw: each is refused with less than one chance in twenty. */
const candidates = 6;
/** Uniform numbers for each draw of a negative binomial distribution. */
export const negativeBinomialNoise = 1 + 3 * candidates + 2;

/**
 * Counts out of `negativeBinomialNoise` uniform numbers each: a gamma draw is the rate of a Poisson draw. Rates from `large` on take
 * quantiles by the Cornish–Fisher expansion, off by a small part of a count.
 */
export function drawNegativeBinomial({ mean, dispersion }: NegativeBinomial, noise: Tensor): Tensor {
  const shape = div(1, dispersion);
  const rate = mul(mul(gammaOf(shape, noise), dispersion), mean);
  const last = negativeBinomialNoise - 2;
  const normal = normalOf(column(noise, last), column(noise, last + 1));
  return where(
    less(rate, large),
    smallPoisson(minimum(rate, large), column(noise, last)),
    largePoisson(maximum(rate, 1), normal),
  );
}

/** Gamma(shape, 1), as Gamma(shape + 1) u^(1/shape). */
function gammaOf(shape: Tensor, noise: Tensor): Tensor {
  const d = add(shape, 2 / 3);
  const c = div(1, sqrt(mul(d, 9)));
  let cube: Tensor | undefined;
  for (let k = candidates - 1; k >= 0; k--) {
    const x = normalOf(column(noise, 1 + 3 * k), column(noise, 2 + 3 * k));
    const root = add(mul(c, x), 1);
    const v = mul(root, square(root));
    const bound = add(mul(square(x), 0.5), mul(d, add(sub(1, v), log(maximum(v, 1e-30)))));
    const taken = and(greater(root, 0), less(log(positive(column(noise, 3 + 3 * k))), bound));
    // The first that is taken; where none is, the last.
    cube = cube ? where(taken, v, cube) : maximum(v, 0);
  }
  return mul(mul(d, cube as Tensor), exp(div(log(positive(column(noise, 0))), shape)));
}

const large = 12;
/** A count of Poisson's with rate `large` is above this less than once in 10^10. */
const mostSmall = 44;

/** The first count whose cumulative probability is above u. */
function smallPoisson(rate: Tensor, u: Tensor): Tensor {
  let probability = exp(neg(rate));
  let cumulative = probability;
  let counted = cast(greaterEqual(u, cumulative), "float32");
  for (let k = 1; k <= mostSmall; k++) {
    probability = mul(probability, mul(rate, 1 / k));
    cumulative = add(cumulative, probability);
    counted = add(counted, cast(greaterEqual(u, cumulative), "float32"));
  }
  return counted;
}

function largePoisson(rate: Tensor, z: Tensor): Tensor {
  const skew = mul(add(square(z), -1), 1 / 6);
  const third = div(mul(sub(z, mul(z, square(z))), 1 / 72), sqrt(rate));
  return maximum(round(add(add(rate, mul(sqrt(rate), z)), add(skew, third))), 0);
}
