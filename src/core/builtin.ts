/**
 * The primitives the engine itself needs: graph inputs, constants, aliases, sums of cotangents, custom gradients, barriers.
 * Everything numerical lives in `ops/`.
 */
import type { NdArray } from "../util/ndarray.ts";
import { definePrimitive } from "./primitive.ts";
import { ShapeError, Tensor, type TensorType, typeName } from "./tensor.ts";

export const inputPrimitive = definePrimitive<TensorType>({
  name: "input",
  infer: (_, type) => [{ shape: type.shape, dtype: type.dtype }],
  key: () => null,
  lower() {
    throw new Error("lowering: an input of one traced function was used in another; pass it as an argument instead");
  },
});

/** A fresh graph input (placeholder) of the given type. */
export function input(type: TensorType): Tensor {
  return one(inputPrimitive.bind([], type));
}

export const constantPrimitive = definePrimitive<NdArray>({
  name: "constant",
  infer: (_, array) => [array],
  key: () => null,
  lower: (b, _, array) => b.constant(array),
});

/** A constant; its numbers are stored in the graph, so keep it small. */
export function constant(array: NdArray): Tensor {
  return one(constantPrimitive.bind([], array));
}

/** The numbers of a constant tensor, if it is one: lets an op choose a better form. */
export function constantValue(tensor: Tensor): NdArray | undefined {
  return tensor.node.primitive === constantPrimitive ? (tensor.node.params as NdArray) : undefined;
}

/** What ops accept where a tensor is meant: a number or boolean stands for a scalar of the other operand's type. */
export type TensorLike = Tensor | number | boolean;

/** A scalar constant of the given type. */
export function scalarConstant(value: number | boolean, dtype: TensorType["dtype"]): Tensor {
  const number = Number(value);
  switch (dtype) {
    case "float32":
      return constant({ dtype, shape: [], data: Float32Array.of(number) });
    case "int32":
      return constant({ dtype, shape: [], data: Int32Array.of(number) });
    case "bool":
      return constant({ dtype, shape: [], data: Uint8Array.of(number) });
    case "int64":
      return constant({ dtype, shape: [], data: BigInt64Array.of(BigInt(number)) });
  }
}

export const zerosPrimitive = definePrimitive<TensorType>({
  name: "zeros",
  infer: (_, type) => [type],
  lower(b, _, { shape, dtype }) {
    if (dtype === "int64") throw new ShapeError("zeros", "expected float32, int32 or bool, got int64");
    return b.filled(shape, 0, dtype);
  },
});

/** Zeros of a type. */
export function zerosLike(type: TensorType): Tensor {
  return one(zerosPrimitive.bind([], { shape: type.shape, dtype: type.dtype }));
}

export const identityPrimitive = definePrimitive<{ readonly stop: boolean }>({
  name: "identity",
  infer: ([x]) => [x],
  stopsGradient: ({ stop }) => stop,
  vjp: ([ct], _in, _out, { stop }) => [stop ? null : ct],
  lower: (_, [x]) => x,
});

/** The same values under a new name: differentiating with respect to an alias leaves other uses of `x` alone. */
export function alias(x: Tensor): Tensor {
  return one(identityPrimitive.bind([x], { stop: false }));
}

/** The same values; gradients do not flow through. */
export function stopGradient(x: Tensor): Tensor {
  return one(identityPrimitive.bind([x], { stop: true }));
}

export const accumulatePrimitive = definePrimitive<Record<string, never>>({
  name: "accumulate",
  infer(inputs) {
    const [first] = inputs;
    return [{ shape: first.shape, dtype: first.dtype }];
  },
  vjp: ([ct], inputs) => inputs.map(() => ct),
  lower: (b, inputs) => inputs.reduce((sum, x) => b.node("Add", [sum, x])),
});

/** Sum of tensors of one type: cotangents that meet. */
export function accumulate(tensors: readonly Tensor[]): Tensor {
  const [first, ...rest] = tensors;
  if (!first) throw new Error("accumulate: expected at least one tensor");
  return rest.length === 0 ? first : one(accumulatePrimitive.bind(tensors, {}));
}

export const barrierPrimitive = definePrimitive<{ readonly waits: number }>({
  name: "barrier",
  infer: (inputs, { waits }) => inputs.slice(waits),
  vjp: (cts, _in, _out, { waits }) => [...Array<null>(waits).fill(null), ...cts],
  key: () => null,
  lower(b, inputs, { waits }, { inputs: types }) {
    // A condition that is always true but only exists once what is waited for does; Where keeps optimisers from seeing through.
    const always = inputs.slice(0, waits).map((after, i) => {
      const size = (types[i] as TensorType).shape.reduce((a, d) => a * d, 1);
      const first = b.node("Slice", [b.node("Reshape", [after, b.int64([size])]), b.int64([0]), b.int64([1])]);
      return b.node("Not", [b.node("Less", [first, first])]);
    });
    const all = always.reduce((a, c) => b.node("And", [a, c]));
    return inputs.slice(waits).map((x, i) => {
      const { shape, dtype } = types[waits + i] as TensorType;
      if (shape.length === 0) return x;
      return dtype === "bool" ? b.node("And", [all, x]) : b.node("Where", [all, x, x]); // ORT's Where lacks booleans
    });
  },
});

/** The same values as `inputs`, but not before all of `after` has been computed, and never merged with other computations. */
export function barrier(after: readonly Tensor[], inputs: readonly Tensor[]): readonly Tensor[] {
  const other = after.find(({ dtype }) => dtype !== "float32");
  if (other || after.length === 0)
    throw new ShapeError("barrier", `expected float32 tensors to wait for, got ${other ? typeName(other) : "none"}`);
  return barrierPrimitive.bind([...after, ...inputs], { waits: after.length });
}

interface CustomParams {
  readonly args: number;
  readonly results: number;
  readonly backward: (residuals: readonly Tensor[], cotangents: readonly (Tensor | null)[]) => readonly (Tensor | null)[];
}

export const customPrimitive = definePrimitive<CustomParams>({
  name: "custom",
  infer: (inputs, { args, results }) => inputs.slice(args, args + results),
  vjp(cts, inputs, _out, { args, results, backward }) {
    const given = backward(inputs.slice(args + results), cts);
    return inputs.map((_, i) => (i < args ? (given[i] ?? null) : null));
  },
  key: () => null,
  lower: (_, inputs, { args, results }) => inputs.slice(args, args + results),
});

/** Ties results to arguments with a gradient of its own; see `customVjp`. */
export function custom(
  args: readonly Tensor[],
  results: readonly Tensor[],
  residuals: readonly Tensor[],
  backward: CustomParams["backward"],
): readonly Tensor[] {
  return customPrimitive.bind([...args, ...results, ...residuals], { args: args.length, results: results.length, backward });
}

/** The only output of a primitive that has one. */
export function one(outputs: readonly Tensor[]): Tensor {
  const [output] = outputs;
  if (!(output instanceof Tensor)) throw new Error("expected a primitive with an output");
  return output;
}
