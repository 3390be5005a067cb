/** What a step reports, read from what its graph returned. */
import type { NdArray } from "../util/ndarray.ts";
import type { StepReport } from "./objective.ts";
import type { Measured } from "./traced-step.ts";

/** @param paths of the parameters, in the order of the gradients */
export function reportOf(
  { loss, metrics, norm, squares }: Measured<NdArray>,
  paths: readonly string[],
  learningRate: number,
): StepReport {
  const gradNorm = Number(norm.data[0]);
  return {
    loss: Number(loss.data[0]),
    metrics: Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, Number(value.data[0])])),
    learningRate,
    gradNorm,
    gradients: paths.length,
    broken: Number.isFinite(gradNorm) ? [] : paths.filter((_, k) => !Number.isFinite(Number(squares.data[k]))),
  };
}
