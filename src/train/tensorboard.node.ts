/**
 * TensorBoard event files on disk: `tensorboard --logdir runs` shows them while training runs.
 *
 * Each process writes a file of its own into a run's folder. Records are in the system's hands when a call returns, so they
 * survive the process; TensorBoard ignores a torn last one.
 */
import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { errno, storageError } from "./durable.node.ts";
import { fileVersionRecord, restartRecord, type SummaryValue, summaryRecord } from "./tensorboard.ts";

/** An open event file. All methods throw HeptagenError `storage/…` when the disk refuses. */
export interface EventWriter {
  readonly file: string;
  /** Adds values of one step. */
  write(step: number, values: readonly SummaryValue[]): void;
  /** Adds one scalar for each name. */
  scalars(step: number, scalars: Readonly<Record<string, number>>): void;
  close(): void;
}

/**
 * Begins an event file in a folder, which is created if need be.
 *
 * @param resumeStep the first step that will be written when training was resumed: older files' values from there on are hidden
 * @throws HeptagenError `storage/…`
 * @example
 * const events = openEventWriter(run.path("tensorboard"));
 * events.scalars(100, { "loss/train": 2.1 });
 */
export function openEventWriter(folder: string, { resumeStep }: { readonly resumeStep?: number } = {}): EventWriter {
  const attempt = <T>(path: string, action: () => T): T => {
    try {
      return action();
    } catch (error) {
      throw storageError(error, path);
    }
  };
  attempt(folder, () => mkdirSync(folder, { recursive: true }));
  const { file, handle } = attempt(join(folder, "events.out.tfevents"), () => create(folder));
  const append = (bytes: Uint8Array) =>
    attempt(file, () => {
      for (let at = 0; at < bytes.length; ) at += writeSync(handle, bytes, at);
    });
  const write: EventWriter["write"] = (step, values) => append(summaryRecord({ step, wallTime: now() }, values));
  append(fileVersionRecord(now()));
  if (resumeStep !== undefined) append(restartRecord({ step: resumeStep, wallTime: now() }));
  return {
    file,
    write,
    scalars(step, scalars) {
      write(
        step,
        Object.entries(scalars).map(([tag, scalar]) => ({ tag, scalar })),
      );
    },
    close: () => closeSync(handle),
  };
}

/** A new file under a name that TensorBoard recognises and sorts by time. */
function create(folder: string): { file: string; handle: number } {
  const base = `events.out.tfevents.${String(Math.floor(now())).padStart(10, "0")}.${hostname()}.${process.pid}`;
  for (let i = 0; ; i++) {
    const file = join(folder, `${base}.${i}`);
    try {
      return { file, handle: openSync(file, "ax") };
    } catch (error) {
      if (errno(error) !== "EEXIST") throw error;
    }
  }
}

/** Seconds since 1970. */
function now(): number {
  return Date.now() / 1000;
}
