/**
 * Convolution over blocks of channels (NCHWc), the layout ONNX Runtime's fastest CPU kernels want: [B, C/n, H, W, n] with n
 * channels side by side, as many as a vector register holds.
 *
 * ONNX Runtime brings its own models into that layout when it loads them, if their kernels are constants. Kernels being
 * trained are not, so the same internal operators are used here by name: the image is reordered, the kernel is rearranged,
 * and the result is reordered back. That costs a tenth of a typical convolution and gains a quarter to a half; the gradient
 * for the input gains more. Kernels of one tap and images of few channels gain nothing. Measured in bench/kernels/conv.ts.
 *
 * Legend: B batch, C input channels, O output channels, n channels per block, K kernel dims.
 */
import type { Lowering, Value } from "../core/lowering.ts";
import { type Shape, sizeOf } from "../util/ndarray.ts";
import { type Geometry, onnxGeometry } from "./conv-geometry.ts";

const domain = "com.microsoft.nchwc";

interface BlockedConv {
  readonly image: Shape;
  readonly kernel: Shape;
  readonly geometry: Geometry;
  readonly turned: boolean;
  /** [O], if there is one. */
  readonly bias?: readonly Value[];
}

/**
 * A convolution of x [B, C, H, W], or undefined where blocks do not fit or do not pay.
 *
 * @param turned false: w is [O, C, ...K]. true: w is [C, O, ...K] with its spatial axes to be reversed, as the gradient of a
 *   convolution for its input needs it.
 */
export function blockedConv(
  b: Lowering,
  x: Value,
  w: Value,
  { image, kernel, geometry, turned, bias = [] }: BlockedConv,
): Value | undefined {
  const block = b.channelBlock;
  const channels = image[1] as number;
  const outChannels = (turned ? kernel[1] : kernel[0]) as number;
  const dims = kernel.slice(2);
  if (block === 0 || dims.length !== 2 || sizeOf(dims) === 1 || geometry.groups !== 1) return undefined;
  if (channels % block !== 0 || outChannels % block !== 0) return undefined;
  // To [O/n, C/n, K, n of C, n of O]. Reordering an image turns an axis of channels into blocks faster than Transpose does: here
  // the output channels of the kernel.
  const asImage = turned ? [channels, outChannels, sizeOf(dims), 1] : [1, outChannels, channels, sizeOf(dims)];
  const once = b.outermost([w]); // in a loop that leaves the kernel as it is: before the loop
  const blocks = once.node("ReorderInput", [once.node("Reshape", [w, once.int64(asImage)])], {}, domain);
  const shape = turned
    ? [channels / block, block, outChannels / block, sizeOf(dims), block]
    : [outChannels / block, channels / block, block, sizeOf(dims), block];
  const apart = once.node("Reshape", [blocks, once.int64(shape)]);
  const arranged = turned
    ? once.node("Transpose", [reverse(once, apart, 3)], { perm: [2, 0, 3, 1, 4] })
    : once.node("Transpose", [apart], { perm: [0, 1, 3, 2, 4] });
  const weights = once.node("Reshape", [arranged, once.int64([outChannels, channels, ...dims])]);
  const out = b.node("Conv", [b.node("ReorderInput", [x], {}, domain), weights, ...bias], onnxGeometry(geometry), domain);
  return b.node("ReorderOutput", [out], { channels: outChannels }, domain);
}

/**
 * The gradient of a convolution of stride s for its input: g [B, O, ...P], w [O, C, ...K] → [B, C, ...S], or undefined where blocks
 * do not fit.
 *
 * Of every s × s square of the result, each place sees taps of its own, a K/s × K/s kernel: a plain convolution makes them as s² C
 * channels of one image, without zeros between the elements of g, and DepthToSpace puts them side by side. ConvTranspose multiplies
 * image by image, which takes twice as long for 4 × 4 places and no longer from 8 × 8 on (bench/kernels/conv.ts).
 */
export function blockedSpread(
  b: Lowering,
  g: Value,
  w: Value,
  { image, kernel, geometry, spatial }: { image: Shape; kernel: Shape; geometry: Geometry; spatial: Shape },
): Value | undefined {
  const { strides, pads, dilations, groups } = geometry;
  const block = b.channelBlock;
  const [channels, outChannels, ...dims] = kernel as [number, number, ...number[]];
  const stride = strides[0] as number;
  if (block === 0 || dims.length !== 2 || stride === 1 || strides[1] !== stride || groups !== 1) return undefined;
  if (channels % block !== 0 || outChannels % block !== 0 || dilations.some((d) => d > 1)) return undefined;
  if (sizeOf(image.slice(2)) >= 64) return undefined;
  const [few0, few1] = dims.map((k) => k / stride) as [number, number];
  const low = pads.map((pad) => pad[0]);
  const end = spatial.map((size, i) => (low[i] as number) + size);
  const made = [few0, few1].map((few, i) => stride * ((image[i + 2] as number) - 1 + few));
  if (!Number.isInteger(few0) || !Number.isInteger(few1) || end.some((e, i) => e > (made[i] as number))) return undefined;
  const once = b.outermost([w]);
  const asImage = [channels, outChannels, sizeOf(dims), 1];
  const blocks = once.node("ReorderInput", [once.node("Reshape", [w, once.int64(asImage)])], {}, domain);
  // [O/n, n of O, C/n, K/s, s, K/s, s, n of C] → [s, s, C/n, O/n, K/s, K/s, n of O, n of C]
  const shape = [channels / block, block, outChannels / block, few0, stride, few1, stride, block];
  const apart = reverse(once, reverse(once, once.node("Reshape", [blocks, once.int64(shape)]), 3), 5);
  const arranged = once.node("Transpose", [apart], { perm: [4, 6, 2, 0, 3, 5, 1, 7] });
  const weights = once.node("Reshape", [arranged, once.int64([stride ** 2 * outChannels, channels, few0, few1])]);
  const around = [few0, few1].map((few) => [few - 1, few - 1] as const);
  const plain = onnxGeometry({ strides: [1, 1], dilations, groups, pads: around });
  const out = b.node("Conv", [b.node("ReorderInput", [g], {}, domain), weights], plain, domain);
  const channelled = b.node("ReorderOutput", [out], { channels: stride ** 2 * outChannels }, domain);
  const whole = b.node("DepthToSpace", [channelled], { blocksize: stride, mode: "DCR" });
  if (low.every((n) => n === 0) && end.every((e, i) => e === made[i])) return whole;
  return b.node("Slice", [whole, b.int64(low), b.int64(end), b.int64([2, 3])]);
}

function reverse(b: Lowering, value: Value, axis: number): Value {
  return b.node("Slice", [value, b.int64([-1]), b.int64([-(2 ** 31)]), b.int64([axis]), b.int64([-1])]);
}
