/** Optimizers traced into the training step, clipping, accumulation, averages and learning-rate schedules. */
export { accumulateGradients, type Objective } from "./accumulate.ts";
export { type AdamWOptions, adamw } from "./adamw.ts";
export { clipByGlobalNorm, clipFactor, globalNorm } from "./clipping.ts";
export { type AverageOptions, updateAverage } from "./ema.ts";
export { type LionOptions, lion } from "./lion.ts";
export { type Decays, decaysMatrices, type Optimizer, type OptimizerState, type UpdateOptions } from "./optimizer.ts";
export { type Schedule, type ScheduleConfig, type ScheduleName, schedule, scheduleNames } from "./schedules.ts";
export { type SgdOptions, sgd } from "./sgd.ts";
