/** Over how much of a batch a loss is a mean: for `counts` of objectives. */
import type { NdArray } from "../util/ndarray.ts";

/** Rows along the first axis. */
export const rowsOf = ({ shape }: NdArray): number => shape[0] as number;

/** Sum of weights. */
export function sumOf({ data }: NdArray): number {
  let total = 0;
  for (const value of data) total += Number(value);
  return total;
}

/** Targets that count: those from 0, as `crossEntropy` has it. */
export function targetsOf({ data }: NdArray): number {
  let total = 0;
  for (const value of data) if (value >= 0) total++;
  return total;
}
