import { HeptagenError, nearest } from "../util/errors.ts";

/** The error for a column that is missing or holds no text. */
export function columnError(
  source: string,
  column: string,
  columns: readonly string[],
  value?: unknown,
  flag = "--column",
): HeptagenError {
  if (columns.includes(column)) {
    return new HeptagenError("data/column", `${source}: expected text in "${column}", got ${JSON.stringify(value)}`);
  }
  const near = nearest(column, columns);
  return new HeptagenError(
    "data/column",
    `${source}: there is no column "${column}"; it has ${columns.map((c) => `"${c}"`).join(", ") || "none"}`,
    {
      next: near ? `Did you mean "${near}"? Name it with ${flag}.` : `Name the column to read with ${flag}.`,
    },
  );
}

/** The error for a cell with nothing in it. */
export function emptyCell(source: string, column: string): HeptagenError {
  return new HeptagenError("data/empty-cell", `${source} has nothing in "${column}"`, { next: "Fill it in or remove the row." });
}
