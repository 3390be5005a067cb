/**
 * Spectra over time: the short-time Fourier transform and the mel scale.
 *
 * Legend: N samples per window, H samples between windows (hop), K = N / 2 + 1 frequencies, F mel bands.
 */
import FFT from "fft.js";

export interface StftOptions {
  /** N, a power of two. */
  readonly window: number;
  /** H */
  readonly hop: number;
  /** Number of windows; as many as begin within the samples, unless told. */
  readonly frames?: number;
}

/** Rows of numbers: row t begins at t · width. */
export interface Rows {
  readonly rows: number;
  readonly width: number;
  readonly data: Float32Array;
}

/**
 * Magnitudes of the short-time Fourier transform with a periodic Hann window. Window t is centred on sample t · H + H / 2; beyond
 * the ends of the sound is silence.
 *
 * @returns [frames, K]
 * @example stft(samples, { window: 512, hop: 128 })
 */
export function stft(samples: Float32Array, { window, hop, frames = Math.ceil(samples.length / hop) }: StftOptions): Rows {
  const fft = new FFT(window);
  const shape = Float64Array.from({ length: window }, (_, n) => 0.5 - 0.5 * Math.cos((2 * Math.PI * n) / window));
  const width = window / 2 + 1;
  const data = new Float32Array(frames * width);
  const input = new Float64Array(window);
  const output = fft.createComplexArray() as number[];
  for (let t = 0; t < frames; t++) {
    const first = t * hop + Math.floor((hop - window) / 2);
    for (let n = 0; n < window; n++) input[n] = (samples[first + n] ?? 0) * (shape[n] as number);
    fft.realTransform(output, input as unknown as number[]); // reads numbers by index only
    for (let k = 0; k < width; k++) data[t * width + k] = Math.hypot(output[2 * k] as number, output[2 * k + 1] as number);
  }
  return { rows: frames, width, data };
}

const toMel = (hertz: number): number => 2595 * Math.log10(1 + hertz / 700);
const fromMel = (mel: number): number => 700 * (10 ** (mel / 2595) - 1);

/**
 * Triangular bands, evenly spaced on the mel scale (O'Shaughnessy 1987) from 0 to half the rate, each with a peak of 1.
 *
 * @returns [F, K]
 */
export function melFilters({
  bands,
  window,
  rate,
}: {
  readonly bands: number;
  readonly window: number;
  readonly rate: number;
}): Rows {
  const width = window / 2 + 1;
  const top = toMel(rate / 2);
  const edges = Array.from({ length: bands + 2 }, (_, i) => fromMel((top * i) / (bands + 1)));
  const data = new Float32Array(bands * width);
  for (let f = 0; f < bands; f++) {
    const [low, middle, high] = edges.slice(f, f + 3) as [number, number, number];
    for (let k = 0; k < width; k++) {
      const hertz = (k * rate) / window;
      const weight = Math.min((hertz - low) / (middle - low), (high - hertz) / (high - middle));
      data[f * width + k] = Math.max(0, weight);
    }
  }
  return { rows: bands, width, data };
}

/** The least magnitude that logarithms tell from silence. */
export const faintest = 1e-4;

export interface MelOptions extends StftOptions {
  readonly bands: number;
  readonly rate: number;
}

/** Natural logarithm of the magnitude in each mel band, held above ln 0.0001: [frames, F] */
export function logMel(samples: Float32Array, { bands, rate, ...options }: MelOptions): Rows {
  const spectrum = stft(samples, options);
  const filters = melFilters({ bands, window: options.window, rate });
  const data = new Float32Array(spectrum.rows * bands);
  for (let t = 0; t < spectrum.rows; t++) {
    for (let f = 0; f < bands; f++) {
      let sum = 0;
      for (let k = 0; k < spectrum.width; k++) {
        sum += (filters.data[f * spectrum.width + k] as number) * (spectrum.data[t * spectrum.width + k] as number);
      }
      data[t * bands + f] = Math.log(Math.max(faintest, sum));
    }
  }
  return { rows: spectrum.rows, width: bands, data };
}
