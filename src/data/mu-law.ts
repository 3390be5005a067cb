/**
 * Mu-law: amplitudes on a logarithmic scale, so that few values do for soft and loud sound alike (ITU-T G.711, as WaveNet uses it:
 * the continuous curve, then even steps).
 */

/**
 * Amplitudes from -1 to 1 as whole numbers from 0 to `levels` - 1; louder ones are held at the ends. 0 becomes `levels` / 2.
 *
 * @example encodeMuLaw(Float32Array.of(-1, 0, 1)) // Int32Array [0, 128, 255]
 */
export function encodeMuLaw(samples: Float32Array, levels = 256): Int32Array {
  const mu = levels - 1;
  return Int32Array.from(samples, (sample) => {
    const x = Math.min(1, Math.max(-1, sample));
    const curved = (Math.sign(x) * Math.log1p(mu * Math.abs(x))) / Math.log1p(mu);
    return Math.floor(((curved + 1) / 2) * mu + 0.5);
  });
}

/** The amplitudes that whole numbers stand for. */
export function decodeMuLaw(values: ArrayLike<number>, levels = 256): Float32Array {
  const mu = levels - 1;
  return Float32Array.from(values, (value) => {
    const curved = (2 * value) / mu - 1;
    return (Math.sign(curved) * Math.expm1(Math.abs(curved) * Math.log1p(mu))) / mu;
  });
}
