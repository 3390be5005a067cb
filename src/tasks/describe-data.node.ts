/**
 * What a set of data holds, before anything is trained on it: facts, classes, bad files, and a picture of it.
 *
 * Takes what `--data` takes: a name of the catalogue, or a user's own files.
 */
import { promises as fs } from "node:fs";
import { extname, join, relative } from "node:path";
import {
  type BadFile,
  type DataKind,
  type DataSet,
  type ImageDataset,
  imageSizes,
  locateData,
  namedData,
  readImages,
  readReceipt,
  sourceText,
  spread,
  surveyAudio,
} from "../data/index.ts";
import { formatBytes, formatDuration } from "../train/index.ts";
import { HeptagenError } from "../util/errors.ts";
import { describeRecords } from "./describe-records.node.ts";
import { sheetOf } from "./drawing/picture-sheet.node.ts";
import { soundSheet } from "./drawing/sound-sheet.node.ts";

export interface DescribeOptions {
  /** What the files are to be read as; guessed from their names unless told. */
  readonly kind?: DataKind | undefined;
  /** Parquet: the columns of content and of classes; guessed unless told. */
  readonly column?: string | undefined;
  readonly labelColumn?: string | undefined;
}

/** What there is to know of a set. */
export interface DataDescription {
  readonly name: string;
  readonly kind: DataKind;
  /** Of the catalogue. */
  readonly set: DataSet | undefined;
  /** Where it lies; undefined for what has not been fetched. */
  readonly path: string | undefined;
  /** Facts for people, in order. */
  readonly facts: Readonly<Record<string, string>>;
  /** Pictures or sounds of each class; empty without classes. */
  readonly classes: readonly { readonly name: string; readonly count: number }[];
  /** Files that cannot be used. */
  readonly bad: readonly BadFile[];
  /** A contact sheet, as PNG: pictures and sounds have one. */
  readonly sheet: Uint8Array | undefined;
  /** A few of them in one row, small enough for a terminal, as PNG. */
  readonly glance: Uint8Array | undefined;
  /** The first lines of a text or a table; a list of other files. */
  readonly lines: readonly string[];
}

type Content = Pick<DataDescription, "facts" | "classes" | "bad" | "sheet" | "glance" | "lines">;

/**
 * Describes a set of data. Bad files are listed, never thrown.
 *
 * @param what a name of the catalogue, or a path of the user's
 * @throws HeptagenError `data/not-found`, `data/no-files`, `data/bad-pictures` or `data/bad-audio` when no file is good, and others
 *   of the readers that concern the source as a whole
 * @example const { facts, sheet } = await describeData("digits");
 */
export async function describeData(what: string, options: DescribeOptions = {}): Promise<DataDescription> {
  const named = namedData(what);
  const path = named ? await locateData(named) : what;
  const known = named && (await catalogueFacts(named.set));
  if (path === undefined) {
    const empty = { classes: [], bad: [], sheet: undefined, glance: undefined, lines: [] };
    return { name: what, kind: named?.set.kind ?? "files", set: named?.set, path, facts: known ?? {}, ...empty };
  }
  // Of a set of sounds, a part may be the table of what is said in them.
  const records = named?.part !== undefined && /\.(csv|jsonl)$/.test(path) ? "table" : undefined;
  const stated = options.kind ?? records ?? (named && named.set.kind !== "files" ? named.set.kind : undefined);
  const kind = stated ?? (await guessKind(path));
  const content = await describers[kind](named ? what : path, path, options);
  return { name: what, kind, set: named?.set, path, ...content, facts: { ...content.facts, ...known } };
}

const describers: Readonly<Record<DataKind, (source: string, path: string, options: DescribeOptions) => Promise<Content>>> = {
  images: describeImages,
  audio: describeAudio,
  text: (_source, path) => describeFiles(path),
  table: (_source, path) => describeFiles(path),
  music: (_source, path) => describeFiles(path, /\.midi?$/i),
  files: (_source, path) => describeFiles(path),
};

async function catalogueFacts(set: DataSet): Promise<Record<string, string>> {
  const { summary, source, licence, licenceNote, citation } = set;
  const receipt = await readReceipt(set.name);
  const sums = receipt?.archives.map(({ name, sha256 }) => `${sha256}  ${name}`);
  return {
    about: summary,
    source: sourceText(source),
    licence: receipt?.licence ?? licence,
    ...(licenceNote !== undefined && { note: licenceNote }),
    ...(citation !== undefined && { citation }),
    ...(receipt && { fetched: receipt.fetched.slice(0, 10) }),
    ...(sums && { "sha-256": sums.join("\n") }),
  };
}

/** Pictures larger than this are shown smaller, in pixels. */
const largest = 128;
const mostPictures = 80;

