/** Max and average pooling over 1, 2 or 3 spatial axes, channels first. */
import { one } from "../core/builtin.ts";
import type { Lowering, Value } from "../core/lowering.ts";
import { definePrimitive } from "../core/primitive.ts";
import { ShapeError, type Tensor, type TensorType, typeName } from "../core/tensor.ts";
import { type Shape, sizeOf } from "../util/ndarray.ts";
import { convTranspose, type PerAxis } from "./conv.ts";
import { div } from "./elementwise.ts";
import { scatterAdd } from "./indexing.ts";
import { full, ones, pad, reshape } from "./shape.ts";

interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly pads: readonly number[];
}

function pooledType(x: TensorType, { kernel, strides, pads }: Window): TensorType {
  const dims = x.shape
    .slice(2)
    .map((s, i) => Math.floor((s + 2 * (pads[i] as number) - (kernel[i] as number)) / (strides[i] as number)) + 1);
  return { shape: [...x.shape.slice(0, 2), ...dims], dtype: x.dtype };
}

const onnxWindow = ({ kernel, strides, pads }: Window) => ({ kernel_shape: kernel, strides, pads: [...pads, ...pads] });

export const maxPoolPrimitive = definePrimitive<Window>({
  name: "maxPool",
  infer: ([x], window) => {
    const type = pooledType(x, window);
    return [type, { shape: type.shape, dtype: "int32" }];
  },
  vjp([ct], [x], [, indices]) {
    if (!ct) return [null];
    const size = sizeOf(x.shape);
    const flat = scatterAdd(reshape(ct, [-1]), reshape(indices, [-1]), { size });
    return [reshape(flat, x.shape)];
  },
  lower(b, [x], window, { used, inputs, outputs }) {
    if (used[1] && !b.supports("MaxPool with indices")) {
      const values = b.node("MaxPool", [x], onnxWindow(window));
      return [values, findWinners(b, x, values, window, inputs[0].shape, outputs[0].shape)];
    }
    const [values, indices] = b.nodes("MaxPool", [x], onnxWindow(window), 2, { used });
    return [values, used[1] ? b.node("Cast", [indices], { to: 6 }) : ""];
  },
});

/**
 * Where each window's maximum stands in the whole input, flattened: every tap of the window is compared with the maximum,
 * the first tap last, so that it wins a tie.
 */
function findWinners(b: Lowering, x: Value, values: Value, { kernel, strides, pads }: Window, from: Shape, to: Shape): Value {
  const int = (shape: Shape, data: Int32Array) => b.constant({ dtype: "int32", shape, data });
  const dims = to.slice(2);
  const axes = dims.map((_, i) => i + 2);
  const pitch = axes.map((axis) => sizeOf(from.slice(axis + 1)));
  const lowest = b.constant({ dtype: "float32", shape: [], data: Float32Array.of(Number.NEGATIVE_INFINITY) });
  const padded = b.node("Pad", [x, b.int64([0, 0, ...pads, 0, 0, ...pads]), lowest]);
  const tapAt = (list: Shape) => list.reduce((sum, v, i) => sum + v * (pitch[i] as number), 0);
  const tapWinner = positions(kernel).reduceRight<Value>(
    (later, tap) => {
      const stops = tap.map((t, i) => t + (strides[i] as number) * ((dims[i] as number) - 1) + 1);
      const seen = b.node("Slice", [padded, b.int64(tap), b.int64(stops), b.int64(axes), b.int64(strides)]);
      return b.node("Where", [b.node("Equal", [seen, values]), int([], Int32Array.of(tapAt(tap))), later]);
    },
    b.filled(to, 0, "int32"),
  );
  // Where each window starts: its image and channel, and its place among the windows.
  const places = positions(dims).map((p) => tapAt(p.map((v, i) => v * (strides[i] as number) - (pads[i] as number))));
  const planes = Int32Array.from({ length: sizeOf(from.slice(0, 2)) }, (_, i) => i * sizeOf(from.slice(2)));
  const window = b.node("Add", [tapWinner, int([1, 1, ...dims], Int32Array.from(places))]);
  return b.node("Add", [window, int([...from.slice(0, 2), ...dims.map(() => 1)], planes)]);
}

