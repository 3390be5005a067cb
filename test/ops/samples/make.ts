/**
 * How samples are written: what goes in (made from a fixed seed and the sample's own name) and the call of a public op.
 */
import type { Operands } from "../../../src/core/primitive.ts";
import type { TracedKey } from "../../../src/core/random.ts";
import type { Tensor } from "../../../src/core/tensor.ts";
import type { PrimitiveName } from "../../../src/ops/primitives.ts";
import { type DType, type Shape, sizeOf } from "../../../src/util/ndarray.ts";
import { fillNormal, fillUniform, fold, type Key, key, randint } from "../../../src/util/random.ts";
import { fromArray, type Value } from "../reference/value.ts";

/** One use of an op. */
export interface Sample {
  readonly name: string;
  readonly inputs: readonly Value[];
  /** Calls the op on tensors like `inputs`. The key is there for ops that draw. */
  readonly call: (inputs: Operands<Tensor>, key: TracedKey) => Tensor | readonly Tensor[];
  /** Why finite differences cannot check it, if they cannot (a kink, a gradient defined to be something else). */
  readonly kink?: string;
}

/** Samples of every primitive. */
export type SampleTable = { readonly [Name in PrimitiveName]: readonly Sample[] };

/** Makes an operand from a stream of random numbers of its own. */
export type Make = (key: Key) => Value;

const root = key(20250301);

/** Declares a sample. */
export function sample(
  name: string,
  makes: readonly Make[],
  call: Sample["call"],
  options: { readonly kink?: string } = {},
): Sample {
  return { name, inputs: makes.map((make, i) => make(fold(fold(root, name), i))), call, ...options };
}

/** Standard normal numbers. */
export function normal(...shape: number[]): Make {
  return (from) => {
    const data = new Float32Array(sizeOf(shape));
    fillNormal(from, data);
    return fromArray({ dtype: "float32", shape, data });
  };
}

/** Numbers spread evenly from low to high. */
export function uniform(low: number, high: number, ...shape: number[]): Make {
  return (from) => {
    const data = new Float32Array(sizeOf(shape));
    fillUniform(from, data);
    return fromArray({ dtype: "float32", shape, data: data.map((u) => low + (high - low) * u) });
  };
}

/** Numbers between 0.3 and 2 in size, of both signs. */
export function nonzero(...shape: number[]): Make {
  return (from) => mapValue(uniform(-1.7, 1.7, ...shape)(from), (u) => u + Math.sign(u) * 0.3);
}

/** Numbers from -3 to 3 that keep 0.1 away from every half. */
export function betweenHalves(...shape: number[]): Make {
  return (from) => mapValue(uniform(-6, 6, ...shape)(from), (u) => Math.floor(u) / 2 + 0.1 + 0.3 * (u - Math.floor(u)));
}

/** Numbers around 0 in random order, of which no two are closer than 0.25: maxima are clear. */
export function distinct(...shape: number[]): Make {
  return (from) => {
    const size = sizeOf(shape);
    const draws = uniform(0, 1, size)(from).data;
    const order = Array.from({ length: size }, (_, i) => i).sort((a, b) => (draws[a] ?? 0) - (draws[b] ?? 0));
    const data = new Float32Array(size);
    order.forEach((place, rank) => {
      data[place] = 0.25 * (rank - size / 2) + 0.125;
    });
    return fromArray({ dtype: "float32", shape, data });
  };
}

/** Whole numbers from low to high - 1. */
export function integers(low: number, high: number, ...shape: number[]): Make {
  return (from) => {
    const data = new Int32Array(sizeOf(shape));
    randint(from, low, high, data);
    return fromArray({ dtype: "int32", shape, data });
  };
}

export function booleans(...shape: number[]): Make {
  return (from) => mapValue({ ...uniform(0, 1, ...shape)(from), dtype: "bool" }, (u) => Number(u < 0.5));
}

/** These values, whatever the seed. */
export function exactly(dtype: DType, shape: Shape, values: readonly number[]): Make {
  return () => fromArray({ dtype, shape, data: dtype === "float32" ? Float32Array.from(values) : Int32Array.from(values) });
}

function mapValue(value: Value, fn: (x: number) => number): Value {
  // Through float32, so that the runtime is given the very same numbers.
  return { ...value, data: value.data.map((x) => Math.fround(fn(x))) };
}
