/**
 * Reading one checkpoint (see `checkpoints.node.ts` for what it is), every byte verified, and telling damage (content that is
 * wrong or gone, for which an older checkpoint helps) from other failures (permissions, too many open files).
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { HeptagenError } from "../util/errors.ts";
import type { NdArray } from "../util/ndarray.ts";
import { unreadable } from "./durable.node.ts";
import { numbersByName, parseJson } from "./json.ts";
import { readSafetensorsFile } from "./safetensors.node.ts";

/** Numbers measured when a checkpoint was made, such as `{ validationLoss: 1.8 }`. */
export type Measurements = Readonly<Record<string, number>>;

/** What the files of a checkpoint hold. */
export interface CheckpointFiles {
  readonly folder: string;
  readonly step: number;
  readonly best: boolean;
  readonly metrics: Measurements;
  readonly state: unknown;
  readonly model: Map<string, NdArray>;
  readonly optimizer: Map<string, NdArray>;
}

/** Their names. */
export const checkpointFiles = {
  model: "model.safetensors",
  optimizer: "optimizer.safetensors",
  state: "state.json",
  sums: "SHA256SUMS",
} as const;

/**
 * Reads a checkpoint's files and compares each with its checksum.
 *
 * @param modelOnly leaves out the optimizer
 * @throws HeptagenError `checkpoint/damaged` naming the file (in `facts.file` too); `storage/unreadable`
 */
export async function readCheckpoint(folder: string, modelOnly: boolean): Promise<CheckpointFiles> {
  const sums = await readSums(folder);
  const state = await readState(folder, sums);
  const model = await readArrays(join(folder, checkpointFiles.model), sums.get(checkpointFiles.model));
  const optimizer = modelOnly
    ? new Map<string, NdArray>()
    : await readArrays(join(folder, checkpointFiles.optimizer), sums.get(checkpointFiles.optimizer));
  return { folder, ...state, model, optimizer };
}

/**
 * Whether a checkpoint is marked best.
 *
 * @throws as `readCheckpoint`
 */
export async function readMark(folder: string): Promise<boolean> {
  return (await readState(folder, await readSums(folder))).best;
}

async function readSums(folder: string): Promise<Map<string, string>> {
  const file = join(folder, checkpointFiles.sums);
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw asDamage(cause, file);
  });
  const sums = new Map(
    text.split("\n").flatMap((line) => (/^([0-9a-f]{64}) {2}(.+)$/.exec(line) ? [[line.slice(66), line.slice(0, 64)]] : [])),
  );
  for (const name of [checkpointFiles.model, checkpointFiles.optimizer, checkpointFiles.state]) {
    if (!sums.has(name)) throw damaged(file, `it has no checksum of ${name}`);
  }
  return sums;
}

async function readState(
  folder: string,
  sums: ReadonlyMap<string, string>,
): Promise<Omit<CheckpointFiles, "folder" | "model" | "optimizer">> {
  const file = join(folder, checkpointFiles.state);
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw asDamage(cause, file);
  });
  compare(createHash("sha256").update(bytes).digest("hex"), sums.get(checkpointFiles.state), file);
  const { step, best, metrics, state } = parseJson(bytes.toString("utf8"), file) as Record<string, unknown>; // as `saveCheckpoint` wrote it
  return { step: Number(step), best: best === true, metrics: numbersByName(metrics as object) as Measurements, state };
}

async function readArrays(file: string, sum: string | undefined): Promise<Map<string, NdArray>> {
  const hash = createHash("sha256");
  const { tensors } = await readSafetensorsFile(file, { tap: (bytes) => hash.update(bytes) }).catch((cause: unknown) => {
    throw asDamage(cause, file);
  });
  compare(hash.digest("hex"), sum, file);
  return tensors;
}

function compare(got: string, expected: string | undefined, file: string): void {
  if (got !== expected) throw damaged(file, "its checksum differs");
}

function damaged(file: string, reason: string, cause?: unknown): HeptagenError {
  return new HeptagenError("checkpoint/damaged", `${file} is damaged: ${reason}`, { facts: { file }, cause });
}

/** A failure to read: damage when the content is wrong or gone, otherwise (permissions, too many files) an error of its own. */
function asDamage(error: unknown, file: string): unknown {
  if (error instanceof HeptagenError && error.code.startsWith("safetensors/"))
    return damaged(file, firstLine(error).replace(`${file}: `, ""), error);
  const failure = error instanceof HeptagenError ? error : unreadable(error, file);
  const name = failure instanceof HeptagenError ? failure.facts.errno : undefined;
  if (name === "ENOENT" || name === "ENOTDIR") return damaged(file, "it is missing", error);
  if (name === "EIO") return damaged(file, "the disk cannot read it", error);
  return failure;
}

/** Whether an error says that a checkpoint is damaged, as opposed to unreadable for now. */
export function isDamage(error: unknown): error is HeptagenError {
  return error instanceof HeptagenError && error.code === "checkpoint/damaged";
}

/** The sentence of an error, without its next step. */
export function firstLine(error: Error): string {
  return error.message.split("\n")[0] ?? "";
}
