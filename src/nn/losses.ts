/** Losses. Each returns the mean over what counts, a float32 scalar, unless said otherwise. */
import { ShapeError, type Tensor, typeName } from "../core/tensor.ts";
import {
  abs,
  add,
  cast,
  div,
  equal,
  exp,
  log,
  logSoftmax,
  maximum,
  mean,
  minimum,
  mul,
  neg,
  not,
  relu,
  reshape,
  softplus,
  square,
  sub,
  sum,
  type TensorLike,
  takeAlongAxis,
  where,
} from "../ops/index.ts";
import { sameShape } from "../util/ndarray.ts";

export interface CrossEntropyOptions {
  /** Targets with this value do not count; -1 unless told. */
  readonly ignoreIndex?: number;
  /** Share of each target's probability spread over all classes (Szegedy et al. 2016). */
  readonly labelSmoothing?: number;
}

/**
 * Cross-entropy of each position, and whether it counts.
 *
 * @param logits [..., V]
 * @param targets int32 [...], from 0 to V - 1 (checked when the graph runs) or `ignoreIndex`
 * @returns `losses` [N] (0 where it does not count) and `counted` [N] (1 or 0), N positions in all
 */
export function crossEntropies(
  logits: Tensor,
  targets: Tensor,
  { ignoreIndex = -1, labelSmoothing = 0 }: CrossEntropyOptions = {},
): { losses: Tensor; counted: Tensor } {
  const classes = logits.shape.at(-1) as number;
  if (!sameShape(logits.shape.slice(0, -1), targets.shape) || targets.dtype !== "int32") {
    throw new ShapeError(
      "crossEntropy",
      `expected logits [..., V] and int32 targets [...], got ${typeName(logits)} and ${typeName(targets)}`,
    );
  }
  const flat = reshape(targets, [-1]); // [N]
  const ignored = equal(flat, ignoreIndex);
  const counted = cast(not(ignored), "float32");
  const places = reshape(maximum(where(ignored, 0, flat), 0), [-1, 1]); // [N, 1]
  const logs = logSoftmax(reshape(logits, [-1, classes])); // [N, V]
  const chosen = neg(reshape(takeAlongAxis(logs, places), [-1]));
  const losses = labelSmoothing === 0 ? chosen : add(mul(chosen, 1 - labelSmoothing), mul(mean(logs, -1), -labelSmoothing));
  return { losses: mul(losses, counted), counted };
}

/** Mean cross-entropy over the positions that count; see `crossEntropies`. */
export function crossEntropy(logits: Tensor, targets: Tensor, options: CrossEntropyOptions = {}): Tensor {
  const { losses, counted } = crossEntropies(logits, targets, options);
  return div(sum(losses), maximum(sum(counted), 1));
}

/** Mean squared error. */
export const meanSquaredError = (x: Tensor, y: Tensor): Tensor => mean(square(sub(x, y)));

/** Mean absolute error. */
export const meanAbsoluteError = (x: Tensor, y: Tensor): Tensor => mean(abs(sub(x, y)));

/** Quadratic up to `delta` from the target, linear beyond (Huber 1964). */
export function huber(x: Tensor, y: Tensor, delta = 1): Tensor {
  const distance = abs(sub(x, y));
  const near = minimum(distance, delta);
  return mean(mul(near, sub(distance, mul(near, 0.5))));
}

/** Binary cross-entropy of logits against probabilities y, safe for large logits: log(1 + e^x) - x y. */
export const bceWithLogits = (x: Tensor, y: Tensor): Tensor => mean(sub(softplus(x), mul(x, y)));

/** Binary cross-entropy of probabilities p against y; logarithms are held above -100, as in PyTorch. */
export const bce = (p: Tensor, y: Tensor): Tensor =>
  neg(mean(add(mul(y, maximum(log(p), -100)), mul(sub(1, y), maximum(log(sub(1, p)), -100)))));

/** KL divergence of N(mean, e^logVariance) from N(0, 1), summed over the last axis: [..., Z] → [...] */
export const gaussianKl = (mu: Tensor, logVariance: Tensor): Tensor =>
  mul(sum(sub(sub(add(square(mu), exp(logVariance)), 1), logVariance), -1), 0.5);

/** Hinge loss of scores against signs y of -1 or 1: max(0, 1 - y x). GANs use it with y = 1 for real, -1 for generated. */
export const hinge = (x: Tensor, y: TensorLike): Tensor => mean(relu(sub(1, mul(x, y))));
