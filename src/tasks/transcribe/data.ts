/** Recorded speech: read, checked, and turned into log-mel features and characters. */
import { createHash } from "node:crypto";
import { promises as fs } from "node:fs";
import { basename, dirname, join } from "node:path";
import {
  characterTokenizer,
  type FeatureStatistics,
  featureStatistics,
  findNamed,
  hearSound,
  melFeatures,
  normalizeFeatures,
  readSpeech,
  type SpeechRecord,
  spokenText,
  type Tokenizer,
  textIn,
} from "../../data/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import type { Rows } from "../../util/spectrogram.ts";
import { type Placed, sideNamed } from "../sequence/records.ts";
import type { Assets, Side } from "../sequence/sequence-task.ts";
import type { TrainingOptions } from "./options.ts";

/** A sound as it was read. */
export interface RawSpeech {
  /** Log-mel features, as they are [T, F]. */
  readonly sound: Rows;
  readonly seconds: number;
  /** What is said, spelt as the run spells; undefined where it is to be heard. */
  readonly text: string | undefined;
  readonly file: string;
  readonly speaker: string | undefined;
  readonly placed: Placed;
  /** What was done to the sound before it could be heard. */
  readonly note?: string;
}

/** What training learns besides the characters. */
export interface SpeechFacts {
  /** Of the training sounds, band by band. */
  readonly mean: readonly number[];
  readonly deviation: readonly number[];
  /** What is said in training, and how often: what language models are learnt from. */
  readonly texts: Readonly<Record<string, number>>;
}

export interface SpeechExample {
  /** Normalised features [T, F]. */
  readonly sound: Rows;
  readonly seconds: number;
  readonly text: string | undefined;
  /** Classes of the characters, from 1 (0 is the blank); undefined where one of them is not known. */
  readonly labels: Int32Array | undefined;
  readonly file: string;
  readonly speaker: string | undefined;
  readonly place: string;
  readonly note?: string;
}

type Hearing = Pick<TrainingOptions, "rate" | "bands" | "window" | "hop">;

/** Sounds are brought to this loudness (root mean square) before anything is measured. */
const loudness = 0.1;
/** Whatever is fainter than the loudest place by more than this (60 dB, in nats) counts as that faint: silence sounds alike everywhere. */
const range = 6 * Math.LN10;

/**
 * Log-mel features of a sound.
 *
 * @param samples one channel at `rate`
 */
export function featuresOf(samples: Float32Array, { rate, bands, window, hop }: Hearing): Rows {
  let power = 0;
  for (const sample of samples) power += sample * sample;
  const gain = loudness / Math.max(1e-6, Math.sqrt(power / samples.length));
  const { rows, width, data } = melFeatures(
    samples.map((sample) => gain * sample),
    { rate, bands, window, hop },
  );
  const faintest = data.reduce((peak, value) => Math.max(peak, value), Number.NEGATIVE_INFINITY) - range;
  return { rows, width, data: data.map((value) => Math.max(faintest, value)) };
}

/** A text as a run spells it. */
export function spelt(text: string, spelling: TrainingOptions["spelling"]): string {
  switch (spelling) {
    case "as-is":
      return text.normalize("NFC").trim();
    case "lower":
      return text
        .normalize("NFC")
        .toLowerCase()
        .replace(/’/g, "'")
        .replace(/[^\p{L}\p{M}\p{N}']+/gu, " ")
        .replace(/(?<!\p{L})'|'(?!\p{L})/gu, "")
        .trim();
    case "english":
      return spokenText(text.normalize("NFC"));
  }
}

/** @throws HeptagenError `options/value` when no data is named, `data/…` with file and line */
export async function readSounds(options: TrainingOptions, note?: (message: string) => void): Promise<RawSpeech[]> {
  if (options.data === undefined) {
    throw new HeptagenError("options/value", "train: expected data, got none", {
      next: "Name a folder of sounds with its transcripts by --data, or choose a preset that has some.",
    });
  }
  const parts = [
    [options.data, undefined],
    [options.validationData ?? [], "validation"],
    [options.testData ?? [], "test"],
  ] as const;
  const raws: RawSpeech[] = [];
  for (const [sources, given] of parts) {
    for (const source of [sources].flat()) raws.push(...(await readSource(source, given, options, note)));
  }
  return raws;
}

async function readSource(
  source: string,
  given: Side | undefined,
  options: TrainingOptions,
  note?: (message: string) => void,
): Promise<RawSpeech[]> {
  const { skipBad, spelling, splitColumn: split, hop } = options;
  const { table, within } = await tableOf(source);
  const splitColumn = given === undefined ? split : undefined;
  const speech = await readSpeech(table, {
    ...options,
    splitColumn,
    within,
    symbols: (text) => [...spelt(text, spelling)],
    secondsPerFrame: 4 * hop,
    skipUntranscribed: skipBad,
    onProgress: paced(`reading ${source}`, note),
  });
  for (const message of speech.notes) note?.(`${source}: ${message}`);
  const { skipped } = speech;
  if (skipped.length > 0) {
    const [first] = skipped;
    note?.(`${source}: left out ${skipped.length} that cannot be used, first ${first?.file}: ${first?.reason}`);
  }
  const raws: RawSpeech[] = [];
  const empty: string[] = [];
  const onProgress = paced(`computing what is heard of ${source}`, note);
  for (const [done, record] of speech.records.entries()) {
    onProgress(done, speech.records.length);
    const text = spelt(record.text, spelling);
    if (text === "") empty.push(`${record.source}: "${record.text}"`);
    else raws.push(rawOf(record, { text, given, splitColumn, options }));
  }
  if (empty.length > 0 && !skipBad) {
    throw new HeptagenError("data/bad-speech", `${empty.length} transcripts hold no letter: ${empty.slice(0, 5).join(", ")}`, {
      next: "Remove them, leave them out with --skip-bad, or keep texts as they stand with --spelling as-is.",
    });
  }
  if (empty.length > 0) note?.(`${source}: left out ${empty.length} transcripts without a letter, first ${empty[0]}`);
  return raws;
}

/** Tells every ten seconds how far something is. */
function paced(what: string, tell?: (message: string) => void): (done: number, total: number) => void {
  let told = performance.now();
  return (done, total) => {
    if (performance.now() - told < 10_000) return;
    told = performance.now();
    tell?.(`${what}: ${done.toLocaleString("en")} of ${total.toLocaleString("en")} sounds`);
  };
}

interface Reading {
  readonly text: string;
  readonly given: Side | undefined;
  readonly splitColumn: string | undefined;
  readonly options: TrainingOptions;
}

function rawOf(
  { samples, file, speaker, split, source }: SpeechRecord,
  { text, given, splitColumn, options }: Reading,
): RawSpeech {
  const side = given ?? (split === undefined ? undefined : sideIn(split, splitColumn, source));
  const group = options.groupBy === "speaker" ? (speaker ?? text) : text;
  const placed = { place: source, group, ...(side && { side }) };
  return { sound: featuresOf(samples, options), seconds: samples.length / options.rate, text, file, speaker, placed };
}

/** What a column says about sides; one that was not asked for need not say any. */
function sideIn(split: string, column: string | undefined, place: string): Side | undefined {
  if (column !== undefined) return sideNamed(split, column, place);
  try {
    return sideNamed(split, "split", place);
  } catch {
    return undefined;
  }
}

/** Where the transcripts of a source are; of a named set, beside its folder of sounds. */
async function tableOf(source: string): Promise<{ readonly table: string; readonly within?: string }> {
  const named = await findNamed(source, "audio");
  if (!named) return { table: source };
  const isFolder = (await fs.stat(named.path)).isDirectory();
  for (let folder = named.path; isFolder && basename(folder) !== named.set.name; folder = dirname(folder)) {
    for (const name of ["transcripts.csv", "transcripts.jsonl"]) {
      const table = join(dirname(folder), name);
      if (await fs.stat(table).catch(() => undefined)) return { table, within: join(named.path, "/") };
    }
  }
  return { table: named.path };
}

/** What a raw example is, for the data's fingerprint: its text, its voice and what can be heard. */
export function identityOf({ sound, text = "", speaker = "", placed }: RawSpeech): string {
  const { data } = sound;
  const digest = createHash("sha256")
    .update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength))
    .digest("hex");
  return `${placed.side ?? ""}\n${speaker}\n${text}\n${digest}`;
}

