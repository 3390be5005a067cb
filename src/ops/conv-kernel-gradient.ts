/**
 * The gradient of a convolution for its kernel, as one matrix product; ONNX has no operator for it.
 *
 * Every tap of the kernel sees the input shifted: dW[o, c, tap] = Σ g[b, o, p] x[b, c, p + offset(tap)] over images b and places
 * p. Rows of shifted inputs times rows of cotangents is a matrix product; what costs beside it is making the rows. Two ways:
 *
 * - windows: pad the input, cut one window per tap, join them (im2col). Cuts and pads run on one thread.
 * - shifts (stride 1, one group): lay input and cotangent out on one grid with room between rows and images for zeros. A tap is
 *   then one offset along the flattened grid, and all shifted copies come out of a single Concat, which copies long runs on
 *   all threads: copy n starts n·pitch - offset(n) into the result, so that row n of it reads x[p + offset(n)]. The last axis's
 *   taps may shift the input while the others shift the cotangent the other way: 3 + 3 copies instead of 9 for a 3×3 kernel.
 *
 * A stride s in both of two axes is taken away first (phases): every s-th place of the input, from each of the first s × s on, is an
 * image of its own; then a 4×4 kernel is one of 2×2 over four times the channels, and shifts do the rest.
 *
 * The sum over images is a product per image and a ReduceSum, or, where those products would be larger than the images, one
 * product over all images, for which they are turned to [channels, B, …]. Measured in bench/kernels/conv-kernel-gradient.ts.
 *
 * Legend: B batch, C input channels, O output channels, G groups, S input and P output spatial dims, K kernel dims.
 */
import type { Lowering, Value } from "../core/lowering.ts";
import type { Operands, Signature } from "../core/primitive.ts";
import { type Shape, sizeOf } from "../util/ndarray.ts";
import { effective, type Geometry, pitches, taps } from "./conv-geometry.ts";

export interface KernelGradientParams extends Geometry {
  readonly kernel: Shape;
}

/** Shifts: whose copies are shifted, the input's for some kernel axes, the cotangent's for the others. */
export type Plan =
  | { readonly way: "windows"; readonly perImage: boolean }
  | { readonly way: "shifts"; readonly perImage: boolean; readonly inputTaps: "all" | "last" | "none" }
  | { readonly way: "phases" };

interface Problem extends KernelGradientParams {
  readonly batch: number;
  readonly channels: number;
  readonly outChannels: number;
  /** Spatial dims of the input and of the cotangent. */
  readonly spatial: Shape;
  readonly dims: Shape;
}

/** x [B, C, ...S], g [B, O, ...P] → [O, C/G, ...K] */
export function lowerKernelGradient(
  b: Lowering,
  [x, g]: Operands<Value>,
  params: KernelGradientParams,
  { inputs }: Signature,
  choose: (problem: Problem) => Plan = choosePlan,
): Value {
  const [image, out] = inputs;
  const [batch, channels, ...spatial] = image.shape as [number, number, ...number[]];
  const [, outChannels, ...dims] = out.shape as [number, number, ...number[]];
  const problem = { ...params, batch, channels, outChannels, spatial, dims };
  const plan = choose(problem);
  if (plan.way === "phases") return byPhases(b, x, g, problem);
  return plan.way === "shifts" ? byShifts(b, x, g, problem, plan) : byWindows(b, x, g, problem, plan.perImage);
}

/**
 * The cheapest plan by the elements it copies. One cut out of a window weighs 4 of a Concat, an element of a result whose axes
 * must be exchanged 8 (both measured).
 */
