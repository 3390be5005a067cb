/**
 * `metrics.jsonl`: one JSON object a line, appended while training.
 *
 * Numbers that JSON lacks are written as "NaN", "Infinity" and "-Infinity" and read back as numbers. A crash may tear the last
 * line; readers skip it, and resuming cuts it together with everything after the step it resumes from, so that the curve has
 * each step once.
 */
import { closeSync, fstatSync, fsyncSync, ftruncateSync, openSync, writeSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { errno, storageError, unreadable, writeFileAtomically } from "./durable.node.ts";
import { namedNumbers, numbersByName, stringifyJson } from "./json.ts";

/** What was measured at one step. Several records may share a step. */
export interface MetricsRecord {
  readonly step: number;
  readonly [name: string]: number | string | boolean | null;
}

/** Something that was worked around; the program goes on. */
export interface RunWarning {
  /** Stable name: `area/what`. */
  readonly code: string;
  /** The file it is about. */
  readonly file: string;
  readonly message: string;
}

/** An open log. Lines are in the system's hands when `append` returns: they survive the process, and `sync` a power cut. */
export interface MetricsLog {
  append(record: MetricsRecord): void;
  sync(): void;
  close(): void;
}

/**
 * Opens a log for appending, creating it if need be.
 *
 * @throws HeptagenError `storage/…` here and in `append`, which then leaves the log as it was
 */
export function openMetricsLog(file: string): MetricsLog {
  const attempt = <T>(action: () => T): T => {
    try {
      return action();
    } catch (error) {
      throw storageError(error, file);
    }
  };
  const handle = attempt(() => openSync(file, "a"));
  return {
    append(record) {
      const line = new TextEncoder().encode(`${stringifyJson(namedNumbers(record), "metrics", 0)}\n`);
      const before = fstatSync(handle).size;
      attempt(() => {
        try {
          for (let at = 0; at < line.length; ) at += writeSync(handle, line, at);
        } catch (error) {
          ftruncateSync(handle, before); // half a line would spoil the next one
          throw error;
        }
      });
    },
    sync: () => attempt(() => fsyncSync(handle)),
    close: () => closeSync(handle),
  };
}

/**
 * Reads a log. A line that is not a record is skipped with a warning; a torn last line without one, being what a crash leaves.
 * No file is an empty log.
 */
export async function readMetricsLog(file: string): Promise<{ records: MetricsRecord[]; warnings: RunWarning[] }> {
  const lines = await readLines(file);
  const warnings = lines.flatMap(({ record, ended }, i) =>
    record || !ended
      ? []
      : [{ code: "metrics/line", file, message: `${file}: line ${i + 1} is not a record of metrics; it is left out` }],
  );
  return { records: lines.flatMap(({ record }) => record ?? []), warnings };
}

/**
 * Drops torn lines and the records after `step` (all of them when undefined).
 *
 * @throws HeptagenError `storage/…`; the log is then unchanged
 */
export async function cutMetricsLog(file: string, step: number | undefined): Promise<void> {
  const lines = await readLines(file);
  const kept = lines.filter(({ record, ended }) => ended && record !== undefined && record.step <= (step ?? -1));
  if (kept.length < lines.length) await writeFileAtomically(file, kept.map(({ text }) => `${text}\n`).join(""));
}

interface Line {
  readonly text: string;
  /** Undefined when the line is not a record. */
  readonly record: MetricsRecord | undefined;
  /** False for a last line without its newline. */
  readonly ended: boolean;
}

async function readLines(file: string): Promise<Line[]> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (errno(error) === "ENOENT") return [];
    throw unreadable(error, file);
  }
  const lines = text.split("\n");
  return lines
    .map((line, i) => ({ text: line, record: parseRecord(line), ended: i < lines.length - 1 }))
    .filter((line) => line.ended || line.text !== "");
}

function parseRecord(line: string): MetricsRecord | undefined {
  try {
    const parsed: unknown = JSON.parse(line);
    if (typeof parsed !== "object" || parsed === null || !("step" in parsed) || !Number.isSafeInteger(parsed.step))
      return undefined;
    return numbersByName(parsed) as MetricsRecord; // `append` wrote nothing else
  } catch {
    return undefined;
  }
}
