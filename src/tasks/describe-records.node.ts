/** What a file of records (a JSON object a line) holds: how many, with which fields, and some of them. */
import { createReadStream } from "node:fs";
import { createInterface } from "node:readline";

/** Records that are shown. */
const mostRecords = 3;
/** Characters of a value that are shown. */
const width = 120;

export interface RecordsDescription {
  readonly records: number;
  readonly fields: readonly string[];
  /** A field a line, records parted by an empty one. */
  readonly lines: readonly string[];
}

/**
 * Counts the records of a file and shows the first few.
 *
 * @returns undefined for a file whose first line is no JSON object
 */
export async function describeRecords(file: string): Promise<RecordsDescription | undefined> {
  const first: Readonly<Record<string, unknown>>[] = [];
  let records = 0;
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Number.POSITIVE_INFINITY })) {
    if (line.trim() === "") continue;
    if (records++ >= mostRecords) continue;
    const record = parseRecord(line);
    if (!record) return undefined;
    first.push(record);
  }
  const fields = Object.keys(first[0] ?? {});
  const longest = Math.max(0, ...fields.map((name) => name.length));
  const lines = first.flatMap((record, i) => [
    ...(i > 0 ? [""] : []),
    ...Object.entries(record).map(([name, value]) => `${name.padEnd(longest)}  ${shown(value)}`),
  ]);
  return { records, fields, lines };
}

function parseRecord(line: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Readonly<Record<string, unknown>>) : undefined;
  } catch {
    return undefined;
  }
}

/** A value on one line: texts as they are, lists of texts in a row, all else as JSON. */
function shown(value: unknown): string {
  const texts = Array.isArray(value) && value.every((each) => typeof each === "string") ? value.join(" · ") : undefined;
  const text = typeof value === "string" ? value : (texts ?? JSON.stringify(value) ?? "");
  const line = text.replace(/\s+/g, " ").trim();
  return line.length > width ? `${line.slice(0, width - 1)}…` : line;
}
