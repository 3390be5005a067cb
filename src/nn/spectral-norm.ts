/**
 * Spectral normalisation (Miyato et al. 2018): a weight divided by its largest singular value, so that a layer can stretch no
 * direction. A network of such layers is Lipschitz, which keeps a GAN's discriminator from becoming infinitely sure.
 *
 * The singular value is found by power iteration: a vector u that is kept from step to step (a buffer: no gradient reaches it)
 * turns towards the singular direction by one iteration a training step, which suffices as weights change little in a step.
 */
import { stopGradient } from "../core/builtin.ts";
import type { Tensor } from "../core/tensor.ts";
import { div, matmul, maximum, mul, reshape, sqrt, sum } from "../ops/index.ts";
import type { NdArray } from "../util/ndarray.ts";
import type { Key } from "../util/random.ts";
import { normalInit } from "./init.ts";

/** A vector of length 1 to start from: [rows]. */
export function initPowerIteration(key: Key, rows: number): NdArray {
  const drawn = normalInit(key, [rows], 1);
  const data = drawn.data as Float32Array;
  const length = Math.hypot(...data);
  return { ...drawn, data: data.map((value) => value / length) };
}

const smallest = 1e-12;
/** x / |x| */
const unit = (x: Tensor): Tensor => div(x, maximum(sqrt(sum(mul(x, x))), smallest));

/**
 * A weight divided by its largest singular value σ, taken as a matrix of its first axis against all others. The gradient
 * counts σ's dependence on the weight, with the singular directions held fixed, as in the paper.
 *
 * @param weight [O, ...]
 * @param u [O], of length 1
 * @param options.iterate whether to turn u first, as a training step does once; without, σ is measured along u as it is
 * @returns the normalised weight, and u after the iteration
 * @example const { normal, u } = spectralNorm(params.weight, params.u, { iterate: true });
 */
export function spectralNorm(
  weight: Tensor,
  u: Tensor,
  { iterate }: { readonly iterate: boolean },
): { readonly normal: Tensor; readonly u: Tensor } {
  const rows = weight.shape[0] as number;
  const matrix = reshape(weight, [rows, -1]); // [O, N]
  const fixed = stopGradient(matrix);
  const along = (row: Tensor): Tensor => unit(matmul(row, fixed)); // [1, O] → [1, N]
  const given = reshape(stopGradient(u), [1, rows]);
  const right = along(given); // [1, N]
  const left = iterate ? unit(matmul(right, fixed, { transposeB: true })) : given; // [1, O]
  const sigma = sum(mul(matmul(left, matrix), right));
  return { normal: div(weight, sigma), u: reshape(left, [rows]) };
}
