/**
 * Reading text: files, folders, globs and standard input, as documents.
 *
 * `.txt` and `.md` files (and files of unknown kind that hold UTF-8) are one document each; every line of a `.jsonl` file and
 * every row of a `.csv`, `.tsv` or `.parquet` file is one, taken from a named column. Text is kept exactly as it is, but for a
 * byte order mark at a file's start. What cannot be read is an error that says where; nothing is skipped or repaired.
 */
import { promises as fs } from "node:fs";
import { extname } from "node:path";
import { HeptagenError } from "../util/errors.ts";
import { columnError } from "./column-error.ts";
import { parseJsonLines } from "./json-lines.ts";
import { findNamed } from "./named-data.node.ts";
import { sourceFiles } from "./source-files.node.ts";
import { readTable } from "./tables.node.ts";
import { decodeText } from "./utf8.ts";

/** A text and where it came from. */
export interface Document {
  readonly text: string;
  readonly source: string;
}

export interface ReadOptions {
  /** The field or column that holds the text; "text" unless told. */
  readonly column?: string;
}

const plain = new Set([".txt", ".md", ".text"]);
const tables = new Set([".csv", ".tsv", ".parquet"]);
const known = new Set([...plain, ...tables, ".jsonl", ".ndjson"]);

/**
 * Reads documents from one or more sources.
 *
 * @param sources paths of files or folders, globs (`books/*.txt`), a text of the catalogue by its name, or "-" for standard input
 * @throws HeptagenError `data/not-found`, `data/empty`, `data/not-text`, `data/no-files`, `data/column`, `data/json`
 * @example const documents = await readDocuments("books/*.txt");
 */
export async function readDocuments(sources: string | readonly string[], options: ReadOptions = {}): Promise<Document[]> {
  const documents: Document[] = [];
  for (const source of typeof sources === "string" ? [sources] : sources) {
    if (source === "-") documents.push({ text: decodeText(await readStdin(), "standard input"), source: "standard input" });
    else {
      const place = (await findNamed(source, "text"))?.path ?? source;
      for (const { file } of await sourceFiles(place, "text files", known)) documents.push(...(await readFile(file, options)));
    }
  }
  const empty = documents.every(({ text }) => text.length === 0);
  if (empty) {
    throw new HeptagenError(
      "data/empty",
      `expected text, got none: ${documents.map(({ source }) => source).join(", ")} ${documents.length > 1 ? "are" : "is"} empty`,
      {
        next: "Choose a file with text in it.",
      },
    );
  }
  return documents;
}

async function readFile(file: string, { column }: ReadOptions): Promise<Document[]> {
  const kind = extname(file).toLowerCase();
  if (tables.has(kind)) {
    return (await readTable(file, column ?? "text")).map(({ text, place }) => ({ text, source: place }));
  }
  const text = decodeText(await fs.readFile(file), file);
  return kind === ".jsonl" || kind === ".ndjson" ? readJsonLines(text, file, column ?? "text") : [{ text, source: file }];
}

function readJsonLines(text: string, file: string, column: string): Document[] {
  return parseJsonLines(text, file).map(({ value: record, place }) => {
    const value = typeof record === "object" && record !== null ? (record as Record<string, unknown>)[column] : undefined;
    if (typeof value === "string") return { text: value, source: place };
    const fields = typeof record === "object" && record !== null ? Object.keys(record) : [];
    throw columnError(place, column, fields, value);
  });
}

/** All of standard input. */
export async function readStdin(): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
