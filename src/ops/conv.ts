/**
 * Convolution over 1, 2 or 3 spatial axes: channels first, as in PyTorch and ONNX.
 *
 * Three primitives close the family under differentiation: the convolution itself, its gradient for the input
 * (transposed convolution) and its gradient for the kernel. Each is bilinear, and the gradients of each are the other two. The
 * convolution also adds a bias to each channel if it is given one.
 *
 * Legend: B batch, C input channels, O output channels, G groups, S input and P output spatial dims, K kernel dims.
 */
import { one } from "../core/builtin.ts";
import type { Lowering, Value } from "../core/lowering.ts";
import { definePrimitive } from "../core/primitive.ts";
import { ShapeError, type Tensor, type TensorType, typeName } from "../core/tensor.ts";
import { type Shape, sizeOf } from "../util/ndarray.ts";
import { blockedConv, blockedSpread } from "./conv-blocked.ts";
import { effective, type Geometry, onnxGeometry, outputDims } from "./conv-geometry.ts";
import { type KernelGradientParams, lowerKernelGradient } from "./conv-kernel-gradient.ts";
import { sum } from "./reduce.ts";

export const convPrimitive = definePrimitive<Geometry>({
  name: "conv",
  infer([x, w], geometry) {
    const [image, kernel] = [x, w];
    const dims = outputDims(image.shape.slice(2), kernel.shape.slice(2), geometry);
    return [{ shape: [image.shape[0] as number, kernel.shape[0] as number, ...dims], dtype: "float32" }];
  },
  vjp: ([ct], [x, w, ...bias], _, geometry) => [
    ct && inputGradient(ct, w, geometry, x.shape.slice(2)),
    ct && kernelGradient(x, ct, geometry, w.shape.slice(2)),
    ...bias.map(
      () =>
        ct &&
        sum(
          ct,
          [...x.shape.keys()].filter((axis) => axis !== 1),
        ),
    ),
  ],
  lower(b, [x, w, ...bias], geometry, { inputs }) {
    const [image, kernel] = inputs;
    const blocked = blockedConv(b, x, w, { image: image.shape, kernel: kernel.shape, geometry, turned: false, bias });
    if (blocked) return blocked;
    const around = mirroredPads(kernel.shape.slice(2), geometry);
    const dense = isDense(geometry, around) && geometry.groups === 1;
    if (dense && fewResults(image.shape[1] as number, kernel.shape[0] as number, kernel.shape.slice(2))) {
      return b.node("ConvTranspose", [x, turnKernel(b, w, kernel, 1), ...bias], onnxGeometry({ ...geometry, pads: around }));
    }
    return b.node("Conv", [x, w, ...bias], onnxGeometry(geometry));
  },
});

/**
 * Whether a convolution makes so few channels out of more that ConvTranspose computes it faster: it spreads every operand
 * element over the results instead of gathering operands for each (bench/kernels/conv.ts: twice as fast for 3 channels).
 */
const fewResults = (channels: number, results: number, kernel: Shape): boolean =>
  kernel.length === 2 && sizeOf(kernel) > 1 && results <= 8 && results < channels;

/** The padding with which a convolution and its transpose change places, the kernel turned around; negative drops elements. */
const mirroredPads = (kernel: Shape, { pads, dilations }: Geometry): Geometry["pads"] =>
  pads.map(([low, high], i) => {
    const reach = effective(kernel[i] as number, dilations[i] as number) - 1;
    return [reach - low, reach - high];
  });

const isDense = ({ strides }: Geometry, around: Geometry["pads"]): boolean =>
  strides.every((s) => s === 1) && around.every(([low, high]) => low >= 0 && high >= 0);

interface InputGradientParams extends Geometry {
  /** Spatial dims of the result: a stride leaves them open. */
  readonly spatial: Shape;
}

