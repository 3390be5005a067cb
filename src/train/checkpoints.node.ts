/**
 * Checkpoints that survive a kill, a power cut and a bad disk.
 *
 *   checkpoints/
 *     step-00000400/            the newest
 *       model.safetensors       parameters
 *       optimizer.safetensors   optimizer state and whatever else training carries
 *       state.json              {step, best, metrics, state}: the position in training
 *       SHA256SUMS              checksums of the three; `sha256sum -c SHA256SUMS` checks them by hand
 *     step-00000200/            the one before
 *     step-00000100/            the best so far, if it is older than these
 *
 * One checkpoint is one folder, so model, optimizer and position always belong together. It is written under a temporary
 * name, every file and the folder flushed to the disk, and then renamed: it is there completely or not at all. Only then are
 * older ones removed, by renaming them to a temporary name first, so that a half-removed one is never taken for a damaged one.
 * Nothing points to a checkpoint: the newest is the one with the highest step (a step saved again is `step-00000400-2`, and
 * newer), the best is the newest marked best, since a caller marks one only when it beats all before. Hence there is no
 * pointer that could disagree with the folders.
 *
 * The last two and the best are kept: at most three, four while one is being written.
 *
 * Loading verifies every byte against SHA256SUMS. A damaged checkpoint gives a warning that names the file, and the next
 * older one is used.
 */
import { createHash } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { HeptagenError } from "../util/errors.ts";
import type { NdArray } from "../util/ndarray.ts";
import { errno, renameSynced, storageError, syncFolder, temporaryPath, unreadable, writeFileSynced } from "./durable.node.ts";
import { namedNumbers, numbersByName, parseJson, stringifyJson } from "./json.ts";
import type { RunWarning } from "./metrics-log.node.ts";
import { flattenParameters } from "./parameters.ts";
import { readSafetensorsFile } from "./safetensors.node.ts";
import { safetensorsPieces } from "./safetensors.ts";

/** Numbers measured when a checkpoint was made, such as `{ validationLoss: 1.8 }`. */
export type Measurements = Readonly<Record<string, number>>;

/** What a checkpoint holds when it is saved. */
export interface CheckpointContent {
  /** Steps done. */
  readonly step: number;
  /** Tree of arrays: the parameters. */
  readonly model: unknown;
  /** Tree of arrays: everything else that training changes. */
  readonly optimizer: unknown;
  /** Plain data that JSON can hold: position in the data, seeds, what early stopping remembers. */
  readonly state: unknown;
  readonly metrics?: Measurements;
}

/** What a checkpoint holds when it is loaded. Trees are flat: see `restoreTree`. */
export interface Checkpoint {
  readonly folder: string;
  readonly step: number;
  readonly best: boolean;
  readonly metrics: Measurements;
  readonly state: unknown;
  readonly model: Map<string, NdArray>;
  readonly optimizer: Map<string, NdArray>;
  /** Damaged checkpoints that were passed over to get here. */
  readonly warnings: readonly RunWarning[];
}

/** A checkpoint's place. */
export interface CheckpointFolder {
  readonly folder: string;
  readonly name: string;
  readonly step: number;
}

/** Which checkpoint: the newest, or the newest marked best (the newest of all while none is marked). */
export type Which = "last" | "best";

const modelFile = "model.safetensors";
const optimizerFile = "optimizer.safetensors";
const stateFile = "state.json";
const sumsFile = "SHA256SUMS";

/** All checkpoints, newest first, by their names alone. No folder means none. */
export async function listCheckpoints(folder: string): Promise<CheckpointFolder[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    if (errno(error) === "ENOENT") return [];
    throw unreadable(error, folder);
  });
  const found = names.flatMap((name) => {
    const [, step, again = "1"] = /^step-(\d+)(?:-(\d+))?$/.exec(name) ?? [];
    return step === undefined ? [] : [{ folder: join(folder, name), name, step: Number(step), again: Number(again) }];
  });
  return found.sort((a, b) => b.step - a.step || b.again - a.again);
}

