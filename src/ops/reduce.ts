/** Primitives that fold an axis: sum, max, min, argmax, cumulative sum. */
import { one } from "../core/builtin.ts";
import { definePrimitive } from "../core/primitive.ts";
import { ShapeError, type Tensor, type TensorType, typeName } from "../core/tensor.ts";
import { type DType, sizeOf } from "../util/ndarray.ts";
import { operands } from "./broadcast.ts";
import { cast, div, equal, mul } from "./elementwise.ts";
import { broadcastTo, normalAxis, reshape } from "./shape.ts";

const number: readonly DType[] = ["float32", "int32"];

interface ReduceParams {
  /** Sorted, non-negative. */
  readonly axes: readonly number[];
}

/** Which axes to fold (all unless told; negative counts from the end) and whether to leave them in as 1. */
export interface ReduceOptions {
  readonly keepDims?: boolean;
}

function reducedType(x: TensorType, axes: readonly number[]): TensorType {
  return { shape: x.shape.filter((_, i) => !axes.includes(i)), dtype: x.dtype };
}

/** The shape with folded axes left in as 1. */
function keptShape(x: TensorType, axes: readonly number[]): number[] {
  return x.shape.map((d, i) => (axes.includes(i) ? 1 : d));
}

function axesOf(op: string, x: Tensor, axes: number | readonly number[] | undefined): number[] {
  const list = axes === undefined ? x.shape.map((_, i) => i) : typeof axes === "number" ? [axes] : axes;
  const normal = list.map((axis) => normalAxis(op, axis, x));
  if (new Set(normal).size !== normal.length)
    throw new ShapeError(op, `expected distinct axes, got [${list}] for ${typeName(x)}`);
  return normal.sort((a, b) => a - b);
}

function keep(y: Tensor, x: Tensor, axes: readonly number[], keepDims: boolean): Tensor {
  return keepDims ? reshape(y, keptShape(x, axes)) : y;
}

export const sumPrimitive = definePrimitive<ReduceParams>({
  name: "sum",
  infer: ([x], { axes }) => [reducedType(x, axes)],
  vjp: ([ct], [x], _, { axes }) => [ct && broadcastTo(reshape(ct, keptShape(x, axes)), x.shape)],
  lower: (b, [x], { axes }) => b.node("ReduceSum", [x, b.int64(axes)], { keepdims: 0 }),
});
/** Sum over axes. */
export function sum(x: Tensor, axes?: number | readonly number[], { keepDims = false }: ReduceOptions = {}): Tensor {
  const list = axesOf("sum", x, axes);
  operands("sum", [x], number);
  if (list.every((axis) => x.shape[axis] === 1)) return reshape(x, keepDims ? keptShape(x, list) : reducedType(x, list).shape);
  return keep(one(sumPrimitive.bind([x], { axes: list })), x, list, keepDims);
}

/** Mean over axes. */
export function mean(x: Tensor, axes?: number | readonly number[], options: ReduceOptions = {}): Tensor {
  const count = axesOf("mean", x, axes).reduce((n, axis) => n * (x.shape[axis] as number), 1);
  if (count === 0) throw new ShapeError("mean", `expected at least one element, got ${typeName(x)}`);
  return mul(sum(x, axes, options), 1 / count);
}

export const reduceMaxPrimitive = definePrimitive<ReduceParams>({
  name: "reduceMax",
  infer: ([x], { axes }) => {
    const type = x;
    if (sizeOf(type.shape) === 0) throw new ShapeError("max", `expected at least one element, got ${typeName(type)}`);
    return [reducedType(type, axes)];
  },
  vjp([ct], [x], [y], { axes }) {
    if (!ct) return [null];
    // Elements that tie for the maximum share the cotangent evenly.
    const kept = keptShape(x, axes);
    const hit = cast(equal(x, reshape(y, kept)), "float32");
    return [mul(hit, div(reshape(ct, kept), sum(hit, axes, { keepDims: true })))];
  },
  lower: (b, [x], { axes }) => b.node("ReduceMax", [x, b.int64(axes)], { keepdims: 0 }),
});
/** Maximum over axes; ties share the gradient. */
export function max(x: Tensor, axes?: number | readonly number[], { keepDims = false }: ReduceOptions = {}): Tensor {
  const list = axesOf("max", x, axes);
  if (list.length === 0) return x;
  return keep(one(reduceMaxPrimitive.bind(operands("max", [x], number), { axes: list })), x, list, keepDims);
}

export const reduceMinPrimitive = definePrimitive<ReduceParams>({
  name: "reduceMin",
  infer: reduceMaxPrimitive.infer,
  vjp: (cts, inputs, outputs, params, needs) => reduceMaxPrimitive.vjp?.(cts, inputs, outputs, params, needs) ?? [],
  lower: (b, [x], { axes }) => b.node("ReduceMin", [x, b.int64(axes)], { keepdims: 0 }),
});
/** Minimum over axes; ties share the gradient. */
export function min(x: Tensor, axes?: number | readonly number[], { keepDims = false }: ReduceOptions = {}): Tensor {
  const list = axesOf("min", x, axes);
  if (list.length === 0) return x;
  return keep(one(reduceMinPrimitive.bind(operands("min", [x], number), { axes: list })), x, list, keepDims);
}

export const argmaxPrimitive = definePrimitive<{ readonly axis: number }>({
  name: "argmax",
  infer: ([x], { axis }) => [{ shape: reducedType(x, [axis]).shape, dtype: "int32" }],
  lower(b, [x], { axis }) {
    return b.node("Cast", [b.node("ArgMax", [x], { axis, keepdims: 0 })], { to: 6 });
  },
});
/** Index (int32) of the first maximum along an axis, the last unless told. */
export function argmax(x: Tensor, axis = -1): Tensor {
  return one(argmaxPrimitive.bind(operands("argmax", [x], number), { axis: normalAxis("argmax", axis, x) }));
}

export const cumsumPrimitive = definePrimitive<{ readonly axis: number; readonly reverse: boolean }>({
  name: "cumsum",
  infer: ([x]) => [x],
  vjp: ([ct], _in, _out, { axis, reverse }) => [ct && cumsum(ct, axis, { reverse: !reverse })],
  lower: (b, [x], { axis, reverse }) => b.node("CumSum", [x, b.int64Scalar(axis)], { reverse: Number(reverse) }),
});
/** Running sum along an axis (including each element itself); `reverse` runs from the end. */
export function cumsum(x: Tensor, axis = -1, { reverse = false }: { readonly reverse?: boolean } = {}): Tensor {
  return one(cumsumPrimitive.bind(operands("cumsum", [x], number), { axis: normalAxis("cumsum", axis, x), reverse }));
}
