/**
 * Gradients against finite differences, in float64 through the reference semantics.
 *
 * A function of tensors is reduced to the scalar F = Σ <ct, output> with random cotangents, and the derivative of F along
 * one random direction v is compared with <∇F, v>. With the cotangents among the variables, the gradient's dependence on
 * them is covered too. Second order does the same to G = <∇F, u>.
 */
import { input } from "../../src/core/builtin.ts";
import { valueAndGrad } from "../../src/core/grad.ts";
import { TracedKey } from "../../src/core/random.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import { add, mul, sum } from "../../src/ops/index.ts";
import { type Shape, sizeOf } from "../../src/util/ndarray.ts";
import { fillNormal, fold, type Key, key } from "../../src/util/random.ts";
import { fromArray, type Value } from "./reference/value.ts";
import { evaluate } from "./reference.ts";
import { asOperands, listOf, type Sample, sampleKey, trace } from "./samples.ts";

/** Relative to the sum of |∇F · v|. Constants in graphs are float32, which alone makes differences up to 1e-7. */
const tolerance = 1e-6;
/** Step of the differences; their error is of fourth order in it. */
const step = 1e-3;

const random = key(11);

/** What was compared; both numbers are derivatives of a scalar along a direction. */
export interface Comparison {
  readonly order: 1 | 2;
  readonly gradient: number;
  readonly differences: number;
  readonly agree: boolean;
}

/** F and G, their gradients and everything they depend on. */
interface Problem {
  readonly variables: readonly Tensor[];
  readonly given: ReadonlyMap<Tensor, Value>;
  /** F and its gradient, G and its gradient. */
  readonly orders: readonly { readonly scalar: Tensor; readonly gradient: readonly Tensor[] }[];
}

/** Whether anything a sample returns has a gradient for anything it is given. */
export function isDifferentiable(sample: Sample): boolean {
  return sample.inputs.some((x) => x.dtype === "float32") && trace(sample).outputs.some((y) => y.dtype === "float32");
}

function problemOf({ name, inputs, call }: Sample, only?: number): Problem {
  const stream = fold(random, name);
  const given = new Map<Tensor, Value>();
  const place = (value: Value): Tensor => {
    const tensor = input({ shape: value.shape, dtype: value.dtype });
    given.set(tensor, value);
    return tensor;
  };
  const xs = inputs.map(place);
  const types = listOf(call(asOperands(xs), new TracedKey(0)));
  const cts = types.map((type, i) =>
    type.dtype === "float32" ? place(randomNormal(fold(stream, `ct ${i}`), type.shape)) : undefined,
  );
  const wanted = xs.flatMap((x, i) => (x.dtype === "float32" && (only === undefined || only === i) ? [i] : []));

  const inner = (variables: readonly Tensor[]) => {
    const own = xs.map((x, i) => (wanted.includes(i) ? (variables[wanted.indexOf(i)] as Tensor) : x));
    const outputs = listOf(call(asOperands(own), new TracedKey(0)));
    let next = wanted.length;
    return total(outputs.flatMap((y, i) => (cts[i] ? [sum(mul(y, variables[next++] as Tensor))] : [])));
  };
  const variables = [...wanted.map((i) => xs[i] as Tensor), ...cts.filter((ct) => ct !== undefined)];
  const first = valueAndGrad(inner)(variables);
  const directions = variables.map((x, i) => place(randomNormal(fold(stream, `u ${i}`), x.shape)));
  const outer = (own: readonly Tensor[]) => {
    const { grads } = valueAndGrad(inner)(own);
    return total(grads.map((g, i) => sum(mul(g, directions[i] as Tensor))));
  };
  const second = valueAndGrad(outer)(variables);
  return {
    variables,
    given,
    orders: [
      { scalar: first.value, gradient: first.grads },
      { scalar: second.value, gradient: second.grads },
    ],
  };
}