/** What is learnt from the training sounds and their texts. */
export function learnSpeech(
  train: readonly RawSpeech[],
  known: Tokenizer | undefined,
): { readonly tokenizer: Tokenizer; readonly facts: SpeechFacts } {
  const { mean, deviation } = featureStatistics(train.map(({ sound }) => sound));
  const texts: Record<string, number> = {};
  for (const { text = "" } of train) texts[text] = (texts[text] ?? 0) + 1;
  const tokenizer = known?.kind === "character" ? known : characterTokenizer(Object.keys(texts).join(""));
  return { tokenizer, facts: { mean: [...mean], deviation: [...deviation], texts } };
}

/** A raw example as the network is given it. */
export function encodeSpeech(
  { sound, seconds, text, file, speaker, placed: { place }, note }: RawSpeech,
  { tokenizer, facts }: Assets<SpeechFacts>,
  { normalization }: Pick<TrainingOptions, "normalization">,
): SpeechExample {
  const statistics: FeatureStatistics = {
    mean: Float32Array.from(facts.mean),
    deviation: Float32Array.from(facts.deviation),
  };
  return {
    sound: normalization === "sound" ? normalizeFeatures(sound) : normalizeFeatures(sound, statistics),
    seconds,
    text,
    labels: text === undefined ? undefined : labelsOf(text, tokenizer as Tokenizer),
    file,
    speaker,
    place,
    ...(note !== undefined && { note }),
  };
}

/** A held-out text may have a character that training has not seen; what is heard of it is an error then, and counted as one. */
function labelsOf(text: string, tokenizer: Tokenizer): Int32Array | undefined {
  try {
    return tokenizer.encode(text).map((id) => id + 1);
  } catch (error) {
    if (error instanceof HeptagenError && error.code === "tokenizer/unknown-character") return undefined;
    throw error;
  }
}

/**
 * A sound to be heard: the path of its file, alone or under "audio".
 *
 * @throws HeptagenError `data/json`, `data/column`, `data/not-found`, `data/audio`
 */
export async function inputSound(value: unknown, place: string, options: TrainingOptions): Promise<RawSpeech> {
  const file = pathIn(value, place);
  const { samples, format } = await hearSound(file, options.rate).catch((error: unknown) => {
    if (!(error instanceof HeptagenError)) throw error;
    const { facts, next } = error;
    throw new HeptagenError(error.code, `${place}: ${error.message}`, {
      facts,
      ...(next !== undefined && { next }),
      cause: error,
    });
  });
  return {
    sound: featuresOf(samples, options),
    seconds: samples.length / options.rate,
    text: undefined,
    file,
    speaker: undefined,
    placed: { place },
    ...(format !== undefined && { note: format }),
  };
}

function pathIn(value: unknown, place: string): string {
  if (typeof value === "string") return value;
  if (typeof value === "object" && value !== null) return textIn({ values: value as Record<string, unknown>, place }, "audio");
  throw new HeptagenError("data/json", `${place}: expected a path or an object with "audio", got ${JSON.stringify(value)}`);
}