export const convTransposePrimitive = definePrimitive<InputGradientParams>({
  name: "convTranspose",
  infer([g, w], { spatial, groups }) {
    const [out, kernel] = [g, w];
    return [{ shape: [out.shape[0] as number, (kernel.shape[1] as number) * groups, ...spatial], dtype: "float32" }];
  },
  vjp: ([ct], [g, w], _, { spatial: _spatial, ...geometry }) => [
    ct && one(convPrimitive.bind([ct, w], geometry)),
    ct && kernelGradient(ct, g, geometry, w.shape.slice(2)),
  ],
  lower(b, [g, w], { spatial, ...geometry }, { inputs, outputs }) {
    const [out, kernel] = inputs;
    const { strides, pads, dilations, groups } = geometry;
    const dims = out.shape.slice(2);
    const reach = kernel.shape.slice(2).map((k, i) => effective(k, dilations[i] as number));
    // A plain convolution does it too: of the operand with zeros between its elements (for the stride) and around them, with
    // the kernel turned around. Negative: so many elements too many.
    const around = pads.map(([low], i) => {
      const spread = (strides[i] as number) * ((dims[i] as number) - 1) + 1;
      const before = (reach[i] as number) - 1 - low;
      return [before, (spatial[i] as number) - spread - before + (reach[i] as number) - 1] as const;
    });
    const dense = isDense(geometry, around);
    const unit: Geometry = { strides: strides.map(() => 1), dilations, groups, pads: around };
    const blocked = dense && blockedConv(b, g, w, { image: out.shape, kernel: kernel.shape, geometry: unit, turned: true });
    if (blocked) return blocked;
    const spreading = blockedSpread(b, g, w, { image: out.shape, kernel: kernel.shape, geometry, spatial });
    if (spreading) return spreading;
    const lacking =
      (groups > 1 && !b.supports("ConvTranspose of groups")) || (dims.length > 2 && !b.supports("ConvTranspose 3-d"));
    // Turning the kernel around runs on one thread: a kernel with more elements than the result is left as it is.
    const worthTurning =
      sizeOf(kernel.shape) <= sizeOf(outputs[0].shape) &&
      !fewResults(out.shape[1] as number, outputs[0].shape[1] as number, kernel.shape.slice(2));
    if ((dense && worthTurning) || lacking) {
      const spread = spreadOut(b, g, out.shape, strides, around);
      const padded = around.map(([low, high]) => [Math.max(0, low), Math.max(0, high)] as const);
      return b.node("Conv", [spread, turnKernel(b, w, kernel, groups)], onnxGeometry({ ...unit, pads: padded }));
    }
    const extra = spatial.map((s, i) => {
      const [low, high] = pads[i] as readonly [number, number];
      return s + low + high - (reach[i] as number) - (strides[i] as number) * ((dims[i] as number) - 1);
    });
    return b.node("ConvTranspose", [g, w], { ...onnxGeometry(geometry), output_padding: extra });
  },
});

/** Puts `strides[i] - 1` zeros between neighbours of each spatial axis, and drops ends where `around` is negative. */
function spreadOut(b: Lowering, g: Value, shape: Shape, strides: readonly number[], around: Geometry["pads"]): Value {
  const now = [...shape];
  let value = g;
  strides.forEach((stride, i) => {
    const axis = i + 2;
    const size = now[axis] as number;
    const [low, high] = (around[i] as readonly [number, number]).map((zeros) => Math.max(0, -zeros)) as [number, number];
    if (stride === 1 && low === 0 && high === 0) return;
    if (stride > 1) {
      // [..., P, rest] as rows of `rest`; each row is followed by rows of zeros.
      const rest = sizeOf(now.slice(axis + 1));
      const rows = b.node("Reshape", [value, b.int64([sizeOf(now) / rest, 1, rest])]);
      const padded = b.node("Pad", [rows, b.int64([0, 0, 0, 0, stride - 1, 0])]);
      now[axis] = size * stride;
      value = b.node("Reshape", [padded, b.int64(now)]);
    }
    const end = stride * (size - 1) + 1 - high;
    value = b.node("Slice", [value, b.int64([low]), b.int64([end]), b.int64([axis])]);
    now[axis] = end - low;
  });
  return value;
}

