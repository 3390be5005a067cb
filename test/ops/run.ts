/** Traces a function and runs it through the reference, for tests that compare plain numbers. */
import { input } from "../../src/core/builtin.ts";
import type { Operands } from "../../src/core/primitive.ts";
import { isTensor, type Tensor } from "../../src/core/tensor.ts";
import type { DType, Shape } from "../../src/util/ndarray.ts";
import { flatten } from "../../src/util/tree.ts";
import type { Value } from "./reference/value.ts";
import { evaluate } from "./reference.ts";

export function float(shape: Shape, values: readonly number[]): Value {
  return { dtype: "float32", shape, data: Float64Array.from(values) };
}

/** A vector of floats. */
export function vector(...values: number[]): Value {
  return float([values.length], values);
}

export function whole(shape: Shape, values: readonly number[], dtype: DType = "int32"): Value {
  return { dtype, shape, data: Float64Array.from(values) };
}

/** The values of every tensor that `fn` returns, in a tree or alone. */
export function run(fn: (...inputs: Operands<Tensor>) => unknown, ...inputs: readonly Value[]): Value[] {
  const placeholders = inputs.map((value) => input({ shape: value.shape, dtype: value.dtype }));
  const outputs = flatten(fn(...(placeholders as readonly Tensor[] as Operands<Tensor>)), isTensor).map(({ leaf }) => leaf);
  return evaluate(outputs, new Map(placeholders.map((tensor, i) => [tensor, inputs[i] as Value])));
}

/** The numbers of each output. */
export function numbers(fn: (...inputs: Operands<Tensor>) => unknown, ...inputs: readonly Value[]): number[][] {
  return run(fn, ...inputs).map(({ data }) => [...data]);
}
