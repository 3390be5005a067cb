/** Primitives that read or write at places given by other tensors: gather, scatter-add, along-axis forms, top-k. */
import { one } from "../core/builtin.ts";
import { definePrimitive } from "../core/primitive.ts";
import { ShapeError, type Tensor, type TensorType, typeName } from "../core/tensor.ts";
import { sizeOf } from "../util/ndarray.ts";
import { operands } from "./broadcast.ts";
import { normalAxis, reshape, transpose } from "./shape.ts";

interface AxisParams {
  readonly axis: number;
}

function checkIndices(op: string, indices: Tensor): void {
  if (indices.dtype !== "int32")
    throw new ShapeError(op, `expected int32 indices, got ${typeName(indices)}`, 'Convert with cast(x, "int32").');
}

export const gatherPrimitive = definePrimitive<AxisParams>({
  name: "gather",
  infer: ([x, indices], { axis }) => {
    const { shape, dtype } = x;
    return [{ shape: [...shape.slice(0, axis), ...indices.shape, ...shape.slice(axis + 1)], dtype }];
  },
  vjp: ([ct], [x, indices], _, { axis }) => [ct && scatterAdd(ct, indices, { axis, size: x.shape[axis] as number }), null],
  lower: (b, [x, indices], { axis }) => b.node("Gather", [x, indices], { axis }),
});
/**
 * Takes whole slices of an axis at the given places (an embedding look-up): the axis is replaced by the indices' shape.
 *
 * @param indices int32, from 0 to the axis's size - 1 (checked when the graph runs)
 */
export function gather(x: Tensor, indices: Tensor, axis = 0): Tensor {
  checkIndices("gather", indices);
  return one(gatherPrimitive.bind([x, indices], { axis: normalAxis("gather", axis, x) }));
}

/** Above this many rows, adding rows one by one beats multiplying by a one-hot matrix (bench/kernels/scatter.ts). */
const oneHotRows = 512;

export const scatterAddPrimitive = definePrimitive<{ readonly size: number }>({
  name: "scatterAdd",
  // updates [N, ...D], indices [N] → [size, ...D]
  infer: ([updates], { size }) => [{ shape: [size, ...updates.shape.slice(1)], dtype: updates.dtype }],
  vjp: ([ct], [, indices]) => [ct && gather(ct, indices), null],
  lower(b, [updates, indices], { size }, { inputs }) {
    const [type] = inputs;
    const rows = type.shape[0] as number;
    const width = sizeOf(type.shape) / rows;
    if (size <= oneHotRows && width > 1 && type.dtype === "float32") {
      const places = b.constant({ dtype: "int32", shape: [size, 1], data: Int32Array.from({ length: size }, (_, i) => i) });
      const hot = b.node("Equal", [places, b.node("Reshape", [indices, b.int64([1, rows])])]); // [size, N]
      const flat = b.node("Reshape", [updates, b.int64([rows, width])]);
      const total = b.node("MatMul", [b.node("Cast", [hot], { to: 1 }), flat]);
      return b.node("Reshape", [total, b.int64([size, ...type.shape.slice(1)])]);
    }
    const blank = b.filled([size, ...type.shape.slice(1)], 0, type.dtype as "float32" | "int32");
    // Element by element: ONNX Runtime's ScatterND adds rows from several threads at once and loses some where places repeat.
    const column = b.node("Reshape", [indices, b.int64([rows, ...type.shape.slice(1).map(() => 1)])]);
    const places = width === 1 ? column : b.node("Expand", [column, b.int64(type.shape)]);
    return b.node("ScatterElements", [blank, places, updates], { axis: 0, reduction: "add" });
  },
});
/**
 * Adds slices up at the given places of a new axis of the given size: the transpose of `gather`.
 *
 * @param updates the axis's place holds the indices' shape, as `gather` returns it
 */
export function scatterAdd(
  updates: Tensor,
  indices: Tensor,
  { axis = 0, size }: { readonly axis?: number; readonly size: number },
): Tensor {
  checkIndices("scatterAdd", indices);
  operands("scatterAdd", [updates], ["float32", "int32"]);
  const rank = indices.shape.length;
  // A negative axis counts from the end of the result, where one axis stands for all of the indices'.
  const at = axis < 0 ? axis + updates.shape.length - rank + 1 : axis;
  const held = updates.shape.slice(at, at + rank);
  if (at < 0 || held.length < rank || held.some((d, i) => d !== indices.shape[i])) {
    throw new ShapeError(
      "scatterAdd",
      `expected updates to hold the indices' shape at axis ${axis}, got ${typeName(updates)} and ${typeName(indices)}`,
    );
  }
  const before = updates.shape.slice(0, at);
  const after = updates.shape.slice(at + rank);
  const count = sizeOf(indices.shape);
  // [...before, N, ...after] → [N, ...before, ...after]
  const flat = reshape(updates, [...before, count, ...after]);
  const front = transpose(
    flat,
    [at, ...flat.shape.keys()].filter((p, i) => i === 0 || p !== at),
  );
  const added = one(scatterAddPrimitive.bind([front, reshape(indices, [count])], { size }));
  // [size, ...before, ...after] → [...before, size, ...after]
  const back = [...before.keys()].map((i) => i + 1);
  return transpose(added, [...back, 0, ...after.map((_, i) => i + at + 1)]);
}

