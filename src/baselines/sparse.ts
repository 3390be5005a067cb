/** Matrices that are mostly zeros, row by row (the CSR format): what TF-IDF makes and logistic regression reads. */

/** Row i holds `values` at `columns`, both from place `starts[i]` to place `starts[i + 1]`; columns ascend within a row. */
export interface SparseRows {
  readonly rows: number;
  readonly width: number;
  /** [rows + 1] */
  readonly starts: Int32Array;
  readonly columns: Int32Array;
  readonly values: Float64Array;
}

/**
 * Rows from pairs of column and value.
 *
 * @example sparseRows([[[0, 1.5], [2, 0.5]], []], 3)
 */
export function sparseRows(rows: readonly (readonly (readonly [column: number, value: number])[])[], width: number): SparseRows {
  const starts = new Int32Array(rows.length + 1);
  for (const [i, row] of rows.entries()) starts[i + 1] = (starts[i] as number) + row.length;
  const columns = new Int32Array(starts[rows.length] as number);
  const values = new Float64Array(columns.length);
  let place = 0;
  for (const row of rows) {
    for (const [column, value] of [...row].sort(([a], [b]) => a - b)) {
      columns[place] = column;
      values[place++] = value;
    }
  }
  return { rows: rows.length, width, starts, columns, values };
}
