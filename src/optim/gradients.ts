/** What happens to gradients and parameters around the optimizer: clipping, accumulation, averaging. */

import { scan } from "../core/scan.ts";
import { isTensor, type Tensor } from "../core/tensor.ts";
import { add, div, minimum, mul, reshape, slice, sqrt, square, sub, sum, zeros } from "../ops/index.ts";
import { flatten, mapTree, type Tree, zipTrees } from "../util/tree.ts";

/** The Euclidean norm of all leaves together: float32 scalar. */
export function globalNorm(tree: Tree<Tensor>): Tensor {
  const squares = flatten(tree, isTensor).map(({ leaf }) => sum(square(leaf)));
  return sqrt(squares.reduce((a, b) => add(a, b)));
}

/**
 * The factor that keeps the gradients' global norm within `maxNorm` (Pascanu et al. 2013; PyTorch's clip_grad_norm_).
 *
 * Optimizers fold the factor into scalars, which is cheaper than scaling every gradient.
 *
 * @returns the norm before clipping and the factor, float32 scalars
 */
export function clipScale(grads: Tree<Tensor>, maxNorm: number): { norm: Tensor; scale: Tensor } {
  const norm = globalNorm(grads);
  return { norm, scale: minimum(div(maxNorm, add(norm, 1e-6)), 1) };
}

/** Exponential moving average of parameters: `average` moves towards `params` by 1 - decay. */
export function updateAverage(average: Tree<Tensor>, params: Tree<Tensor>, decay: number | Tensor): Tree<Tensor> {
  return zipTrees([average, params], isTensor, ([a, p]) => add(a as Tensor, mul(sub(p as Tensor, a as Tensor), sub(1, decay))));
}

/**
 * Runs a function over micro-batches (leading axis K of every leaf) one after the other and averages what it returns, so that
 * a large batch needs the memory of a small one.
 *
 * @param fn maps one micro-batch to a tree of float32 tensors (loss, gradients)
 */
export function accumulateMean<Batch, Out>(fn: (micro: Batch) => Out, batch: Batch, micros: number): Out {
  if (micros === 1) return fn(mapTree(batch, isTensor, firstOf) as unknown as Batch);
  // One traced call tells the structure; the loop starts from zeros of it.
  const shape = fn(mapTree(batch, isTensor, firstOf) as unknown as Batch);
  const start = mapTree(shape, isTensor, (leaf: Tensor) => zeros(leaf.shape)) as unknown as Out;
  const [total] = scan(
    (sums: Out, micro: Batch) =>
      [zipTrees([sums, fn(micro)], isTensor, ([a, b]) => add(a as Tensor, b as Tensor)) as unknown as Out, []] as const,
    start,
    batch,
  );
  return mapTree(total, isTensor, (leaf: Tensor) => mul(leaf, 1 / micros)) as unknown as Out;
}

/** The first element of the leading axis. */
function firstOf(x: Tensor): Tensor {
  return reshape(slice(x, { 0: { stop: 1 } }), x.shape.slice(1));
}