function choosePlan(problem: Problem): Plan {
  const { strides, dilations, groups, kernel, batch, channels, outChannels, spatial, dims } = problem;
  const all = sizeOf(kernel);
  const last = kernel.at(-1) as number;
  const result = channels * outChannels * all;
  const [input, cotangent] = [batch * channels * sizeOf(spatial), batch * outChannels * sizeOf(dims)];
  // In the end the kernel's taps are put in order one by one: worth it where it is small beside the input.
  if (2 * result < input && inPhases(problem)) return { way: "phases" };
  // A product per image makes B results, which are written and read again.
  const perImage = batch === 1 || groups > 1 || result * batch < (input + cotangent) / 2;
  const turning = perImage ? 0 : input + cotangent;
  const costs: [number, Plan][] = [[4 * all * input + turning + all * input, { way: "windows", perImage }]];
  if (all === 1) costs[0] = [0, { way: "windows", perImage }];
  // A kernel that reaches over a whole row of the grid would need its copies in another order.
  const fits = kernel.every((k, i) => i === 0 || effective(k, dilations[i] as number) <= (spatial[i] as number));
  if (groups === 1 && strides.every((s) => s === 1) && fits) {
    const plan = (inputTaps: "all" | "last" | "none"): Plan => ({ way: "shifts", perImage, inputTaps });
    costs.push([(1 + all) * input + 2 * cotangent + turning, plan("all")]);
    costs.push([(1 + last) * input + (1 + all / last) * cotangent + 8 * result + turning, plan("last")]);
    costs.push([2 * input + (1 + all) * cotangent + 8 * result + turning, plan("none")]);
  }
  return costs.reduce((best, next) => (next[0] < best[0] ? next : best))[1];
}

/** The same gradient without a stride: of an image with s² channels in place of each, and of a kernel of fewer taps. */
function inPhases({ strides, pads, dilations, groups, kernel, channels, spatial, dims, ...rest }: Problem): Problem | undefined {
  const stride = strides[0] as number;
  const fits = strides.length === 2 && stride > 1 && strides[1] === stride && dilations.every((d) => d === 1) && groups === 1;
  const few = kernel.map((k) => Math.ceil(k / stride));
  const size = dims.map((d, i) => d - 1 + (few[i] as number));
  const lacking = size.some((q, i) => q * stride < (spatial[i] as number) + (pads[i]?.[0] as number));
  if (!fits || lacking || kernel.some((k) => k < stride)) return undefined;
  const plain = { strides: [1, 1], dilations, groups, pads: pads.map(() => [0, 0] as const) };
  return { ...rest, ...plain, kernel: few, channels: channels * stride ** 2, spatial: size, dims };
}

/** Every s-th place of the input, from each of the first s × s places on, becomes an image of its own among the channels. */
function byPhases(b: Lowering, x: Value, g: Value, problem: Problem): Value {
  const { strides, pads, kernel, channels, outChannels, spatial } = problem;
  const inner = inPhases(problem) as Problem;
  const stride = strides[0] as number;
  const after = inner.spatial.map((q, i) => q * stride - (spatial[i] as number) - (pads[i]?.[0] as number));
  const padded = b.node("Pad", [x, b.int64([0, 0, ...pads.map((p) => p[0]), 0, 0, ...after])]);
  const phases = b.node("SpaceToDepth", [padded], { blocksize: stride });
  const plan = choosePlan(inner) as Exclude<Plan, { way: "phases" }>; // without a stride there are no phases
  const product = plan.way === "shifts" ? byShifts(b, phases, g, inner, plan) : byWindows(b, phases, g, inner, plan.perImage);
  // [O, s, s, C, K/s, K/s] → [O, C, K/s, s, K/s, s] → [O, C, K, K] and what a kernel that s does not divide has too much
  const apart = b.node("Reshape", [product, b.int64([outChannels, stride, stride, channels, ...inner.kernel])]);
  const turned = b.node("Transpose", [apart], { perm: [0, 3, 4, 1, 5, 2] });
  const whole = inner.kernel.map((k) => k * stride);
  const joined = b.node("Reshape", [turned, b.int64([outChannels, channels, ...whole])]);
  if (whole.every((k, i) => k === kernel[i])) return joined;
  return b.node("Slice", [joined, b.int64([0, 0]), b.int64(kernel), b.int64([2, 3])]);
}

