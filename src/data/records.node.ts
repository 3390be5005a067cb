/**
 * Reading examples: rows of tables, lines of JSON, tagged sentences, pairs of parallel texts. Each is a record with named values
 * and the place it came from.
 *
 *   .csv .tsv .parquet    a record a row
 *   .jsonl .ndjson        a record a line; .json: an array of records
 *   .conll .bio .iob      a record a sentence: `tokens` and `tags` (the first and last column); .txt too, when asked
 *   two plain files       a record a line, under the two files' columns
 *
 * What cannot be read is an error with file and line; nothing is skipped or repaired.
 */
import { promises as fs } from "node:fs";
import { extname } from "node:path";
import { HeptagenError } from "../util/errors.ts";
import { columnError } from "./column-error.ts";
import { findNamed } from "./named-data.node.ts";
import { sourceFiles } from "./source-files.node.ts";
import { readRows } from "./tables.node.ts";
import { readStdin } from "./text-files.node.ts";
import { decodeText } from "./utf8.ts";

export interface DataRecord {
  readonly values: Readonly<Record<string, unknown>>;
  /** File and line (of tables: and row). */
  readonly place: string;
}

const tables = new Set([".csv", ".tsv", ".parquet"]);
const lines = new Set([".jsonl", ".ndjson"]);
const sentences = new Set([".conll", ".bio", ".iob", ".iob2"]);
const known = new Set([...tables, ...lines, ...sentences, ".json"]);

/**
 * Reads records from one or more sources.
 *
 * @param sources files, folders, globs, names of `heptagen data list`, "-" for lines of JSON on standard input
 * @throws HeptagenError `data/…` with file and line
 * @example const rows = await readRecords("reviews.csv");
 */
export async function readRecords(sources: string | readonly string[]): Promise<DataRecord[]> {
  const records: DataRecord[] = [];
  for (const source of typeof sources === "string" ? [sources] : sources) {
    if (source === "-") {
      records.push(...jsonLines(decodeText(await readStdin(), "standard input"), "standard input"));
      continue;
    }
    const place = (await findNamed(source, "table", "text"))?.path ?? source;
    for (const { file } of await sourceFiles(place, "files of records", known)) records.push(...(await readFile(file)));
  }
  if (records.length > 0) return records;
  throw new HeptagenError("data/empty", `expected records, got none in ${[sources].flat().join(", ")}`, {
    next: "Choose a file with something in it.",
  });
}

async function readFile(file: string): Promise<DataRecord[]> {
  const kind = extname(file).toLowerCase();
  if (tables.has(kind)) {
    if (kind !== ".parquet") decodeText(await fs.readFile(file), file); // says where it is no text
    return (await readRows(file)).map((values, i) => ({ values, place: `${file}: row ${i + 1}` }));
  }
  const text = decodeText(await fs.readFile(file), file);
  if (lines.has(kind)) return jsonLines(text, file);
  if (kind === ".json") return jsonArray(text, file);
  if (sentences.has(kind) || kind === ".txt") return conllSentences(text, file);
  throw new HeptagenError("data/kind", `${file}: expected a file of records, got one that ends with "${kind}"`, {
    next: `It can be ${[...known].join(" ")}.`,
  });
}

function jsonLines(text: string, file: string): DataRecord[] {
  return text.split("\n").flatMap((line, i) => {
    if (line.trim() === "") return [];
    const place = `${file}:${i + 1}`;
    return [{ values: recordOf(parse(line, place), place), place }];
  });
}

function jsonArray(text: string, file: string): DataRecord[] {
  const parsed = parse(text, file);
  if (!Array.isArray(parsed)) {
    throw new HeptagenError("data/json", `${file}: expected an array of objects, got ${typeof parsed}`, {
      next: "Write [ {…}, {…} ], or a line of JSON a record in a .jsonl file.",
    });
  }
  return parsed.map((value, i) => {
    const place = `${file}: record ${i + 1}`;
    return { values: recordOf(value, place), place };
  });
}

function parse(text: string, place: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new HeptagenError("data/json", `${place}: expected JSON, got ${JSON.stringify(text.slice(0, 60))}`, { cause });
  }
}

function recordOf(value: unknown, place: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new HeptagenError("data/json", `${place}: expected a JSON object, got ${JSON.stringify(value)?.slice(0, 60)}`);
}

/** Sentences in CoNLL's format: a token a line, its columns apart by space, an empty line between sentences. */
function conllSentences(text: string, file: string): DataRecord[] {
  const records: DataRecord[] = [];
  let tokens: string[] = [];
  let tags: string[] = [];
  let first = 1;
  const close = () => {
    if (tokens.length > 0) records.push({ values: { tokens, tags }, place: `${file}:${first}` });
    [tokens, tags] = [[], []];
  };
  for (const [i, line] of text.split("\n").entries()) {
    const fields = line.trim().split(/\s+/);
    if (line.trim() === "" || fields[0] === "-DOCSTART-" || /^# /.test(line)) {
      close();
      continue;
    }
    if (fields.length < 2) {
      throw new HeptagenError("data/conll", `${file}:${i + 1}: expected a token and its tag, got "${line.trim()}"`, {
        next: "Write the token first and the tag last, apart by a space, and an empty line between sentences.",
      });
    }
    if (tokens.length === 0) first = i + 1;
    tokens.push(fields[0] as string);
    tags.push(fields.at(-1) as string);
  }
  close();
  return records;
}

/**
 * Reads parallel texts: line n of one file belongs to line n of the other.
 *
 * @param files a plain text file a column, by the column's name
 * @throws HeptagenError `data/parallel` for files of unequal length, `data/…`
 * @example await readParallel({ source: "corpus.en", target: "corpus.fr" });
 */
export async function readParallel(files: Readonly<Record<string, string>>): Promise<DataRecord[]> {
  const columns = await Promise.all(
    Object.entries(files).map(async ([name, file]) => {
      const text = decodeText(await fs.readFile(file).catch((cause) => missing(file, cause)), file);
      const rows = text.split(/\r?\n/);
      if (rows.at(-1) === "") rows.pop();
      return { name, file, rows };
    }),
  );
  const one = columns[0] as (typeof columns)[number];
  for (const other of columns.slice(1)) {
    if (other.rows.length === one.rows.length) continue;
    const shorter = other.rows.length < one.rows.length ? other : one;
    throw new HeptagenError(
      "data/parallel",
      `expected files of as many lines, got ${one.rows.length} in ${one.file} and ${other.rows.length} in ${other.file}`,
      {
        facts: { [one.file]: one.rows.length, [other.file]: other.rows.length },
        next: `${shorter.file} ends with "${(shorter.rows.at(-1) ?? "").slice(0, 60)}": find where the two part.`,
      },
    );
  }
  return one.rows.map((_, i) => ({
    values: Object.fromEntries(columns.map(({ name, rows }) => [name, rows[i] as string])),
    place: `${columns.map(({ file }) => file).join(" and ")}: line ${i + 1}`,
  }));
}

function missing(file: string, cause: unknown): never {
  throw new HeptagenError("data/not-found", `there is no file ${file}`, { cause });
}

/**
 * A record's text in a column.
 *
 * @throws HeptagenError `data/column` for a column that is missing or holds no text
 */
export function textIn({ values, place }: DataRecord, column: string, flag = "--column"): string {
  const value = values[column];
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw columnError(place, column, Object.keys(values), value, flag);
}
