/** Training: what runs anywhere. Files and runs on disk are in `index.node.ts`. */
export { namedNumbers, numbersByName, parseJson, stringifyJson } from "./json.ts";
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
export { readSafetensors, type Safetensors, safetensorsPieces, writeSafetensors } from "./safetensors.ts";
export type { SafetensorsEntry, SafetensorsHeader } from "./safetensors-header.ts";
export { type EventTime, fileVersionRecord, restartRecord, type SummaryValue, summaryRecord } from "./tensorboard.ts";
