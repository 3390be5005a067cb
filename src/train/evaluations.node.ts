/**
 * `evaluations.jsonl`: what a run was measured at after training, one JSON object a line, oldest first.
 *
 * Lines are appended in one write each and flushed to the disk; a torn last line, which a crash leaves, is skipped by readers and
 * closed by the next writer.
 */
import { type FileHandle, open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { errno, storageError, unreadable } from "./durable.node.ts";
import { namedNumbers, numbersByName, stringifyJson } from "./json.ts";
import type { RunWarning } from "./metrics-log.node.ts";
import { runFiles } from "./run-folder.node.ts";

/** One evaluation. */
export interface EvaluationRecord {
  /** When it ended, as ISO 8601. */
  readonly time: string;
  /** Steps the model had been trained for; null when its file does not say. */
  readonly step: number | null;
  /** Every option with its value. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly seconds: number;
  readonly measures: readonly {
    readonly key: string;
    readonly name: string;
    readonly value: number;
    readonly better?: "lower" | "higher";
  }[];
}

/**
 * Adds an evaluation to a run.
 *
 * @throws HeptagenError `storage/…`
 */
export async function appendEvaluation(folder: string, record: EvaluationRecord): Promise<void> {
  const file = join(folder, runFiles.evaluations);
  const measures = record.measures.map(namedNumbers);
  const line = `${stringifyJson({ ...record, measures }, runFiles.evaluations, 0)}\n`;
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, "a+");
    const { size } = await handle.stat();
    const last = size === 0 ? "\n" : (await handle.read(Buffer.alloc(1), 0, 1, size - 1)).buffer.toString();
    await handle.write(last === "\n" ? line : `\n${line}`);
    await handle.sync();
  } catch (error) {
    throw storageError(error, file);
  } finally {
    await handle?.close();
  }
}

/** Reads a run's evaluations; none where there is no file. A line that is no evaluation is skipped with a warning. */
export async function readEvaluations(folder: string): Promise<{ records: EvaluationRecord[]; warnings: RunWarning[] }> {
  const file = join(folder, runFiles.evaluations);
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    if (errno(error) === "ENOENT") return "";
    throw unreadable(error, file);
  });
  const records: EvaluationRecord[] = [];
  const warnings: RunWarning[] = [];
  text.split("\n").forEach((line, i) => {
    if (line === "") return;
    const record = parseRecord(line);
    const message = `${file}: line ${i + 1} is not an evaluation; it is left out`;
    if (record) records.push(record);
    else warnings.push({ code: "evaluations/line", file, message });
  });
  return { records, warnings };
}

function parseRecord(line: string): EvaluationRecord | undefined {
  try {
    const parsed = JSON.parse(line) as EvaluationRecord;
    const whole = typeof parsed.time === "string" && typeof parsed.options === "object" && Array.isArray(parsed.measures);
    return whole
      ? { ...parsed, measures: parsed.measures.map(numbersByName) as unknown as EvaluationRecord["measures"] }
      : undefined;
  } catch {
    return undefined;
  }
}
