/** Primitives that work on each element alone: arithmetic, transcendental functions, comparisons, selection and casts. */
import { one, stopGradient, type TensorLike } from "../core/builtin.ts";
import { definePrimitive, type Primitive } from "../core/primitive.ts";
import { ShapeError, type Tensor, type TensorType, typeName } from "../core/tensor.ts";
import type { DType } from "../util/ndarray.ts";
import { broadcastType, operands, unbroadcast } from "./broadcast.ts";

type None = Record<string, never>;
const none: None = {};
const float: readonly DType[] = ["float32"];
const number: readonly DType[] = ["float32", "int32"];

/** Rules shared by functions of one variable: same type out, gradient `ct * slope`. */
function unaryPrimitive(name: string, op: string, derivative?: (x: Tensor, y: Tensor) => Tensor): Primitive<None> {
  return definePrimitive<None>({
    name,
    infer: ([x]) => [x],
    vjp: ([ct], [x], [y]) => [ct && derivative ? mul(ct, derivative(x, y)) : null],
    lower: (b, [x]) => b.node(op, [x]),
  });
}

function unary(primitive: Primitive<None>, x: TensorLike, allowed: readonly DType[] = float): Tensor {
  return one(primitive.bind(operands(primitive.name, [x], allowed), none));
}

export const negPrimitive = definePrimitive<None>({
  name: "neg",
  infer: ([x]) => [x],
  vjp: ([ct]) => [ct ? neg(ct) : null],
  lower: (b, [x]) => b.node("Neg", [x]),
});
/** -x */
export const neg = (x: TensorLike): Tensor => unary(negPrimitive, x, number);

export const absPrimitive = unaryPrimitive("abs", "Abs", (x) => sign(x));
/** |x|; the gradient at 0 is 0. */
export const abs = (x: TensorLike): Tensor => unary(absPrimitive, x, number);

export const signPrimitive = unaryPrimitive("sign", "Sign");
/** -1, 0 or 1; the gradient is 0. */
export const sign = (x: TensorLike): Tensor => unary(signPrimitive, x, number);

export const expPrimitive = unaryPrimitive("exp", "Exp", (_, y) => y);
/** e^x */
export const exp = (x: TensorLike): Tensor => unary(expPrimitive, x);

export const logPrimitive = definePrimitive<None>({
  name: "log",
  infer: ([x]) => [x],
  vjp: ([ct], [x]) => [ct ? div(ct, x) : null],
  lower: (b, [x]) => b.node("Log", [x]),
});
/** Natural logarithm. */
export const log = (x: TensorLike): Tensor => unary(logPrimitive, x);

export const sqrtPrimitive = definePrimitive<None>({
  name: "sqrt",
  infer: ([x]) => [x],
  vjp: ([ct], _, [y]) => [ct ? div(mul(ct, 0.5), y) : null],
  lower: (b, [x]) => b.node("Sqrt", [x]),
});
/** Square root. */
export const sqrt = (x: TensorLike): Tensor => unary(sqrtPrimitive, x);

export const sinPrimitive = unaryPrimitive("sin", "Sin", (x) => cos(x));
/** Sine of radians. */
export const sin = (x: TensorLike): Tensor => unary(sinPrimitive, x);

export const cosPrimitive = unaryPrimitive("cos", "Cos", (x) => neg(sin(x)));
/** Cosine of radians. */
export const cos = (x: TensorLike): Tensor => unary(cosPrimitive, x);

export const tanhPrimitive = unaryPrimitive("tanh", "Tanh", (_, y) => sub(1, mul(y, y)));
/** Hyperbolic tangent. */
export const tanh = (x: TensorLike): Tensor => unary(tanhPrimitive, x);

export const sigmoidPrimitive = unaryPrimitive("sigmoid", "Sigmoid", (_, y) => mul(y, sub(1, y)));
/** Logistic function 1 / (1 + e^-x). */
export const sigmoid = (x: TensorLike): Tensor => unary(sigmoidPrimitive, x);

export const erfPrimitive = unaryPrimitive("erf", "Erf", (x) => mul(exp(neg(mul(x, x))), 2 / Math.sqrt(Math.PI)));
/** Gauss error function. */
export const erf = (x: TensorLike): Tensor => unary(erfPrimitive, x);

export const floorPrimitive = unaryPrimitive("floor", "Floor");
/** Largest whole number not above x; the gradient is 0. */
export const floor = (x: TensorLike): Tensor => unary(floorPrimitive, x);

export const roundPrimitive = unaryPrimitive("round", "Round");
/** Nearest whole number, halves to even; the gradient is 0. */
export const round = (x: TensorLike): Tensor => unary(roundPrimitive, x);

/** Of a line that rises from 0 to 1 before 1e-30: steep enough to be a step, and finite still for numbers up to 1e8. */
const steep = 2 ** 100;

