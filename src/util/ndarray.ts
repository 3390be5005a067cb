/**
 * Arrays that hold numbers: what goes into and comes out of a compiled function.
 *
 * An `NdArray` is a flat typed array in row-major order with a shape and an element type. Symbolic tensors (`core`) have
 * the same element types, so the names live here, where both can read them.
 */
import { HeptagenError } from "./errors.ts";

/** Element type. `int64` exists only where the ONNX format demands it; models use the other three. */
export type DType = "float32" | "int32" | "bool" | "int64";
/** Static dimensions, outermost first; `[]` is a scalar. */
export type Shape = readonly number[];
/** Storage of one NdArray. Booleans are bytes, 0 or 1. */
export type NumericArray = Float32Array | Int32Array | Uint8Array | BigInt64Array;

export interface NdArray {
  readonly dtype: DType;
  readonly shape: Shape;
  readonly data: NumericArray;
}

/** Number of elements of a shape: the product of its dimensions, 1 for a scalar. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const dim of shape) size *= dim;
  return size;
}

/** Whether two shapes have the same rank and dimensions. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

/** A zeroed typed array that stores `size` elements of `dtype`. */
export function allocate(dtype: DType, size: number): NumericArray {
  switch (dtype) {
    case "float32":
      return new Float32Array(size);
    case "int32":
      return new Int32Array(size);
    case "bool":
      return new Uint8Array(size);
    case "int64":
      return new BigInt64Array(size);
  }
}

/**
 * Makes an NdArray from numbers, row-major.
 *
 * @throws HeptagenError `array/size` when the number of values does not fill the shape.
 * @example ndarray("float32", [2, 2], [1, 2, 3, 4])
 */
export function ndarray(dtype: DType, shape: Shape, values: NumericArray | readonly number[]): NdArray {
  if (values.length !== sizeOf(shape)) {
    throw new HeptagenError("array/size", `ndarray: expected ${sizeOf(shape)} values for shape [${shape}], got ${values.length}`);
  }
  if (!Array.isArray(values)) return { dtype, shape, data: values as NumericArray };
  const data = allocate(dtype, values.length);
  if (data instanceof BigInt64Array) for (let i = 0; i < values.length; i++) data[i] = BigInt(values[i] ?? 0);
  else data.set(values as readonly number[]);
  return { dtype, shape, data };
}

/** A float32 scalar. */
export function scalar(value: number): NdArray {
  return { dtype: "float32", shape: [], data: Float32Array.of(value) };
}

/** Whether `value` is an NdArray. */
export function isNdArray(value: unknown): value is NdArray {
  return typeof value === "object" && value !== null && "data" in value && "shape" in value && ArrayBuffer.isView(value.data);
}
