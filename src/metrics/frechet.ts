/**
 * Fréchet distance of features: how far two sets of pictures are apart, each seen as one Gaussian in a space of features (FID:
 * Heusel et al. 2017, arXiv:1706.08500; the distance of Gaussians: Dowson & Landau 1982).
 *
 *   |m₁ - m₂|² + Tr(S₁ + S₂ - 2 (S₁ S₂)^½)
 *
 * S₁ S₂ has the eigenvalues of S₁^½ S₂ S₁^½, which is symmetric and has none below zero, so that the trace is the sum of their
 * square roots: real and exact also where covariances are singular, as with fewer examples than features. (The root of the
 * product itself, as scipy's sqrtm takes it, becomes complex there.)
 *
 * Legend: N examples, D features.
 */
import { EigenvalueDecomposition, Matrix } from "ml-matrix";
import { HeptagenError } from "../util/errors.ts";
import type { NdArray } from "../util/ndarray.ts";
import { checkFeatures } from "./features.ts";

/** Mean and covariance of features, in double precision. */
export interface Gaussian {
  /** [D] */
  readonly mean: Float64Array;
  /** [D, D], divided by N - 1. */
  readonly covariance: Float64Array;
}

/**
 * The Gaussian that a set of features is seen as.
 *
 * @param features float32 [N, D]
 * @throws HeptagenError `metrics/features` for fewer than two examples or another shape
 */
export function gaussianOf(features: NdArray): Gaussian {
  const [count, width] = checkFeatures("gaussianOf", features, 2);
  const { data } = features;
  const mean = new Float64Array(width);
  for (let i = 0; i < count; i++) for (let d = 0; d < width; d++) mean[d] = (mean[d] as number) + Number(data[i * width + d]);
  for (let d = 0; d < width; d++) mean[d] = (mean[d] as number) / count;
  const covariance = new Float64Array(width * width);
  const centred = new Float64Array(width);
  for (let i = 0; i < count; i++) {
    for (let d = 0; d < width; d++) centred[d] = Number(data[i * width + d]) - (mean[d] as number);
    for (let a = 0; a < width; a++) {
      const value = centred[a] as number;
      if (value === 0) continue;
      for (let b = a; b < width; b++)
        covariance[a * width + b] = (covariance[a * width + b] as number) + value * (centred[b] as number);
    }
  }
  for (let a = 0; a < width; a++) {
    for (let b = a; b < width; b++) {
      const value = (covariance[a * width + b] as number) / (count - 1);
      covariance[a * width + b] = value;
      covariance[b * width + a] = value;
    }
  }
  return { mean, covariance };
}

/**
 * Fréchet distance between two Gaussians, in squared units of the features; 0 for equal ones.
 *
 * @throws HeptagenError `metrics/features` when their sizes differ
 */
export function gaussianDistance(a: Gaussian, b: Gaussian): number {
  const width = a.mean.length;
  if (b.mean.length !== width) {
    throw new HeptagenError("metrics/features", `expected as many features in both sets, got ${width} and ${b.mean.length}`);
  }
  let distance = 0;
  for (let d = 0; d < width; d++) distance += ((a.mean[d] as number) - (b.mean[d] as number)) ** 2;
  const [first, second] = [a, b].map(({ covariance }) => Matrix.from1DArray(width, width, covariance)) as [Matrix, Matrix];
  const { eigenvectorMatrix: axes, realEigenvalues: variances } = new EigenvalueDecomposition(first, { assumeSymmetric: true });
  const roots = variances.map((variance) => Math.sqrt(Math.max(0, variance)));
  // With S₁ = V diag(l) Vᵀ, S₁^½ S₂ S₁^½ has the eigenvalues of diag(√l) Vᵀ S₂ V diag(√l).
  const middle = axes.transpose().mmul(second).mmul(axes).mulRowVector(roots).mulColumnVector(roots);
  const symmetric = Matrix.add(middle, middle.transpose()).mul(0.5);
  const squares = new EigenvalueDecomposition(symmetric, { assumeSymmetric: true }).realEigenvalues;
  const overlap = squares.reduce((sum, value) => sum + Math.sqrt(Math.max(0, value)), 0);
  return Math.max(0, distance + first.trace() + second.trace() - 2 * overlap);
}

/**
 * Fréchet distance between two sets of features. It is biased: fewer examples give larger distances, so compare at equal numbers.
 *
 * @param a float32 [N, D], at least two examples
 * @param b float32 [M, D]
 * @throws HeptagenError `metrics/features`
 * @example frechetDistance(featuresOfReal, featuresOfMade)
 */
export function frechetDistance(a: NdArray, b: NdArray): number {
  return gaussianDistance(gaussianOf(a), gaussianOf(b));
}
