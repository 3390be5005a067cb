/** Reference semantics of primitives that work on each element alone. */
import type { DType } from "../../../src/util/ndarray.ts";
import { build, operand, type Rule, readStretched, type Table, type Value } from "./value.ts";

type None = Record<string, never>;

function unary(fn: (x: number) => number): Rule<None> {
  return (inputs) => {
    const x = operand(inputs, 0);
    return [{ ...x, data: x.data.map(fn) }];
  };
}

function binary(fn: (x: number, y: number, dtype: DType) => number, dtype?: DType): Rule<None> {
  return (inputs) => {
    const [x, y] = [operand(inputs, 0), operand(inputs, 1)];
    return [build(dtype ?? x.dtype, stretch(x, y), (i) => fn(readStretched(x, i), readStretched(y, i), x.dtype))];
  };
}

/** NumPy's rule: aligned at the last axis, a missing axis or one of size 1 takes the other's size. */
function stretch(...values: readonly Value[]): number[] {
  const rank = Math.max(...values.map((v) => v.shape.length));
  return Array.from({ length: rank }, (_, axis) => {
    const sizes = values.map((v) => v.shape[axis - rank + v.shape.length] ?? 1);
    return sizes.find((size) => size !== 1) ?? 1;
  });
}

/** Gauss error function, from its series of positive terms: 2/√π e^(-x²) Σ 2^n x^(2n+1) / (1·3·5⋯(2n+1)). */
export function erf(x: number): number {
  if (Math.abs(x) > 6) return Math.sign(x);
  let term = x;
  let total = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(total); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    total += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * total;
}

/** Nearest whole number; halfway between two, the even one. */
function roundHalfEven(x: number): number {
  const low = Math.floor(x);
  const rest = x - low;
  if (rest !== 0.5) return Math.round(x);
  return low % 2 === 0 ? low : low + 1;
}

export const elementwise = {
  neg: unary((x) => -x),
  abs: unary(Math.abs),
  sign: unary(Math.sign),
  exp: unary(Math.exp),
  log: unary(Math.log),
  sqrt: unary(Math.sqrt),
  sin: unary(Math.sin),
  cos: unary(Math.cos),
  tanh: unary(Math.tanh),
  sigmoid: unary((x) => 1 / (1 + Math.exp(-x))),
  erf: unary(erf),
  floor: unary(Math.floor),
  round: unary(roundHalfEven),
  relu: unary((x) => Math.max(x, 0)),
  hardSigmoid(inputs, { slope, offset }) {
    const x = operand(inputs, 0);
    return [{ ...x, data: x.data.map((v) => Math.min(1, Math.max(0, slope * v + offset))) }];
  },
  not: unary((x) => 1 - x),
  add: binary((x, y) => x + y),
  sub: binary((x, y) => x - y),
  mul: binary((x, y) => x * y),
  div: binary((x, y, dtype) => (dtype === "int32" ? Math.trunc(x / y) : x / y)),
  pow: binary((x, y) => x ** y),
  maximum: binary((x, y) => Math.max(x, y)),
  minimum: binary((x, y) => Math.min(x, y)),
  mod: binary((x, y) => x - Math.floor(x / y) * y),
  equal: binary((x, y) => Number(x === y), "bool"),
  less: binary((x, y) => Number(x < y), "bool"),
  lessEqual: binary((x, y) => Number(x <= y), "bool"),
  and: binary((x, y) => x * y, "bool"),
  where(inputs) {
    const [condition, x, y] = [operand(inputs, 0), operand(inputs, 1), operand(inputs, 2)];
    const pick = (i: number[]) => readStretched(readStretched(condition, i) ? x : y, i);
    return [build(x.dtype, stretch(condition, x, y), pick)];
  },
  cast(inputs, { dtype }) {
    const x = operand(inputs, 0);
    const convert = dtype === "bool" ? (v: number) => Number(v !== 0) : dtype === "float32" ? (v: number) => v : Math.trunc;
    return [build(dtype, x.shape, (i) => convert(readStretched(x, i)))];
  },
  accumulate: (inputs) => [build(operand(inputs, 0).dtype, operand(inputs, 0).shape, (i) => total(inputs, i))],
} satisfies Partial<Table>;

function total(inputs: readonly Value[], index: number[]): number {
  return inputs.reduce((sum, x) => sum + readStretched(x, index), 0);
}
