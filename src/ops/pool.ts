/** Max and average pooling over 1, 2 or 3 spatial axes, channels first. */
import { one } from "../core/builtin.ts";
import { definePrimitive } from "../core/primitive.ts";
import { ShapeError, type Tensor, type TensorType, typeName } from "../core/tensor.ts";
import { sizeOf } from "../util/ndarray.ts";
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
  lower(b, [x], window, { used }) {
    const [values, indices] = b.nodes("MaxPool", [x], onnxWindow(window), 2, { used });
    return [values, used[1] ? b.node("Cast", [indices], { to: 6 }) : ""];
  },
});

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
