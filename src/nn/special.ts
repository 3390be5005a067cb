/**
 * Logarithms of the gamma function as differences, which stay exact where the function itself is large: log Γ(1e4) has five digits
 * before the point, and single precision none left behind.
 *
 * Both follow Stirling's series at an argument raised by `raise`, where four terms are exact to single precision (Abramowitz &
 * Stegun 1964, 6.1.41), and take the factors of the raise off again. Gradients are those of the formulas.
 */
import type { Tensor } from "../core/tensor.ts";
import { abs, add, clamp, div, less, log, log1p, mul, square, sub, type TensorLike, where } from "../ops/index.ts";

const raise = 5;

/** What Stirling's series adds to (z - ½) log z - z + ½ log 2π. */
function stirlingRest(z: Tensor): Tensor {
  const inverse = div(1, z);
  const s = square(inverse);
  return mul(inverse, add(mul(add(mul(s, 1 / 1260), -1 / 360), s), 1 / 12));
}

/** What the raise takes off again, and what Stirling's series adds: log Γ(a + x) - log Γ(a) less its large parts. */
function ratioRest(a: Tensor, x: TensorLike): Tensor {
  const b = add(a, raise);
  let rest = sub(stirlingRest(add(b, x)), stirlingRest(b));
  for (let i = 0; i < raise; i++) rest = sub(rest, log1p(div(x, add(a, i))));
  return rest;
}

/**
 * log Γ(a + x) - log Γ(a), element by element.
 *
 * @param a above 0
 * @param x 0 or more
 */
export function logGammaRatio(a: Tensor, x: TensorLike): Tensor {
  const b = add(a, raise);
  const large = add(mul(sub(b, 0.5), log1p(div(x, b))), sub(mul(x, log(add(b, x))), x));
  return add(ratioRest(a, x), large);
}

/** x log(x + 1) - x - log x!, element by element: no more than a few units and the logarithm of x. */
function factorialRest(x: Tensor): Tensor {
  const z = add(x, 1 + raise);
  let rest = sub(mul(x, log1p(div(-raise, z))), add(mul(log(z), 0.5), stirlingRest(z)));
  for (let i = 1; i <= raise; i++) rest = add(rest, log(div(add(x, i), z)));
  return add(rest, raise + 1 - 0.5 * Math.log(2 * Math.PI));
}

/** log (1 + d), where 1 + d is also given as a quotient: whichever is exact. */
function logOf(quotient: Tensor, d: Tensor): Tensor {
  return where(less(abs(d), 0.5), log1p(clamp(d, -0.5, 0.5)), log(quotient));
}

/**
 * log Γ(x + r) - log Γ(r) - log x! + r log(r / (r + m)) + x log(m / (r + m)): the log-probability of a count under a negative binomial
 * distribution of mean m and shape r.
 *
 * What grows with the count is gathered in two logarithms of quotients, which are near 1 where x is near m; how far from 1 they are is
 * computed without a difference of large numbers.
 */
export function negativeBinomialTerms(x: Tensor, m: Tensor, r: Tensor): Tensor {
  const b = add(r, raise);
  const [all, next] = [add(r, m), add(x, 1)];
  const distance = mul(r, sub(x, m));
  const first = mul(b, all);
  const ofShape = logOf(div(mul(div(add(b, x), b), r), all), div(sub(distance, mul(m, raise)), first));
  const second = mul(all, next);
  const ofCount = logOf(div(mul(div(add(b, x), all), m), next), div(sub(mul(m, raise - 1), add(distance, r)), second));
  const large = add(add(mul(r, ofShape), mul(x, ofCount)), mul(log1p(div(x, b)), raise - 0.5));
  return add(add(ratioRest(r, x), large), factorialRest(x));
}
