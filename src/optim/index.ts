/** Optimizers, schedules and what surrounds them. */
export { accumulateMean, clipScale, globalNorm, updateAverage } from "./gradients.ts";
export {
  type AdamWOptions,
  adamw,
  type LionOptions,
  lion,
  type Optimizer,
  type OptimizerState,
  type SgdOptions,
  type StepScalars,
  sgd,
} from "./optimizers.ts";
export { makeSchedule, type Schedule, type ScheduleOptions } from "./schedules.ts";
