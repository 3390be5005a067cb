/** Primitives that move elements without changing them: reshape, transpose, broadcast, concat, split, slice, pad, iota. */
import { one } from "../core/builtin.ts";
import type { Value } from "../core/lowering.ts";
import { definePrimitive, type Operands } from "../core/primitive.ts";
import { ShapeError, type Tensor, type TensorType, typeName } from "../core/tensor.ts";
import { type Shape, sameShape, sizeOf } from "../util/ndarray.ts";
import { broadcastShapes, unbroadcast } from "./broadcast.ts";
import { cast } from "./elementwise.ts";

/** An axis as 0 … rank-1; negative counts from the end. */
export function normalAxis(op: string, axis: number, x: TensorType): number {
  const rank = x.shape.length;
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank) {
    throw new ShapeError(op, `expected an axis from ${-rank} to ${rank - 1} for ${typeName(x)}, got ${axis}`);
  }
  return axis < 0 ? axis + rank : axis;
}

export const reshapePrimitive = definePrimitive<{ readonly shape: Shape }>({
  name: "reshape",
  infer: ([x], { shape }) => [{ shape, dtype: x.dtype }],
  vjp: ([ct], [x]) => [ct && reshape(ct, x.shape)],
  lower: (b, [x], { shape }) => b.node("Reshape", [x, b.int64(shape)], shape.includes(0) ? { allowzero: 1 } : {}),
});
/** The same elements in another shape; one dimension may be -1 and is worked out. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  const size = sizeOf(x.shape);
  const known = shape.reduce((n, d) => (d === -1 ? n : n * d), 1);
  const full = shape.map((d) => (d === -1 ? size / known : d));
  if (shape.filter((d) => d === -1).length > 1 || !full.every((d) => Number.isInteger(d) && d >= 0) || sizeOf(full) !== size) {
    throw new ShapeError("reshape", `cannot see ${typeName(x)} (${size} elements) as [${shape}]`);
  }
  if (sameShape(full, x.shape)) return x;
  // A reshape of a reshape looks at the original.
  const source = x.node.primitive === reshapePrimitive ? (x.node.inputs[0] as Tensor) : x;
  return sameShape(full, source.shape) ? source : one(reshapePrimitive.bind([source], { shape: full }));
}

export const transposePrimitive = definePrimitive<{ readonly perm: readonly number[] }>({
  name: "transpose",
  infer: ([x], { perm }) => [{ shape: perm.map((p) => x.shape[p] as number), dtype: x.dtype }],
  vjp: ([ct], _in, _out, { perm }) => [ct && transpose(ct, inverse(perm))],
  lower: (b, [x], { perm }) => b.node("Transpose", [x], { perm }),
});
/** Reorders axes: `out.shape[i] = x.shape[perm[i]]`; without `perm` the last two are swapped. */
export function transpose(x: Tensor, perm?: readonly number[]): Tensor {
  const rank = x.shape.length;
  const order = (perm ?? [...x.shape.keys()].map((i) => (i < rank - 2 ? i : 2 * rank - 3 - i))).map((p) =>
    normalAxis("transpose", p, x),
  );
  if (order.length !== rank || new Set(order).size !== rank || rank < (perm ? 0 : 2)) {
    throw new ShapeError("transpose", `perm must permute ${rank} axes; got [${perm ?? ""}] for ${typeName(x)}`);
  }
  // Moving axes of size 1 moves no element.
  const moved = order.filter((p) => x.shape[p] !== 1);
  if (moved.every((p, i) => i === 0 || p > (moved[i - 1] as number)))
    return reshape(
      x,
      order.map((p) => x.shape[p] as number),
    );
  return one(transposePrimitive.bind([x], { perm: order }));
}

function inverse(perm: readonly number[]): number[] {
  const out: number[] = [];
  perm.forEach((p, i) => {
    out[p] = i;
  });
  return out;
}

