/**
 * Recorded speech with what is said in it: a folder of sounds with a transcript table, or with a .txt beside each sound.
 *
 * Every sound becomes one channel at one rate, and what had to be changed is told. A transcript without its sound, a sound without
 * its transcript, and what nothing can be learnt from are errors that say where; told so, they are left out and listed.
 */
import { promises as fs } from "node:fs";
import { dirname, isAbsolute, join, relative, sep } from "node:path";
import { HeptagenError } from "../util/errors.ts";
import type { BadFile } from "./audio-files.node.ts";
import { decodeSound, resample, type Sound } from "./decode-sound.node.ts";
import { walk } from "./media-files.node.ts";
import { isTranscriptTable, readSidecar, readTranscripts, type Transcript, type TranscriptColumns } from "./transcripts.node.ts";

/** Something said. */
export interface SpeechRecord {
  /** One channel of amplitudes from -1 to 1. */
  readonly samples: Float32Array;
  readonly text: string;
  readonly file: string;
  /** Who speaks, where it is known: so that voices can be held out whole. */
  readonly speaker: string | undefined;
  /** Which part of the data it belongs to, where a column says so. */
  readonly split?: string;
  /** Where the transcript stands: file and line. */
  readonly source: string;
}

export interface ReadSpeechOptions extends TranscriptColumns {
  /** Samples per second of the result; 16,000 unless told. */
  readonly rate?: number;
  /** Whether sounds of another rate or with several channels are converted, and not an error; true unless told. */
  readonly convert?: boolean;
  /** The transcript table, where a folder has several. */
  readonly transcripts?: string | undefined;
  /** Only the sounds in this folder, whatever else a table names. */
  readonly within?: string | undefined;
  /** Leave out what cannot be used instead of stopping at it. */
  readonly skipBad?: boolean;
  /** Leave out sounds without a transcript instead of stopping at them. */
  readonly skipUntranscribed?: boolean;
  /** What a text is spelt with; its characters unless told. */
  readonly symbols?: (text: string) => readonly (string | number)[];
  /** Seconds per frame in which one symbol can be said, 0.04 unless told: a sound with fewer frames than its text needs is an error. */
  readonly secondsPerFrame?: number;
  /** Told before each transcript how many of them are done. */
  readonly onProgress?: (done: number, total: number) => void;
}

export interface Speech {
  readonly records: readonly SpeechRecord[];
  readonly rate: number;
  readonly skipped: readonly BadFile[];
  /** What was done to sounds, in words: "12 of 20 sounds had 44100 Hz and 2 channels: …". */
  readonly notes: readonly string[];
}

const isSound = (name: string): boolean => /\.(wav|flac|ogg|oga|opus|mp3)$/i.test(name);

/** Frames that CTC needs to say something: one for each symbol, and one between any two alike. */
export const framesToSay = (symbols: readonly (string | number)[]): number =>
  symbols.length + symbols.filter((symbol, i) => i > 0 && symbol === symbols[i - 1]).length;

/**
 * Reads recorded speech.
 *
 * @param source a folder, or a transcript table whose sounds lie in its folder or below it (then other sounds there do not count)
 * @throws HeptagenError `data/not-found`, `data/no-files`, `data/transcripts` where it is not clear which table to read;
 *   `data/untranscribed` listing sounds without a transcript; `data/bad-speech` listing, with file and line, transcripts without a
 *   sound or without a word, sounds that are damaged, silent, too short for their text, or (unless `convert`) of another form
 * @example const { records, notes } = await readSpeech("recordings", { rate: 16000 });
 */