export const takeAlongPrimitive = definePrimitive<AxisParams>({
  name: "takeAlongAxis",
  infer: ([x, indices]) => [{ shape: indices.shape, dtype: x.dtype }],
  vjp: ([ct], [x, indices], _, { axis }) => [
    ct && scatterAddAlongAxis(ct, indices, { axis, size: x.shape[axis] as number }),
    null,
  ],
  lower: (b, [x, indices], { axis }) => b.node("GatherElements", [x, indices], { axis }),
});
/** Takes single elements: `out[i, j] = x[i, indices[i, j]]` for the last axis. The other dimensions must agree. */
export function takeAlongAxis(x: Tensor, indices: Tensor, axis = -1): Tensor {
  checkIndices("takeAlongAxis", indices);
  const at = normalAxis("takeAlongAxis", axis, x);
  if (x.shape.length !== indices.shape.length || x.shape.some((d, i) => i !== at && d !== indices.shape[i])) {
    throw new ShapeError(
      "takeAlongAxis",
      `expected shapes alike but for axis ${at}, got ${typeName(x)} and ${typeName(indices)}`,
    );
  }
  return one(takeAlongPrimitive.bind([x, indices], { axis: at }));
}

export const scatterAlongPrimitive = definePrimitive<{ readonly axis: number; readonly size: number }>({
  name: "scatterAddAlongAxis",
  infer: ([updates], { axis, size }) => {
    const { shape, dtype } = updates;
    return [{ shape: shape.map((d, i) => (i === axis ? size : d)), dtype }];
  },
  vjp: ([ct], [, indices], _, { axis }) => [ct && takeAlongAxis(ct, indices, axis), null],
  lower(b, [updates, indices], { axis }, { outputs }) {
    const { shape, dtype } = outputs[0] as TensorType;
    const blank = b.filled(shape, 0, dtype as "float32" | "int32");
    return b.node("ScatterElements", [blank, indices, updates], { axis, reduction: "add" });
  },
});
/** Adds single elements up: `out[i, indices[i, j]] += updates[i, j]`, into zeros of the given size: the transpose of `takeAlongAxis`. */
export function scatterAddAlongAxis(
  updates: Tensor,
  indices: Tensor,
  { axis = -1, size }: { readonly axis?: number; readonly size: number },
): Tensor {
  checkIndices("scatterAddAlongAxis", indices);
  operands("scatterAddAlongAxis", [updates], ["float32", "int32"]);
  if (updates.shape.length !== indices.shape.length || updates.shape.some((d, i) => d !== indices.shape[i])) {
    throw new ShapeError("scatterAddAlongAxis", `expected equal shapes, got ${typeName(updates)} and ${typeName(indices)}`);
  }
  return one(scatterAlongPrimitive.bind([updates, indices], { axis: normalAxis("scatterAddAlongAxis", axis, updates), size }));
}

export const topKPrimitive = definePrimitive<{ readonly k: number; readonly axis: number }>({
  name: "topK",
  infer: ([x], { k, axis }) => {
    const shape = x.shape.map((d, i) => (i === axis ? k : d));
    return [
      { shape, dtype: x.dtype },
      { shape, dtype: "int32" },
    ];
  },
  vjp: ([ct], [x], [, indices], { axis }) => [ct && scatterAddAlongAxis(ct, indices, { axis, size: x.shape[axis] as number })],
  lower(b, [x], { k, axis }) {
    const [values, indices] = b.nodes("TopK", [x, b.int64([k])], { axis }, 2);
    return [values, b.node("Cast", [indices], { to: 6 })];
  },
});
/** The k largest elements of an axis in falling order, with their indices (int32); equal ones by rising index. */
export function topK(x: Tensor, k: number, axis = -1): { values: Tensor; indices: Tensor } {
  const at = normalAxis("topK", axis, x);
  if (!Number.isInteger(k) || k < 1 || k > (x.shape[at] as number)) {
    throw new ShapeError("topK", `expected k from 1 to ${x.shape[at]} for axis ${at} of ${typeName(x)}, got ${k}`);
  }
  const [values, indices] = topKPrimitive.bind(operands("topK", [x], ["float32", "int32"]), { k, axis: at });
  return { values: values, indices: indices };
}
