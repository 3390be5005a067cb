/**
 * Logarithms of the gamma function as differences, which stay exact where the function itself is large: log Γ(1e4) has five digits
 * before the point, and single precision none left behind.
 *
 * Both follow Stirling's series at an argument raised by `raise`, where four terms are exact to single precision (Abramowitz &
 * Stegun 1964, 6.1.41), and take the factors of the raise off again. Gradients are those of the formulas.
 */
import type { Tensor } from "../core/tensor.ts";
import { add, div, log, log1p, mul, square, sub, type TensorLike } from "../ops/index.ts";

const raise = 5;

/** What Stirling's series adds to (z - ½) log z - z + ½ log 2π. */
function stirlingRest(z: Tensor): Tensor {
  const inverse = div(1, z);
  const s = square(inverse);
  return mul(inverse, add(mul(add(mul(s, 1 / 1260), -1 / 360), s), 1 / 12));
}

/**
 * log Γ(a + x) - log Γ(a) - (x log(a + raise + x) - x): the difference less its largest part, which `logGammaRatio` adds and others
 * cancel first.
 */
function ratioRest(a: Tensor, x: TensorLike): { readonly rest: Tensor; readonly raised: Tensor } {
  const b = add(a, raise);
  const raised = add(b, x);
  let rest = add(mul(sub(b, 0.5), log1p(div(x, b))), sub(stirlingRest(raised), stirlingRest(b)));
  for (let i = 0; i < raise; i++) rest = sub(rest, log1p(div(x, add(a, i))));
  return { rest, raised };
}

/**
 * log Γ(a + x) - log Γ(a), element by element.
 *
 * @param a above 0
 * @param x 0 or more
 */
export function logGammaRatio(a: Tensor, x: TensorLike): Tensor {
  const { rest, raised } = ratioRest(a, x);
  return add(rest, sub(mul(x, log(raised)), x));
}

/** x log(x + 1) - x - log x!, element by element: no more than a few units and the logarithm of x. */
function factorialRest(x: Tensor): Tensor {
  const z = add(x, 1 + raise);
  let rest = sub(mul(x, log1p(div(-raise, z))), add(mul(log(z), 0.5), stirlingRest(z)));
  for (let i = 1; i <= raise; i++) rest = add(rest, log(div(add(x, i), z)));
  return add(rest, raise + 1 - 0.5 * Math.log(2 * Math.PI));
}

/**
 * log Γ(x + r) - log Γ(r) - log x! + r log(r / (r + m)) + x log(m / (r + m)): the log-probability of a count under a negative binomial
 * distribution of mean m and shape r, where the large parts cancel before they are computed.
 */
export function negativeBinomialTerms(x: Tensor, m: Tensor, r: Tensor): Tensor {
  const { rest, raised } = ratioRest(r, x);
  const near = mul(x, add(log(div(raised, add(r, m))), log(div(m, add(x, 1)))));
  return add(add(sub(rest, mul(r, log1p(div(m, r)))), near), factorialRest(x));
}
