/** Clipping gradients by their global norm (Pascanu et al. 2013). */
import { isTensor, ShapeError, type Tensor } from "../core/tensor.ts";
import { add, div, minimum, mul, sqrt, sum } from "../ops/index.ts";
import { HeptagenError } from "../util/errors.ts";
import { flatten, mapTree } from "../util/tree.ts";

/**
 * Euclidean norm of all gradients as if they were one vector: a float32 scalar.
 *
 * @throws ShapeError when the tree holds no tensor
 */
export function globalNorm(grads: unknown): Tensor {
  const squares = flatten(grads, isTensor).map(({ leaf }) => sum(mul(leaf, leaf)));
  if (squares.length === 0) throw new ShapeError("globalNorm", "expected a tree with at least one tensor, got none");
  return sqrt(squares.reduce((a, b) => add(a, b)));
}

/**
 * What clipping multiplies gradients by: min(1, maxNorm / (norm + 1e-6)), as PyTorch has it. Give it to an optimizer as
 * `gradientScale`, which saves a pass over every gradient. For `maxNorm` Infinity it is 1.
 *
 * @throws HeptagenError `optim/option` when `maxNorm` is not above 0
 */
export function clipFactor(norm: Tensor, maxNorm: number): Tensor {
  if (!(maxNorm > 0)) {
    throw new HeptagenError("optim/option", `clipFactor: expected maxNorm above 0, got ${maxNorm}`, {
      next: "Use Infinity to leave gradients as they are.",
    });
  }
  // For Infinity, the largest float32 stands in: infinity over infinity would not be a number.
  return minimum(div(Math.min(maxNorm, 3e38), add(norm, 1e-6)), 1);
}

/**
 * Scales gradients down to a global norm of at most `maxNorm`.
 *
 * @returns the scaled gradients, the norm before, and the factor: where an optimizer updates, pass it the gradients as they
 * were with this factor as `gradientScale` instead of the scaled ones
 * @example const { grads: clipped, norm } = clipByGlobalNorm(grads, 1);
 */
export function clipByGlobalNorm<Grads>(grads: Grads, maxNorm: number): { grads: Grads; norm: Tensor; factor: Tensor } {
  const norm = globalNorm(grads);
  const factor = clipFactor(norm, maxNorm);
  return { grads: mapTree(grads, isTensor, (g: Tensor) => mul(g, factor)) as Grads, norm, factor };
}
