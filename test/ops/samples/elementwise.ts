/** Samples of elementwise primitives. */
import type { TensorLike } from "../../../src/core/builtin.ts";
import type { Tensor } from "../../../src/core/tensor.ts";
import * as ops from "../../../src/ops/index.ts";
import {
  betweenHalves,
  booleans,
  distinct,
  exactly,
  integers,
  type Make,
  nonzero,
  normal,
  type Sample,
  type SampleTable,
  sample,
  uniform,
} from "./make.ts";

type Maker = (...shape: number[]) => Make;

/** A function of one variable on the edge shapes. */
function unary(op: string, fn: (x: TensorLike) => Tensor, make: Maker, more: readonly Sample[] = []): Sample[] {
  return [
    sample(`${op} matrix`, [make(2, 3)], ([x]) => fn(x)),
    sample(`${op} scalar`, [make()], ([x]) => fn(x)),
    sample(`${op} size-1 dims`, [make(1, 3, 1)], ([x]) => fn(x)),
    ...more,
  ];
}

/** A function of two variables, broadcasting both ways. */
function binary(
  op: string,
  fn: (x: TensorLike, y: TensorLike) => Tensor,
  left: Maker,
  right: Maker,
  more: readonly Sample[] = [],
): Sample[] {
  return [
    sample(`${op} same shapes`, [left(2, 3), right(2, 3)], ([x, y]) => fn(x, y)),
    sample(`${op} row on the right`, [left(2, 3), right(3)], ([x, y]) => fn(x, y)),
    sample(`${op} row on the left`, [left(3), right(2, 3)], ([x, y]) => fn(x, y)),
    sample(`${op} column and row`, [left(2, 1), right(1, 3)], ([x, y]) => fn(x, y)),
    sample(`${op} scalar on the left`, [left(), right(2, 2)], ([x, y]) => fn(x, y)),
    sample(`${op} two scalars`, [left(), right()], ([x, y]) => fn(x, y)),
    sample(`${op} size-1 dims`, [left(1), right(1, 1)], ([x, y]) => fn(x, y)),
    sample(`${op} middle axis`, [left(2, 1, 2), right(3, 1)], ([x, y]) => fn(x, y)),
    ...more,
  ];
}

const same = (op: string, fn: (x: TensorLike, y: TensorLike) => Tensor, make: Maker) =>
  sample(`${op} operand used twice`, [make(2, 2)], ([x]) => fn(x, x));
const beside = (op: string, fn: (x: TensorLike, y: TensorLike) => Tensor, make: Maker, number: number) =>
  sample(`${op} number`, [make(2, 3)], ([x]) => [fn(x, number), fn(number, x)]);
const whole = (op: string, fn: (x: TensorLike, y: TensorLike) => Tensor, left: Make, right: Make) =>
  sample(`${op} int32`, [left, right], ([x, y]) => fn(x, y));

const positive: Maker = (...shape) => uniform(0.3, 3, ...shape);
const sixes: Maker = (...shape) => integers(-6, 7, ...shape);

