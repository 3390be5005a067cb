/** Exponential moving average of parameters (Polyak & Juditsky 1992): steadier than the parameters themselves. */
import { isTensor, type Tensor } from "../core/tensor.ts";
import { add, div, minimum, mul, sub } from "../ops/index.ts";
import { zipTrees } from "../util/tree.ts";
import { checkOption } from "./optimizer.ts";

export interface AverageOptions {
  /** How much of the average is kept at each step, for example 0.999. */
  readonly decay: number;
  /**
   * The step, counted from 1 (a float32 scalar), to warm up with: the decay is then at most (1 + step) / (10 + step), so that
   * the average soon forgets where training started.
   */
  readonly warmup?: Tensor;
}

/**
 * Moves an average of parameters towards their new values: average + (1 - decay) (params - average). Start it as a copy of
 * the first parameters.
 *
 * @throws HeptagenError `optim/option` for a decay outside [0, 1)
 * @example const average = updateAverage(lastAverage, params, { decay: 0.999, warmup: step });
 */
export function updateAverage<Params>(average: Params, params: Params, { decay, warmup }: AverageOptions): Params {
  checkOption("updateAverage", "decay", decay, 0, 1);
  // 1 - min(decay, (1 + t) / (10 + t)) = 1 - decay or 9 / (10 + t), whichever is larger.
  const share = warmup ? sub(1, minimum(sub(1, div(9, add(warmup, 10))), decay)) : 1 - decay;
  return zipTrees([average, params], isTensor, ([old, now]: Tensor[]) => {
    const before = old as Tensor;
    return add(before, mul(sub(now as Tensor, before), share));
  }) as Params;
}