export const broadcastPrimitive = definePrimitive<{ readonly shape: Shape }>({
  name: "broadcast",
  infer: ([x], { shape }) => [{ shape, dtype: x.dtype }],
  vjp: ([ct], [x]) => [ct && unbroadcast(ct, x.shape)],
  lower: (b, [x], { shape }) => b.node("Expand", [x, b.int64(shape)]),
});
/** Stretches to a shape by NumPy's rules. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  if (!sameShape(broadcastShapes("broadcastTo", x.shape, shape), shape)) {
    throw new ShapeError("broadcastTo", `cannot stretch ${typeName(x)} to [${shape}]`);
  }
  return sameShape(x.shape, shape) ? x : one(broadcastPrimitive.bind([x], { shape }));
}

export const concatPrimitive = definePrimitive<{ readonly axis: number }>({
  name: "concat",
  infer: (inputs, { axis }) => {
    const [first] = inputs;
    const total = inputs.reduce((n, x) => n + (x.shape[axis] as number), 0);
    return [{ shape: first.shape.map((d, i) => (i === axis ? total : d)), dtype: first.dtype }];
  },
  vjp: ([ct], inputs, _, { axis }) =>
    ct
      ? split(
          ct,
          inputs.map((x) => x.shape[axis] as number),
          axis,
        )
      : [],
  lower: (b, inputs, { axis }) => b.node("Concat", inputs, { axis }),
});
/** Joins tensors along an existing axis; the other dimensions must agree. */
export function concat(tensors: readonly Tensor[], axis = 0): Tensor {
  const [first] = tensors;
  if (!first) throw new ShapeError("concat", "expected at least one tensor, got none");
  const at = normalAxis("concat", axis, first);
  for (const t of tensors) {
    const fits = t.dtype === first.dtype && t.shape.length === first.shape.length;
    if (!fits || t.shape.some((d, i) => i !== at && d !== first.shape[i])) {
      throw new ShapeError("concat", `expected tensors alike but for axis ${at}, got ${tensors.map(typeName).join(", ")}`);
    }
  }
  return tensors.length === 1 ? first : one(concatPrimitive.bind([...tensors], { axis: at }));
}

/** Joins tensors of one shape along a new axis. */
export function stack(tensors: readonly Tensor[], axis = 0): Tensor {
  const rank = (tensors[0]?.shape.length ?? 0) + 1;
  const at = axis < 0 ? axis + rank : axis;
  return concat(
    tensors.map((t) => reshape(t, [...t.shape.slice(0, at), 1, ...t.shape.slice(at)])),
    at,
  );
}

export const splitPrimitive = definePrimitive<{ readonly sizes: readonly number[]; readonly axis: number }>({
  name: "split",
  infer: ([x], { sizes, axis }) =>
    sizes.map((size) => ({ shape: x.shape.map((d, i) => (i === axis ? size : d)), dtype: x.dtype })),
  vjp: (cts, _, outputs, { axis }) => [
    concat(
      outputs.map((o, i) => cts[i] ?? zeros(o.shape)),
      axis,
    ),
  ],
  // Every part is made, used or not: ONNX Runtime's Split crashes where one is left out.
  lower: (b, [x], { sizes, axis }) => b.nodes("Split", [x, b.int64(sizes)], { axis }, sizes.length),
});
/** Cuts an axis into consecutive pieces of the given sizes (or into `sizes` equal ones when it is a number). */
export function split(x: Tensor, sizes: number | readonly number[], axis = 0): Operands<Tensor> {
  const at = normalAxis("split", axis, x);
  const dim = x.shape[at] as number;
  const list = typeof sizes === "number" ? Array<number>(sizes).fill(dim / sizes) : sizes;
  if (list.reduce((a, b) => a + b, 0) !== dim || !list.every((s) => Number.isInteger(s) && s >= 0)) {
    throw new ShapeError("split", `expected sizes that add up to ${dim} (axis ${at} of ${typeName(x)}), got ${sizes}`);
  }
  return list.length === 1 ? ([x] as readonly Tensor[] as Operands<Tensor>) : splitPrimitive.bind([x], { sizes: list, axis: at });
}

interface SliceParams {
  readonly starts: readonly number[];
  readonly stops: readonly number[];
  readonly steps: readonly number[];
}

const sliceSize = (start: number, stop: number, step: number) => Math.max(0, Math.ceil((stop - start) / step));