function byShifts(
  b: Lowering,
  x: Value,
  g: Value,
  { kernel, pads, dilations, batch, channels, outChannels, spatial, dims }: Problem,
  { perImage, inputTaps }: Plan & { way: "shifts" },
): Value {
  // The grid: beyond every row there is room for the padding, before and after it. Images need it between them too, unless
  // each has a product of its own.
  const room = spatial.map((s, i) => Math.max(s + Math.max(...(pads[i] as readonly [number, number])), dims[i] as number));
  const grid = (own: Shape) => room.map((r, i) => (i === 0 && perImage ? (own[0] as number) : r));
  const flatten = (value: Value, count: number, own: Shape): { value: Value; length: number } => {
    const shape = perImage ? [batch, count] : [count, batch];
    const turned = perImage ? value : b.node("Transpose", [value], { perm: [1, 0, ...own.map((_, i) => i + 2)] });
    const size = grid(own);
    const wide = fillUp(b, turned, [...shape, ...own], [...shape, ...size]);
    const length = sizeOf(size) * (perImage ? 1 : batch);
    return { value: b.node("Reshape", [wide, b.int64(perImage ? [batch, count, length] : [count, length])]), length };
  };
  const image = flatten(x, channels, spatial);
  const cotangent = flatten(g, outChannels, dims);

  // Row n of the input reads x[p + offset n], row m of the cotangent g[p + offset m]; only the difference counts, so the
  // cotangent's are all made 0 or less.
  const pitch = pitches(room);
  const mine = (axis: number) => inputTaps === "all" || (inputTaps === "last" && axis === kernel.length - 1);
  const along = (own: (axis: number) => boolean) =>
    taps(kernel.map((k, i) => (own(i) ? k : 1))).map((tap) =>
      sum(tap.map((t, i) => (own(i) ? (t * (dilations[i] as number) - (pads[i]?.[0] as number)) * (pitch[i] as number) : 0))),
    );
  // In rising order, as copies must be, the taps that shift the cotangent come out backwards.
  const backwards = along((axis) => !mine(axis)).reverse();
  const first = backwards.at(-1) as number;
  const cotangentOffsets = backwards.map((o) => first - o);
  const inputOffsets = along(mine).map((o) => o + first);
  // Long enough that cotangent rows hold nothing but their copy, and input rows nothing else where the cotangent is not zero.
  const reach = cotangent.length - (cotangentOffsets[0] as number);
  const length = Math.max(reach + Math.max(0, inputOffsets.at(-1) as number), image.length + span(inputOffsets));
  const rows = ({ value, length: own }: typeof image, count: number, offsets: readonly number[]) => {
    const lead = perImage ? [batch, count] : [count];
    const copies = shiftedCopies(b, value, lead, own, length, offsets);
    return b.node("Reshape", [copies, b.int64([...lead.slice(0, -1), count * offsets.length, length])]);
  };
  const left = rows(cotangent, outChannels, cotangentOffsets);
  const right = rows(image, channels, inputOffsets);
  const product = perImage
    ? sumOverImages(b, batch, timesTransposed(b, left, right, 3))
    : b.node("Gemm", [left, right], { transB: 1 });
  if (cotangentOffsets.length === 1) return b.node("Reshape", [product, b.int64([outChannels, channels, ...kernel])]);

  // [O, the cotangent's taps backwards, C, the input's taps] → [O, C, K]
  const theirs = [...kernel.keys()].filter((i) => !mine(i));
  const own = [...kernel.keys()].filter(mine);
  const order = [0, ...theirs.map((i) => i + 2), 1, ...own.map((i) => i + 2)]; // axes of [O, C, K] in the product's order
  const full = [outChannels, channels, ...kernel];
  const apart = b.node("Reshape", [product, b.int64(order.map((axis) => full[axis] as number))]);
  const every = (value: number) => b.int64(theirs.map(() => value));
  const axes = b.int64(theirs.map((_, i) => i + 1));
  const forwards = b.node("Slice", [apart, every(-1), every(-(2 ** 31)), axes, every(-1)]);
  return b.node("Transpose", [forwards], { perm: full.map((_, axis) => order.indexOf(axis)) });
}

const sum = (values: readonly number[]): number => values.reduce((total, v) => total + v, 0);

/** How far rising offsets reach: behind 0, before it, and from one to the next. */
function span(offsets: readonly number[]): number {
  return Math.max(...offsets.map((o, i) => Math.max(-o, o - (offsets[i - 1] ?? o))));
}

/** Enlarges axes with zeros behind. */
function fillUp(b: Lowering, value: Value, from: Shape, to: Shape): Value {
  const now = [...from];
  let wide = value;
  for (let axis = from.length - 1; axis >= 0; axis--) {
    const missing = (to[axis] as number) - (from[axis] as number);
    if (missing === 0) continue;
    wide = b.node("Concat", [wide, b.filled(now.with(axis, missing), 0)], { axis });
    now[axis] = to[axis] as number;
  }
  return wide;
}

/**
 * Copies of the last axis, of `own` elements, in rows of `pitch`: row n reads the axis from offset n on, zeros beyond its ends.
 * Offsets rise from 0 or less, and `pitch` exceeds `own` by their span at least.
 */
