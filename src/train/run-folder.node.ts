/**
 * A run: everything about one training, in a folder that anyone can read.
 *
 *   config.json         everything needed to repeat the run: recipe, options, seed, versions, a fingerprint of the data
 *   tokenizer.json      the tokenizer, in Hugging Face's format
 *   model.safetensors   the best parameters so far (the last ones while none is best): what users take
 *   checkpoints/        model, optimizer and position together: what training resumes from (see `checkpoints.node.ts`)
 *   metrics.jsonl       one line per measurement (see `metrics-log.node.ts`)
 *   evaluations.jsonl   one line per evaluation after training (see `evaluations.node.ts`)
 *   samples/            what the model made while it learned
 *   model.onnx          the exported model, once exported
 *
 * Here runs are read, at any time, also while another process trains. Writing them is in `training-run.node.ts`.
 *
 * `config.json` is written last when a run is created: a folder with one is a run. `model.safetensors` is a second name (a hard
 * link) of a checkpoint's file and takes no space; where the disk has no links it is a copy.
 */
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { HeptagenError } from "../util/errors.ts";
import type { NdArray } from "../util/ndarray.ts";
import { type Checkpoint, type CheckpointFolder, listCheckpoints, loadCheckpoint, type Which } from "./checkpoints.node.ts";
import { errno, unreadable } from "./durable.node.ts";
import { parseJson } from "./json.ts";
import { type MetricsRecord, type RunWarning, readMetricsLog } from "./metrics-log.node.ts";
import { readSafetensorsFile } from "./safetensors.node.ts";

/** Everything needed to repeat a run. Plain data that JSON can hold. */
export interface RunConfig {
  /** Family and task: `transformer/language-model`. */
  readonly recipe: string;
  readonly seed: number;
  /** Every option with its value, defaults included. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Of Heptagen, Node, ONNX Runtime: whatever can change the numbers. */
  readonly versions: Readonly<Record<string, string>>;
  /** What identifies the data: names, sizes, checksums. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** A run that is read. */
export interface Run {
  readonly folder: string;
  readonly config: RunConfig;
  /** A path inside the folder. */
  path(...names: string[]): string;
  /** Newest first. */
  listCheckpoints(): Promise<CheckpointFolder[]>;
  /** @throws HeptagenError `run/no-checkpoint`, `run/no-good-checkpoint` */
  loadCheckpoint(which: Which): Promise<Checkpoint>;
  /** The parameters alone, from a checkpoint, or from `model.safetensors` in a folder that has no checkpoints (any more). */
  loadModel(which?: Which): Promise<LoadedModel>;
  readMetrics(): Promise<{ records: MetricsRecord[]; warnings: RunWarning[] }>;
  /** The text of `tokenizer.json`; undefined when there is none. */
  readTokenizer(): Promise<string | undefined>;
}

export interface LoadedModel {
  readonly model: Map<string, NdArray>;
  /** Steps it was trained for; undefined when the file does not say. */
  readonly step: number | undefined;
  readonly warnings: readonly RunWarning[];
}

/** Format of `config.json`; raised when an older Heptagen could not read a newer run. */
export const formatVersion = 1;

/** The names inside a run. */
export const runFiles = {
  config: "config.json",
  tokenizer: "tokenizer.json",
  model: "model.safetensors",
  metrics: "metrics.jsonl",
  evaluations: "evaluations.jsonl",
  checkpoints: "checkpoints",
  samples: "samples",
} as const;

/**
 * Opens a run for reading.
 *
 * @throws HeptagenError `run/missing` when the folder is not a run, `run/format` when a newer Heptagen wrote it, `run/config`
 * @example const { model } = await (await openRun("runs/moby")).loadModel("best");
 */
export async function openRun(path: string): Promise<Run> {
  const folder = resolve(path);
  const config = await readConfig(folder);
  const at = (...names: string[]) => join(folder, ...names);
  return {
    folder,
    config,
    path: at,
    listCheckpoints: () => listCheckpoints(at(runFiles.checkpoints)),
    loadCheckpoint: (which) => loadCheckpoint(at(runFiles.checkpoints), which),
    async loadModel(which = "best") {
      const all = await listCheckpoints(at(runFiles.checkpoints));
      if (all.length > 0) return loadCheckpoint(at(runFiles.checkpoints), which, { modelOnly: true });
      const { tensors, metadata } = await readSafetensorsFile(at(runFiles.model));
      return { model: tensors, step: metadata.step === undefined ? undefined : Number(metadata.step), warnings: [] };
    },
    readMetrics: () => readMetricsLog(at(runFiles.metrics)),
    readTokenizer: () => readText(at(runFiles.tokenizer)),
  };
}

async function readConfig(folder: string): Promise<RunConfig> {
  const file = join(folder, runFiles.config);
  const text = await readText(file);
  if (text === undefined) {
    throw new HeptagenError("run/missing", `expected a run, got ${folder}, which has no ${runFiles.config}`, {
      facts: { folder },
      next: "Name the folder that training wrote (--out).",
    });
  }
  const parsed = parseJson(text, file);
  const { format, ...config }: Record<string, unknown> = typeof parsed === "object" ? { ...parsed } : {};
  if (format !== formatVersion) {
    throw new HeptagenError("run/format", `${file}: expected a run of format ${formatVersion}, got ${JSON.stringify(format)}`, {
      facts: { file, format },
      next: "Use the version of Heptagen that wrote it.",
    });
  }
  const missing = ["recipe", "seed", "config", "versions", "data"].filter((key) => !(key in config));
  if (missing.length > 0)
    throw new HeptagenError("run/config", `${file}: expected ${missing.join(", ")}, got none`, { facts: { file } });
  return config as unknown as RunConfig; // its values were plain data when they were written
}

async function readText(file: string): Promise<string | undefined> {
  return readFile(file, "utf8").catch((error: unknown) => {
    if (errno(error) === "ENOENT" || errno(error) === "ENOTDIR") return undefined;
    throw unreadable(error, file);
  });
}
