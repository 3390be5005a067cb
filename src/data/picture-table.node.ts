/**
 * Pictures in a Parquet file, through DuckDB (an optional dependency): a column of file contents, or of {bytes, path} as Hugging
 * Face writes it. Names of classes are taken from the description that Hugging Face stores in the file.
 */
import { HeptagenError } from "../util/errors.ts";
import { columnError } from "./column-error.ts";
import type { PictureSource } from "./picture-decoder.node.ts";
import type { PictureColumns, PictureList } from "./picture-sources.node.ts";
import { openDuckdb, quotedName, quotedText, tableError } from "./tables.node.ts";

const labelNames = ["label", "labels", "class", "fine_label"];

/** @throws HeptagenError `data/library`, `data/column`, `data/table` */
export async function readPictureTable(file: string, { column, labelColumn }: PictureColumns): Promise<PictureList> {
  const duckdb = await openDuckdb(file);
  try {
    const source = `read_parquet(${quotedText(file)})`;
    const rows = async (sql: string) => (await duckdb.connection.runAndReadAll(sql)).getRowsJS();
    const types = new Map((await rows(`DESCRIBE SELECT * FROM ${source}`)).map(([name, type]) => [String(name), String(type)]));
    const names = [...types.keys()];
    const pictures = column ?? names.find((name) => /^BLOB$|^STRUCT\(.*"?bytes"? BLOB/.test(types.get(name) ?? ""));
    if (pictures === undefined || !types.has(pictures)) throw columnError(file, pictures ?? "image", names);
    const labels = labelColumn ?? labelNames.find((name) => types.has(name));
    if (labels !== undefined && !types.has(labels)) throw columnError(file, labels, names);
    const value = types.get(pictures)?.startsWith("STRUCT") ? `${quotedName(pictures)}.bytes` : quotedName(pictures);
    const label = labels === undefined ? "NULL" : `CAST(${quotedName(labels)} AS VARCHAR)`;
    const known = labels === undefined ? undefined : classNames(await rows(metadata(file)), labels);
    const found = await rows(`SELECT ${value}, ${label} FROM ${source}`);
    return { classes: known, pictures: found.map(([bytes, name], i) => picture(`${file}:${i + 1}`, bytes, name, known)) };
  } catch (cause) {
    throw tableError(file, cause);
  } finally {
    duckdb.close();
  }
}

function picture(file: string, bytes: unknown, label: unknown, classes: readonly string[] | undefined): PictureSource {
  return {
    file,
    label: label === null ? undefined : (classes?.[Number(label)] ?? String(label)),
    read: async () => {
      if (bytes instanceof Uint8Array) return bytes;
      throw new HeptagenError("data/column", `expected the bytes of a picture, got ${bytes === null ? "nothing" : typeof bytes}`);
    },
  };
}

const metadata = (file: string) =>
  `SELECT decode(value) FROM parquet_kv_metadata(${quotedText(file)}) WHERE decode(key) = 'huggingface'`;

/** Names of a label column's classes in Hugging Face's description of the features. */
function classNames(rows: readonly (readonly unknown[])[], column: string): readonly string[] | undefined {
  const text = rows[0]?.[0];
  if (typeof text !== "string") return undefined;
  // What is stored in the file, described at https://huggingface.co/docs/datasets/about_dataset_features
  const description = JSON.parse(text) as { info?: { features?: Record<string, { names?: readonly string[] }> } };
  return description.info?.features?.[column]?.names;
}
