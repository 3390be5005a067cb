/**
 * Log-mel features: what speech recognisers hear.
 *
 * Sound is cut into short windows, a new one every few milliseconds, and what is left of each is how much power lies in each of some
 * bands, which are narrow where the ear is sharp. The definition is that of torchaudio's `MelSpectrogram` and librosa's
 * `melspectrogram` with the HTK scale (`norm=None`, `center=True`, zeros beyond the ends), then the natural logarithm:
 * a periodic Hann window in the middle of a Fourier transform of the next power of two; window t is centred on sample t · hop.
 *
 * Legend: N samples, T frames, F bands.
 */
import FFT from "fft.js";
import { HeptagenError } from "../util/errors.ts";
import { melFilters, type Rows } from "../util/spectrogram.ts";

export interface MelOptions {
  /** Samples per second. */
  readonly rate: number;
  /** F */
  readonly bands: number;
  /** Length of a window, in seconds. */
  readonly window: number;
  /** From one window to the next, in seconds. */
  readonly hop: number;
  /** How much of the sample before is taken off each, to lift high frequencies (0.97 is usual); 0 for none. */
  readonly preEmphasis: number;
}

export const melDefaults: MelOptions = { rate: 16000, bands: 80, window: 0.025, hop: 0.01, preEmphasis: 0 };

/** Power below this counts as silence. */
const faintest = 1e-10;

/** T of a sound of N samples. */
export function melFrames(samples: number, options: Partial<MelOptions> = {}): number {
  return 1 + Math.floor(samples / checked(options).hop);
}

/**
 * The natural logarithm of the power in each mel band.
 *
 * @param samples amplitudes from -1 to 1
 * @returns [T, F]
 * @throws HeptagenError `mel/options` naming what does not fit
 * @example const { rows, width, data } = melFeatures(samples, { rate: 16000 });
 */
export function melFeatures(samples: Float32Array, options: Partial<MelOptions> = {}): Rows {
  const { rate, bands, window, hop, size, preEmphasis } = checked(options);
  const filters = bandsOf({ rate, bands, size });
  const fft = new FFT(size);
  // What lies in the transform before and behind the window is 0.
  const before = Math.floor((size - window) / 2);
  const shape = Float64Array.from({ length: window }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / window));
  const rows = 1 + Math.floor(samples.length / hop);
  const data = new Float32Array(rows * bands);
  const input = new Float64Array(size);
  const output = fft.createComplexArray() as number[];
  const power = new Float64Array(size / 2 + 1);
  const sample = (i: number) => (samples[i] ?? 0) - (i < samples.length ? preEmphasis * (samples[i - 1] ?? 0) : 0);
  for (let t = 0; t < rows; t++) {
    const first = t * hop - size / 2 + before;
    for (let n = 0; n < window; n++) input[before + n] = sample(first + n) * (shape[n] as number);
    fft.realTransform(output, input as unknown as number[]); // reads numbers by index only
    for (let k = 0; k < power.length; k++) power[k] = (output[2 * k] as number) ** 2 + (output[2 * k + 1] as number) ** 2;
    filters.forEach(({ from, weights }, f) => {
      let sum = 0;
      for (let k = 0; k < weights.length; k++) sum += (weights[k] as number) * (power[from + k] as number);
      data[t * bands + f] = Math.log(Math.max(faintest, sum));
    });
  }
  return { rows, width: bands, data };
}

/** Weights of the frequencies that lie in a band. */
interface Band {
  readonly from: number;
  readonly weights: Float32Array;
}

function bandsOf({ rate, bands, size }: { readonly rate: number; readonly bands: number; readonly size: number }): Band[] {
  const { data, width } = melFilters({ bands, window: size, rate });
  return Array.from({ length: bands }, (_, f) => {
    const row = data.subarray(f * width, (f + 1) * width);
    const from = row.findIndex((weight) => weight > 0);
    if (from < 0) {
      throw new HeptagenError(
        "mel/options",
        `melFeatures: no frequency lies in band ${f + 1} of ${bands}: they are ${(rate / size).toFixed(1)} Hz apart`,
        { facts: { bands, rate, size }, next: "Take fewer bands, or a longer window." },
      );
    }
    return { from, weights: row.subarray(from, row.findLastIndex((weight) => weight > 0) + 1) };
  });
}

/** Options with window and hop in samples, and the size of the transform. */
function checked(options: Partial<MelOptions>): MelOptions & { readonly size: number } {
  const all = { ...melDefaults, ...options };
  const samples = { window: Math.round(all.window * all.rate), hop: Math.round(all.hop * all.rate) };
  const fits =
    samples.window >= 2 && samples.hop >= 1 && Number.isInteger(all.bands) && all.bands >= 1 && Math.abs(all.preEmphasis) <= 1;
  if (!fits) {
    throw new HeptagenError(
      "mel/options",
      `melFeatures: expected a window of two samples or more, a hop of one or more, at least one band and a pre-emphasis up to 1, got ${JSON.stringify(all)}`,
      { facts: { ...all }, next: "Times are in seconds: the usual window is 0.025, the usual hop 0.01." },
    );
  }
  return { ...all, ...samples, size: 2 ** Math.ceil(Math.log2(samples.window)) };
}

/** Mean and standard deviation of each band. */
export interface FeatureStatistics {
  readonly mean: Float32Array;
  readonly deviation: Float32Array;
}

/**
 * Mean and standard deviation of each band over all frames of some sounds (of a training set).
 *
 * @throws HeptagenError `mel/empty` without any frame
 */
export function featureStatistics(sounds: Iterable<Rows>): FeatureStatistics {
  let [count, sums, squares] = [0, new Float64Array(0), new Float64Array(0)];
  for (const { rows, width, data } of sounds) {
    if (count === 0) [sums, squares] = [new Float64Array(width), new Float64Array(width)];
    for (let i = 0; i < rows * width; i++) {
      const value = data[i] as number;
      sums[i % width] = (sums[i % width] as number) + value;
      squares[i % width] = (squares[i % width] as number) + value * value;
    }
    count += rows;
  }
  if (count === 0) {
    throw new HeptagenError("mel/empty", "featureStatistics: expected sounds, got none", { next: "Give at least one sound." });
  }
  const mean = Float32Array.from(sums, (sum) => sum / count);
  const deviation = Float32Array.from(squares, (square, f) =>
    Math.sqrt(Math.max(0, square / count - ((sums[f] as number) / count) ** 2)),
  );
  return { mean, deviation };
}

/** A band that does not change is only shifted: its deviation counts as this at least. */
const steadiest = 1e-3;

/**
 * Brings each band to mean 0 and variance 1.
 *
 * @param statistics those of the training set; of the sound itself unless given
 */
export function normalizeFeatures(sound: Rows, { mean, deviation }: FeatureStatistics = featureStatistics([sound])): Rows {
  const data = sound.data.map((value, i) => {
    const f = i % sound.width;
    return (value - (mean[f] as number)) / Math.max(steadiest, deviation[f] as number);
  });
  return { ...sound, data };
}