/**
 * Saves a checkpoint, then removes those that are neither among the last two nor the best. Arrays must not change meanwhile.
 *
 * @returns its folder
 * @throws HeptagenError `run/step-order` when a later step is saved already; `json/value`; `storage/…`, the older checkpoints
 *   then being untouched
 */
export async function saveCheckpoint(folder: string, content: CheckpointContent, { best = false } = {}): Promise<string> {
  const { step, model, optimizer, state, metrics = {} } = content;
  const existing = await listCheckpoints(folder);
  const newest = existing[0]?.step ?? 0;
  if (!Number.isSafeInteger(step) || step < newest) {
    throw new HeptagenError(
      "run/step-order",
      `expected a step of ${newest} or more, got ${step}: checkpoints are saved in order`,
      {
        facts: { step, newest },
      },
    );
  }
  const metadata = { format: "pt", step: String(step) };
  const files: readonly (readonly [string, string | Uint8Array[]])[] = [
    [modelFile, safetensorsPieces(flattenParameters(model), metadata)],
    [optimizerFile, safetensorsPieces(flattenParameters(optimizer), metadata)],
    [stateFile, stringifyJson({ step, best, metrics: namedNumbers(metrics), state }, "checkpoint")],
  ];
  const times = existing.filter((other) => other.step === step).length;
  const base = `step-${String(step).padStart(8, "0")}`;
  const final = join(folder, times === 0 ? base : `${base}-${freeSuffix(existing, base)}`);
  const draft = temporaryPath(final);
  try {
    await mkdir(draft);
    let sums = "";
    for (const [name, pieces] of files) {
      const { sha256 } = await writeFileSynced(join(draft, name), pieces, join(final, name));
      sums += `${sha256}  ${name}\n`;
    }
    await writeFileSynced(join(draft, sumsFile), sums, join(final, sumsFile));
    await syncFolder(draft);
    await renameSynced(draft, final);
  } catch (error) {
    await rm(draft, { recursive: true, force: true }).catch(() => undefined); // the first error is the one to report
    throw storageError(error, final);
  }
  await prune(folder).catch((error: unknown) => {
    throw storageError(error, folder);
  });
  return final;
}

/** The number for a step that is saved again: one more than the highest so far. */
function freeSuffix(existing: readonly CheckpointFolder[], base: string): number {
  const suffixes = existing
    .filter(({ name }) => name === base || name.startsWith(`${base}-`))
    .map(({ name }) => Number(name.slice(base.length + 1) || 1));
  return Math.max(...suffixes) + 1;
}

async function prune(folder: string): Promise<void> {
  const all = await listCheckpoints(folder);
  const { best } = await findBest(all);
  for (const old of all.slice(2)) {
    if (old === best) continue;
    const aside = temporaryPath(old.folder);
    await rename(old.folder, aside);
    await rm(aside, { recursive: true, force: true });
  }
}

/** The newest checkpoint marked best, and what is wrong with newer ones whose mark cannot be read. */
export async function findBest(
  newestFirst: readonly CheckpointFolder[],
): Promise<{ best: CheckpointFolder | undefined; damage: HeptagenError[] }> {
  const damage: HeptagenError[] = [];
  for (const candidate of newestFirst) {
    try {
      const { best } = await readState(candidate.folder, await readSums(candidate.folder));
      if (best) return { best: candidate, damage };
    } catch (error) {
      if (!isDamage(error)) throw error;
      damage.push(error);
    }
  }
  return { best: undefined, damage };
}

/**
 * Loads a checkpoint, every byte verified. A damaged one is passed over with a warning: "last" falls back to the one before,
 * "best" to the newest good one.
 *
 * @param options.modelOnly reads the parameters alone; the optimizer is then empty
 * @throws HeptagenError `run/no-checkpoint` when there is none, `run/no-good-checkpoint` when all are damaged
 */