async function describeImages(source: string, _path: string, { column, labelColumn }: DescribeOptions): Promise<Content> {
  const choice = { data: source, column, labelColumn, skipBad: true };
  const { sizes } = await imageSizes(choice);
  const [first] = sizes;
  const own = sizes.length === 1 && first && Math.max(first.width, first.height) <= largest;
  const set = await readImages(own ? choice : { ...choice, size: Math.min(largest, first?.width ?? largest), fit: "pad" });
  const shape = sizes.slice(0, 5).map(({ width, height, count }) => {
    return `${width} × ${height}${sizes.length > 1 ? ` (${count.toLocaleString("en")})` : ""}`;
  });
  const more = sizes.length > 5 ? `, and ${sizes.length - 5} more sizes` : "";
  const facts = {
    pictures: set.count.toLocaleString("en"),
    size: `${shape.join(", ")}${more}${sizes.length > 1 ? "; bring them to one with --size" : ""}`,
    colours: set.channels === 1 ? "grey" : "RGB",
    ...(own && { fingerprint: set.fingerprint }),
  };
  const classes = set.classes.map((name, i) => ({ name, count: (set.labels ?? []).filter((label) => label === i).length }));
  const [sheet, glance] = [await pictureSheet(set), await pictureRow(set)];
  return { facts, classes, bad: set.skipped, sheet, glance, lines: [] };
}

/** A row is about so wide, in pixels, if its pictures are not larger. */
const rowWidth = 96;

/** One picture of each class, or some spread evenly, side by side. */
function pictureRow({ count, channels, height, width, pixels, labels, classes }: ImageDataset): Promise<Uint8Array> {
  const firsts = classes.flatMap((_, label) => (labels?.includes(label) ? [labels.indexOf(label)] : []));
  const all = firsts.length > 1 ? firsts : Array.from({ length: count }, (_, i) => i);
  const chosen = spread(all, Math.max(4, Math.floor(rowWidth / (width + 1))));
  const size = channels * height * width;
  return sheetOf(
    chosen.map((i) => ({ channels, height, width, pixels: pixels.subarray(i * size, (i + 1) * size) })),
    { columns: chosen.length, gap: 1 },
  );
}

/** A sheet is about so wide, in pixels. */
const sheetWidth = 700;

/** Examples spread evenly, of each class alike; a row, or several, for each class. */
async function pictureSheet(set: ImageDataset): Promise<Uint8Array> {
  const { count, channels, height, width, pixels, labels, classes } = set;
  const size = channels * height * width;
  const scale = Math.max(1, Math.round(64 / Math.max(height, width)));
  const fitting = Math.max(2, Math.min(10, Math.floor(sheetWidth / (width * scale))));
  const groups: number[][] = Array.from({ length: Math.max(1, classes.length) }, () => []);
  for (let i = 0; i < count; i++) groups[labels?.[i] ?? 0]?.push(i);
  const each = Math.max(1, Math.floor(mostPictures / groups.length));
  const columns = groups.length > 1 ? Math.min(each, fitting) : fitting;
  const blank = { channels, height, width, pixels: new Uint8Array(size).fill(255) };
  const cells = groups.slice(0, 2 * mostPictures).flatMap((group, label) => {
    const chosen = spread(group, each);
    // What is missing in a class's last row stays white, so that the next class begins a row.
    const missing = each >= columns && groups.length > 1 ? (columns - (chosen.length % columns)) % columns : 0;
    const shown = chosen.map((i) => ({ channels, height, width, pixels: pixels.subarray(i * size, (i + 1) * size) }));
    return [
      ...shown.map((picture) => ({ picture, caption: classes[label] ?? "" })),
      ...Array.from({ length: missing }, () => ({ picture: blank, caption: "" })),
    ];
  });
  return sheetOf(
    cells.map(({ picture }) => picture),
    { columns, scale, ...(labels && { captions: cells.map(({ caption }) => caption) }) },
  );
}

/** Sounds on a contact sheet. */
const mostSounds = 24;

async function describeAudio(source: string, _path: string, columns: DescribeOptions): Promise<Content> {
  const { sounds, bad, fingerprint } = await surveyAudio(source, { ...columns, examples: mostSounds });
  if (sounds.length === 0) {
    const lines = bad.slice(0, 10).map(({ file, reason }) => `\n  ${file}: ${reason}`);
    throw new HeptagenError("data/bad-audio", `none of ${bad.length} files can be used:${lines.join("")}`, {
      next: "Choose other files.",
    });
  }
  const lengths = sounds.map(({ seconds }) => seconds).sort((a, b) => a - b);
  const list = (values: readonly number[]) => [...new Set(values)].sort((a, b) => a - b).join(", ");
  const at = (part: number) => (lengths[Math.floor(part * (lengths.length - 1))] as number).toFixed(2);
  const facts = {
    sounds: sounds.length.toLocaleString("en"),
    length: `${formatDuration(lengths.reduce((sum, seconds) => sum + seconds, 0))} in all; each ${at(0)} to ${at(1)} s, half below ${at(0.5)} s`,
    rate: `${list(sounds.map(({ rate }) => rate))} Hz`,
    channels: list(sounds.map(({ channels }) => channels)),
    fingerprint,
  };
  const labels = sounds.flatMap(({ label }) => (label === undefined ? [] : [label]));
  const examples = sounds.flatMap(({ file, label, seconds, rate, samples }) => {
    const name = label ?? file.split(/[/:]/).at(-1);
    return samples ? [{ caption: `${name}, ${seconds.toFixed(2)} s`, samples, rate }] : [];
  });
  const classes = labels.length === sounds.length ? countLabels(labels) : [];
  const [sheet, glance] = [
    await soundSheet(examples),
    await soundSheet(examples.slice(0, 3).map((each) => ({ ...each, caption: "" }))),
  ];
  return { facts, classes, bad, sheet, glance, lines: [] };
}