export async function readSpeech(source: string, options: ReadSpeechOptions = {}): Promise<Speech> {
  const { rate = 16000, skipBad = false, skipUntranscribed = false, within = "" } = options;
  const { folder, sounds, transcripts, selected } = await find(source, options);
  const locate = soundFinder(sounds);
  const bad: BadFile[] = [];
  const records: SpeechRecord[] = [];
  const used = new Map<string, string>();
  const formats = new Map<string, number>();
  for (const [done, transcript] of transcripts.entries()) {
    options.onProgress?.(done, transcripts.length);
    const { sound, text, speaker, split, source: place } = transcript;
    try {
      const path = theOne(isAbsolute(sound) ? await absolute(sound) : locate(sound), sound);
      const file = isAbsolute(path) ? path : join(folder, path);
      if (!file.startsWith(within)) continue;
      const before = used.get(file);
      if (before !== undefined) throw unusable(`"${sound}" has a transcript already, at ${before}`);
      used.set(file, place);
      const { samples, format } = await hear(file, transcript, { ...options, rate });
      if (format !== undefined) formats.set(format, (formats.get(format) ?? 0) + 1);
      records.push({ samples, text, file, speaker, ...(split !== undefined && { split }), source: place });
    } catch (error) {
      if (!(error instanceof HeptagenError)) throw error;
      const { reason } = error.facts; // of a file that cannot be decoded
      bad.push({ file: place, reason: reason === undefined ? error.message : `"${sound}": ${reason}` });
    }
  }
  const silent = selected ? [] : sounds.map((path) => join(folder, path)).filter((file) => !used.has(file));
  if (silent.length > 0 && !skipUntranscribed) {
    const message = `${silent.length} of ${sounds.length} sounds have no transcript:${listed(silent)}`;
    throw new HeptagenError("data/untranscribed", message, {
      facts: { sounds: silent },
      next: "Write down what they say, or leave them out with skipUntranscribed.",
    });
  }
  if (bad.length > 0 && (!skipBad || records.length === 0)) {
    const lines = bad.map(({ file, reason }) => `${file}: ${reason}`);
    const message = `${bad.length} of ${transcripts.length} transcripts cannot be used:${listed(lines)}`;
    throw new HeptagenError("data/bad-speech", message, {
      facts: { bad },
      next: records.length > 0 ? "Repair or remove them, or leave them out with skipBad (--skip-bad)." : "Repair them.",
    });
  }
  if (records.length === 0) {
    throw new HeptagenError("data/no-files", `expected transcripts in ${source}, got none`, {
      next: "Write down what the sounds say.",
    });
  }
  const skipped = [...bad, ...silent.map((file) => ({ file, reason: "it has no transcript" }))];
  const notes = [...formats].map(([format, count]) => `${count} of ${records.length} sounds had ${format}`);
  return { records, rate, skipped, notes };
}

/** Why a transcript cannot be used. */
const unusable = (reason: string): HeptagenError => new HeptagenError("data/bad-speech", reason);

function theOne(found: readonly string[], sound: string): string {
  const [path] = found;
  if (path === undefined) throw unusable(`there is no sound "${sound}"`);
  if (found.length > 1) throw unusable(`"${sound}" may be any of ${found.slice(0, 3).join(", ")}: give its path`);
  return path;
}

/** A sound as its options want it, and what form it had and what was done to it, if anything. */
async function hear(
  file: string,
  { sound, text }: Transcript,
  { rate, convert = true, symbols = (of) => [...of], secondsPerFrame = 0.04 }: ReadSpeechOptions & { readonly rate: number },
): Promise<{ readonly samples: Float32Array; readonly format?: string }> {
  if (text === "") throw unusable(`nothing is said in "${sound}": its transcript is empty`);
  const { samples, rate: from, channels } = await decodeSound(new Uint8Array(await fs.readFile(file)), file);
  const seconds = samples.length / from;
  const [needed, frames] = [framesToSay(symbols(text)), Math.ceil(seconds / secondsPerFrame)];
  if (frames < needed) {
    throw unusable(
      `"${sound}" is too short for its text: ${seconds.toFixed(2)} s are ${frames} frames, "${text.slice(0, 40)}" needs ${needed}`,
    );
  }
  const form = formOf({ rate: from, channels });
  if (!convert && (from !== rate || channels !== 1)) throw unusable(`"${sound}": expected ${rate} Hz and 1 channel, got ${form}`);
  return converted({ samples, rate: from, channels }, rate);
}

const formOf = ({ rate, channels }: Pick<Sound, "rate" | "channels">): string =>
  `${rate} Hz and ${channels} channel${channels > 1 ? "s" : ""}`;

/** One channel at a rate, and what form it had and what was done to it, if anything. */
async function converted(sound: Sound, rate: number): Promise<{ readonly samples: Float32Array; readonly format?: string }> {
  const { samples, rate: from, channels } = sound;
  if (from === rate && channels === 1) return { samples };
  const done = [...(from === rate ? [] : [`resampled to ${rate} Hz`]), ...(channels === 1 ? [] : ["mixed into one channel"])];
  return {
    samples: await resample(samples, from, rate, { quality: "fastest" }),
    format: `${formOf(sound)}: ${done.join(" and ")}`,
  };
}

/**
 * One sound without a transcript, as one channel at a rate; `format` says what was done to it, if anything.
 *
 * @throws HeptagenError `data/not-found`; `data/audio` when it is damaged, of another kind, silent or shorter than 10 ms
 * @example const { samples, format } = await hearSound("question.ogg", 16000);
 */