export async function loadCheckpoint(folder: string, which: Which, { modelOnly = false } = {}): Promise<Checkpoint> {
  for (let attempt = 1; ; attempt++) {
    const all = await listCheckpoints(folder);
    if (all.length === 0) throw noCheckpoint(folder);
    const { best, damage } = which === "best" ? await findBest(all) : { best: undefined, damage: [] };
    const candidates = best ? [best, ...all.filter((other) => other !== best)] : all;
    const failures: HeptagenError[] = [];
    for (const candidate of candidates) {
      try {
        const checkpoint = await readCheckpoint(candidate.folder, modelOnly);
        return { ...checkpoint, warnings: warnings([...damage, ...failures], checkpoint.step) };
      } catch (error) {
        if (!isDamage(error)) throw error;
        if (!(await exists(candidate.folder))) break; // a training process removed it just now: there are newer ones
        failures.push(error);
      }
    }
    if (failures.length === candidates.length || attempt === 5) throw noneGood(folder, failures);
  }
}

function warnings(failures: readonly HeptagenError[], step: number): RunWarning[] {
  const byFile = new Map(failures.map((failure) => [String(failure.facts.file), failure]));
  return [...byFile].map(([file, failure]) => ({
    code: failure.code,
    file,
    message: `${firstLine(failure)}; the checkpoint of step ${step} is used`,
  }));
}

function noCheckpoint(folder: string): HeptagenError {
  return new HeptagenError("run/no-checkpoint", `${folder}: expected a checkpoint, got none: training ended before its first`, {
    facts: { folder },
    next: "Train again.",
  });
}

function noneGood(folder: string, failures: readonly HeptagenError[]): HeptagenError {
  const reasons = failures.map((failure) => `\n  ${firstLine(failure)}`).join("");
  return new HeptagenError("run/no-good-checkpoint", `${folder}: expected a checkpoint that can be read, got none:${reasons}`, {
    facts: { folder, files: failures.map((failure) => failure.facts.file) },
    next: "Restore these files from a copy, or train again in another folder (--out).",
  });
}

async function readCheckpoint(folder: string, modelOnly: boolean): Promise<Omit<Checkpoint, "warnings">> {
  const sums = await readSums(folder);
  const state = await readState(folder, sums);
  const model = await readArrays(join(folder, modelFile), sums.get(modelFile));
  const optimizer = modelOnly
    ? new Map<string, NdArray>()
    : await readArrays(join(folder, optimizerFile), sums.get(optimizerFile));
  return { folder, ...state, model, optimizer };
}

async function readSums(folder: string): Promise<Map<string, string>> {
  const file = join(folder, sumsFile);
  const text = await readFile(file, "utf8").catch((cause: unknown) => {
    throw asDamage(cause, file);
  });
  const sums = new Map(
    text.split("\n").flatMap((line) => (/^([0-9a-f]{64}) {2}(.+)$/.exec(line) ? [[line.slice(66), line.slice(0, 64)]] : [])),
  );
  for (const name of [modelFile, optimizerFile, stateFile]) {
    if (!sums.has(name)) throw damaged(file, `it has no checksum of ${name}`);
  }
  return sums;
}

async function readState(
  folder: string,
  sums: ReadonlyMap<string, string>,
): Promise<Pick<Checkpoint, "step" | "best" | "metrics" | "state">> {
  const file = join(folder, stateFile);
  const bytes = await readFile(file).catch((cause: unknown) => {
    throw asDamage(cause, file);
  });
  compare(createHash("sha256").update(bytes).digest("hex"), sums.get(stateFile), file);
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
  if (error instanceof HeptagenError && error.code.startsWith("safetensors/")) return damaged(file, firstLine(error), error);
  const failure = error instanceof HeptagenError ? error : unreadable(error, file);
  const name = failure instanceof HeptagenError ? failure.facts.errno : undefined;
  if (name === "ENOENT" || name === "ENOTDIR") return damaged(file, "it is missing", error);
  if (name === "EIO") return damaged(file, "the disk cannot read it", error);
  return failure;
}

function isDamage(error: unknown): error is HeptagenError {
  return error instanceof HeptagenError && error.code === "checkpoint/damaged";
}

function firstLine(error: Error): string {
  return error.message.split("\n")[0] ?? "";
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
