/** Arrays from a device against float64 values, reported per tensor. */
import { typeName } from "../../src/core/tensor.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import type { Value } from "../ops/reference/value.ts";

/** One line for each tensor that differs by more than `tolerance` times its largest magnitude (at least 0.1). */
export function differences(name: string, got: readonly NdArray[], expected: readonly Value[], tolerance: number): string[] {
  if (got.length !== expected.length) return [`${name}: ${got.length} results, expected ${expected.length}`];
  return expected.flatMap((want, i) => {
    const result = got[i] as NdArray;
    if (typeName(result) !== typeName(want)) return [`${name}: result ${i} is ${typeName(result)}, expected ${typeName(want)}`];
    const { worst, place, scale } = largestDifference(result, want);
    if (worst <= (want.dtype === "float32" ? tolerance * scale : 0)) return [];
    const facts = `max difference ${worst.toExponential(2)} (magnitude ${scale.toPrecision(3)}) at ${place}`;
    return [`${name}: result ${i} ${typeName(want)}: ${facts}, got ${result.data[place]}, expected ${want.data[place]}`];
  });
}

function largestDifference(got: NdArray, want: Value): { worst: number; place: number; scale: number } {
  let [worst, place, scale] = [0, 0, 0.1];
  want.data.forEach((value, i) => {
    const other = Number(got.data[i]);
    if (Number.isFinite(value)) scale = Math.max(scale, Math.abs(value));
    const difference = Object.is(value, other) || value === other ? 0 : Math.abs(other - value);
    if (difference > worst || Number.isNaN(difference))
      [worst, place] = [Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference, i];
  });
  return { worst, place, scale };
}
