/**
 * Pictures or sounds in a Parquet file, through DuckDB (an optional dependency): a column of file contents, or of {bytes, path} as
 * Hugging Face writes it. Names of classes are taken from the description that Hugging Face stores in the file.
 */
import { HeptagenError } from "../util/errors.ts";
import { columnError } from "./column-error.ts";
import { openDuckdb, quotedName, quotedText, tableError } from "./tables.node.ts";

/** A picture or a sound on its way in: the bytes of a file. */
export interface MediaSource {
  /** For errors: path, place in an archive, row of a table. */
  readonly file: string;
  /** The name of its class. */
  readonly label: string | undefined;
  read(): Promise<Uint8Array>;
}

/** Pictures or sounds of one source. `classes` fixes the order of class names; without it they are sorted. */
export interface MediaList<Source extends MediaSource = MediaSource> {
  readonly items: readonly Source[];
  readonly classes?: readonly string[] | undefined;
}

/** Names of columns of a table; guessed unless told. */
export interface MediaColumns {
  readonly column?: string | undefined;
  readonly labelColumn?: string | undefined;
}

const labelNames = ["label", "labels", "class", "fine_label"];

/**
 * Lists what a Parquet file holds.
 *
 * @param what what is looked for, for messages: the usual name of its column
 * @throws HeptagenError `data/library`, `data/column`, `data/table`
 */
export async function readMediaTable(file: string, { column, labelColumn }: MediaColumns, what: string): Promise<MediaList> {
  const duckdb = await openDuckdb(file);
  try {
    const source = `read_parquet(${quotedText(file)})`;
    const rows = async (sql: string) => (await duckdb.connection.runAndReadAll(sql)).getRowsJS();
    const types = new Map((await rows(`DESCRIBE SELECT * FROM ${source}`)).map(([name, type]) => [String(name), String(type)]));
    const names = [...types.keys()];
    const content = column ?? names.find((name) => /^BLOB$|^STRUCT\(.*"?bytes"? BLOB/.test(types.get(name) ?? ""));
    if (content === undefined || !types.has(content)) throw columnError(file, content ?? what, names);
    const labels = labelColumn ?? labelNames.find((name) => types.has(name));
    if (labels !== undefined && !types.has(labels)) throw columnError(file, labels, names);
    const value = types.get(content)?.startsWith("STRUCT") ? `${quotedName(content)}.bytes` : quotedName(content);
    const label = labels === undefined ? "NULL" : `CAST(${quotedName(labels)} AS VARCHAR)`;
    const known = labels === undefined ? undefined : classNames(await rows(metadata(file)), labels);
    const found = await rows(`SELECT ${value}, ${label} FROM ${source}`);
    return { classes: known, items: found.map(([bytes, name], i) => item(`${file}:${i + 1}`, bytes, name, known)) };
  } catch (cause) {
    throw tableError(file, cause);
  } finally {
    duckdb.close();
  }
}

function item(file: string, bytes: unknown, label: unknown, classes: readonly string[] | undefined): MediaSource {
  return {
    file,
    label: label === null ? undefined : (classes?.[Number(label)] ?? String(label)),
    read: async () => {
      if (bytes instanceof Uint8Array) return bytes;
      throw new HeptagenError("data/column", `expected the bytes of a file, got ${bytes === null ? "nothing" : typeof bytes}`);
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
