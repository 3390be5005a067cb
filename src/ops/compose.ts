/** Ops that need no primitive of their own: they are written in others, and so are their gradients. */
import { stopGradient, type TensorLike } from "../core/builtin.ts";
import { customVjp } from "../core/grad.ts";
import { ShapeError, type Tensor, typeName } from "../core/tensor.ts";
import {
  add,
  cast,
  cos,
  div,
  equal,
  erf,
  exp,
  floor,
  hardSigmoid,
  less,
  log,
  maximum,
  minimum,
  mul,
  neg,
  sigmoid,
  sin,
  sqrt,
  sub,
  tanh,
  where,
} from "./elementwise.ts";
import { matmul } from "./linear.ts";
import { max, mean, sum } from "./reduce.ts";
import { normalAxis, reshape, transpose } from "./shape.ts";

/** x², elementwise. */
export const square = (x: Tensor): Tensor => mul(x, x);

/** 1 / sqrt(x). */
export const rsqrt = (x: TensorLike): Tensor => div(1, sqrt(x));

/** Tangent of radians. */
export const tan = (x: TensorLike): Tensor => div(sin(x), cos(x));

/** Smallest whole number not below x; the gradient is 0. */
export const ceil = (x: TensorLike): Tensor => neg(floor(neg(x)));

/** x held between low and high; the gradient outside is 0. */
export const clamp = (x: Tensor, low: number, high: number): Tensor => minimum(maximum(x, low), high);

/** log(1 + x), exact also where x is tiny (Kahan's correction of the rounding of 1 + x). */
export const log1p: (x: Tensor) => Tensor = customVjp(
  (x: Tensor) => {
    const u = add(x, 1);
    const lost = sub(u, 1);
    const none = equal(lost, 0);
    return { value: where(none, x, mul(log(u), div(x, where(none, 1, lost)))), residuals: x };
  },
  (x, ct) => [div(ct, add(x, 1))],
);

/** e^x - 1, exact also where x is tiny (through tanh: e^x - 1 = 2 tanh(x/2) / (1 - tanh(x/2))). */
export const expm1: (x: Tensor) => Tensor = customVjp(
  (x: Tensor) => {
    const small = clamp(x, -1, 1);
    const t = tanh(mul(small, 0.5));
    const near = div(mul(t, 2), sub(1, t));
    return { value: where(equal(small, x), near, sub(exp(x), 1)), residuals: x };
  },
  (x, ct) => [mul(ct, exp(x))],
);

/** log(1 + e^x), safe for large |x|; its slope is sigmoid(x), which is exact where the parts' slopes would have to cancel. */
export const softplus: (x: Tensor) => Tensor = customVjp(
  (x: Tensor) => ({ value: add(maximum(x, 0), log1p(exp(neg(maximum(x, neg(x)))))), residuals: x }),
  (x, ct) => [mul(ct, sigmoid(x))],
);

/**
 * x · sigmoid(x), also called swish (Ramachandran et al. 2017).
 *
 * With s = sigmoid(x) and y = x s the slope is s + y (1 - s) = y + s (1 - y): four passes over x on the way back.
 */
export const silu: (x: Tensor) => Tensor = customVjp(
  (x: Tensor) => {
    const s = sigmoid(x);
    const y = mul(x, s);
    return { value: y, residuals: { s, y } };
  },
  ({ s, y }, ct) => [mul(ct, add(y, mul(s, sub(1, y))))],
);

/**
 * Gaussian error linear unit x · Φ(x) (Hendrycks & Gimpel 2016), exact.
 *
 * With u = x/√2: Φ(x) = (1 + erf u)/2, which lies in [0, 1] and so is one hardSigmoid of erf u, and the slope is
 * Φ(x) + x φ(x) = Φ(x) + u e^(-ln √π - u²). Every pass over the activations counts: they are a model's widest.
 */
export const gelu: (x: Tensor) => Tensor = customVjp(
  (x: Tensor) => {
    const u = mul(x, Math.SQRT1_2);
    const below = hardSigmoid(erf(u), { slope: 0.5, offset: 0.5 });
    return { value: mul(x, below), residuals: { u, below } };
  },
  ({ u, below }, ct) => [mul(ct, add(below, mul(u, exp(sub(-Math.log(Math.PI) / 2, mul(u, u))))))],
);

/** GELU by its tanh approximation, as GPT-2 uses it. */
export const geluTanh = (x: Tensor): Tensor =>
  mul(mul(x, 0.5), add(tanh(mul(add(x, mul(mul(x, square(x)), 0.044715)), Math.sqrt(2 / Math.PI))), 1));

/** x where positive, else slope · x, for a slope below 1; the gradient at 0 is the slope. */
export function leakyRelu(x: Tensor, slope = 0.01): Tensor {
  // The gradient of a maximum looks for ties and sends both operands their share: eight passes where these are four.
  const rectify = customVjp(
    (input: Tensor) => ({ value: maximum(input, mul(input, slope)), residuals: input }),
    (input, ct) => [mul(ct, add(mul(cast(less(0, input), "float32"), 1 - slope), slope))],
  );
  return rectify(x);
}