/** [O, C/G, K] → [C, O/G, K], group by group, with every spatial axis reversed. */
function turnKernel(b: Lowering, w: Value, kernel: TensorType, groups: number): Value {
  const [outputs, inner, ...dims] = kernel.shape as [number, number, ...number[]];
  const axes = dims.map((_, i) => i + 2);
  const swapped =
    groups === 1
      ? b.node("Transpose", [w], { perm: [1, 0, ...axes] })
      : swapInGroups(b, w, [groups, outputs / groups, inner, ...dims]);
  if (dims.every((k) => k === 1)) return swapped;
  const all = (value: number) => b.int64(axes.map(() => value));
  return b.node("Slice", [swapped, all(-1), all(-(2 ** 31)), b.int64(axes), all(-1)]);
}

/** [G·O', C', K] → [G·C', O', K] for shape [G, O', C', K]. */
function swapInGroups(b: Lowering, w: Value, shape: readonly [number, number, number, ...number[]]): Value {
  const [groups, outer, inner, ...dims] = shape;
  const apart = b.node("Reshape", [w, b.int64(shape)]);
  const turned = b.node("Transpose", [apart], { perm: [0, 2, 1, ...dims.map((_, i) => i + 3)] });
  return b.node("Reshape", [turned, b.int64([groups * inner, outer, ...dims])]);
}

export const convKernelGradientPrimitive = definePrimitive<KernelGradientParams>({
  name: "convKernelGradient",
  infer([x, g], { kernel, groups }) {
    const [image, out] = [x, g];
    return [{ shape: [out.shape[1] as number, (image.shape[1] as number) / groups, ...kernel], dtype: "float32" }];
  },
  vjp: ([ct], [x, g], _, { kernel: _kernel, ...geometry }) => [
    ct && inputGradient(g, ct, geometry, x.shape.slice(2)),
    ct && one(convPrimitive.bind([x, ct], geometry)),
  ],
  lower: (b, operands, params, signature) => lowerKernelGradient(b, operands, params, signature),
});

function inputGradient(g: Tensor, w: Tensor, geometry: Geometry, spatial: Shape): Tensor {
  return one(convTransposePrimitive.bind([g, w], { ...geometry, spatial }));
}

function kernelGradient(x: Tensor, g: Tensor, geometry: Geometry, kernel: Shape): Tensor {
  return one(convKernelGradientPrimitive.bind([x, g], { ...geometry, kernel }));
}

/** Sizes per spatial axis; one number stands for all axes. */
export type PerAxis<T = number> = T | readonly T[];

export interface ConvOptions {
  readonly stride?: PerAxis;
  /** Zeros on both sides of each axis, or [before, after] per axis. */
  readonly padding?: PerAxis | readonly (readonly [number, number])[];
  readonly dilation?: PerAxis;
  readonly groups?: number;
}

/** One entry per spatial axis. */
function perAxis<T>(op: string, axes: number, what: string, value: PerAxis<T>): readonly T[] {
  const list = Array.isArray(value) ? (value as readonly T[]) : Array.from({ length: axes }, () => value as T);
  if (list.length !== axes) throw new ShapeError(op, `expected ${what} for ${axes} spatial axes, got ${JSON.stringify(value)}`);
  return list;
}

function geometryOf(op: string, axes: number, { stride = 1, padding = 0, dilation = 1, groups = 1 }: ConvOptions): Geometry {
  const given = perAxis(op, axes, "padding", padding as PerAxis<number | readonly [number, number]>);
  const pads = given.map((p): readonly [number, number] => (typeof p === "number" ? [p, p] : p));
  const strides = perAxis(op, axes, "stride", stride);
  const dilations = perAxis(op, axes, "dilation", dilation);
  const whole = (values: readonly number[], least: number) => values.every((v) => Number.isInteger(v) && v >= least);
  if (!whole([...strides, ...dilations, groups], 1) || !whole(pads.flat(), 0)) {
    throw new ShapeError(
      op,
      `expected positive whole strides, dilations and groups, and padding of at least 0, got stride [${strides}], dilation [${dilations}], groups ${groups}, padding ${JSON.stringify(padding)}`,
    );
  }
  return { strides, dilations, pads, groups };
}

