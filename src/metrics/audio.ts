/** How far sounds are apart, by their spectra over time. Smaller is nearer, 0 is the same; none of them hears phase. */
import { HeptagenError } from "../util/errors.ts";
import { faintest, type Rows, stft } from "../util/spectrogram.ts";

/** Windows of the resolutions compared, in samples; each moves on by a quarter of itself. */
const resolutions = [256, 512, 1024] as const;

/**
 * Multi-resolution distance of log-magnitudes: the mean absolute difference of the natural logarithms of both spectrograms, averaged
 * over windows of 256, 512 and 1,024 samples (Yamamoto et al. 2020, Parallel WaveGAN, its second term).
 *
 * @throws HeptagenError `metrics/length` when the sounds differ in length
 * @example multiResolutionDistance(generated, real)
 */
export function multiResolutionDistance(a: Float32Array, b: Float32Array): number {
  checkLengths("multiResolutionDistance", a, b);
  const distances = resolutions.map((window) => {
    const [x, y] = [a, b].map((samples) => stft(samples, { window, hop: window / 4 })) as [Rows, Rows];
    let sum = 0;
    for (let i = 0; i < x.data.length; i++) sum += Math.abs(logOf(x, i) - logOf(y, i));
    return sum / x.data.length;
  });
  return distances.reduce((total, distance) => total + distance, 0) / distances.length;
}

/**
 * Log-spectral distance in decibels: the root mean square difference of the power spectra's levels in each window of 512 samples,
 * averaged over windows (Gray & Markel 1976).
 *
 * @throws HeptagenError `metrics/length` when the sounds differ in length
 */
export function logSpectralDistance(a: Float32Array, b: Float32Array): number {
  checkLengths("logSpectralDistance", a, b);
  const [x, y] = [a, b].map((samples) => stft(samples, { window: 512, hop: 128 })) as [Rows, Rows];
  let total = 0;
  for (let t = 0; t < x.rows; t++) {
    let squares = 0;
    for (let k = 0; k < x.width; k++) {
      const difference = (20 / Math.LN10) * (logOf(x, t * x.width + k) - logOf(y, t * x.width + k));
      squares += difference * difference;
    }
    total += Math.sqrt(squares / x.width);
  }
  return total / x.rows;
}

const logOf = ({ data }: Rows, i: number): number => Math.log(Math.max(faintest, data[i] as number));

function checkLengths(what: string, a: Float32Array, b: Float32Array): void {
  if (a.length === b.length && a.length > 0) return;
  throw new HeptagenError(
    "metrics/length",
    `${what}: expected two sounds of the same length, got ${a.length} and ${b.length} samples`,
  );
}
