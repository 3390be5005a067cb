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
 * Of every s × s square of the result, each place sees every s-th tap only: a small plain convolution makes all places of that
 * kind, without zeros between the elements of g. Then they are laid side by side, whole blocks of channels at a time.
 * ConvTranspose multiplies image by image and takes two to three times as long (bench/kernels/conv.ts).
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
  if (block === 0 || dims.length !== 2 || strides.every((s) => s === 1) || groups !== 1) return undefined;
  if (channels % block !== 0 || outChannels % block !== 0 || dilations.some((d) => d > 1)) return undefined;
  // Per axis and place in a square: which taps it sees, and the padding of their convolution.
  const kinds = spatial.map((size, i) =>
    Array.from({ length: strides[i] as number }, (_, place) => {
      const [stride, at] = [strides[i] as number, place + (pads[i]?.[0] as number)];
      const [tap, skipped] = [at % stride, Math.floor(at / stride)];
      const count = Math.ceil(((dims[i] as number) - tap) / stride);
      return { tap, count, before: count - 1 - skipped, after: skipped + size / stride - (image[i + 2] as number) };
    }),
  );
  const squares = spatial.map((size, i) => size / (strides[i] as number));
  const fits = kinds.flat().every(({ count, before, after }) => count > 0 && before >= 0 && after >= 0);
  if (!fits || !squares.every(Number.isInteger)) return undefined;
  // [O/n, n of O, C/n, K, n of C] → [C/n, O/n, K, n of O, n of C]
  const once = b.outermost([w]);
  const asImage = once.node("Reshape", [w, once.int64([channels, outChannels, sizeOf(dims), 1])]);
  const shape = once.int64([channels / block, block, outChannels / block, ...dims, block]);
  const apart = once.node("Reshape", [once.node("ReorderInput", [asImage], {}, domain), shape]);
  const arranged = once.node("Transpose", [apart], { perm: [2, 0, 3, 4, 1, 5] });
  const blocks = b.node("ReorderInput", [g], {}, domain);
  const places = (down: (typeof kinds)[0][0], right: (typeof kinds)[0][0]): Value => {
    const both = [down, right];
    const lasts = both.map(({ tap, count }, i) => tap + (count - 1) * (strides[i] as number));
    const back = once.int64(strides.map((s) => -s));
    const taps = once.node("Slice", [
      arranged,
      once.int64(lasts),
      once.int64([-(2 ** 31), -(2 ** 31)]),
      once.int64([2, 3]),
      back,
    ]);
    const weights = once.node("Reshape", [taps, once.int64([outChannels, channels, down.count, right.count])]);
    const around = both.map(({ before, after }) => [before, after] as const);
    return b.node("Conv", [blocks, weights], onnxGeometry({ strides: [1, 1], dilations, groups, pads: around }), domain);
  };
  const beside = (values: readonly Value[], run: number): Value => {
    const rows = b.int64([-1, run]);
    return b.node(
      "Concat",
      values.map((value) => b.node("Reshape", [value, rows])),
      { axis: 1 },
    );
  };
  const [down, right] = kinds as [(typeof kinds)[0], (typeof kinds)[0]];
  const row = (spatial[1] as number) * block;
  const rows = down.map((one) =>
    beside(
      right.map((other) => places(one, other)),
      block,
    ),
  ); // [B C/n P P, s n]
  const whole = b.node("Reshape", [beside(rows, row), b.int64([image[0] as number, outChannels, ...spatial])]);
  return b.node("ReorderOutput", [whole], { channels: outChannels }, domain);
}

function reverse(b: Lowering, value: Value, axis: number): Value {
  return b.node("Slice", [value, b.int64([-1]), b.int64([-(2 ** 31)]), b.int64([axis]), b.int64([-1])]);
}
