/** Columns of CSV, TSV and Parquet files, through DuckDB (an optional dependency). */
import { promises as fs } from "node:fs";
import { extname } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { HeptagenError } from "../util/errors.ts";
import { columnError, emptyCell } from "./column-error.ts";
import { decodeText } from "./utf8.ts";

/** A row of a table. */
interface Row {
  /** By column: of CSV and TSV text, or null where there is nothing; of Parquet what JSON can hold. */
  readonly values: Readonly<Record<string, unknown>>;
  /** `file:line` where lines can be told (quoted values may span several), else `file: row n`. */
  readonly place: string;
}

/**
 * Reads a column of text.
 *
 * @returns one text a row, in the file's order
 * @throws HeptagenError `data/library`, `data/not-text`, `data/table`, `data/column`, `data/empty-cell` with file and line
 */
export async function readTable(file: string, column: string): Promise<{ readonly text: string; readonly place: string }[]> {
  return (await readRows(file)).map(({ values, place }) => {
    const value = values[column];
    if (!(column in values)) throw columnError(file, column, Object.keys(values));
    if (value === null) throw emptyCell(place, column);
    return { text: typeof value === "object" ? JSON.stringify(value) : String(value), place };
  });
}

/**
 * Reads all rows of a table, nothing guessed but what separates the columns of a .csv (the header tells: comma, semicolon or tab).
 *
 * @throws HeptagenError `data/library`, `data/not-text`, `data/table` with file and line
 */
export async function readRows(file: string): Promise<Row[]> {
  const kind = extname(file).toLowerCase();
  return kind === ".parquet" ? parquetRows(file) : textRows(file, kind === ".tsv" ? "\t" : undefined);
}

async function parquetRows(file: string): Promise<Row[]> {
  const { connection, close } = await openDuckdb(file);
  try {
    const result = await connection.runAndReadAll(`SELECT * FROM read_parquet(${quotedText(file)})`);
    const rows = result.getRowObjectsJson() as Record<string, unknown>[];
    const types = result.columnTypes().map(String);
    const numeric = result.columnNames().filter((_, i) => /^(BIGINT|UBIGINT|HUGEINT|DECIMAL)/.test(types[i] as string));
    for (const row of rows) for (const name of numeric) row[name] = exactNumber(row[name]);
    return rows.map((values, i) => ({ values, place: `${file}: row ${i + 1}` }));
  } catch (cause) {
    throw tableError(file, cause);
  } finally {
    close();
  }
}

/** Large whole numbers arrive as text; those that a number holds exactly become numbers. */
function exactNumber(value: unknown): unknown {
  const number = typeof value === "string" ? Number(value) : Number.NaN;
  return Number.isInteger(number) && !Number.isSafeInteger(number) ? value : Number.isNaN(number) ? value : number;
}

async function textRows(file: string, separator: string | undefined): Promise<Row[]> {
  const text = decodeText(await fs.readFile(file), file);
  if (text.trim() === "") return [];
  const delimiter = separator ?? delimiterOf(text);
  const names = headerNames(text, delimiter, file);
  const lines = rowLines(text, delimiter, file);
  // Rows that do not fit are errors: left to itself, DuckDB would take them for a preamble, or for another dialect.
  const columns = names.map((_, i) => `c${i}: 'VARCHAR'`).join(", ");
  const dialect = `delim = ${quotedText(delimiter)}, quote = '"', escape = '"', header = true, auto_detect = false`;
  const { connection, close } = await openDuckdb(file);
  try {
    const result = await connection.runAndReadAll(
      `SELECT * FROM read_csv(${quotedText(file)}, ${dialect}, columns = {${columns}})`,
    );
    return result.getRows().map((cells, i) => ({
      values: Object.fromEntries(names.map((name, c) => [name, cells[c] ?? null])),
      place: `${file}:${lines[i]}`,
    }));
  } catch (cause) {
    throw tableError(file, cause, (row) => lines[row - 2] ?? row); // DuckDB counts rows, the header too
  } finally {
    close();
  }
}

