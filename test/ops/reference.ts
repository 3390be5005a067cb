/**
 * What every primitive means: float64 semantics in plain loops, written apart from ONNX and from the gradients.
 *
 * The table is typed over the primitives' names, so a primitive without semantics fails to compile. `evaluate` runs a traced
 * graph by it, loop bodies included, and checks on the way that every node's inferred types are what comes out.
 */
import { reachable, type Tensor, typeName } from "../../src/core/tensor.ts";
import { type PrimitiveName, primitives } from "../../src/ops/primitives.ts";
import type { Key } from "../../src/util/random.ts";
import { arrange } from "./reference/arrange.ts";
import { elementwise } from "./reference/elementwise.ts";
import { engine } from "./reference/engine.ts";
import { folds } from "./reference/fold.ts";
import { places } from "./reference/places.ts";
import { products } from "./reference/products.ts";
import type { Context, Rule, Table, Value } from "./reference/value.ts";

export type { Value } from "./reference/value.ts";

const reference: Table = { ...engine, ...elementwise, ...arrange, ...folds, ...places, ...products };

/** The rule of a node's primitive, whose params are known to fit it. */
function ruleOf(name: string): Rule<unknown> {
  if (!(name in primitives)) throw new Error(`"${name}" is not in the record of primitives`);
  return reference[name as PrimitiveName] as Rule<unknown>;
}

/**
 * Runs a graph.
 *
 * @param given values of graph inputs (or of any other tensors; nothing behind them is run)
 * @param keys for graphs with randomness: the key of each argument
 */
export function evaluate(
  outputs: readonly Tensor[],
  given: ReadonlyMap<Tensor, Value>,
  keys: ReadonlyMap<number, Key> = new Map(),
): Value[] {
  const values = new Map(given);
  const find = (tensor: Tensor): Value => {
    const value = values.get(tensor);
    if (!value) throw new Error(`${tensor}, made by ${tensor.node.primitive.name}, has no value`);
    return value;
  };
  const context: Context = {
    evaluate: (inner, bodyGiven) => evaluate(inner, bodyGiven, keys),
    key(argument) {
      const key = keys.get(argument);
      if (!key) throw new Error(`argument ${argument} was given no key`);
      return key;
    },
  };
  for (const node of reachable(outputs, new Set(given.keys()))) {
    const { name } = node.primitive;
    const results = ruleOf(name)(node.inputs.map(find), node.params, context);
    node.outputs.forEach((tensor, i) => {
      const result = results[i];
      if (!result || typeName(result) !== typeName(tensor)) {
        throw new Error(`${name}: inferred ${tensor} for output ${i}, the reference gives ${result ? typeName(result) : "none"}`);
      }
      // A given tensor keeps the value it was given, even when its node also makes other outputs.
      if (!values.has(tensor)) values.set(tensor, result);
    });
  }
  return outputs.map(find);
}
