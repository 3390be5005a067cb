/**
 * Reading examples: rows of tables, lines of JSON, tagged sentences, pairs of parallel texts. Each is a record with named values
 * and the place it came from.
 *
 *   .csv .tsv               a record a row, all values as text
 *   .parquet                a record a row
 *   .jsonl .ndjson          a record a line; .json: an array of records
 *   .conll .bio .iob .iob2  a record a sentence: `tokens` and `tags`, the first and the last of the columns; .txt too
 *   two plain files         a record a line, under the two files' columns
 *
 * Structures within a record become columns of their own: `{"translation": {"en": …}}` has the column `translation.en`.
 *
 * What cannot be read is an error with file and line; nothing is skipped or repaired.
 */
import { promises as fs } from "node:fs";
import { extname } from "node:path";
import { HeptagenError } from "../util/errors.ts";
import { columnError, emptyCell } from "./column-error.ts";
import { parseJsonLines } from "./json-lines.ts";
import { findNamed } from "./named-data.node.ts";
import { sourceFiles } from "./source-files.node.ts";
import { readRows } from "./tables.node.ts";
import { readStdin } from "./text-files.node.ts";
import { decodeText } from "./utf8.ts";

export interface DataRecord {
  readonly values: Readonly<Record<string, unknown>>;
  /** `file:line`, or which row or element of the file it is where lines say nothing. */
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
    for (const { file } of await sourceFiles(place, "files of records", known)) {
      for (const record of await readFile(file)) records.push(record); // one by one: there may be more than a call takes
    }
  }
  if (records.length > 0) return records;
  throw new HeptagenError("data/empty", `expected records, got none in ${[sources].flat().join(", ")}`, {
    next: "Choose a file with something in it.",
  });
}

async function readFile(file: string): Promise<DataRecord[]> {
  const kind = extname(file).toLowerCase();
  if (tables.has(kind)) {
    return (await readRows(file)).map(({ values, place }) => ({ values: columnsOf(values), place }));
  }
  const text = decodeText(await fs.readFile(file), file);
  if (lines.has(kind)) return jsonLines(text, file);
  if (kind === ".json") return jsonArray(text, file);
  if (sentences.has(kind) || kind === ".txt") return conllSentences(text, file);
  throw new HeptagenError("data/kind", `${file}: expected a file of records, got one that ends with "${kind}"`, {
    next: `It can be ${[...known].join(" ")}.`,
  });
}

const jsonLines = (text: string, file: string): DataRecord[] =>
  parseJsonLines(text, file).map(({ value, place }) => ({ values: objectAt(value, place), place }));

function jsonArray(text: string, file: string): DataRecord[] {
  let whole: unknown;
  try {
    whole = JSON.parse(text);
  } catch (cause) {
    throw new HeptagenError("data/json", `${file}: expected JSON, got ${(cause as Error).message}`, { cause });
  }
  if (!Array.isArray(whole)) {
    throw new HeptagenError("data/json", `${file}: expected an array of objects, got ${short(whole)}`, {
      next: "Write [ {…}, {…} ], or an object on each line of a .jsonl file.",
    });
  }
  return whole.map((value, i) => {
    const place = `${file}: element ${i + 1}`;
    return { values: objectAt(value, place), place };
  });
}

function objectAt(value: unknown, place: string): Record<string, unknown> {
  if (isObject(value)) return columnsOf(value);
  throw new HeptagenError("data/json", `${place}: expected a JSON object, got ${short(value)}`);
}

