/**
 * Training: runs and checkpoints on disk, their file formats, and how progress is told.
 *
 * Files named `*.node.ts` need Node's file system; the others run in a browser too.
 */
export type { Measurements } from "./checkpoint-files.node.ts";
export type { Checkpoint, CheckpointContent, CheckpointFolder, Which } from "./checkpoints.node.ts";
export { rowsOf, sumOf, targetsOf } from "./counts.ts";
export { type Content, type Written, writeFileAtomically } from "./durable.node.ts";
export { type Counted, compileEvaluation, type Evaluation, type Measure } from "./evaluate.ts";
export { appendEvaluation, type EvaluationRecord, readEvaluations } from "./evaluations.node.ts";
export { flatReports, type LoopEvent, type LoopOptions, type LoopResult, type Training, trainLoop } from "./loop.ts";
export type { MetricsRecord, RunWarning } from "./metrics-log.node.ts";
export type { LossResult, Objective, StepReport } from "./objective.ts";
export { type ArraySpec, flattenParameters, restoreTree } from "./parameters.ts";
export {
  advance,
  formatBytes,
  formatCount,
  formatDuration,
  formatRate,
  type Progress,
  skipTime,
  startProgress,
  stepRate,
  throughput,
  timeLeft,
} from "./progress.ts";
export { type LoadedModel, openRun, type Run, type RunConfig } from "./run-folder.node.ts";
export { type ReadOptions, readSafetensorsFile, readSafetensorsHeader, writeSafetensorsFile } from "./safetensors.node.ts";
export { readSafetensors, type Safetensors, writeSafetensors } from "./safetensors.ts";
export type { SafetensorsEntry, SafetensorsHeader } from "./safetensors-header.ts";
export { type EventWriter, openEventWriter } from "./tensorboard.node.ts";
export type { SummaryValue } from "./tensorboard.ts";
export { createRun, resumeRun, type TrainingRun } from "./training-run.node.ts";