/** log(sum(exp(x))) over axes, safe for large x. */
export function logsumexp(
  x: Tensor,
  axes?: number | readonly number[],
  { keepDims = false }: { readonly keepDims?: boolean } = {},
): Tensor {
  const peak = stopGradient(max(x, axes, { keepDims: true }));
  const total = log(sum(exp(sub(x, peak)), axes, { keepDims: true }));
  const out = add(total, peak);
  return keepDims ? out : reshape(out, sum(x, axes).shape);
}

/** Variance over axes: the mean squared distance from the mean (no correction unless told). */
export function variance(
  x: Tensor,
  axes?: number | readonly number[],
  { keepDims = false, correction = 0 }: { readonly keepDims?: boolean; readonly correction?: number } = {},
): Tensor {
  const centred = sub(x, mean(x, axes, { keepDims: true }));
  const squares = sum(square(centred), axes, { keepDims });
  const list = axes === undefined ? [...x.shape.keys()] : typeof axes === "number" ? [axes] : axes;
  const count = list.reduce((n, axis) => n * (x.shape[normalAxis("variance", axis, x)] as number), 1);
  return mul(squares, 1 / (count - correction));
}

/**
 * Einstein summation: `einsum("bhqd,bhkd->bhqk", q, k)`. Each letter names an axis; letters missing on the right are summed.
 * Repeated letters within one operand and "..." are not taken.
 *
 * @throws ShapeError when a letter stands for two sizes or the formula does not fit the operands
 */
export function einsum(formula: string, ...operands: readonly Tensor[]): Tensor {
  const [left, right] = formula.replaceAll(" ", "").split("->");
  const terms = left?.split(",") ?? [];
  if (right === undefined || terms.length !== operands.length || operands.length === 0) {
    throw new ShapeError("einsum", `expected a formula like "ij,jk->ik" for ${operands.length} operands, got "${formula}"`);
  }
  const sizes = new Map<string, number>();
  operands.forEach((x, i) => {
    const letters = [...(terms[i] as string)];
    if (letters.length !== x.shape.length || new Set(letters).size !== letters.length) {
      throw new ShapeError("einsum", `expected ${x.shape.length} distinct letters for ${typeName(x)}, got "${terms[i]}"`);
    }
    letters.forEach((letter, axis) => {
      const size = x.shape[axis] as number;
      const known = sizes.get(letter) ?? size;
      if (known !== size) throw new ShapeError("einsum", `"${letter}" stands for ${known} and for ${size} in "${formula}"`);
      sizes.set(letter, size);
    });
  });
  const unknown = [...right].find((letter) => !sizes.has(letter));
  if (unknown || new Set(right).size !== right.length)
    throw new ShapeError("einsum", `"${right}" does not follow from "${left}"`);
  let term = terms[0] as string;
  let result = operands[0] as Tensor;
  operands.slice(1).forEach((x, i) => {
    const later = `${right}${terms.slice(i + 2).join("")}`;
    [result, term] = contract(result, term, x, terms[i + 1] as string, later, sizes);
  });
  const summed = [...term].flatMap((letter, axis) => (right.includes(letter) ? [] : [axis]));
  const kept = [...term].filter((letter) => right.includes(letter));
  const reduced = summed.length > 0 ? sum(result, summed) : result;
  return transpose(
    reduced,
    [...right].map((letter) => kept.indexOf(letter)),
  );
}

/** Two operands of an einsum as one batched matrix product. `later` holds the letters still needed afterwards. */
function contract(
  a: Tensor,
  aTerm: string,
  b: Tensor,
  bTerm: string,
  later: string,
  sizes: ReadonlyMap<string, number>,
): [Tensor, string] {
  const shared = [...aTerm].filter((l) => bTerm.includes(l));
  const batch = shared.filter((l) => later.includes(l));
  const inner = shared.filter((l) => !later.includes(l));
  const rows = [...aTerm].filter((l) => !bTerm.includes(l));
  const columns = [...bTerm].filter((l) => !aTerm.includes(l));
  const size = (letters: readonly string[]) => letters.reduce((n, l) => n * (sizes.get(l) as number), 1);
  const arrange = (x: Tensor, term: string, first: string[], second: string[]) =>
    reshape(
      transpose(
        x,
        [...batch, ...first, ...second].map((l) => term.indexOf(l)),
      ),
      [size(batch), size(first), size(second)],
    );
  const product = matmul(arrange(a, aTerm, rows, inner), arrange(b, bTerm, inner, columns));
  const letters = [...batch, ...rows, ...columns];
  return [
    reshape(
      product,
      letters.map((l) => sizes.get(l) as number),
    ),
    letters.join(""),
  ];
}
