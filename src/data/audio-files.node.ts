/**
 * Sound files: WAV, FLAC, OGG (Vorbis, Opus) and MP3 in, WAV out.
 *
 * Whatever a file holds becomes one channel at the wanted rate. What kind of file it is, its first bytes decide, not its name.
 */
import { readFile } from "node:fs/promises";
import { HeptagenError } from "../util/errors.ts";
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

interface Decoded {
  readonly channelData: readonly Float32Array[];
  readonly sampleRate: number;
}

/** Below this amplitude (-80 dB) throughout, a file is silent. */
const silent = 1e-4;
/** Shorter than this is no sound, in seconds. */
const shortest = 0.01;
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

/** A sound as its file holds it, all channels mixed into one. */
export interface Sound {
  readonly samples: Float32Array;
  readonly rate: number;
  readonly channels: number;
}

/**
 * Decodes the bytes of a sound file.
 *
 * @throws HeptagenError `data/audio` as `readAudioFile`
 */
export async function decodeSound(bytes: Uint8Array, file: string): Promise<Sound> {
  const fail = (reason: string, cause?: unknown): never => {
    throw new HeptagenError("data/audio", `${file}: ${reason}`, {
      facts: { file, reason },
      next: "Sounds are read from WAV, FLAC, OGG (Vorbis, Opus) and MP3 files.",
      cause,
    });
  };
  const decode = decoderOf(bytes);
  if (!decode) return fail(`expected WAV, FLAC, OGG or MP3, got ${bytes.length === 0 ? "an empty file" : "something else"}`);
  let decoded: Decoded;
  try {
    decoded = await decode(bytes);
  } catch (cause) {
    return fail(`it is damaged (${cause instanceof Error ? cause.message : String(cause)})`, cause);
  }
  const { channelData, sampleRate } = decoded;
  const count = channelData[0]?.length ?? 0;
  if (count === 0) return fail("it holds no samples");
  const seconds = count / sampleRate;
  if (seconds < shortest)
    return fail(`it is too short: ${count} samples, ${seconds.toFixed(4)} s where ${shortest} s are needed`);
  const samples = mix(channelData);
  let peak = 0;
  for (const sample of samples) {
    if (!Number.isFinite(sample)) return fail("it holds samples that are not numbers");
    peak = Math.max(peak, Math.abs(sample));
  }
  if (peak < silent) return fail("it is silent: nothing is louder than -80 dB");
  return { samples, rate: sampleRate, channels: channelData.length };
}

/** The decoder for a file with these first bytes; loaded when it is needed. */
function decoderOf(bytes: Uint8Array): ((bytes: Uint8Array) => Promise<Decoded>) | undefined {
  const text = (from: number, to: number) => String.fromCharCode(...bytes.subarray(from, to));
  if (text(0, 4) === "RIFF") return async (file) => (await import("@audio/decode-wav")).default(file);
  if (text(0, 4) === "fLaC") return async (file) => (await import("@audio/decode-flac")).default(file);
  if (text(0, 4) === "OggS") {
    const opus = text(0, 64).includes("OpusHead");
    return async (file) => (opus ? await import("@audio/decode-opus") : await import("@audio/decode-vorbis")).default(file);
  }
  const mp3 = text(0, 3) === "ID3" || (bytes[0] === 0xff && ((bytes[1] ?? 0) & 0xe6) === 0xe2); // MPEG audio, layer III
  return mp3 ? async (file) => (await import("@audio/decode-mp3")).default(file) : undefined;
}

/** The mean of all channels. */
function mix(channels: readonly Float32Array[]): Float32Array {
  const [first] = channels as readonly [Float32Array];
  if (channels.length === 1) return first;
  return first.map((_, i) => channels.reduce((sum, channel) => sum + (channel[i] ?? 0), 0) / channels.length);
}

/**
 * Another number of samples per second, by libsamplerate's band-limited interpolation: the best, or its fastest (97 dB of signal to
 * noise, 80 % of the band) where much is to be done.
 */
export async function resample(
  samples: Float32Array,
  from: number,
  to: number,
  { quality = "best" }: { readonly quality?: "best" | "fastest" } = {},
): Promise<Float32Array> {
  if (from === to) return samples;
  const loaded = await import("@alexanderolsen/libsamplerate-js");
  // It is a CommonJS module, which some loaders (tsx) give as it is, without a default.
  const resampler = loaded.default ?? (loaded as unknown as typeof loaded.default);
  const { SRC_SINC_BEST_QUALITY, SRC_SINC_FASTEST } = resampler.ConverterType;
  const converterType = quality === "best" ? SRC_SINC_BEST_QUALITY : SRC_SINC_FASTEST;
  const converter = await resampler.create(1, from, to, { converterType });
  try {
    return converter.simple(samples).slice(); // out of the converter's memory
  } finally {
    converter.destroy();
  }
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
