/** Training with files: everything of `index.ts`, and runs, checkpoints and logs on disk. For Node. */
export type { Checkpoint, CheckpointContent, CheckpointFolder, Measurements, Which } from "./checkpoints.node.ts";
export { type Content, type Written, writeFileAtomically } from "./durable.node.ts";
export type { MetricsRecord, RunWarning } from "./metrics-log.node.ts";
export { type LoadedModel, openRun, type Run, type RunConfig } from "./run-folder.node.ts";
export { type ReadOptions, readSafetensorsFile, readSafetensorsHeader, writeSafetensorsFile } from "./safetensors.node.ts";
export { type EventWriter, openEventWriter } from "./tensorboard.node.ts";
export { createRun, resumeRun, type TrainingRun } from "./training-run.node.ts";