export const reluPrimitive = definePrimitive<None>({
  name: "relu",
  infer: ([x]) => [x],
  // A product: ONNX Runtime's Where takes three passes, two to select and one to join (2 to 3 times as long). And y > 0 as a
  // number in one pass instead of two, of a comparison and a cast (bench/kernels/elementwise.ts).
  vjp: ([ct], _, [y]) => [ct && mul(ct, stopGradient(hardSigmoid(y, { slope: steep, offset: 0 })))],
  lower: (b, [x]) => b.node("Relu", [x]),
});
/** max(x, 0); the gradient at 0 is 0. */
export const relu = (x: TensorLike): Tensor => unary(reluPrimitive, x);

export const hardSigmoidPrimitive = definePrimitive<{ readonly slope: number; readonly offset: number }>({
  name: "hardSigmoid",
  infer: ([x]) => [x],
  vjp: ([ct], _, [y], { slope }) => [ct && mul(mul(ct, slope), cast(and(less(0, y), less(y, 1)), "float32"))],
  lower: (b, [x], { slope, offset }) => b.node("HardSigmoid", [x], { alpha: { float: slope }, beta: { float: offset } }),
});
/** slope · x + offset held between 0 and 1, in one pass; the gradient where it is held is 0. */
export function hardSigmoid(
  x: Tensor,
  { slope = 1 / 6, offset = 0.5 }: { readonly slope?: number; readonly offset?: number } = {},
): Tensor {
  return one(hardSigmoidPrimitive.bind(operands("hardSigmoid", [x], float), { slope, offset }));
}

export const notPrimitive = definePrimitive<None>({
  name: "not",
  infer: ([x]) => [x],
  lower: (b, [x]) => b.node("Not", [x]),
});
/** Logical negation of a bool tensor. */
export const not = (x: TensorLike): Tensor => unary(notPrimitive, x, ["bool"]);

/** Rules shared by functions of two variables with broadcasting; `slopes` gives the cotangents before un-broadcasting. */
function binaryPrimitive(
  name: string,
  op: string,
  cotangents?: (ct: Tensor, x: Tensor, y: Tensor, out: Tensor) => readonly [Tensor | null, Tensor | null],
  mapsLeadingAxis = false,
): Primitive<None> {
  return definePrimitive<None>({
    name,
    infer: (inputs) => [broadcastType(name, inputs)],
    mapsLeadingAxis,
    vjp([ct], [x, y], [out]) {
      if (!ct || !cotangents) return [null, null];
      const given = cotangents(ct, x, y, out);
      return given.map((g, i) => g && unbroadcast(g, ((i === 0 ? x : y) as Tensor).shape));
    },
    lower: (b, [x, y]) => b.node(op, [x, y]),
  });
}

function binary(primitive: Primitive<None>, x: TensorLike, y: TensorLike, allowed: readonly DType[] = number): Tensor {
  return one(primitive.bind(operands(primitive.name, [x, y], allowed), none));
}

export const addPrimitive = binaryPrimitive("add", "Add", (ct) => [ct, ct], true);
/** x + y, broadcasting. */
export const add = (x: TensorLike, y: TensorLike): Tensor => binary(addPrimitive, x, y);

export const subPrimitive = binaryPrimitive("sub", "Sub", (ct) => [ct, neg(ct)], true);
/** x - y, broadcasting. */
export const sub = (x: TensorLike, y: TensorLike): Tensor => binary(subPrimitive, x, y);

export const mulPrimitive = binaryPrimitive("mul", "Mul", (ct, x, y) => [mul(ct, y), mul(ct, x)], true);
/** x * y, broadcasting. */
export const mul = (x: TensorLike, y: TensorLike): Tensor => binary(mulPrimitive, x, y);

export const divPrimitive = binaryPrimitive("div", "Div", (ct, _, y, out) => {
  const dx = div(ct, y);
  return [dx, neg(mul(dx, out))];
});
/** x / y, broadcasting; int32 division drops the fraction. */
export const div = (x: TensorLike, y: TensorLike): Tensor => binary(divPrimitive, x, y);

export const powPrimitive = binaryPrimitive("pow", "Pow", (ct, x, y, out) => {
  // x^y ln x, taken as 0 where x <= 0, as in PyTorch for x = 0.
  const positive = less(0, x);
  // y x^(y-1), which is 0 for y = 0 even where x^-1 is infinite.
  return [
    mul(ct, mul(y, pow(x, where(equal(y, 0), 1, sub(y, 1))))),
    mul(ct, where(positive, mul(out, log(where(positive, x, 1))), 0)),
  ];
});
/** x ^ y, broadcasting. */
export const pow = (x: TensorLike, y: TensorLike): Tensor => binary(powPrimitive, x, y, float);

export const maximumPrimitive = binaryPrimitive("maximum", "Max", (ct, x, y) => shareTie(ct, x, y, less(y, x)));
/** The larger of x and y, broadcasting; a tie shares the gradient evenly. */
export const maximum = (x: TensorLike, y: TensorLike): Tensor => binary(maximumPrimitive, x, y);

