/**
 * Who says what in which sound: transcripts as people keep them beside recordings.
 *
 * Tables with a header (.csv, .tsv, .jsonl: Common Voice, NeMo, Hugging Face), LJSpeech's `metadata.csv` (`id|text|normalised text`),
 * Kaldi's `text` (with `utt2spk`) and LibriSpeech's `*.trans.txt`, and a .txt of the same name beside each sound.
 */
import { promises as fs } from "node:fs";
import { basename, dirname, extname, join } from "node:path";
import { HeptagenError } from "../util/errors.ts";
import { columnError } from "./column-error.ts";
import { openDuckdb, quotedText, tableError } from "./tables.node.ts";
import { decodeText } from "./utf8.ts";

/** One line of a transcript. */
export interface Transcript {
  /** How it names its sound: a path, a file name, or one without its ending. */
  readonly sound: string;
  readonly text: string;
  readonly speaker: string | undefined;
  /** Which part of the data it belongs to, where a column says so. */
  readonly split?: string;
  /** File and line, for messages. */
  readonly source: string;
}

/** Names of columns; found by their usual names unless told. */
export interface TranscriptColumns {
  readonly soundColumn?: string | undefined;
  readonly textColumn?: string | undefined;
  readonly speakerColumn?: string | undefined;
  /** Which column says train, validation or test. */
  readonly splitColumn?: string | undefined;
}

const usual = {
  sound: ["path", "audio", "file", "file_name", "filename", "audio_filepath", "wav", "sound"],
  text: ["text", "transcript", "transcription", "sentence"],
  speaker: ["speaker", "speaker_id", "client_id", "voice"],
  split: ["split", "subset"],
};

/** Whether a file, by its name, may hold transcripts of many sounds. */
export const isTranscriptTable = (name: string): boolean =>
  /\.(csv|tsv|jsonl|ndjson)$|\.trans\.txt$/i.test(name) || basename(name) === "text";

/**
 * Reads the transcripts in a file.
 *
 * @throws HeptagenError `data/column`, `data/json`, `data/table`, `data/not-text`, `data/transcript` with file and line
 */
export async function readTranscripts(file: string, columns: TranscriptColumns = {}): Promise<Transcript[]> {
  const kind = extname(file).toLowerCase();
  if (kind === ".csv" || kind === ".tsv") {
    const lines = await textLines(file);
    if (kind === ".csv" && isPiped(lines)) return lines.flatMap((line, i) => piped(line, `${file}:${i + 1}`));
    return rowsToTranscripts(file, await tableRows(file, kind === ".tsv"), columns);
  }
  if (kind === ".jsonl" || kind === ".ndjson") return rowsToTranscripts(file, await jsonRows(file), columns);
  const speakers = await readSpeakers(join(dirname(file), "utt2spk"));
  return (await textLines(file)).flatMap((line, i) => {
    if (line.trim() === "") return [];
    const [, sound = "", text = ""] = /^(\S+)\s*(.*)$/.exec(line.trim()) ?? [];
    return [{ sound, text, speaker: speakers.get(sound), source: `${file}:${i + 1}` }];
  });
}

/** The text in a file that belongs to the sound of the same name. */
export async function readSidecar(file: string): Promise<string> {
  return decodeText(await fs.readFile(file), file).trim();
}

async function textLines(file: string): Promise<string[]> {
  return decodeText(await fs.readFile(file), file).split(/\r?\n/);
}

/** LJSpeech's form has no header, no quotes, and a bar between its two or three fields. */
const isPiped = ([first = ""]: readonly string[]): boolean => /^[^|,]+\|/.test(first) && !first.split("|").some(isUsual);
const isUsual = (name: string): boolean => Object.values(usual).some((names) => names.includes(name.trim().toLowerCase()));

function piped(line: string, source: string): Transcript[] {
  if (line === "") return [];
  const fields = line.split("|");
  if (fields.length < 2) {
    throw new HeptagenError("data/transcript", `${source}: expected "id|text", got ${JSON.stringify(line.slice(0, 60))}`, {
      next: "Give each line an id, a bar and what is said.",
    });
  }
  return [{ sound: fields[0] as string, text: (fields.at(-1) as string).trim(), speaker: undefined, source }];
}

async function readSpeakers(file: string): Promise<Map<string, string>> {
  const bytes = await fs.readFile(file).catch(() => undefined);
  const lines = bytes ? decodeText(bytes, file).split(/\r?\n/) : [];
  return new Map(lines.map((line) => line.trim().split(/\s+/) as [string, string]));
}

/** A row by its columns, and its line. */
interface Row {
  readonly line: number;
  readonly values: Readonly<Record<string, unknown>>;
}

function rowsToTranscripts(
  file: string,
  rows: readonly Row[],
  { soundColumn, textColumn, speakerColumn, splitColumn }: TranscriptColumns,
): Transcript[] {
  return rows.map(({ line, values }) => {
    const source = `${file}:${line}`;
    const names = Object.keys(values);
    const find = (told: string | undefined, known: readonly string[]) =>
      told ?? known.map((name) => names.find((n) => n.toLowerCase() === name)).find((name) => name !== undefined);
    const read = (column: string | undefined, wanted: string): string => {
      const value = column === undefined ? undefined : values[column];
      if (typeof value === "string") return value.trim();
      if (value === null) return ""; // an empty cell
      throw columnError(source, column ?? wanted, names, value);
    };
    const speaker = find(speakerColumn, usual.speaker);
    const known = speaker === undefined ? undefined : values[speaker];
    const part = find(splitColumn, usual.split);
    if (speakerColumn !== undefined && !names.includes(speakerColumn)) throw columnError(source, speakerColumn, names);
    return {
      sound: read(find(soundColumn, usual.sound), "path"),
      text: read(find(textColumn, usual.text), "text"),
      speaker: known === null || known === undefined ? undefined : String(known),
      ...(part !== undefined && { split: splitColumn === undefined ? String(values[part] ?? "") : read(part, "split") }),
      source,
    };
  });
}

/** Rows of a table with a header. A row's line counts what breaks lines in the cells before it. */
async function tableRows(file: string, tabs: boolean): Promise<Row[]> {
  const { connection, close } = await openDuckdb(file);
  try {
    const options = `all_varchar = true, header = true${tabs ? ", delim = '\t'" : ""}`;
    const found = await connection.runAndReadAll(`SELECT * FROM read_csv(${quotedText(file)}, ${options})`);
    const names = found.columnNames();
    let line = 2;
    return found.getRows().map((cells) => {
      const row = { line, values: Object.fromEntries(names.map((name, i) => [name, cells[i] ?? null])) };
      line += 1 + cells.reduce((sum: number, cell) => sum + (String(cell ?? "").match(/\n/g)?.length ?? 0), 0);
      return row;
    });
  } catch (cause) {
    throw tableError(file, cause);
  } finally {
    close();
  }
}

async function jsonRows(file: string): Promise<Row[]> {
  return (await textLines(file)).flatMap((text, i) => {
    if (text.trim() === "") return [];
    let values: unknown;
    try {
      values = JSON.parse(text);
    } catch {
      values = undefined;
    }
    if (typeof values === "object" && values !== null && !Array.isArray(values)) {
      return [{ line: i + 1, values: values as Record<string, unknown> }];
    }
    throw new HeptagenError("data/json", `${file}:${i + 1}: expected a JSON object, got ${JSON.stringify(text.slice(0, 60))}`);
  });
}