/** Compares the gradient and the gradient of the gradient of a sample with differences. */
export function compare(sample: Sample): Comparison[] {
  const { variables, given, orders } = problemOf(sample);
  const stream = fold(random, sample.name);
  const along = variables.map((x, i) => randomNormal(fold(stream, `v ${i}`), x.shape));
  const scalars = orders.map(({ scalar }) => scalar);
  const slopes = derivatives(scalars, given, new Map(variables.map((x, i) => [x, along[i] as Value])));
  return orders.map(({ gradient }, k) => {
    const values = evaluate(gradient, given, keys);
    let projected = 0;
    let scale = 1e-3;
    values.forEach((g, i) => {
      g.data.forEach((value, place) => {
        const term = value * (along[i]?.data[place] ?? 0);
        projected += term;
        scale += Math.abs(term);
      });
    });
    const differences = slopes[k] as number;
    return {
      order: k === 0 ? 1 : 2,
      gradient: projected,
      differences,
      agree: Math.abs(projected - differences) <= tolerance * scale,
    };
  });
}

/** The largest difference per input tensor and order, element by element: says which gradient is wrong. Slow. */
export function explain(sample: Sample): string {
  const { variables, given, orders } = problemOf(sample);
  const scalars = orders.map(({ scalar }) => scalar);
  const lines: string[] = [];
  const gradients = orders.map(({ gradient }) => evaluate(gradient, given, keys));
  variables.forEach((x, i) => {
    const worst = orders.map(() => 0);
    for (let place = 0; place < sizeOf(x.shape); place++) {
      const unit = new Float64Array(sizeOf(x.shape));
      unit[place] = 1;
      const slopes = derivatives(scalars, given, new Map([[x, { ...x, data: unit }]]));
      orders.forEach((_, k) => {
        worst[k] = Math.max(worst[k] ?? 0, Math.abs((slopes[k] as number) - (gradients[k]?.[i]?.data[place] as number)));
      });
    }
    lines.push(
      `    variable ${i} ${x}: first order off by ${worst[0]?.toExponential(2)}, second by ${worst[1]?.toExponential(2)}`,
    );
  });
  return lines.join("\n");
}

/** Inputs whose gradient comes out differently when it alone is asked for. */
export function dependsOnOthers(sample: Sample): number[] {
  const together = problemOf(sample);
  const all = evaluate(together.orders[0]?.gradient ?? [], together.given, keys);
  const floats = sample.inputs.flatMap((x, i) => (x.dtype === "float32" ? [i] : []));
  return floats.filter((only, k) => {
    const alone = problemOf(sample, only);
    const [gradient] = evaluate(alone.orders[0]?.gradient.slice(0, 1) ?? [], alone.given, keys);
    return gradient?.data.some((v, place) => Math.abs(v - (all[k]?.data[place] ?? Number.NaN)) > 1e-9 * (1 + Math.abs(v)));
  });
}

const keys = new Map([[0, sampleKey]]);

/** Derivatives of scalars along a direction by central differences of fourth order. */
function derivatives(scalars: readonly Tensor[], given: ReadonlyMap<Tensor, Value>, along: ReadonlyMap<Tensor, Value>): number[] {
  const at = (h: number) => {
    const moved = new Map(given);
    for (const [tensor, direction] of along) {
      const value = given.get(tensor) as Value;
      moved.set(tensor, { ...value, data: value.data.map((v, i) => v + h * (direction.data[i] as number)) });
    }
    return evaluate(scalars, moved, keys).map(({ data }) => data[0] as number);
  };
  const [near, back, far, farBack] = [at(step), at(-step), at(2 * step), at(-2 * step)];
  return scalars.map((_, k) => {
    const inner = (near[k] as number) - (back[k] as number);
    const outer = (far[k] as number) - (farBack[k] as number);
    return (8 * inner - outer) / (12 * step);
  });
}

function randomNormal(from: Key, shape: Shape): Value {
  const data = new Float32Array(sizeOf(shape));
  fillNormal(from, data);
  return fromArray({ dtype: "float32", shape, data });
}

function total(scalars: readonly Tensor[]): Tensor {
  const [first, ...rest] = scalars;
  if (!first) throw new Error("nothing to differentiate");
  return rest.reduce((a, b) => add(a, b), first);
}
