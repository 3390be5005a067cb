/**
 * Sound files: WAV, FLAC, OGG (Vorbis, Opus) and MP3 in, WAV out.
 *
 * Whatever a file holds becomes one channel at the wanted rate. What kind of file it is, its first bytes decide, not its name.
 */
import { readFile } from "node:fs/promises";
import { HeptagenError } from "../util/errors.ts";
import { decodeSound, resample } from "./decode-sound.node.ts";
import type { MediaColumns, MediaSource } from "./media-table.node.ts";
import { listSounds } from "./sound-sources.node.ts";
import { spread } from "./spread.ts";

/** One sound: a single channel of amplitudes from -1 to 1. */
export interface Clip {
  readonly samples: Float32Array;
  readonly file: string;
  /** The first folder below the source; undefined for a file that lies in none. */
  readonly label: string | undefined;
}

export interface ReadAudioOptions extends MediaColumns {
  /** Samples per second of the result; other rates are resampled. */
  readonly rate: number;
  /** Cut off silence (40 dB below the loudest sample) at both ends. */
  readonly trim?: boolean | undefined;
  /** Leave out files that cannot be used instead of stopping at them. */
  readonly skipBad?: boolean | undefined;
  /** Most files to read, spread evenly over all of them. */
  readonly limit?: number | undefined;
}

/** A file that cannot be used, and why. */
export interface BadFile {
  readonly file: string;
  readonly reason: string;
}

/** Silence when trimming, relative to the loudest sample. */
const quiet = 0.01;

/**
 * Reads sounds from files, folders (subfolders are labels), globs, .zip, .tar(.gz) and .parquet files, and sets of the catalogue by
 * their names.
 *
 * @returns the clips in order, and the files left out (empty unless `skipBad`)
 * @throws HeptagenError `data/not-found`, `data/no-files`, `data/archive`, `data/column`, `data/table`, `data/not-fetched`,
 *   `data/kind`; `data/bad-audio` listing files that are damaged, of another kind, silent or too short
 * @example const { clips } = await readAudio("drums", { rate: 16000 });
 */
export async function readAudio(
  sources: string | readonly string[],
  { rate, trim = false, skipBad = false, limit, ...columns }: ReadAudioOptions,
): Promise<{ clips: Clip[]; skipped: BadFile[] }> {
  const all: MediaSource[] = [];
  for (const source of [sources].flat()) all.push(...(await listSounds(source, columns)));
  const files = spread(all, limit);
  const clips: Clip[] = [];
  const bad: BadFile[] = [];
  for (const { file, label, read } of files) {
    try {
      const samples = await decodeAudio(new Uint8Array(await read()), file, rate);
      clips.push({ samples: trim ? trimSilence(samples) : samples, file, label });
    } catch (error) {
      if (!(error instanceof HeptagenError)) throw error;
      bad.push({ file, reason: String(error.facts.reason ?? error.message) });
    }
  }
  if (bad.length > 0 && (!skipBad || clips.length === 0)) {
    const shown = bad.slice(0, 10).map(({ file, reason }) => `\n  ${file}: ${reason}`);
    const more = bad.length > 10 ? `\n  and ${bad.length - 10} more` : "";
    throw new HeptagenError("data/bad-audio", `${bad.length} of ${files.length} files cannot be used:${shown.join("")}${more}`, {
      facts: { bad, files: files.length },
      next: clips.length > 0 ? "Repair or remove them, or leave them out with skipBad (--skip-bad)." : "Choose other files.",
    });
  }
  return { clips, skipped: bad };
}

/**
 * Reads one sound file as a single channel.
 *
 * @param rate samples per second of the result
 * @throws HeptagenError `data/audio` when it is damaged, of another kind, silent, or shorter than 10 ms
 */
export async function readAudioFile(file: string, rate: number): Promise<Float32Array> {
  return decodeAudio(new Uint8Array(await readFile(file)), file, rate);
}

async function decodeAudio(bytes: Uint8Array, file: string, rate: number): Promise<Float32Array> {
  const { samples, rate: from } = await decodeSound(bytes, file);
  return resample(samples, from, rate);
}

/** The part between the first and the last sample that is not quiet. */
function trimSilence(samples: Float32Array): Float32Array {
  const least = quiet * samples.reduce((peak, sample) => Math.max(peak, Math.abs(sample)), 0);
  const first = samples.findIndex((sample) => Math.abs(sample) >= least);
  const last = samples.findLastIndex((sample) => Math.abs(sample) >= least);
  return samples.slice(first, last + 1);
}

/**
 * Samples as the bytes of a WAV file: one channel, 16 bits.
 *
 * @example await writeFile("a.wav", await encodeWav(samples, 16000));
 */
export async function encodeWav(samples: Float32Array, rate: number): Promise<Uint8Array> {
  const { AudioSample, AudioSampleSource, BufferTarget, Output, WavOutputFormat } = await import("mediabunny");
  const target = new BufferTarget();
  const output = new Output({ format: new WavOutputFormat(), target });
  const source = new AudioSampleSource({ codec: "pcm-s16" });
  output.addAudioTrack(source);
  await output.start();
  const held = samples.map((sample) => Math.min(1, Math.max(-1, sample)));
  const sample = new AudioSample({ data: held, format: "f32", numberOfChannels: 1, sampleRate: rate, timestamp: 0 });
  await source.add(sample);
  sample.close();
  await output.finalize();
  return new Uint8Array(target.buffer as ArrayBuffer); // there, since the output is finished
}
