/**
 * Kernel distance of features (KID: Bińkowski et al. 2018, arXiv:1801.01401): the squared maximum mean discrepancy under the kernel
 * (x·y / D + 1)³. Unlike the Fréchet distance it assumes no Gaussians and is unbiased: around 0, and at times below, for two sets
 * of the same kind, whatever their sizes.
 *
 * Legend: N and M examples, D features, n examples of a subset.
 */
import { HeptagenError } from "../util/errors.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold, type Key, key, randint } from "../util/random.ts";
import { checkFeatures } from "./features.ts";

export interface KernelDistanceOptions {
  /** How many subsets are drawn; 100 unless told, as in the paper. */
  readonly subsets?: number;
  /** Examples of each set in a subset; unless told 1,000, or half of the smaller set where that is less. */
  readonly size?: number;
  /** What subsets are drawn by. */
  readonly key?: Key;
}

const usualSize = 1000;

/** Mean over subsets, and their standard deviation. */
export interface KernelDistance {
  readonly mean: number;
  readonly deviation: number;
}

/**
 * Kernel distance between two sets of features: mean and standard deviation over subsets drawn without replacement.
 *
 * Takes 4 (N² + N M + M²) bytes.
 *
 * @param a float32 [N, D], at least two examples
 * @param b float32 [M, D], at least two examples
 * @throws HeptagenError `metrics/features`, `metrics/count`
 * @example const { mean, deviation } = kernelDistance(featuresOfReal, featuresOfMade);
 */
export function kernelDistance(
  a: NdArray,
  b: NdArray,
  { subsets = 100, size, key: root = key(0) }: KernelDistanceOptions = {},
): KernelDistance {
  const [countA, width] = checkFeatures("kernelDistance", a, 2);
  const [countB] = checkFeatures("kernelDistance", b, 2, width);
  const smaller = Math.min(countA, countB);
  const n = Math.min(size ?? Math.min(usualSize, Math.max(2, Math.floor(smaller / 2))), smaller);
  if (subsets < 1 || n < 2) {
    throw new HeptagenError("metrics/count", `expected at least one subset of at least two examples, got ${subsets} of ${n}`);
  }
  const [within, across, other] = [kernel(a, a), kernel(a, b), kernel(b, b)];
  const values = Array.from({ length: subsets }, (_, i) => {
    const x = choose(fold(fold(root, "first"), i), countA, n);
    const y = choose(fold(fold(root, "second"), i), countB, n);
    const pairs = n * (n - 1);
    const same = (matrix: Float32Array, count: number, places: Int32Array) => total(matrix, count, places, places, true) / pairs;
    return same(within, countA, x) + same(other, countB, y) - (2 * total(across, countB, x, y, false)) / (n * n);
  });
  const mean = values.reduce((sum, value) => sum + value, 0) / subsets;
  const deviation = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / subsets);
  return { mean, deviation };
}

/** (x·y / D + 1)³ of all pairs: [N, M] */
function kernel(a: NdArray, b: NdArray): Float32Array {
  const [countA, width] = a.shape as [number, number];
  const countB = b.shape[0] as number;
  const [x, y] = [a.data as Float32Array, b.data as Float32Array];
  const out = new Float32Array(countA * countB);
  for (let i = 0; i < countA; i++) {
    for (let j = a === b ? i : 0; j < countB; j++) {
      let [dot, p, q] = [0, i * width, j * width];
      for (const end = p + width; p < end; p++, q++) dot += (x[p] as number) * (y[q] as number);
      const value = (dot / width + 1) ** 3;
      out[i * countB + j] = value;
      if (a === b) out[j * countB + i] = value;
    }
  }
  return out;
}

/** Sum over chosen rows and columns; without the pairs of an example with itself where `apart`. */
function total(matrix: Float32Array, width: number, rows: Int32Array, columns: Int32Array, apart: boolean): number {
  let sum = 0;
  for (const row of rows) {
    for (const column of columns) sum += matrix[row * width + column] as number;
    if (apart) sum -= matrix[row * width + row] as number;
  }
  return sum;
}

/** `n` of `count` places, each at most once, in random order (the first steps of a Fisher-Yates shuffle). */
function choose(from: Key, count: number, n: number): Int32Array {
  const places = Int32Array.from({ length: count }, (_, i) => i);
  if (n === count) return places;
  const draw = new Int32Array(1);
  for (let i = 0; i < n; i++) {
    randint(fold(from, i), i, count, draw);
    const j = draw[0] as number;
    [places[i], places[j]] = [places[j] as number, places[i] as number];
  }
  return places.subarray(0, n);
}
