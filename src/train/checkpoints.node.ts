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
import { mkdir, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { HeptagenError } from "../util/errors.ts";
import {
  type CheckpointFiles,
  checkpointFiles as files,
  firstLine,
  isDamage,
  type Measurements,
  readCheckpoint,
  readMark,
} from "./checkpoint-files.node.ts";
import { errno, renameSynced, storageError, syncFolder, temporaryPath, unreadable, writeFileSynced } from "./durable.node.ts";
import { namedNumbers, stringifyJson } from "./json.ts";
import type { RunWarning } from "./metrics-log.node.ts";
import { flattenParameters } from "./parameters.ts";
import { safetensorsPieces } from "./safetensors.ts";

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

/** A checkpoint that was loaded. Trees are flat: see `restoreTree`. */
export interface Checkpoint extends CheckpointFiles {
  /** Damaged checkpoints that were passed over to get here. */
  readonly warnings: readonly RunWarning[];
}

/** A checkpoint's place. */
export interface CheckpointFolder {
  readonly folder: string;
  readonly name: string;
  readonly step: number;
  /** 1, or more when the step was saved again. */
  readonly again: number;
}

/** Which checkpoint: the newest, or the newest marked best (the newest of all while none is marked). */
export type Which = "last" | "best";

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
    const facts = { step, newest };
    throw new HeptagenError(
      "run/step-order",
      `expected a step of ${newest} or more, as checkpoints are saved in order, got ${step}`,
      { facts },
    );
  }
  const metadata = { format: "pt", step: String(step) };
  const contents: readonly (readonly [string, string | Uint8Array[]])[] = [
    [files.model, safetensorsPieces(flattenParameters(model), metadata)],
    [files.optimizer, safetensorsPieces(flattenParameters(optimizer), metadata)],
    [files.state, stringifyJson({ step, best, metrics: namedNumbers(metrics), state }, "checkpoint")],
  ];
  const again = existing[0]?.step === step ? existing[0].again + 1 : 1;
  const final = join(folder, `step-${String(step).padStart(8, "0")}${again > 1 ? `-${again}` : ""}`);
  const draft = temporaryPath(final);
  try {
    await mkdir(draft);
    let sums = "";
    for (const [name, pieces] of contents) {
      const { sha256 } = await writeFileSynced(join(draft, name), pieces, join(final, name));
      sums += `${sha256}  ${name}\n`;
    }
    await writeFileSynced(join(draft, files.sums), sums, join(final, files.sums));
    await syncFolder(draft);
    await renameSynced(draft, final);
  } catch (error) {
    await rm(draft, { recursive: true, force: true }).catch(() => undefined); // the first error is the one to report
    throw storageError(error, final);
  }
  await pruneCheckpoints(folder);
  return final;
}

/**
 * Removes checkpoints that are neither among the last two nor the best.
 *
 * @throws HeptagenError `storage/…`
 */
export async function pruneCheckpoints(folder: string): Promise<void> {
  try {
    const all = await listCheckpoints(folder);
    const { best } = await findBest(all);
    for (const old of all.slice(2)) {
      if (old === best) continue;
      const aside = temporaryPath(old.folder);
      await rename(old.folder, aside);
      await rm(aside, { recursive: true, force: true });
    }
  } catch (error) {
    throw storageError(error, folder);
  }
}

/** The newest checkpoint marked best, and what is wrong with newer ones whose mark cannot be read. */
export async function findBest(
  newestFirst: readonly CheckpointFolder[],
): Promise<{ best: CheckpointFolder | undefined; damage: HeptagenError[] }> {
  const damage: HeptagenError[] = [];
  for (const candidate of newestFirst) {
    try {
      if (await readMark(candidate.folder)) return { best: candidate, damage };
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
    const failures = [...damage];
    for (const candidate of best ? [best, ...all.filter((other) => other !== best)] : all) {
      try {
        const checkpoint = await readCheckpoint(candidate.folder, modelOnly);
        if (await allExist(failures)) return { ...checkpoint, warnings: warnings(failures, checkpoint.step) };
        break;
      } catch (error) {
        if (!isDamage(error)) throw error;
        failures.push(error);
      }
    }
    // A process that trains meanwhile may have removed what was just listed: then there are newer ones, and we look again.
    if (attempt === 10 || (await allExist(failures))) throw noneGood(folder, failures);
  }
}

/** Whether the folders of these damaged files are still there. */
async function allExist(failures: readonly HeptagenError[]): Promise<boolean> {
  for (const { facts } of failures) if (!(await exists(dirname(String(facts.file))))) return false;
  return true;
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

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}
