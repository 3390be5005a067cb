/**
 * Learning-rate schedules: plain functions from the step, counted from 1, to a learning rate.
 *
 * A schedule rises in a straight line over `warmup` steps to the peak, then falls as its name says towards the final rate,
 * which it would reach one step after the last.
 */
import { HeptagenError, nearest } from "../util/errors.ts";

/** Learning rate of a step, counted from 1. */
export type Schedule = (step: number) => number;

export const scheduleNames = ["constant", "linear", "cosine", "one-cycle"] as const;
export type ScheduleName = (typeof scheduleNames)[number];

export interface ScheduleConfig {
  /** How the rate falls after warm-up. */
  readonly schedule: ScheduleName;
  /** Highest learning rate. */
  readonly learningRate: number;
  /** Learning rate at the end; 0 unless told, for one-cycle a 250,000th of the highest. A constant rate has none. */
  readonly finalLearningRate?: number;
  /** Steps in which the rate rises; 0 unless told, for one-cycle 30 % of the steps. */
  readonly warmup?: number;
  /** Steps in all. */
  readonly steps: number;
}

/**
 * Makes a schedule.
 *
 * `constant`, `linear` and `cosine` (Loshchilov & Hutter 2017) rise from 1/warmup of the peak, so that no step is lost.
 * `one-cycle` (Smith & Topin 2018, with PyTorch's cosine halves and defaults) rises from a 25th of the peak.
 *
 * @throws HeptagenError `schedule/config` naming the first value that does not fit
 * @example
 * const rate = schedule({ schedule: "cosine", learningRate: 1e-3, finalLearningRate: 1e-4, warmup: 100, steps: 2000 });
 * rate(1); // 1e-5
 */
export function schedule(config: ScheduleConfig): Schedule {
  check(config);
  const { schedule: name, learningRate: peak, steps } = config;
  switch (name) {
    case "constant":
      return warmUp(config, () => peak);
    case "linear":
      return warmUp(config, (progress, final) => peak + (final - peak) * progress);
    case "cosine":
      return warmUp(config, (progress, final) => halfCosine(peak, final, progress));
    case "one-cycle": {
      const { warmup = Math.floor(0.3 * steps), finalLearningRate: final = peak / 25e4 } = config;
      return (step) => {
        const rising = warmup > 1 ? (step - 1) / (warmup - 1) : 1;
        if (step <= warmup) return halfCosine(peak / 25, peak, rising);
        return halfCosine(peak, final, Math.min(1, (step - warmup) / (steps - warmup)));
      };
    }
  }
}

/** A straight rise, then a fall that is a function of progress from 0 (the first step after warm-up) towards 1. */
function warmUp(
  { learningRate, finalLearningRate = 0, warmup = 0, steps }: ScheduleConfig,
  fall: (progress: number, final: number) => number,
): Schedule {
  return (step) =>
    step <= warmup
      ? (learningRate * step) / warmup
      : fall(Math.min(1, (step - 1 - warmup) / Math.max(1, steps - warmup)), finalLearningRate);
}

function halfCosine(from: number, to: number, progress: number): number {
  return to + 0.5 * (from - to) * (1 + Math.cos(Math.PI * progress));
}

function check({ schedule: name, learningRate, finalLearningRate = 0, warmup = 0, steps }: ScheduleConfig): void {
  const fail = (message: string, next: string): never => {
    throw new HeptagenError("schedule/config", `schedule: ${message}`, { next });
  };
  if (!scheduleNames.includes(name)) {
    const near = nearest(String(name), scheduleNames);
    fail(`expected ${scheduleNames.join(", ")}, got "${name}"`, near ? `Did you mean "${near}"?` : "Choose one of these.");
  }
  if (!(learningRate > 0 && Number.isFinite(learningRate))) {
    fail(`expected learningRate above 0, got ${learningRate}`, "Try 1e-3 for AdamW, 1e-4 for Lion, 0.1 for SGD.");
  }
  if (!(finalLearningRate >= 0 && finalLearningRate <= learningRate)) {
    const range = `between 0 and learningRate (${learningRate})`;
    fail(`expected finalLearningRate ${range}, got ${finalLearningRate}`, "A schedule falls: lower finalLearningRate.");
  }
  if (!(Number.isInteger(steps) && steps > 0)) {
    fail(`expected steps to be a whole number above 0, got ${steps}`, "Set steps to the length of the training.");
  }
  if (!(Number.isInteger(warmup) && warmup >= 0 && warmup <= steps)) {
    const range = `a whole number from 0 to steps (${steps})`;
    fail(`expected warmup to be ${range}, got ${warmup}`, "Shorten the warm-up or train longer.");
  }
}
