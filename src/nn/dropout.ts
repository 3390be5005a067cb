/** Dropout (Srivastava et al. 2014). */
import { bernoulli, type TracedKey } from "../core/random.ts";
import type { Tensor } from "../core/tensor.ts";
import { cast, mul } from "../ops/index.ts";

/**
 * Zeroes elements with probability `rate` and scales the others up to keep the mean. Without a key (evaluation, sampling) it
 * does nothing.
 */
export function dropout(x: Tensor, rate: number, key: TracedKey | undefined): Tensor {
  if (!key || rate === 0) return x;
  return mul(x, mul(cast(bernoulli(key, 1 - rate, x.shape), "float32"), 1 / (1 - rate)));
}