/** An object's fields, those of objects within it by their paths. */
function columnsOf(object: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const fields = Object.entries(object).flatMap(([name, value]): [string, unknown][] =>
    isObject(value) ? Object.entries(columnsOf(value)).map(([inner, deeper]) => [`${name}.${inner}`, deeper]) : [[name, value]],
  );
  return Object.fromEntries(fields);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const short = (value: unknown): string => (JSON.stringify(value) ?? "nothing").slice(0, 60);

/** Sentences as the CoNLL shared tasks have them: a token a line, columns apart by white space, an empty line between sentences. */
function conllSentences(text: string, file: string): DataRecord[] {
  const records: DataRecord[] = [];
  let [tokens, tags, first, width] = [[] as string[], [] as string[], 0, 0];
  const close = () => {
    if (tokens.length > 0) records.push({ values: { tokens, tags }, place: `${file}:${first}` });
    [tokens, tags] = [[], []];
  };
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    const fields = line.trim().split(/\s+/);
    const comment = tokens.length === 0 && line.startsWith("# "); // "# sent_id = 1" before a sentence
    if (line.trim() === "" || fields[0] === "-DOCSTART-" || comment) {
      close();
      continue;
    }
    width ||= fields.length;
    if (fields.length !== width || width < 2) {
      const expected = width < 2 ? "a token and its tag" : `${width} columns as before`;
      throw new HeptagenError("data/conll", `${file}:${i + 1}: expected ${expected}, got ${short(line)}`, {
        facts: { line: i + 1, columns: fields.length },
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
 * @throws HeptagenError `data/parallel` for files of unequal length, `data/empty-cell` for a blank line, `data/not-found`, `data/not-text`
 * @example await readParallel({ source: "corpus.en", target: "corpus.fr" });
 */
export async function readParallel(files: Readonly<Record<string, string>>): Promise<DataRecord[]> {
  const columns = await Promise.all(
    Object.entries(files).map(async ([name, file]) => {
      const bytes = await fs.readFile(file).catch((cause: unknown) => {
        throw new HeptagenError("data/not-found", `there is no file ${file}`, { cause });
      });
      const rows = decodeText(bytes, file).split(/\r?\n/);
      if (rows.at(-1) === "") rows.pop(); // the end of the last line
      return { name, file, rows };
    }),
  );
  const one = columns[0] as (typeof columns)[number];
  const blanks = columns.flatMap(({ file, rows }) => {
    const at = rows.findIndex((row) => row.trim() === "");
    return at < 0 ? [] : [{ file, line: at + 1 }];
  });
  const blank = blanks.sort((a, b) => a.line - b.line)[0];
  const other = columns.find(({ rows }) => rows.length !== one.rows.length);
  if (other) {
    const counts = `${one.file} has ${one.rows.length}, ${other.file} has ${other.rows.length}`;
    const hint = blank ? `the first blank one is ${blank.file}:${blank.line}` : "none is blank";
    throw new HeptagenError("data/parallel", `expected files of equally many lines: ${counts}; ${hint}`, {
      facts: { [one.file]: one.rows.length, [other.file]: other.rows.length },
      next: "Line n of each file must be the same example: look for a line that was split or left out.",
    });
  }
  if (blank) {
    throw new HeptagenError("data/empty-cell", `${blank.file}:${blank.line} is blank`, {
      next: "Fill it in, or remove this line from all the files.",
    });
  }
  return one.rows.map((_, i) => ({
    values: Object.fromEntries(columns.map(({ name, rows }) => [name, rows[i] as string])),
    place: columns.map(({ file }) => `${file}:${i + 1}`).join(" and "),
  }));
}

/**
 * A record's text in a column.
 *
 * @throws HeptagenError `data/column` for a column that is missing or holds no text, `data/empty-cell` where there is nothing
 */
export function textIn(record: DataRecord, column: string, flag = "--column"): string {
  const text = textOrNothing(record, column, flag);
  if (text.trim() === "") throw emptyCell(record.place, column);
  return text;
}

/**
 * A record's text in a column that may be empty: then "".
 *
 * @throws HeptagenError `data/column`
 */
export function textOrNothing({ values, place }: DataRecord, column: string, flag = "--column"): string {
  const value = values[column];
  if (value === null) return "";
  if (typeof value === "string") return value;
  if (typeof value === "number" || typeof value === "boolean") return String(value);
  throw columnError(place, column, Object.keys(values), value, flag);
}
