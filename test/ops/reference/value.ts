/**
 * Arrays of the reference semantics: float64 numbers in row-major order, whatever the element type stands for.
 *
 * Everything is written with one index per axis and plain loops: slow, and easy to see through.
 */

import type { Tensor } from "../../../src/core/tensor.ts";
import type { ParamsOf, PrimitiveName } from "../../../src/ops/primitives.ts";
import { type DType, type NdArray, type Shape, sizeOf } from "../../../src/util/ndarray.ts";
import type { Key } from "../../../src/util/random.ts";

/** An array of the reference. Whole numbers and booleans (0 or 1) are stored as float64 too. */
export interface Value {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly data: Float64Array;
}

/** A position: one index per axis. */
export type Index = readonly number[];

/** What a rule may ask of the interpreter: to run a loop's body, and for the key of an argument. */
export interface Context {
  evaluate(outputs: readonly Tensor[], given: ReadonlyMap<Tensor, Value>): Value[];
  key(argument: number): Key;
}

/** What a primitive computes. */
export type Rule<Params> = (inputs: readonly Value[], params: Params, context: Context) => readonly Value[];

/** One rule per primitive. */
export type Table = { readonly [Name in PrimitiveName]: Rule<ParamsOf<Name>> };

/** Calls `visit` with every position of a shape, the last axis fastest. */
export function forEachIndex(shape: Shape, visit: (index: number[]) => void): void {
  const index = shape.map(() => 0);
  for (let left = sizeOf(shape); left > 0; left--) {
    visit(index);
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis] = at(index, axis) + 1;
      if (at(index, axis) < at(shape, axis)) break;
      index[axis] = 0;
    }
  }
}

/** Where a position is stored. */
export function offset(shape: Shape, index: Index): number {
  let place = 0;
  for (let axis = 0; axis < shape.length; axis++) {
    const i = at(index, axis);
    if (i < 0 || i >= at(shape, axis)) throw new RangeError(`position [${index}] lies outside of shape [${shape}]`);
    place = place * at(shape, axis) + i;
  }
  return place;
}

/** The element at a position. */
export function read(x: Value, index: Index): number {
  return at(x.data, offset(x.shape, index));
}

/** The element at a position of a larger shape that `x` is stretched to by NumPy's rule. */
export function readStretched(x: Value, index: Index): number {
  const skip = index.length - x.shape.length;
  return read(
    x,
    x.shape.map((d, axis) => (d === 1 ? 0 : at(index, axis + skip))),
  );
}

/** An array whose element at each position is given by a function. */
export function build(dtype: DType, shape: Shape, element: (index: number[]) => number): Value {
  const data = new Float64Array(sizeOf(shape));
  let place = 0;
  forEachIndex(shape, (index) => {
    data[place++] = element(index);
  });
  return { dtype, shape: [...shape], data };
}

/** An array of zeros to add to. */
export function blank(dtype: DType, shape: Shape): Value {
  return { dtype, shape: [...shape], data: new Float64Array(sizeOf(shape)) };
}

/** Adds to the element at a position. */
export function addAt(x: Value, index: Index, amount: number): void {
  const place = offset(x.shape, index);
  x.data[place] = at(x.data, place) + amount;
}

/** Element i of a list that is known to have it. */
export function at(list: ArrayLike<number>, i: number): number {
  const value = list[i];
  if (value === undefined) throw new RangeError(`element ${i} of a list of ${list.length}`);
  return value;
}

/** The i-th operand of a rule. */
export function operand(inputs: readonly Value[], i: number): Value {
  const value = inputs[i];
  if (!value) throw new RangeError(`operand ${i} of ${inputs.length}`);
  return value;
}

/** The same numbers in float64. */
export function fromArray(array: NdArray): Value {
  return { dtype: array.dtype, shape: array.shape, data: Float64Array.from(array.data as ArrayLike<number>, Number) };
}

/** Rounds to the types the runtime takes. */
export function toArray({ dtype, shape, data }: Value): NdArray {
  if (dtype === "float32") return { dtype, shape, data: Float32Array.from(data) };
  if (dtype === "int32") return { dtype, shape, data: Int32Array.from(data) };
  if (dtype === "bool") return { dtype, shape, data: Uint8Array.from(data) };
  return { dtype, shape, data: BigInt64Array.from(data, BigInt) };
}
