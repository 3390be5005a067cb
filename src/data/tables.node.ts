/** Columns of CSV, TSV and Parquet files, through DuckDB (an optional dependency). */
import { extname } from "node:path";
import { HeptagenError } from "../util/errors.ts";
import { columnError } from "./column-error.ts";

/**
 * Reads a column of text.
 *
 * @returns one string per row, in the file's order
 * @throws HeptagenError `data/library`, `data/column`, `data/table`, `data/empty-cell` with file and row
 */
export async function readTable(file: string, column: string): Promise<string[]> {
  const { DuckDBInstance } = await import("@duckdb/node-api").catch((cause: unknown) => {
    throw new HeptagenError("data/library", `reading ${file} needs the package @duckdb/node-api, which is not installed`, {
      next: "Install it (npm install @duckdb/node-api), or convert the file to .jsonl.",
      cause,
    });
  });
  const reader = extname(file).toLowerCase() === ".parquet" ? "read_parquet" : "read_csv";
  const source = `${reader}('${file.replaceAll("'", "''")}'${reader === "read_csv" ? ", all_varchar = true, header = true" : ""})`;
  const instance = await DuckDBInstance.create(":memory:");
  const connection = await instance.connect();
  try {
    const described = await connection.runAndReadAll(`DESCRIBE SELECT * FROM ${source}`);
    const columns = described.getRows().map(([name]) => String(name));
    if (!columns.includes(column)) throw columnError(file, column, columns);
    const rows = await connection.runAndReadAll(`SELECT CAST("${column.replaceAll('"', '""')}" AS VARCHAR) FROM ${source}`);
    return rows.getRows().map(([value], i) => {
      if (typeof value === "string") return value;
      throw new HeptagenError("data/empty-cell", `${file}: row ${i + 1} has nothing in "${column}"`, {
        next: "Fill it in or remove the row.",
      });
    });
  } catch (cause) {
    if (cause instanceof HeptagenError) throw cause;
    const reason = (cause instanceof Error ? cause.message : String(cause)).split("\n")[0];
    throw new HeptagenError("data/table", `${file} could not be read: ${reason}`, { cause });
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}
