/**
 * Half floats, which files use and models here do not: each value becomes the float32 equal to it.
 *
 *   float16    1 sign, 5 exponent (bias 15), 10 fraction bits (IEEE 754 binary16)
 *   bfloat16   the upper half of a float32: 1 sign, 8 exponent, 7 fraction bits
 */

/** The float32 values of float16 bits. */
export function fromFloat16(half: Uint16Array): Float32Array {
  const bits = new Uint32Array(half.length);
  const out = new Float32Array(bits.buffer);
  for (let i = 0; i < half.length; i++) {
    const h = half[i] ?? 0;
    const sign = (h & 0x8000) << 16;
    const exponent = (h >> 10) & 0x1f;
    const fraction = h & 0x3ff;
    if (exponent === 0) {
      out[i] = (sign ? -fraction : fraction) * 2 ** -24; // zero and subnormals
      if (fraction === 0) bits[i] = sign;
    } else if (exponent === 31) {
      bits[i] = sign | 0x7f800000 | (fraction << 13); // infinities and NaN
    } else {
      bits[i] = sign | ((exponent + 112) << 23) | (fraction << 13); // biases 15 and 127
    }
  }
  return out;
}

/** The float32 values of bfloat16 bits. */
export function fromBfloat16(half: Uint16Array): Float32Array {
  const bits = new Uint32Array(half.length);
  for (let i = 0; i < half.length; i++) bits[i] = (half[i] ?? 0) << 16;
  return new Float32Array(bits.buffer);
}
