/**
 * Uses of every primitive: ordinary ones, and edge shapes (scalars, size-1 dims, broadcasting both ways, negative axes,
 * strides, repeated indices). Typed over the primitives' names, so a primitive without samples fails to compile.
 *
 * Values keep clear of points where a gradient is undefined, so that finite differences can check every sample.
 */

import { input } from "../../src/core/builtin.ts";
import type { Operands } from "../../src/core/primitive.ts";
import { TracedKey } from "../../src/core/random.ts";
import { Tensor } from "../../src/core/tensor.ts";
import { key } from "../../src/util/random.ts";
import type { Value } from "./reference/value.ts";
import { arrange } from "./samples/arrange.ts";
import { elementwise } from "./samples/elementwise.ts";
import { engine } from "./samples/engine.ts";
import { foldSamples } from "./samples/fold.ts";
import type { Sample, SampleTable } from "./samples/make.ts";
import { places } from "./samples/places.ts";
import { products } from "./samples/products.ts";

export { compositions } from "./samples/compositions.ts";
export { layers } from "./samples/layers.ts";
export type { Sample } from "./samples/make.ts";

export const samples: SampleTable = { ...engine, ...elementwise, ...arrange, ...foldSamples, ...places, ...products };

/** The key that stands behind `TracedKey` in every sample. */
export const sampleKey = key(7);

/** A sample traced on placeholders. */
export interface Trace {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** The placeholders' values. */
  readonly given: Map<Tensor, Value>;
  readonly keys: ReadonlyMap<number, typeof sampleKey>;
}

export function trace({ inputs, call }: Pick<Sample, "inputs" | "call">): Trace {
  const placeholders = inputs.map((value) => input({ shape: value.shape, dtype: value.dtype }));
  const outputs = listOf(call(asOperands(placeholders), new TracedKey(0)));
  return {
    inputs: placeholders,
    outputs,
    given: new Map(placeholders.map((tensor, i) => [tensor, inputs[i] as Value])),
    keys: new Map([[0, sampleKey]]),
  };
}

/** A list that a sample may take apart without checks: it names as many tensors as it declares inputs. */
export function asOperands(tensors: readonly Tensor[]): Operands<Tensor> {
  return tensors as Operands<Tensor>;
}

export function listOf(result: Tensor | readonly Tensor[]): readonly Tensor[] {
  return result instanceof Tensor ? [result] : result;
}
