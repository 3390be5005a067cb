/**
 * Do made examples look real, and do they cover what is real? Both sets are seen as manifolds: unions of balls around their
 * examples, each reaching to its k-th nearest neighbour in the same set.
 *
 *   precision  part of the made examples inside the real manifold: fidelity
 *   recall     part of the real examples inside the made manifold: variety
 *     (Kynkäänniemi et al. 2019, arXiv:1904.06991, k = 3)
 *   density    how many real balls a made example lies in, of k expected: as precision, but one outlier counts little; may exceed 1
 *   coverage   part of the real balls that hold a made example: as recall, but made outliers cannot raise it
 *     (Naeem et al. 2020, arXiv:2002.09797, k = 5)
 *
 * Legend: N real and M made examples, D features.
 */
import type { NdArray } from "../util/ndarray.ts";
import { checkFeatures } from "./features.ts";

export interface ManifoldScores {
  readonly precision: number;
  readonly recall: number;
  readonly density: number;
  readonly coverage: number;
}

/**
 * Precision, recall, density and coverage. Take equally many examples of each: all four depend on the numbers.
 *
 * @param real float32 [N, D], more examples than `density` neighbours
 * @param made float32 [M, D], more examples than `precision` neighbours
 * @param neighbours k of precision and recall (3 unless told) and of density and coverage (5 unless told)
 * @throws HeptagenError `metrics/features`
 */
export function manifoldScores(
  real: NdArray,
  made: NdArray,
  neighbours: { readonly precision?: number; readonly density?: number } = {},
): ManifoldScores {
  const { precision: few = 3, density: some = 5 } = neighbours;
  const [countReal, width] = checkFeatures("manifoldScores", real, Math.max(few, some) + 1);
  const [countMade] = checkFeatures("manifoldScores", made, few + 1, width);
  const [near, wide] = radii(real, [few, some]) as [Float64Array, Float64Array];
  const [nearMade] = radii(made, [few]) as [Float64Array];
  const precise = new Uint8Array(countMade);
  const recalled = new Uint8Array(countReal);
  const covered = new Uint8Array(countReal);
  let balls = 0;
  const distances = new Float64Array(countMade);
  for (let i = 0; i < countReal; i++) {
    measure(real, i, made, distances);
    for (let j = 0; j < countMade; j++) {
      const distance = distances[j] as number;
      if (distance <= (near[i] as number)) precise[j] = 1;
      if (distance <= (nearMade[j] as number)) recalled[i] = 1;
      if (distance <= (wide[i] as number)) {
        covered[i] = 1;
        balls++;
      }
    }
  }
  const part = (flags: Uint8Array) => flags.reduce((sum, flag) => sum + flag, 0) / flags.length;
  return {
    precision: part(precise),
    recall: part(recalled),
    density: balls / (some * countMade),
    coverage: part(covered),
  };
}

/** For each k the squared distance of every example to its k-th nearest neighbour among the others: [N] */
function radii(set: NdArray, neighbours: readonly number[]): Float64Array[] {
  const count = set.shape[0] as number;
  const out = neighbours.map(() => new Float64Array(count));
  const distances = new Float64Array(count);
  const most = Math.max(...neighbours);
  for (let i = 0; i < count; i++) {
    measure(set, i, set, distances);
    distances[i] = Number.POSITIVE_INFINITY; // itself
    const nearest = smallest(distances, most);
    neighbours.forEach((k, at) => {
      (out[at] as Float64Array)[i] = nearest[k - 1] as number;
    });
  }
  return out;
}

/** Squared distances of one example from all of a set; of differences, so that near ones lose no digits. */
function measure(from: NdArray, i: number, to: NdArray, out: Float64Array): void {
  const width = from.shape[1] as number;
  const [x, y] = [from.data as Float32Array, to.data as Float32Array];
  for (let j = 0; j < out.length; j++) {
    let [sum, p, q] = [0, i * width, j * width];
    for (const end = p + width; p < end; p++, q++) {
      const difference = (x[p] as number) - (y[q] as number);
      sum += difference * difference;
    }
    out[j] = sum;
  }
}

/** The k smallest values in order. */
function smallest(values: Float64Array, k: number): Float64Array {
  const kept = new Float64Array(k).fill(Number.POSITIVE_INFINITY);
  for (const value of values) {
    if (value >= (kept[k - 1] as number)) continue;
    let at = k - 1;
    for (; at > 0 && (kept[at - 1] as number) > value; at--) kept[at] = kept[at - 1] as number;
    kept[at] = value;
  }
  return kept;
}