export const slicePrimitive = definePrimitive<SliceParams>({
  name: "slice",
  infer: ([x], { starts, stops, steps }) => [
    { shape: starts.map((s, i) => sliceSize(s, stops[i] as number, steps[i] as number)), dtype: x.dtype },
  ],
  vjp([ct], [x], _, { starts, steps }) {
    if (!ct) return [null];
    const backwards = steps.flatMap((step, i) => (step < 0 ? [i] : []));
    // Where the slice ran backwards, its first element is the last of the forward one.
    const low = starts.map((s, i) => ((steps[i] as number) < 0 ? s + (steps[i] as number) * ((ct.shape[i] as number) - 1) : s));
    const spread = dilate(flip(ct, backwards), steps.map(Math.abs));
    const high = spread.shape.map((d, i) => (x.shape[i] as number) - d - (low[i] as number));
    return [
      pad(
        spread,
        low.map((l, i) => [l, high[i] as number] as const),
      ),
    ];
  },
  lower(b, [x], { starts, stops, steps }, { inputs }) {
    const dims = (inputs[0] as TensorType).shape;
    const cut = (
      value: Value,
      from: readonly number[],
      to: readonly number[],
      by: readonly number[],
      axes: readonly number[],
    ) => {
      const pick = (list: readonly number[]) => b.int64(axes.map((i) => list[i] as number));
      // ONNX reads a negative stop as counted from the end; "before the first element" needs a very negative one.
      const ends = to.map((stop) => (stop < 0 ? -(2 ** 31) : stop));
      return b.node("Slice", [value, pick(from), pick(ends), b.int64(axes), pick(by)]);
    };
    const axes = starts.flatMap((s, i) => (s === 0 && stops[i] === dims[i] && steps[i] === 1 ? [] : [i]));
    // Backwards, ONNX Runtime's WebGPU kernel starts at the end whatever it is told: what lies behind the start goes first.
    const inside = axes.filter((i) => (steps[i] as number) < 0 && (starts[i] as number) < (dims[i] as number) - 1);
    if (inside.length === 0) return cut(x, starts, stops, steps, axes);
    const zeros = starts.map(() => 0);
    const ones = starts.map(() => 1);
    const ends = starts.map((start) => start + 1);
    return cut(cut(x, zeros, ends, ones, inside), starts, stops, steps, axes);
  },
});

/** Part of one axis: from `start` up to but not including `stop` (negative counts from the end), every `step`-th. */
export interface Range {
  readonly start?: number;
  readonly stop?: number;
  readonly step?: number;
}

/**
 * Takes a range of some axes: `slice(x, { 1: { start: 2 } })` is `x[:, 2:]` in NumPy. A negative step runs backwards.
 *
 * @throws ShapeError when nothing would be left or an axis does not exist
 */
export function slice(x: Tensor, ranges: Readonly<Record<number, Range>>): Tensor {
  const starts = x.shape.map(() => 0);
  const stops = [...x.shape];
  const steps = x.shape.map(() => 1);
  for (const [key, { start, stop, step = 1 }] of Object.entries(ranges)) {
    const axis = normalAxis("slice", Number(key), x);
    const dim = x.shape[axis] as number;
    const [low, high] = step < 0 ? [-1, dim - 1] : [0, dim];
    const place = (v: number) => Math.min(Math.max(v < 0 ? v + dim : v, low), high);
    starts[axis] = start === undefined ? (step < 0 ? high : low) : place(start);
    stops[axis] = stop === undefined ? (step < 0 ? low : high) : place(stop);
    steps[axis] = step;
    if (step === 0 || sliceSize(starts[axis], stops[axis], step) === 0) {
      throw new ShapeError(
        "slice",
        `nothing is left of axis ${axis} of ${typeName(x)} from ${start ?? ""} to ${stop ?? ""} by ${step}`,
      );
    }
  }
  const whole = starts.every((s, i) => s === 0 && stops[i] === x.shape[i] && steps[i] === 1);
  return whole ? x : one(slicePrimitive.bind([x], { starts, stops, steps }));
}

/** Reverses axes. */
export function flip(x: Tensor, axes: readonly number[]): Tensor {
  return axes.length === 0 ? x : slice(x, Object.fromEntries(axes.map((axis) => [axis, { step: -1 }])));
}

/** Puts `steps[i] - 1` zeros between neighbours along each axis. */
export function dilate(x: Tensor, steps: readonly number[]): Tensor {
  if (steps.every((step) => step === 1)) return x;
  // [a, b] by 2: [[a], [b]] padded to [[a, 0], [b, 0]], flattened, and the zeros after the last element dropped.
  const apart = reshape(
    x,
    x.shape.flatMap((d) => [d, 1]),
  );
  const padded = pad(
    apart,
    steps.flatMap((step) => [[0, 0] as const, [0, step - 1] as const]),
  );
  const flat = reshape(
    padded,
    x.shape.map((d, i) => d * (steps[i] as number)),
  );
  return slice(flat, Object.fromEntries(x.shape.map((d, i) => [i, { stop: (d - 1) * (steps[i] as number) + 1 }])));
}