export async function hearSound(
  file: string,
  rate: number,
): Promise<{ readonly samples: Float32Array; readonly format?: string }> {
  const bytes = await fs.readFile(file).catch((cause: unknown) => {
    throw new HeptagenError("data/not-found", `there is no sound ${file}`, {
      next: `Paths are taken from ${process.cwd()}.`,
      cause,
    });
  });
  return converted(await decodeSound(new Uint8Array(bytes), file), rate);
}

const listed = (lines: readonly string[]): string =>
  lines
    .slice(0, 10)
    .map((line) => `\n  ${line}`)
    .join("") + (lines.length > 10 ? `\n  and ${lines.length - 10} more` : "");

interface Found {
  readonly folder: string;
  /** Paths from the folder. */
  readonly sounds: readonly string[];
  readonly transcripts: readonly Transcript[];
  /** Whether the user named a table, which then says what to read. */
  readonly selected: boolean;
}

async function find(source: string, options: ReadSpeechOptions): Promise<Found> {
  const found = await fs.stat(source).catch(() => undefined);
  if (!found) {
    throw new HeptagenError("data/not-found", `there is no file or folder ${source}`, {
      next: `Paths are taken from ${process.cwd()}.`,
    });
  }
  const folder = found.isDirectory() ? source : dirname(source);
  const files = await walk(folder);
  const sounds = files.filter(isSound);
  const table = found.isDirectory() ? options.transcripts : source;
  if (table !== undefined) return { folder, sounds, transcripts: await readTranscripts(table, options), selected: true };
  if (sounds.length === 0) {
    throw new HeptagenError("data/no-files", `expected sound files in the folder ${folder}, got none`, {
      next: "It is searched for .wav .flac .ogg .oga .opus .mp3.",
    });
  }
  const tables = files.filter(isTranscriptTable);
  const single = tables.filter((name) => !/\.trans\.txt$/i.test(name));
  if (single.length > 1) {
    throw new HeptagenError(
      "data/transcripts",
      `expected one transcript table in ${folder}, got ${single.length}: ${single.slice(0, 10).join(", ")}`,
      { facts: { tables: single }, next: "Name the one to read instead of the folder." },
    );
  }
  const lists = await Promise.all(
    (single.length > 0 ? single : tables).map((name) => readTranscripts(join(folder, name), options)),
  );
  const transcripts = tables.length > 0 ? lists.flat() : await sidecars(folder, files, sounds);
  return { folder, sounds, transcripts: withFolders(transcripts, sounds), selected: false };
}

/** A .txt of the same name beside a sound. */
async function sidecars(folder: string, files: readonly string[], sounds: readonly string[]): Promise<Transcript[]> {
  const texts = files.filter((name) => /\.txt$/i.test(name) && !/(^|\/)(readme|licen[cs]e)\.txt$/i.test(name));
  return Promise.all(
    texts.map(async (name) => {
      const stem = stemOf(name);
      const source = join(folder, name);
      const sound = sounds.find((path) => stemOf(path) === stem) ?? stem;
      return { sound, text: await readSidecar(source), speaker: undefined, source: `${source}:1` };
    }),
  );
}

/** Where no speaker is named and every sound lies in one of several folders, the first folder is the speaker. */
function withFolders(transcripts: readonly Transcript[], sounds: readonly string[]): readonly Transcript[] {
  const folders = new Set(sounds.map((path) => (path.includes("/") ? path.slice(0, path.indexOf("/")) : "")));
  if (folders.size < 2 || folders.has("") || transcripts.some(({ speaker }) => speaker !== undefined)) return transcripts;
  const locate = soundFinder(sounds);
  return transcripts.map((transcript) => ({ ...transcript, speaker: locate(transcript.sound)[0]?.split("/")[0] }));
}

const stemOf = (path: string): string => path.replace(/\.[^./]+$/, "");

/** Finds the sounds that a transcript may mean: by path, or by the end of one, with the ending of the file's name or without. */
function soundFinder(sounds: readonly string[]): (name: string) => readonly string[] {
  const by = (namesOf: (path: string) => readonly string[]) => {
    const index = new Map<string, string[]>();
    for (const path of sounds) for (const name of namesOf(path)) index.set(name, [...(index.get(name) ?? []), path]);
    return index;
  };
  const ends = (path: string) => path.split("/").map((_, i, parts) => parts.slice(i).join("/"));
  const indices = [by((path) => [path]), by((path) => [stemOf(path)]), by(ends), by((path) => ends(stemOf(path)))];
  return (name) => {
    const normal = relative(".", name).split(sep).join("/");
    return indices.map((index) => index.get(normal)).find((found) => found !== undefined) ?? [];
  };
}

async function absolute(path: string): Promise<readonly string[]> {
  return (await fs.stat(path).catch(() => undefined))?.isFile() ? [path] : [];
}
