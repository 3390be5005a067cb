/** Learning rates over time: plain functions of the step, which counts from 0. */
import { HeptagenError } from "../util/errors.ts";

export type Schedule = (step: number) => number;

export interface ScheduleOptions {
  readonly schedule?: "cosine" | "linear" | "constant" | "one-cycle";
  /** Highest learning rate. */
  readonly learningRate: number;
  /** Learning rate of the last step; a tenth of the highest unless told. */
  readonly finalLearningRate?: number;
  /** Steps in which the rate rises from near 0; one-cycle takes 30 % of all steps unless told. */
  readonly warmup?: number;
  /** Steps in all. */
  readonly steps: number;
}

/**
 * Warm-up, then a fall: cosine (Loshchilov & Hutter 2017), linear, or none (constant). One-cycle (Smith & Topin 2018) rises
 * and falls in half cosines.
 *
 * @throws HeptagenError `optim/schedule` when warm-up is longer than training or a rate is not positive
 * @example const rate = makeSchedule({ learningRate: 1e-3, finalLearningRate: 1e-4, warmup: 100, steps: 2000 }); rate(0) // 1e-5
 */
export function makeSchedule({ schedule = "cosine", learningRate, finalLearningRate, warmup, steps }: ScheduleOptions): Schedule {
  const low = finalLearningRate ?? learningRate / 10;
  const rise = warmup ?? (schedule === "one-cycle" ? Math.floor(0.3 * steps) : 0);
  if (!(learningRate > 0) || !(low >= 0)) {
    throw new HeptagenError(
      "optim/schedule",
      `schedule: expected a learning rate above 0 that does not fall below 0, got ${learningRate} to ${low}`,
    );
  }
  if (!(steps >= 1) || rise > steps) {
    throw new HeptagenError("optim/schedule", `schedule: expected at most ${steps} steps of warm-up, got ${rise}`, {
      next: "Choose a shorter warm-up or more steps.",
    });
  }
  const fall = (step: number) => Math.min(1, Math.max(0, (step - rise) / Math.max(1, steps - rise)));
  const cosine = (part: number) => 0.5 * (1 + Math.cos(Math.PI * part));
  return (step) => {
    if (step < rise) {
      const part = (step + 1) / rise;
      return schedule === "one-cycle" ? learningRate * (1 - cosine(part)) : learningRate * part;
    }
    if (schedule === "constant") return learningRate;
    const share = schedule === "linear" ? 1 - fall(step) : cosine(fall(step));
    return low + (learningRate - low) * share;
  };
}