/** A database in memory to read `file` with. */
export async function openDuckdb(file: string): Promise<{ readonly connection: DuckDBConnection; close(): void }> {
  const { DuckDBInstance } = await import("@duckdb/node-api").catch((cause: unknown) => {
    throw new HeptagenError("data/library", `reading ${file} needs the package @duckdb/node-api, which is not installed`, {
      next: "Install it (npm install @duckdb/node-api), or convert the file to another format.",
      cause,
    });
  });
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  const close = () => {
    connection.closeSync();
    instance.closeSync();
  };
  return { connection, close };
}

/**
 * What went wrong with a table, in one line.
 *
 * @param lineOf the line in which the row that DuckDB names begins
 */
export function tableError(file: string, cause: unknown, lineOf = (row: number) => row): HeptagenError {
  if (cause instanceof HeptagenError) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  const row = /CSV Error on Line: (\d+)/.exec(message)?.[1];
  if (row === undefined) {
    return new HeptagenError("data/table", `${file} could not be read: ${message.split("\n")[0]}`, { cause });
  }
  const line = lineOf(Number(row));
  const columns = /Expected Number of Columns: (\d+) Found: (\d+)/.exec(message);
  const [problem, next] = columns
    ? [
        `expected ${columns[1]} columns, got ${columns[2]}`,
        "Put values that hold the separator or a line break between double quotes.",
      ]
    : message.includes("unterminated quote")
      ? ['there is a " that is never closed, or text after the one that closes', 'Within quotes, a quote is written twice: "".']
      : [message.split("\n").find((one, i) => i > 0 && !one.startsWith("Original Line")) ?? "it could not be read", undefined];
  return new HeptagenError("data/table", `${file}:${line}: ${problem}`, { facts: { line }, ...(next && { next }), cause });
}

export const quotedText = (text: string): string => `'${text.replaceAll("'", "''")}'`;
export const quotedName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** What separates the names in the first line: of comma, semicolon and tab the most frequent. */
function delimiterOf(text: string): string {
  const header = text.slice(0, text.search(/\r?\n|$/));
  const count = (delimiter: string) => header.split(delimiter).length;
  return [",", ";", "\t"].reduce((best, other) => (count(other) > count(best) ? other : best));
}

/** Names in the first row; quoted ones may hold the delimiter. A column without one is called by its number: "column 1". */
function headerNames(text: string, delimiter: string, file: string): string[] {
  const names: string[] = [];
  const field = new RegExp(`("(?:[^"]|"")*"|[^${delimiter}\\r\\n]*)(${delimiter}|\\r?\\n|$)`, "y");
  for (let match = field.exec(text); match; match = field.exec(text)) {
    const name = match[1] as string;
    names.push(name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name || `column ${names.length + 1}`);
    if (match[2] !== delimiter) break;
  }
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new HeptagenError("data/table", `${file}:1: expected a name of its own for every column, got "${twice}" twice`, {
      facts: { columns: names },
      next: "Rename one of them in the first line.",
    });
  }
  return names;
}

/**
 * The line that each row begins in, the header apart; quoted values may span several.
 *
 * @throws HeptagenError `data/table` for a blank line between rows
 */
function rowLines(text: string, delimiter: string, file: string): number[] {
  const starts: number[] = [];
  let line = 1;
  let blank: number | undefined;
  // A row: fields, quoted or plain, apart by the delimiter, and its end.
  const row = new RegExp(`(?:"[^"]*"|[^"\\r\\n${delimiter}][^\\r\\n${delimiter}]*|${delimiter})*(\\r\\n|\\n|\\r|$)`, "y");
  while (row.lastIndex < text.length) {
    const begin = row.lastIndex;
    const whole = row.exec(text)?.[0];
    if (whole === undefined) break; // DuckDB says what is wrong with it
    if (whole.trim() === "" && !whole.includes(delimiter)) blank ??= line;
    else {
      if (blank !== undefined) {
        throw new HeptagenError("data/table", `${file}:${blank} is blank`, { next: "Remove blank lines between the rows." });
      }
      starts.push(line);
    }
    line += whole.match(/\r\n|\n|\r/g)?.length ?? 0;
    if (row.lastIndex === begin) break;
  }
  return starts.slice(1);
}