/** Every position of a shape, last axis fastest. */
function positions(shape: Shape): number[][] {
  return shape.reduce<number[][]>((all, size) => all.flatMap((p) => Array.from({ length: size }, (_, i) => [...p, i])), [[]]);
}

export const avgPoolPrimitive = definePrimitive<Window>({
  name: "avgPool",
  infer: ([x], window) => [pooledType(x, window)],
  vjp([ct], [x], _, { kernel, strides, pads }) {
    if (!ct) return [null];
    // Each output spreads evenly over its window: a transposed convolution of every channel alone with a flat kernel.
    const [batch, channels, ...dims] = x.shape as [number, number, ...number[]];
    const each = reshape(ct, [batch * channels, 1, ...ct.shape.slice(2)]);
    const flat = full([1, 1, ...kernel], 1 / sizeOf(kernel));
    const reach = ct.shape.slice(2).map((p, i) => (strides[i] as number) * (p - 1) + (kernel[i] as number));
    const after = dims.map((d, i) => (reach[i] as number) - (pads[i] as number) - d);
    const padding = pads.map((p, i) => [p, Math.max(0, after[i] as number)] as const);
    const spread = convTranspose(each, flat, { stride: strides, padding });
    return [
      reshape(
        padEnd(
          spread,
          after.map((a) => Math.max(0, -a)),
        ),
        x.shape,
      ),
    ];
  },
  lower: (b, [x], window) => b.node("AveragePool", [x], { ...onnxWindow(window), count_include_pad: 1 }),
});

/** Zeros after the last element of each spatial axis: inputs no window reached. */
function padEnd(x: Tensor, after: readonly number[]): Tensor {
  return pad(x, [[0, 0], [0, 0], ...after.map((a) => [0, a] as const)]);
}

export interface PoolOptions {
  /** The window's size unless told. */
  readonly stride?: PerAxis;
  readonly padding?: PerAxis;
}

function windowOf(op: string, x: Tensor, kernel: PerAxis, { stride = kernel, padding = 0 }: PoolOptions): Window {
  const axes = x.shape.length - 2;
  const spread = (value: PerAxis): readonly number[] => (typeof value === "number" ? Array<number>(axes).fill(value) : value);
  const window = { kernel: spread(kernel), strides: spread(stride), pads: spread(padding) };
  const fits = axes >= 1 && axes <= 3 && x.dtype === "float32" && Object.values(window).every((v) => v.length === axes);
  if (!fits)
    throw new ShapeError(op, `expected float32 [B, C, …] with one size per spatial axis, got ${typeName(x)}, kernel ${kernel}`);
  if ([...window.kernel, ...window.strides].some((v) => !Number.isInteger(v) || v < 1) || window.pads.some((p) => p < 0)) {
    throw new ShapeError(
      op,
      `expected positive whole windows and strides, got kernel ${kernel}, stride ${stride}, padding ${padding}`,
    );
  }
  if (pooledType(x, window).shape.some((d) => d < 1) || window.pads.some((p, i) => 2 * p > (window.kernel[i] as number))) {
    throw new ShapeError(
      op,
      `the window ${kernel} with padding ${padding} does not fit ${typeName(x)}`,
      "Padding may be at most half the window.",
    );
  }
  return window;
}

/** Maximum of each window: [B, C, ...S] → [B, C, ...P]. Padding never wins. */
export function maxPool(x: Tensor, kernel: PerAxis, options: PoolOptions = {}): Tensor {
  return one(maxPoolPrimitive.bind([x], windowOf("maxPool", x, kernel, options)));
}

/** Mean of each window: [B, C, ...S] → [B, C, ...P]. `countPadding` (PyTorch's count_include_pad) counts padded zeros. */
export function avgPool(
  x: Tensor,
  kernel: PerAxis,
  { countPadding = true, ...options }: PoolOptions & { readonly countPadding?: boolean } = {},
): Tensor {
  const window = windowOf("avgPool", x, kernel, options);
  const pooled = one(avgPoolPrimitive.bind([x], window));
  if (countPadding || window.pads.every((p) => p === 0)) return pooled;
  const share = one(avgPoolPrimitive.bind([ones([1, 1, ...x.shape.slice(2)])], window));
  return div(pooled, share);
}
