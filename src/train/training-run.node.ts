/**
 * Writing a run (see `run-folder.node.ts` for what it holds): starting one, going on with one after any end, and what training
 * writes meanwhile.
 *
 * `createRun` and `resumeRun` lock the folder, so that it has a single writer, until `close`.
 */
import { copyFile, link, open, readdir, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { HeptagenError } from "../util/errors.ts";
import {
  type Checkpoint,
  type CheckpointContent,
  findBest,
  listCheckpoints,
  loadCheckpoint,
  pruneCheckpoints,
  saveCheckpoint,
} from "./checkpoints.node.ts";
import {
  type Content,
  createFolder,
  isTemporary,
  removeLeftovers,
  renameSynced,
  storageError,
  temporaryPath,
  writeFileAtomically,
} from "./durable.node.ts";
import { stringifyJson } from "./json.ts";
import { cutMetricsLog, type MetricsLog, type MetricsRecord, openMetricsLog } from "./metrics-log.node.ts";
import { formatVersion, openRun, type Run, type RunConfig, runFiles } from "./run-folder.node.ts";
import { isLock, lockRun, type RunLock } from "./run-lock.node.ts";

/** A run that is written, by this process alone. */
export interface TrainingRun extends Run {
  /**
   * Saves model, optimizer and position together, and makes `model.safetensors` the best model. Append the step's metrics
   * first: resuming drops later ones. Arrays must not change meanwhile; calls wait for each other.
   *
   * @param options.best this checkpoint beats all before
   * @throws HeptagenError `storage/…` and others of `checkpoints.node.ts`; earlier checkpoints are then untouched
   */
  saveCheckpoint(content: CheckpointContent, options?: { readonly best?: boolean }): Promise<void>;
  /** @throws HeptagenError `storage/…`; the log is then as it was */
  appendMetrics(record: MetricsRecord): void;
  /** Writes into `samples/`. @returns the file's path */
  writeSample(name: string, content: string | Uint8Array): Promise<string>;
  /** Writes `tokenizer.json` from its text or its data. */
  writeTokenizer(json: unknown): Promise<void>;
  /** Writes any other file of the run atomically. @returns its path */
  writeFile(name: string, content: Content): Promise<string>;
  /** Lets others write the run. */
  close(): Promise<void>;
}

/**
 * Starts a run in a new or empty folder.
 *
 * @throws HeptagenError `run/exists`, `run/not-empty`, `run/locked`, `storage/…`
 * @example const run = await createRun("runs/moby", { recipe: "transformer/language-model", seed: 1, config, versions, data });
 */
export async function createRun(path: string, config: RunConfig): Promise<TrainingRun> {
  const folder = resolve(path);
  const text = stringifyJson({ format: formatVersion, ...config }, runFiles.config);
  try {
    await createFolder(folder);
    await checkEmpty(folder);
  } catch (error) {
    throw storageError(error, join(folder, runFiles.config));
  }
  const lock = await lockRun(folder);
  try {
    await checkEmpty(folder); // again: another process may have been first
    await removeLeftovers(folder);
    await createFolder(join(folder, runFiles.checkpoints));
    await createFolder(join(folder, runFiles.samples));
    await writeFileAtomically(join(folder, runFiles.config), `${text}\n`);
    return trainingRun(await openRun(folder), lock);
  } catch (error) {
    await lock.release();
    throw storageError(error, join(folder, runFiles.config));
  }
}

/** Refuses a folder that holds anything but what a killed `createRun` may have left. */
async function checkEmpty(folder: string): Promise<void> {
  const names = await readdir(folder);
  if (names.includes(runFiles.config)) {
    throw new HeptagenError("run/exists", `expected a new folder for the run, got ${folder}, which holds a run`, {
      facts: { folder },
      next: "Go on with it (--resume), or choose another folder (--out).",
    });
  }
  const other = names.find(
    (name) => !isLock(name) && !isTemporary(name) && name !== runFiles.checkpoints && name !== runFiles.samples,
  );
  if (other !== undefined) {
    throw new HeptagenError("run/not-empty", `expected a new or empty folder for the run, got ${folder}, which holds ${other}`, {
      facts: { folder, names },
      next: "Choose another folder (--out).",
    });
  }
}

/**
 * Goes on with a run: removes what a crash left, loads the newest good checkpoint and makes it the end of the run. Damaged
 * newer checkpoints are kept aside as `damaged-step-…`; later metrics are dropped.
 *
 * @returns the run, and where to go on; `checkpoint` is undefined when training ended before its first: start from step 0
 * @throws HeptagenError `run/locked`, `run/no-good-checkpoint`, and as `openRun`
 * @example
 * const { run, checkpoint } = await resumeRun("runs/moby");
 * const params = checkpoint ? restoreTree(initial, checkpoint.model, "model") : initial;
 */
export async function resumeRun(path: string): Promise<{ run: TrainingRun; checkpoint: Checkpoint | undefined }> {
  const reader = await openRun(path);
  const lock = await lockRun(reader.folder);
  try {
    const folder = reader.path(runFiles.checkpoints);
    for (const inside of [reader.folder, folder, reader.path(runFiles.samples)]) {
      await createFolder(inside);
      await removeLeftovers(inside);
    }
    const checkpoint = (await listCheckpoints(folder)).length > 0 ? await endWithLastGood(folder) : undefined;
    await cutMetricsLog(reader.path(runFiles.metrics), checkpoint?.step);
    if (checkpoint) {
      const best = await loadCheckpoint(folder, "best", { modelOnly: true });
      await publish(best.folder, reader.path(runFiles.model));
      await pruneCheckpoints(folder); // a kill may have come between a save and its cleaning up
    }
    return { run: trainingRun(reader, lock), checkpoint };
  } catch (error) {
    await lock.release();
    throw storageError(error, reader.path(runFiles.config));
  }
}

/** Loads the newest good checkpoint and renames the damaged ones that are newer, so that training can pass their steps again. */
async function endWithLastGood(folder: string): Promise<Checkpoint> {
  const all = await listCheckpoints(folder);
  const checkpoint = await loadCheckpoint(folder, "last");
  const position = all.findIndex((other) => other.folder === checkpoint.folder);
  for (const newer of all.slice(0, position)) {
    const aside = join(folder, `damaged-${newer.name}`);
    await rm(aside, { recursive: true, force: true });
    await renameSynced(newer.folder, aside);
  }
  const kept = (file: string) => `damaged-${basename(dirname(file))}`;
  const warnings = checkpoint.warnings.map((warning) => ({
    ...warning,
    message: `${warning.message}; the damaged one is kept as ${kept(warning.file)}`,
  }));
  return { ...checkpoint, warnings };
}

function trainingRun(reader: Run, lock: RunLock): TrainingRun {
  const { path } = reader;
  let log: MetricsLog | undefined = openMetricsLog(path(runFiles.metrics));
  let last: Promise<unknown> = Promise.resolve();
  const opened = (): MetricsLog => {
    if (log) return log;
    throw new HeptagenError("run/closed", `${reader.folder}: expected an open run, got one that was closed`);
  };
  const save = async (content: CheckpointContent, best: boolean): Promise<void> => {
    opened().sync(); // the curve up to this step is on the disk before its checkpoint is
    const folder = await saveCheckpoint(path(runFiles.checkpoints), content, { best });
    const isBest = best || (await findBest(await reader.listCheckpoints())).best === undefined;
    if (isBest) await publish(folder, path(runFiles.model));
  };
  const writeFile = async (name: string, content: Content): Promise<string> => {
    opened();
    await writeFileAtomically(path(name), content);
    return path(name);
  };
  return {
    ...reader,
    saveCheckpoint(content, { best = false } = {}) {
      const saved = last.then(() => save(content, best));
      last = saved.catch(() => undefined); // whoever asked for it gets the failure
      return saved;
    },
    appendMetrics: (record) => opened().append(record),
    writeFile,
    async writeSample(name, content) {
      if (/[/\\]|^\./.test(name)) {
        throw new HeptagenError("run/sample-name", `expected the plain name of a file for a sample, got "${name}"`);
      }
      return writeFile(join(runFiles.samples, name), content);
    },
    async writeTokenizer(json) {
      await writeFile(runFiles.tokenizer, typeof json === "string" ? json : stringifyJson(json, runFiles.tokenizer));
    },
    async close() {
      await last;
      log?.close();
      log = undefined;
      await lock.release();
    },
  };
}

/** Makes `to`, the run's `model.safetensors`, the model of a checkpoint. */
async function publish(checkpoint: string, to: string): Promise<void> {
  const from = join(checkpoint, runFiles.model);
  const draft = temporaryPath(to);
  try {
    await link(from, draft).catch(() => copySynced(from, draft)); // not every disk has hard links
    await renameSynced(draft, to);
  } catch (error) {
    throw storageError(error, to);
  } finally {
    await rm(draft, { force: true }); // rename does nothing when both names are links to one file already
  }
}

async function copySynced(from: string, to: string): Promise<void> {
  await copyFile(from, to);
  const file = await open(to, "r+");
  await file.sync();
  await file.close();
}
