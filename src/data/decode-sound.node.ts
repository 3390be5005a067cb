/** Sounds out of the bytes of WAV, FLAC, OGG (Vorbis, Opus) and MP3 files, and at other rates. */
import { HeptagenError } from "../util/errors.ts";

interface Decoded {
  readonly channelData: readonly Float32Array[];
  readonly sampleRate: number;
}

/** Below this amplitude (-80 dB) throughout, a file is silent. */
const silent = 1e-4;
/** Shorter than this is no sound, in seconds. */
const shortest = 0.01;
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

/** Makes sounds of one number of samples per second into sounds of another. */
interface Converter {
  simple(samples: Float32Array): Float32Array;
}

/** Converters that were made so far: each is a WebAssembly module of its own, which takes longer to make than a short sound to convert. */
const converters = new Map<string, Promise<Converter>>();

async function makeConverter(from: number, to: number, quality: "best" | "fastest"): Promise<Converter> {
  const loaded = await import("@alexanderolsen/libsamplerate-js");
  // It is a CommonJS module, which some loaders (tsx) give as it is, without a default.
  const resampler = loaded.default ?? (loaded as unknown as typeof loaded.default);
  const { SRC_SINC_BEST_QUALITY, SRC_SINC_FASTEST } = resampler.ConverterType;
  return resampler.create(1, from, to, { converterType: quality === "best" ? SRC_SINC_BEST_QUALITY : SRC_SINC_FASTEST });
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
  const name = `${from} ${to} ${quality}`;
  const converter = converters.get(name) ?? makeConverter(from, to, quality);
  converters.set(name, converter);
  converter.catch(() => converters.delete(name)); // the next sound tries again
  return (await converter).simple(samples).slice(); // out of the converter's memory
}
