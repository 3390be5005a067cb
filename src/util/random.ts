/**
 * Reproducible randomness: a counter-based generator.
 *
 * Threefry-2x32 with 20 rounds (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3") scrambles a counter
 * under a key, so that number i of a stream is a pure function of (key, i). Nothing is carried from draw to draw: the same
 * key always gives the same numbers, on every machine, and keys folded from different names are independent.
 */

/** Two 32-bit words that name a stream of random numbers. */
export interface Key {
  readonly kind: "key";
  readonly words: readonly [number, number];
}

/**
 * The root key of a seed.
 *
 * @param seed a whole number; up to 2^53 tell seeds apart
 */
export function key(seed: number): Key {
  return { kind: "key", words: [seed | 0, Math.floor(seed / 2 ** 32) | 0] };
}

export function isKey(value: unknown): value is Key {
  return typeof value === "object" && value !== null && (value as Key).kind === "key";
}

/** Keeps streams folded by name apart from those folded by number, and both from the parent's own. */
const nameDomain = 0x9e3779b9;
const numberDomain = 0x7f4a7c15;

/**
 * A key of its own for a named or numbered use; different names give independent streams.
 *
 * @example const noise = fold(fold(key(1), "noise"), step);
 */
export function fold(parent: Key, name: string | number): Key {
  const [k0, k1] = parent.words;
  if (typeof name === "number") {
    threefry2x32(k0, k1 ^ numberDomain, name | 0, Math.floor(name / 2 ** 32) | 0, scratch);
  } else {
    // Two independent 32-bit FNV-1a hashes of the name's UTF-16 units.
    let h0 = 0x811c9dc5 | 0;
    let h1 = 0x01000193 | 0;
    for (let i = 0; i < name.length; i++) {
      const unit = name.charCodeAt(i);
      h0 = Math.imul(h0 ^ unit, 0x01000193);
      h1 = Math.imul(h1 ^ unit ^ 0x5bd1, 0x0100019d);
    }
    threefry2x32(k0 ^ nameDomain, k1, h0, h1, scratch);
  }
  return { kind: "key", words: [scratch[0] as number, scratch[1] as number] };
}

/** Two words of output; every filler reads them at once, so that one place is enough. */
const scratch = new Int32Array(2);

/** Threefry-2x32-20: scrambles the counter (c0, c1) under the key (k0, k1) into `out`. */
export function threefry2x32(k0: number, k1: number, c0: number, c1: number, out: Int32Array): void {
  const k2 = k0 ^ k1 ^ 0x1bd11bda;
  let a = (c0 + k0) | 0;
  let b = (c1 + k1) | 0;
  a = (a + b) | 0;
  b = ((b << 13) | (b >>> 19)) ^ a;
  a = (a + b) | 0;
  b = ((b << 15) | (b >>> 17)) ^ a;
  a = (a + b) | 0;
  b = ((b << 26) | (b >>> 6)) ^ a;
  a = (a + b) | 0;
  b = ((b << 6) | (b >>> 26)) ^ a;
  a = (a + k1) | 0;
  b = (b + k2 + 1) | 0;
  a = (a + b) | 0;
  b = ((b << 17) | (b >>> 15)) ^ a;
  a = (a + b) | 0;
  b = ((b << 29) | (b >>> 3)) ^ a;
  a = (a + b) | 0;
  b = ((b << 16) | (b >>> 16)) ^ a;
  a = (a + b) | 0;
  b = ((b << 24) | (b >>> 8)) ^ a;
  a = (a + k2) | 0;
  b = (b + k0 + 2) | 0;
  a = (a + b) | 0;
  b = ((b << 13) | (b >>> 19)) ^ a;
  a = (a + b) | 0;
  b = ((b << 15) | (b >>> 17)) ^ a;
  a = (a + b) | 0;
  b = ((b << 26) | (b >>> 6)) ^ a;
  a = (a + b) | 0;
  b = ((b << 6) | (b >>> 26)) ^ a;
  a = (a + k0) | 0;
  b = (b + k1 + 3) | 0;
  a = (a + b) | 0;
  b = ((b << 17) | (b >>> 15)) ^ a;
  a = (a + b) | 0;
  b = ((b << 29) | (b >>> 3)) ^ a;
  a = (a + b) | 0;
  b = ((b << 16) | (b >>> 16)) ^ a;
  a = (a + b) | 0;
  b = ((b << 24) | (b >>> 8)) ^ a;
  a = (a + k1) | 0;
  b = (b + k2 + 4) | 0;
  a = (a + b) | 0;
  b = ((b << 13) | (b >>> 19)) ^ a;
  a = (a + b) | 0;
  b = ((b << 15) | (b >>> 17)) ^ a;
  a = (a + b) | 0;
  b = ((b << 26) | (b >>> 6)) ^ a;
  a = (a + b) | 0;
  b = ((b << 6) | (b >>> 26)) ^ a;
  out[0] = (a + k2) | 0;
  out[1] = (b + k0 + 5) | 0;
}

/** Fills with random 32-bit words. */
function fillBits(from: Key, out: Int32Array): void {
  const [k0, k1] = from.words;
  const pair = scratch;
  for (let i = 0; i < out.length; i += 2) {
    threefry2x32(k0, k1, i >>> 1, 0, pair);
    out[i] = pair[0] as number;
    if (i + 1 < out.length) out[i + 1] = pair[1] as number;
  }
}

/** Fills with uniform numbers in [0, 1), 24 bits each. */
export function fillUniform(from: Key, out: Float32Array): void {
  const bits = new Int32Array(out.buffer, out.byteOffset, out.length);
  fillBits(from, bits);
  for (let i = 0; i < out.length; i++) out[i] = ((bits[i] as number) >>> 8) * 2 ** -24;
}

/** Fills with standard normal numbers (Box and Muller 1958). */
export function fillNormal(from: Key, out: Float32Array): void {
  const [k0, k1] = from.words;
  const pair = scratch;
  for (let i = 0; i < out.length; i += 2) {
    threefry2x32(k0, k1, i >>> 1, 0, pair);
    const radius = Math.sqrt(-2 * Math.log((((pair[0] as number) >>> 8) + 1) * 2 ** -24));
    const angle = ((pair[1] as number) >>> 8) * ((2 * Math.PI) / 2 ** 24);
    out[i] = radius * Math.cos(angle);
    if (i + 1 < out.length) out[i + 1] = radius * Math.sin(angle);
  }
}

/** Fills with 1 (with the given probability) and 0. */
export function fillBernoulli(from: Key, probability: number, out: Uint8Array): void {
  const [k0, k1] = from.words;
  const pair = scratch;
  const threshold = probability * 2 ** 32;
  for (let i = 0; i < out.length; i += 2) {
    threefry2x32(k0, k1, i >>> 1, 0, pair);
    out[i] = (pair[0] as number) >>> 0 < threshold ? 1 : 0;
    if (i + 1 < out.length) out[i + 1] = (pair[1] as number) >>> 0 < threshold ? 1 : 0;
  }
}

/** Fills with whole numbers from low to high - 1, each equally likely to within 2^-32 of the range. */
export function randint(from: Key, low: number, high: number, out: Int32Array): void {
  fillBits(from, out);
  for (let i = 0; i < out.length; i++) out[i] = low + Math.floor((((out[i] as number) >>> 0) / 2 ** 32) * (high - low));
}
