/** Columns of CSV, TSV and Parquet files, through DuckDB (an optional dependency). */
import { extname } from "node:path";
import type { DuckDBConnection } from "@duckdb/node-api";
import { HeptagenError } from "../util/errors.ts";
import { columnError } from "./column-error.ts";

/**
 * Reads a column of text.
 *
 * @returns one string per row, in the file's order
 * @throws HeptagenError `data/library`, `data/column`, `data/table`, `data/empty-cell` with file and row
 */
export async function readTable(file: string, column: string): Promise<string[]> {
  const reader = extname(file).toLowerCase() === ".parquet" ? "read_parquet" : "read_csv";
  const source = `${reader}(${quotedText(file)}${reader === "read_csv" ? ", all_varchar = true, header = true" : ""})`;
  const { connection, close } = await openDuckdb(file);
  try {
    const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${source}`);
    const columns = described.getRows().map(([name]) => String(name));
    if (!columns.includes(column)) throw columnError(file, column, columns);
    const rows = await connection.runAndReadAll(`SELECT CAST(${quotedName(column)} AS VARCHAR) FROM ${source}`);
    return rows.getRows().map(([value], i) => {
      if (typeof value === "string") return value;
      throw new HeptagenError("data/empty-cell", `${file}: row ${i + 1} has nothing in "${column}"`, {
        next: "Fill it in or remove the row.",
      });
    });
  } catch (cause) {
    throw tableError(file, cause);
  } finally {
    close();
  }
}

/**
 * Reads all columns of all rows, values as JSON has them: text in CSV and TSV ("" for a cell of nothing), any in Parquet.
 *
 * @throws HeptagenError `data/library`, `data/table`
 */
export async function readRows(file: string): Promise<Record<string, unknown>[]> {
  const parquet = extname(file).toLowerCase() === ".parquet";
  const source = parquet
    ? `read_parquet(${quotedText(file)})`
    : `read_csv(${quotedText(file)}, all_varchar = true, header = true)`;
  const { connection, close } = await openDuckdb(file);
  try {
    const rows = (await connection.runAndReadAll(`SELECT * FROM ${source}`)).getRowObjectsJson() as Record<string, unknown>[];
    if (parquet) return rows;
    return rows.map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, value ?? ""])));
  } catch (cause) {
    throw tableError(file, cause);
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

/** What went wrong with a table, in one line. */
export function tableError(file: string, cause: unknown): HeptagenError {
  if (cause instanceof HeptagenError) return cause;
  const reason = (cause instanceof Error ? cause.message : String(cause)).split("\n")[0];
  return new HeptagenError("data/table", `${file} could not be read: ${reason}`, { cause });
}

export const quotedText = (text: string): string => `'${text.replaceAll("'", "''")}'`;
export const quotedName = (name: string): string => `"${name.replaceAll('"', '""')}"`;
