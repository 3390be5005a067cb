/** Reference semantics of the engine's own primitives: inputs, constants, aliases, randomness and loops. */
import type { Tensor } from "../../../src/core/tensor.ts";
import { sizeOf } from "../../../src/util/ndarray.ts";
import { fillBernoulli, fillNormal, fillUniform, fold, randint } from "../../../src/util/random.ts";
import { at, blank, fromArray, operand, type Table, type Value } from "./value.ts";

export const engine = {
  input() {
    throw new Error("a graph input was given no value");
  },
  constant: (_, array) => [fromArray(array)],
  identity: (inputs) => [operand(inputs, 0)],
  barrier: (inputs, { waits }) => inputs.slice(waits),
  custom: (inputs, { args, results }) => inputs.slice(args, args + results),
  random(_, { argument, names, distribution, shape }, context) {
    const key = names.reduce(fold, context.key(argument));
    const size = sizeOf(shape);
    if (distribution.kind === "bernoulli") {
      const data = new Uint8Array(size);
      fillBernoulli(key, distribution.probability, data);
      return [fromArray({ dtype: "bool", shape, data })];
    }
    if (distribution.kind === "integer") {
      const data = new Int32Array(size);
      randint(key, distribution.low, distribution.high, data);
      return [fromArray({ dtype: "int32", shape, data })];
    }
    const data = new Float32Array(size);
    if (distribution.kind === "uniform") fillUniform(key, data);
    else fillNormal(key, data);
    return [fromArray({ dtype: "float32", shape, data })];
  },
  scan(inputs, { body, carries, sequences, length, reverse }, context) {
    const captured = inputs.slice(carries + sequences);
    let carry = inputs.slice(0, carries);
    const stacks = body.outputs.slice(carries).map((o) => blank(o.dtype, [length, ...o.shape]));
    for (let step = 0; step < length; step++) {
      const t = reverse ? length - 1 - step : step;
      const elements = inputs.slice(carries, carries + sequences).map((x) => element(x, t));
      const given = pair([...body.placeholders, ...body.captures], [...carry, ...elements, ...captured]);
      const results = context.evaluate(body.outputs, given);
      carry = results.slice(0, carries);
      results.slice(carries).forEach((result, i) => {
        operand(stacks, i).data.set(result.data, t * result.data.length);
      });
    }
    return [...carry, ...stacks];
  },
  whileLoop(inputs, { body, limit }, context) {
    const carries = body.placeholders.length;
    let [condition, ...state] = inputs.slice(0, 1 + carries);
    const captured = inputs.slice(1 + carries);
    for (let i = 0; i < limit && condition && at(condition.data, 0); i++) {
      const given = pair([...body.placeholders, ...body.captures], [...state, ...captured]);
      [condition, ...state] = context.evaluate(body.outputs, given);
    }
    return state;
  },
} satisfies Partial<Table>;

/** x[t] */
function element(x: Value, t: number): Value {
  const shape = x.shape.slice(1);
  const size = sizeOf(shape);
  return { dtype: x.dtype, shape, data: x.data.slice(t * size, (t + 1) * size) };
}

function pair(tensors: readonly Tensor[], values: readonly Value[]): Map<Tensor, Value> {
  return new Map(tensors.map((tensor, i) => [tensor, operand(values, i)]));
}
