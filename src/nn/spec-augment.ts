/**
 * SpecAugment (Park et al. 2019): hides some bands and some stretches of time of a spectrogram, so that a recogniser learns to do
 * without them. The paper's time warping is left out: it helped least of the three, and cost most. Bands may be stretched instead,
 * so that voices sound like others.
 *
 * Legend: B sounds, T frames, F bands, M masks.
 */
import { type TracedKey, uniform } from "../core/random.ts";
import { ShapeError, type Tensor, typeName } from "../core/tensor.ts";
import {
  abs,
  add,
  and,
  arange,
  cast,
  floor,
  less,
  lessEqual,
  matmul,
  max,
  maximum,
  minimum,
  mul,
  reshape,
  slice,
  sub,
} from "../ops/index.ts";

export interface SpecAugmentOptions {
  /** How many stretches of bands are hidden, each from 0 to `bands` wide. */
  readonly frequencyMasks: number;
  readonly bands: number;
  /** How many stretches of time are hidden, each from 0 to `frames` long, but no more than `fraction` of the sound. */
  readonly timeMasks: number;
  readonly frames: number;
  readonly fraction: number;
  /** Bands are stretched or squeezed by up to this part, as by vocal tracts of other lengths (Jaitly & Hinton 2013); 0 for not. */
  readonly warp: number;
}

/** The paper's LibriSpeech double policy. */
export const specAugmentDefaults: SpecAugmentOptions = {
  frequencyMasks: 2,
  bands: 27,
  timeMasks: 2,
  frames: 100,
  fraction: 0.2,
  warp: 0,
};

/**
 * Sets masked places to 0, which is the mean where features are normalised. Without a key (evaluation) it does nothing.
 *
 * @param x [B, T, F]
 * @param lengths how many frames of each sound count, int32 [B]: time masks lie within them
 * @returns [B, T, F]
 * @throws ShapeError when operands do not fit
 */
export function specAugment(
  x: Tensor,
  lengths: Tensor,
  { frequencyMasks, bands, timeMasks, frames, fraction, warp }: SpecAugmentOptions,
  key: TracedKey | undefined,
): Tensor {
  if (!key) return x;
  const [batch, time, width] = x.shape as [number, number, number];
  if (x.shape.length !== 3 || lengths.dtype !== "int32" || lengths.shape.length !== 1 || lengths.shape[0] !== batch) {
    throw new ShapeError(
      "specAugment",
      `expected x [B, T, F] and int32 lengths [B], got ${typeName(x)} and ${typeName(lengths)}`,
    );
  }
  let y = warp > 0 ? warpBands(x, mul(sub(uniform(key.fold("warp"), [batch]), 0.5), 2 * warp)) : x;
  if (frequencyMasks > 0) {
    const kept = keep(width, width, Math.min(bands, width), uniform(key.fold("frequency"), [batch, frequencyMasks, 2]));
    y = mul(y, reshape(kept, [batch, 1, width]));
  }
  if (timeMasks > 0) {
    const counted = reshape(cast(lengths, "float32"), [batch, 1, 1]);
    const longest = minimum(floor(mul(counted, fraction)), frames);
    const kept = keep(time, counted, longest, uniform(key.fold("time"), [batch, timeMasks, 2]));
    y = mul(y, reshape(kept, [batch, time, 1]));
  }
  return y;
}

/**
 * Stretches the axis of bands: band f becomes what lay at f (1 + s), between its two neighbours, or at the last band.
 *
 * @param stretch s of each sound, [B]
 */
function warpBands(x: Tensor, stretch: Tensor): Tensor {
  const [batch, , width] = x.shape as [number, number, number];
  const places = arange(width, "float32");
  const from = minimum(mul(places, reshape(add(stretch, 1), [batch, 1])), width - 1); // [B, F]
  const distance = sub(reshape(places, [width, 1]), reshape(from, [batch, 1, width])); // [B, F, F]
  return matmul(x, maximum(sub(1, abs(distance)), 0)); // [B, T, F] × [B, F, F]
}

/**
 * 0 where a place of an axis is masked, else 1: [B, size].
 *
 * @param extent how far masks may reach
 * @param longest the longest a mask may be
 * @param chances uniform numbers for length and beginning, [B, M, 2]
 */
function keep(size: number, extent: Tensor | number, longest: Tensor | number, chances: Tensor): Tensor {
  const length = floor(mul(slice(chances, { 2: { stop: 1 } }), add(longest, 1))); // [B, M, 1]
  const start = floor(mul(slice(chances, { 2: { start: 1 } }), add(sub(extent, length), 1)));
  const places = arange(size, "float32");
  const hit = cast(and(lessEqual(start, places), less(places, add(start, length))), "float32"); // [B, M, size]
  return sub(1, max(hit, 1));
}