function checkConv(op: string, x: Tensor, w: Tensor, channels: number, expected: number): number {
  const axes = x.shape.length - 2;
  if (axes < 1 || axes > 3 || w.shape.length !== x.shape.length || x.dtype !== "float32" || w.dtype !== "float32") {
    throw new ShapeError(
      op,
      `expected float32 [B, C, …] and a kernel of the same rank with 1 to 3 spatial axes, got ${typeName(x)} and ${typeName(w)}`,
    );
  }
  if (channels !== expected)
    throw new ShapeError(op, `expected ${expected} input channels for the kernel ${typeName(w)}, got ${typeName(x)}`);
  return axes;
}

/**
 * Convolution (cross-correlation, as in PyTorch).
 *
 * @param x [B, C, ...S]
 * @param w [O, C/groups, ...K]
 * @param options.bias [O], added to the results on the way: cheaper than an addition of its own
 * @returns [B, O, ...P]
 */
export function conv(x: Tensor, w: Tensor, { bias, ...options }: ConvOptions & { readonly bias?: Tensor } = {}): Tensor {
  const groups = options.groups ?? 1;
  const axes = checkConv("conv", x, w, x.shape[1] as number, (w.shape[1] as number) * groups);
  const geometry = geometryOf("conv", axes, options);
  if ((w.shape[0] as number) % groups !== 0)
    throw new ShapeError("conv", `expected output channels divisible by ${groups} groups, got ${typeName(w)}`);
  if (outputDims(x.shape.slice(2), w.shape.slice(2), geometry).some((d) => d < 1)) {
    throw new ShapeError(
      "conv",
      `the kernel ${typeName(w)} does not fit into ${typeName(x)}`,
      "Add padding or use a smaller kernel.",
    );
  }
  if (bias && (bias.dtype !== "float32" || bias.shape.length !== 1 || bias.shape[0] !== w.shape[0])) {
    throw new ShapeError("conv", `expected a bias float32[${w.shape[0]}] for the kernel ${typeName(w)}, got ${typeName(bias)}`);
  }
  return one(convPrimitive.bind(bias ? [x, w, bias] : [x, w], geometry));
}

/**
 * Transposed convolution: the gradient of a convolution for its input, used to upsample.
 *
 * @param x [B, C, ...P]
 * @param w [C, O/groups, ...K]
 * @returns [B, O, ...S] with S = stride (P - 1) + dilation (K - 1) + 1 - padding + outputPadding
 */
export function convTranspose(
  x: Tensor,
  w: Tensor,
  { outputPadding = 0, ...options }: ConvOptions & { readonly outputPadding?: PerAxis } = {},
): Tensor {
  const axes = checkConv("convTranspose", x, w, x.shape[1] as number, w.shape[0] as number);
  const geometry = geometryOf("convTranspose", axes, options);
  if ((w.shape[0] as number) % geometry.groups !== 0)
    throw new ShapeError("convTranspose", `expected input channels divisible by ${geometry.groups} groups, got ${typeName(w)}`);
  const extra = perAxis("convTranspose", axes, "outputPadding", outputPadding);
  if (extra.some((e, i) => e < 0 || e >= (geometry.strides[i] as number))) {
    throw new ShapeError(
      "convTranspose",
      `expected outputPadding from 0 to stride - 1, got ${JSON.stringify(outputPadding)} for strides [${geometry.strides}]`,
    );
  }
  const spatial = x.shape.slice(2).map((p, i) => {
    const [low, high] = geometry.pads[i] as readonly [number, number];
    const reach = effective(w.shape[i + 2] as number, geometry.dilations[i] as number);
    return (geometry.strides[i] as number) * (p - 1) + reach - low - high + (extra[i] as number);
  });
  if (spatial.some((s) => s < 1)) throw new ShapeError("convTranspose", `nothing is left of ${typeName(x)} after padding`);
  return inputGradient(x, w, geometry, spatial);
}
