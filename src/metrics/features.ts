/** What measures of features ask of them: float32 [N, D], one row an example. */
import { HeptagenError } from "../util/errors.ts";
import type { NdArray } from "../util/ndarray.ts";

/**
 * Checks features.
 *
 * @param what whose features they are, for messages
 * @param least examples that are needed
 * @param width features that are expected
 * @returns N and D
 * @throws HeptagenError `metrics/features`
 */
export function checkFeatures(what: string, { dtype, shape }: NdArray, least: number, width?: number): [number, number] {
  const [count = 0, got = 0] = shape;
  if (dtype === "float32" && shape.length === 2 && count >= least && got > 0 && (width === undefined || width === got)) {
    return [count, got];
  }
  throw new HeptagenError(
    "metrics/features",
    `${what}: expected features float32 [${least} or more, ${width ?? "any"}], got ${dtype} [${shape.join(", ")}]`,
    { facts: { shape }, next: "Give one row of equally many features for each example." },
  );
}