export const minimumPrimitive = binaryPrimitive("minimum", "Min", (ct, x, y) => shareTie(ct, x, y, less(x, y)));
/** The smaller of x and y, broadcasting; a tie shares the gradient evenly. */
export const minimum = (x: TensorLike, y: TensorLike): Tensor => binary(minimumPrimitive, x, y);

function shareTie(ct: Tensor, x: Tensor, y: Tensor, first: Tensor): readonly [Tensor, Tensor] {
  const dx = where(equal(x, y), mul(ct, 0.5), where(first, ct, 0));
  return [dx, sub(ct, dx)];
}

export const modPrimitive = definePrimitive<None>({
  name: "mod",
  infer: (inputs) => [broadcastType("mod", inputs)],
  lower(b, [x, y], _, { outputs }) {
    if ((outputs[0] as TensorType).dtype === "int32") return b.node("Mod", [x, y]);
    const quotient = b.node("Floor", [b.node("Div", [x, y])]);
    return b.node("Sub", [x, b.node("Mul", [quotient, y])]);
  },
  vjp: ([ct], [x, y]) => [ct && unbroadcast(ct, x.shape), ct && unbroadcast(neg(mul(ct, floor(div(x, y)))), y.shape)],
});
/** Remainder with the sign of y, as in Python. */
export const mod = (x: TensorLike, y: TensorLike): Tensor => binary(modPrimitive, x, y);

function comparisonPrimitive(name: string, op: string): Primitive<None> {
  return definePrimitive<None>({
    name,
    infer: (inputs) => [broadcastType(name, inputs, "bool")],
    lower: (b, [x, y]) => b.node(op, [x, y]),
  });
}

export const equalPrimitive = comparisonPrimitive("equal", "Equal");
/** x = y, elementwise. */
export const equal = (x: TensorLike, y: TensorLike): Tensor => binary(equalPrimitive, x, y, ["float32", "int32", "bool"]);

export const lessPrimitive = comparisonPrimitive("less", "Less");
/** x < y, elementwise. */
export const less = (x: TensorLike, y: TensorLike): Tensor => binary(lessPrimitive, x, y);
/** x > y, elementwise. */
export const greater = (x: TensorLike, y: TensorLike): Tensor => less(y, x);

export const lessEqualPrimitive = comparisonPrimitive("lessEqual", "LessOrEqual");
/** x <= y, elementwise. */
export const lessEqual = (x: TensorLike, y: TensorLike): Tensor => binary(lessEqualPrimitive, x, y);
/** x >= y, elementwise. */
export const greaterEqual = (x: TensorLike, y: TensorLike): Tensor => lessEqual(y, x);

export const andPrimitive = comparisonPrimitive("and", "And");
/** Logical and of bool tensors. */
export const and = (x: TensorLike, y: TensorLike): Tensor => binary(andPrimitive, x, y, ["bool"]);
/** Logical or of bool tensors. */
export const or = (x: TensorLike, y: TensorLike): Tensor => not(and(not(x), not(y)));

export const wherePrimitive = definePrimitive<None>({
  name: "where",
  infer: ([condition, x, y]) => {
    const { shape } = broadcastType("where", [condition, x, y]);
    return [{ shape, dtype: x.dtype }];
  },
  vjp: ([ct], [condition, x, y]) => [
    null,
    ct && unbroadcast(where(condition, ct, 0), x.shape),
    ct && unbroadcast(where(condition, 0, ct), y.shape),
  ],
  lower(b, [condition, x, y], _, { outputs }) {
    if ((outputs[0] as TensorType).dtype !== "bool") return b.node("Where", [condition, x, y]);
    // ONNX Runtime has no Where on booleans: (c and x) or (not c and y).
    const yes = b.node("And", [condition, x]);
    return b.node("Or", [yes, b.node("And", [b.node("Not", [condition]), y])]);
  },
});
/** x where the condition (bool) holds, else y; all three broadcast. */
export function where(condition: Tensor, x: TensorLike, y: TensorLike): Tensor {
  if (condition.dtype !== "bool") throw new ShapeError("where", `expected a bool condition, got ${typeName(condition)}`);
  return one(wherePrimitive.bind([condition, ...operands("where", [x, y])], none));
}

const onnxType: Record<DType, number> = { float32: 1, int32: 6, int64: 7, bool: 9 };

export const castPrimitive = definePrimitive<{ readonly dtype: DType }>({
  name: "cast",
  infer: ([x], { dtype }) => [{ shape: x.shape, dtype }],
  vjp: ([ct], [x], _, { dtype }) => [x.dtype === "float32" && dtype === "float32" ? ct : null],
  lower: (b, [x], { dtype }) => b.node("Cast", [x], { to: onnxType[dtype] }),
});
/** Converts the element type. To bool: whether nonzero; to int32: drops the fraction. No gradient flows through. */
export function cast(x: Tensor, dtype: DType): Tensor {
  return x.dtype === dtype ? x : one(castPrimitive.bind([x], { dtype }));
}