export const elementwise = {
  neg: unary("neg", ops.neg, normal, [sample("neg int32", [sixes(4)], ([x]) => ops.neg(x))]),
  abs: unary("abs", ops.abs, nonzero, [sample("abs int32", [sixes(6)], ([x]) => ops.abs(x))]),
  sign: unary("sign", ops.sign, nonzero, [sample("sign int32", [sixes(6)], ([x]) => ops.sign(x))]),
  exp: unary("exp", ops.exp, normal, [sample("exp far out", [uniform(-80, 2, 6)], ([x]) => ops.exp(x))]),
  log: unary("log", ops.log, positive, [sample("log near zero", [uniform(0.1, 0.2, 4)], ([x]) => ops.log(x))]),
  sqrt: unary("sqrt", ops.sqrt, positive),
  sin: unary("sin", ops.sin, normal, [sample("sin several turns", [uniform(-20, 20, 8)], ([x]) => ops.sin(x))]),
  cos: unary("cos", ops.cos, normal, [sample("cos several turns", [uniform(-20, 20, 8)], ([x]) => ops.cos(x))]),
  tanh: unary("tanh", ops.tanh, normal, [sample("tanh saturated", [uniform(-30, 30, 6)], ([x]) => ops.tanh(x))]),
  sigmoid: unary("sigmoid", ops.sigmoid, normal, [sample("sigmoid saturated", [uniform(-80, 80, 6)], ([x]) => ops.sigmoid(x))]),
  erf: unary("erf", ops.erf, normal, [sample("erf saturated", [uniform(-5, 5, 8)], ([x]) => ops.erf(x))]),
  floor: unary("floor", ops.floor, betweenHalves),
  round: unary("round", ops.round, betweenHalves, [
    sample("round halves", [exactly("float32", [6], [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5])], ([x]) => ops.round(x), {
      kink: "steps",
    }),
  ]),
  relu: unary("relu", ops.relu, nonzero),
  hardSigmoid: [
    ...unary("hardSigmoid", (x) => ops.hardSigmoid(x as Tensor), betweenHalves),
    sample("hardSigmoid held at both ends", [betweenHalves(3, 4)], ([x]) => ops.hardSigmoid(x, { slope: 0.5, offset: 0.5 })),
  ],
  not: [sample("not", [booleans(2, 3)], ([x]) => ops.not(x)), sample("not scalar", [booleans()], ([x]) => ops.not(x))],
  add: binary("add", ops.add, normal, normal, [
    same("add", ops.add, normal),
    beside("add", ops.add, normal, 2.5),
    whole("add", ops.add, sixes(2, 3), sixes(3)),
  ]),
  sub: binary("sub", ops.sub, normal, normal, [
    beside("sub", ops.sub, normal, 2.5),
    whole("sub", ops.sub, sixes(2, 3), sixes(3)),
  ]),
  mul: binary("mul", ops.mul, normal, normal, [
    same("mul", ops.mul, normal),
    beside("mul", ops.mul, normal, 2.5),
    whole("mul", ops.mul, sixes(2, 3), sixes(3)),
  ]),
  div: binary("div", ops.div, normal, nonzero, [
    beside("div", ops.div, nonzero, 2.5),
    whole("div", ops.div, integers(-20, 21, 2, 3), exactly("int32", [3], [3, -4, 7])),
  ]),
  pow: binary("pow", ops.pow, positive, normal, [
    sample("pow of negatives by whole numbers", [nonzero(2, 3)], ([x]) => [ops.pow(x, 3), ops.pow(x, 2), ops.pow(x, -1)]),
    sample("pow of zero", [exactly("float32", [2], [0, 1])], ([x]) => [ops.pow(x, 3), ops.pow(x, 2), ops.pow(x, 1)]),
    sample("pow by zero", [exactly("float32", [3], [0, 1, -2])], ([x]) => ops.pow(x, 0)),
  ]),
  maximum: [
    sample("maximum same shapes", [distinct(2, 2, 3)], ([x]) => ops.maximum(...halves(x))),
    sample("maximum row on the right", [distinct(3, 3)], ([x]) =>
      ops.maximum(ops.slice(x, { 0: { start: 1 } }), ops.slice(x, { 0: { stop: 1 } })),
    ),
    sample("maximum number", [nonzero(2, 3)], ([x]) => [ops.maximum(x, 0.1), ops.maximum(-0.1, x)]),
    sample("maximum scalar on the right", [exactly("float32", [], [0.4]), nonzero(4)], ([x, y]) => ops.maximum(y, ops.mul(x, 0))),
    whole("maximum", ops.maximum, sixes(2, 3), sixes(3)),
    sample("maximum tied", [exactly("float32", [2], [1, 2])], ([x]) => ops.maximum(x, x)),
  ],
  minimum: [
    sample("minimum same shapes", [distinct(2, 2, 3)], ([x]) => ops.minimum(...halves(x))),
    sample("minimum row on the left", [distinct(3, 3)], ([x]) =>
      ops.minimum(ops.slice(x, { 0: { stop: 1 } }), ops.slice(x, { 0: { start: 1 } })),
    ),
    sample("minimum number", [nonzero(2, 3)], ([x]) => [ops.minimum(x, 0.1), ops.minimum(-0.1, x)]),
    whole("minimum", ops.minimum, sixes(2, 3), sixes(3)),
    sample("minimum tied", [exactly("float32", [2], [1, 2])], ([x]) => ops.minimum(x, x)),
  ],
  mod: [
    sample(
      "mod",
      [exactly("float32", [2, 3], [2.5, -2.8, 7.2, -0.3, 0.4, 5.5]), exactly("float32", [3], [1.5, -1.25, 2])],
      ([x, y]) => ops.mod(x, y),
    ),
    sample("mod number", [betweenHalves(2, 3)], ([x]) => [ops.mod(x, 1), ops.mod(x, -0.5)]),
    whole("mod", ops.mod, integers(-20, 21, 2, 3), exactly("int32", [3], [3, -4, 7])),
  ],
  equal: [
    ...binary("equal", ops.equal, sixes, sixes),
    sample("equal itself", [normal(2, 3)], ([x]) => ops.equal(x, x)),
    sample("equal bool", [booleans(6), booleans(6)], ([x, y]) => ops.equal(x, y)),
  ],
  less: [
    ...binary("less", ops.less, normal, normal),
    whole("less", ops.less, integers(0, 3, 8), integers(0, 3, 8)),
    sample("greater", [normal(4), normal(4)], ([x, y]) => ops.greater(x, y)),
  ],
  lessEqual: [
    ...binary("lessEqual", ops.lessEqual, normal, normal),
    whole("lessEqual", ops.lessEqual, integers(0, 3, 8), integers(0, 3, 8)),
    sample("greaterEqual", [normal(4), normal(4)], ([x, y]) => ops.greaterEqual(x, y)),
  ],
  and: [...binary("and", ops.and, booleans, booleans), sample("or", [booleans(8), booleans(8)], ([x, y]) => ops.or(x, y))],
  where: [
    sample("where same shapes", [booleans(2, 3), normal(2, 3), normal(2, 3)], ([c, x, y]) => ops.where(c, x, y)),
    sample("where all stretch", [booleans(2, 1), normal(3), normal()], ([c, x, y]) => ops.where(c, x, y)),
    sample("where condition stretches", [booleans(3), normal(2, 3), normal(2, 1)], ([c, x, y]) => ops.where(c, x, y)),
    sample("where number", [booleans(2, 3), normal(2, 3)], ([c, x]) => [ops.where(c, x, 0), ops.where(c, -1, x)]),
    sample("where int32", [booleans(2, 3), sixes(2, 3), sixes(3)], ([c, x, y]) => ops.where(c, x, y)),
    sample("where bool", [booleans(2, 3), booleans(2, 3), booleans(3)], ([c, x, y]) => ops.where(c, x, y)),
    sample("where scalars", [booleans(), normal(), normal()], ([c, x, y]) => ops.where(c, x, y)),
  ],
  cast: [
    sample("cast float32 to int32", [betweenHalves(2, 3)], ([x]) => ops.cast(x, "int32")),
    sample("cast float32 to bool", [exactly("float32", [4], [0, 1, -0.5, 0])], ([x]) => ops.cast(x, "bool")),
    sample("cast int32", [sixes(2, 3)], ([x]) => [ops.cast(x, "float32"), ops.cast(x, "bool")]),
    sample("cast bool", [booleans(2, 3)], ([x]) => [ops.cast(x, "float32"), ops.cast(x, "int32")]),
    sample("cast weights a sum", [integers(0, 4, 3), normal(3)], ([i, x]) => ops.mul(ops.cast(i, "float32"), x)),
  ],
} satisfies Partial<SampleTable>;

function halves(x: Tensor): [Tensor, Tensor] {
  const [a, b] = ops.split(x, 2, 0);
  return [a, b];
}