function shiftedCopies(b: Lowering, value: Value, lead: Shape, own: number, pitch: number, offsets: readonly number[]): Value {
  if (offsets.length === 1 && offsets[0] === 0 && own === pitch) return value;
  const parts: Value[] = [];
  let at = 0;
  const zerosUpTo = (end: number) => {
    if (end > at) parts.push(b.filled([...lead, end - at], 0));
    at = end;
  };
  offsets.forEach((offset, n) => {
    zerosUpTo(n * pitch - offset);
    parts.push(value);
    at += own;
  });
  zerosUpTo(offsets.length * pitch);
  return b.node("Concat", parts, { axis: lead.length });
}

function byWindows(
  b: Lowering,
  x: Value,
  g: Value,
  { kernel, strides, pads, dilations, groups, batch, channels, outChannels, spatial, dims }: Problem,
  perImage: boolean,
): Value {
  const places = sizeOf(dims);
  // Over all images: [C, B, ...S], or under a stride [C, ...S, B], where cuts copy whole runs of images and not single numbers.
  const inner = !perImage && strides.some((s) => s > 1);
  const axes = spatial.map((_, i) => (inner ? i + 1 : i + 2));
  const perm = inner ? [1, ...spatial.map((_, i) => i + 2), 0] : [1, 0, ...axes];
  const turn = (value: Value) => (perImage ? value : b.node("Transpose", [value], { perm }));
  const zeros = (end: 0 | 1) => (inner ? [0, ...pads.map((p) => p[end]), 0] : [0, 0, ...pads.map((p) => p[end])]);
  const padded = pads.some(([low, high]) => low > 0 || high > 0)
    ? b.node("Pad", [turn(x), b.int64([...zeros(0), ...zeros(1)])])
    : turn(x);
  const perGroup = channels / groups;
  // Rows are channels, then taps: [B, G, C/G, taps, P], or [C, taps, all places of all images].
  const one = perImage ? [batch, groups, perGroup, 1, places] : [channels, 1, batch * places];
  const windows = taps(kernel).map((tap) => {
    const starts = tap.map((t, i) => t * (dilations[i] as number));
    const stops = starts.map((s, i) => s + (strides[i] as number) * ((dims[i] as number) - 1) + 1);
    const whole = starts.every((s, i) => {
      const [low, high] = pads[i] as readonly [number, number];
      return s === 0 && stops[i] === (spatial[i] as number) + low + high && strides[i] === 1;
    });
    const cut = whole ? padded : b.node("Slice", [padded, b.int64(starts), b.int64(stops), b.int64(axes), b.int64(strides)]);
    return b.node("Reshape", [cut, b.int64(one)]);
  });
  const joined = windows.length === 1 ? (windows[0] as Value) : b.node("Concat", windows, { axis: one.length - 2 });
  const count = perGroup * windows.length;
  const shape = b.int64([outChannels, perGroup, ...kernel]);
  if (!perImage) {
    const right = b.node("Reshape", [joined, b.int64([count, batch * places])]);
    const left = b.node("Reshape", [turn(g), b.int64([outChannels, batch * places])]);
    return b.node("Reshape", [b.node("Gemm", [left, right], { transB: 1 }), shape]);
  }
  const right = b.node("Reshape", [joined, b.int64([batch, groups, count, places])]);
  const left = b.node("Reshape", [g, b.int64([batch, groups, outChannels / groups, places])]);
  return b.node("Reshape", [sumOverImages(b, batch, timesTransposed(b, left, right, 4)), shape]);
}

/** [..., M, P] × [..., N, P] → [..., M, N] for operands of that rank */
function timesTransposed(b: Lowering, left: Value, right: Value, rank: number): Value {
  if (b.supports("FusedMatMul")) return b.node("FusedMatMul", [left, right], { transA: 0, transB: 1 }, "com.microsoft");
  const axes = Array.from({ length: rank - 2 }, (_, i) => i);
  return b.node("MatMul", [left, b.node("Transpose", [right], { perm: [...axes, rank - 1, rank - 2] })]);
}

const sumOverImages = (b: Lowering, batch: number, products: Value): Value =>
  batch === 1 ? products : b.node("ReduceSum", [products, b.int64([0])], { keepdims: 0 });