export const padPrimitive = definePrimitive<{ readonly pads: readonly (readonly [number, number])[]; readonly value: number }>({
  name: "pad",
  infer: ([x], { pads }) => [{ shape: x.shape.map((d, i) => d + (pads[i]?.[0] ?? 0) + (pads[i]?.[1] ?? 0)), dtype: x.dtype }],
  vjp: ([ct], [x], _, { pads }) => [
    ct && slice(ct, Object.fromEntries(pads.map(([low], i) => [i, { start: low, stop: low + (x.shape[i] as number) }]))),
  ],
  lower(b, [x], { pads, value }, { inputs }) {
    const dtype = (inputs[0] as TensorType).dtype;
    const flat = b.int64([...pads.map((p) => p[0]), ...pads.map((p) => p[1])]);
    if (dtype === "bool") {
      const bytes = b.node("Cast", [x], { to: 6 });
      const padded = b.node("Pad", [bytes, flat, b.constant({ dtype: "int32", shape: [], data: Int32Array.of(value) })]);
      return b.node("Cast", [padded], { to: 9 });
    }
    const data = dtype === "int32" ? Int32Array.of(value) : Float32Array.of(value);
    return b.node("Pad", [x, flat, b.constant({ dtype, shape: [], data })]);
  },
});

/** What padding repeats: a constant, the mirrored inside without the edge, or the edge. */
export interface PadOptions {
  readonly mode?: "constant" | "reflect" | "edge";
  /** Fills in constant mode; 0 unless told. */
  readonly value?: number;
}

/**
 * Adds elements before and after each axis: `pads[i] = [before, after]`.
 *
 * @throws ShapeError for negative pads, or reflections wider than the axis has room for
 */
export function pad(
  x: Tensor,
  pads: readonly (readonly [number, number])[],
  { mode = "constant", value = 0 }: PadOptions = {},
): Tensor {
  const rank = x.shape.length;
  if (pads.length !== rank || pads.some(([low, high]) => low < 0 || high < 0)) {
    throw new ShapeError("pad", `expected ${rank} pairs of non-negative sizes for ${typeName(x)}, got ${JSON.stringify(pads)}`);
  }
  if (pads.every(([low, high]) => low === 0 && high === 0)) return x;
  if (mode === "constant") return one(padPrimitive.bind([x], { pads, value }));
  return pads.reduce((y, [low, high], axis) => padByCopy(y, axis, low, high, mode), x);
}

/** Pads one axis with copies of its inside: pieces cut (and mirrored) by slice, joined by concat. */
function padByCopy(x: Tensor, axis: number, low: number, high: number, mode: "reflect" | "edge"): Tensor {
  const dim = x.shape[axis] as number;
  if (mode === "reflect" && Math.max(low, high) >= dim) {
    throw new ShapeError(
      "pad",
      `cannot reflect ${Math.max(low, high)} elements of axis ${axis} of ${typeName(x)}: at most ${dim - 1}`,
    );
  }
  const part = (start: number, stop: number) => slice(x, { [axis]: { start, stop } });
  const widen = (edge: Tensor, n: number) =>
    broadcastTo(
      edge,
      edge.shape.map((d, i) => (i === axis ? n : d)),
    );
  const before = low === 0 ? [] : [mode === "edge" ? widen(part(0, 1), low) : flip(part(1, low + 1), [axis])];
  const after =
    high === 0 ? [] : [mode === "edge" ? widen(part(dim - 1, dim), high) : flip(part(dim - 1 - high, dim - 1), [axis])];
  return concat([...before, x, ...after], axis);
}

export const iotaPrimitive = definePrimitive<{ readonly count: number }>({
  name: "iota",
  infer: (_, { count }) => [{ shape: [count], dtype: "int32" }],
  lower(b, _, { count }) {
    const int = (value: number) => b.constant({ dtype: "int32", shape: [], data: Int32Array.of(value) });
    // The count goes through int64Scalar, as sizes do, so that it may stay open in exported models.
    return b.node("Range", [int(0), b.node("Cast", [b.int64Scalar(count)], { to: 6 }), int(1)]);
  },
});
/** 0, 1, …, count-1. */
export function arange(count: number, dtype: "int32" | "float32" = "int32"): Tensor {
  return cast(one(iotaPrimitive.bind([], { count })), dtype);
}

/** A tensor full of one number, made when the graph runs. */
export function full(shape: Shape, value: number, dtype: "float32" | "int32" | "bool" = "float32"): Tensor {
  return one(fullPrimitive.bind([], { shape, value, dtype }));
}

export const fullPrimitive = definePrimitive<{
  readonly shape: Shape;
  readonly value: number;
  readonly dtype: "float32" | "int32" | "bool";
}>({
  name: "full",
  infer: (_, { shape, dtype }) => [{ shape, dtype }],
  lower: (b, _, { shape, value, dtype }) => b.filled(shape, value, dtype),
});
/** Zeros of a shape. */
export const zeros = (shape: Shape, dtype: "float32" | "int32" | "bool" = "float32"): Tensor => full(shape, 0, dtype);
/** Ones of a shape. */
export const ones = (shape: Shape, dtype: "float32" | "int32" | "bool" = "float32"): Tensor => full(shape, 1, dtype);