function countLabels(labels: readonly string[]): { name: string; count: number }[] {
  const counts = new Map<string, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const names = [...counts.keys()].sort((a, b) => Number(a) - Number(b) || (a < b ? -1 : Number(a > b)));
  return names.map((name) => ({ name, count: counts.get(name) as number }));
}

const mostLines = 8;
/** Bytes of a file that its first lines are taken from. */
const beginning = 4096;

/** @param listed which files are listed, instead of the beginning of the first being shown */
async function describeFiles(path: string, listed?: RegExp): Promise<Content> {
  const files = (await listFiles(path)).filter((file) => listed?.test(file) ?? true);
  const sizes = await Promise.all(files.map(async (file) => (await fs.stat(file)).size));
  const facts = {
    files: files.length.toLocaleString("en"),
    bytes: formatBytes(sizes.reduce((sum, size) => sum + size, 0)),
  };
  const [first] = files;
  const records = first !== undefined && /\.(jsonl|ndjson)$/i.test(first) ? await describeRecords(first) : undefined;
  if (records) {
    const more = { records: records.records.toLocaleString("en"), fields: records.fields.join(", ") };
    return { facts: { ...facts, ...more }, classes: [], bad: [], sheet: undefined, glance: undefined, lines: records.lines };
  }
  const lines = first === undefined || listed ? [] : await firstLines(first);
  const list = files
    .slice(0, mostLines)
    .map((file, i) => `${formatBytes(sizes[i] as number).padStart(8)}  ${relative(path, file) || file}`);
  const shown = lines.length > 0 ? lines : [...list, ...(files.length > mostLines ? ["…"] : [])];
  return { facts, classes: [], bad: [], sheet: undefined, glance: undefined, lines: shown };
}

/** The first lines of a text; none of a file that holds something else. */
async function firstLines(file: string): Promise<string[]> {
  const handle = await fs.open(file);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(beginning), 0, beginning, 0);
    const bytes = buffer.subarray(0, bytesRead);
    if (bytes.includes(0)) return [];
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
    return text.split(/\r?\n/).filter(Boolean).slice(0, mostLines);
  } catch (error) {
    if (error instanceof TypeError) return []; // not UTF-8
    throw error;
  } finally {
    await handle.close();
  }
}

async function listFiles(path: string): Promise<string[]> {
  const found = await fs.stat(path).catch(() => undefined);
  if (!found) {
    throw new HeptagenError("data/not-found", `there is no file, folder or data set ${path}`, {
      next: `Paths are taken from ${process.cwd()}. Names of data sets are listed by: heptagen data list`,
    });
  }
  if (!found.isDirectory()) return [path];
  const entries = await fs.readdir(path, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !entry.name.startsWith("."));
  return files.map((entry) => join(entry.parentPath, entry.name)).sort((a, b) => (a < b ? -1 : 1));
}

const endings: Readonly<Record<string, DataKind>> = Object.fromEntries(
  (
    [
      ["images", ".png .jpg .jpeg .webp .gif .avif .tif .tiff .svg"],
      ["audio", ".wav .flac .ogg .oga .opus .mp3"],
      ["text", ".txt .md .text .jsonl .ndjson"],
      ["table", ".csv .tsv"],
      ["music", ".mid .midi"],
    ] as const
  ).flatMap(([kind, list]) => list.split(" ").map((ending) => [ending, kind])),
);

/** The kind that most files have, by their names; archives and Parquet files are opened to see. */
async function guessKind(path: string): Promise<DataKind> {
  const files = await listFiles(path);
  const counts = new Map<DataKind, number>();
  for (const file of files) {
    const kind = /[-.]idx[134]/i.test(file) ? "images" : endings[extname(file).toLowerCase()];
    if (kind) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  }
  const [most] = [...counts].sort((a, b) => b[1] - a[1]);
  if (most) return most[0];
  const packed = files.find((file) => /\.(zip|tar|tgz|tar\.gz|parquet)$/i.test(file));
  return packed === undefined ? "files" : guessPacked(packed);
}

/** Files of an archive that are looked at to see what they are. */
const peeked = 5;

/** What an archive or a Parquet file holds: sounds if most can be decoded as such, else pictures, if any has a size. */
async function guessPacked(file: string): Promise<DataKind> {
  const { sounds, bad } = await surveyAudio(file, { limit: peeked }).catch(() => ({ sounds: [], bad: [] }));
  if (sounds.length > bad.length) return "audio";
  const { sizes } = await imageSizes({ data: file, limit: peeked }).catch(() => ({ sizes: [] }));
  return sizes.length > 0 ? "images" : "files";
}
