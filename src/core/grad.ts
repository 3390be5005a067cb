/**
 * Reverse-mode differentiation of graphs.
 *
 * `backward` walks the nodes between some inputs and outputs once, newest first, and asks each primitive's `vjp` to turn
 * the cotangents of its outputs into cotangents of its inputs. The result is more graph, so gradients have gradients.
 */
import { flatten, mapTree } from "../util/tree.ts";
import { accumulate, alias, custom, scalarConstant, zerosLike } from "./builtin.ts";
import { isTensor, type Node, nodeCount, reachable, ShapeError, Tensor, typeName } from "./tensor.ts";

/** Sees each node on the way back; returns which inputs it takes care of itself, so that no cotangent is passed to them. */
export type Intercept = (node: Node, cotangents: readonly (Tensor | null)[]) => readonly boolean[] | undefined;

/**
 * Cotangents of `inputs`, given those of `outputs` (null: none). An input the outputs do not depend on gets null.
 *
 * @param since nodes with a smaller id cannot depend on the inputs
 */
export function backward(
  outputs: readonly Tensor[],
  cotangents: readonly (Tensor | null)[],
  inputs: readonly Tensor[],
  since: number,
  intercept?: Intercept,
): (Tensor | null)[] {
  const wanted = new Set(inputs);
  const nodes = reachable(outputs, wanted, since);
  const active = new Set<Tensor>(inputs);
  for (const node of nodes) {
    if (node.inputs.some((x) => active.has(x)) && !node.primitive.stopsGradient?.(node.params)) {
      for (const output of node.outputs) if (output.dtype === "float32") active.add(output);
    }
  }

  const arrived = new Map<Tensor, Tensor[]>();
  const arrive = (tensor: Tensor, ct: Tensor | null | undefined) => {
    if (!ct || !active.has(tensor)) return;
    const list = arrived.get(tensor);
    if (list) list.push(ct);
    else arrived.set(tensor, [ct]);
  };
  const total = (tensor: Tensor): Tensor | null => {
    const list = arrived.get(tensor);
    return list ? accumulate(list) : null;
  };

  outputs.forEach((output, i) => {
    arrive(output, cotangents[i]);
  });
  for (const node of nodes.reverse()) {
    const cts = node.outputs.map((output) => (wanted.has(output) ? null : total(output)));
    if (cts.every((ct) => ct === null)) continue;
    const taken = intercept?.(node, cts);
    const needs = node.inputs.map((x, i) => active.has(x) && !taken?.[i]);
    if (!needs.includes(true)) continue;
    const { name, vjp } = node.primitive;
    if (!vjp) {
      throw new ShapeError(name, "has no gradient", "Wrap what should not be differentiated in stopGradient(…).");
    }
    const given = vjp(cts, node.inputs, node.outputs, node.params, needs);
    node.inputs.forEach((x, i) => {
      const ct = needs[i] ? given[i] : null;
      if (ct && (ct.shape.length !== x.shape.length || ct.shape.some((d, k) => d !== x.shape[k]))) {
        throw new Error(`vjp of ${name}: the cotangent of input ${i} is ${ct}, expected ${x}`);
      }
      arrive(x, ct);
    });
  }
  return inputs.map(total);
}

/**
 * Runs `fn` and returns its value with the function that pulls cotangents back through it.
 *
 * @returns `value`, a tree of tensors, and `pullback(ct)`, which maps a tree like `value` to one tree per argument
 * @example const { value, pullback } = vjp((x) => mul(x, x), x);  const [dx] = pullback(ones);
 */
export function vjp<Args extends readonly unknown[], Out>(
  fn: (...args: Args) => Out,
  ...args: Args
): { value: Out; pullback: (cotangent: unknown) => Args } {
  const since = nodeCount();
  const own = mapTree(args, isTensor, alias) as unknown as Args;
  const value = fn(...own);
  const inputs = flatten(own, isTensor).map(({ leaf }) => leaf);
  const outputs = flatten(value, isTensor).map(({ leaf }) => leaf);
  const pullback = (cotangent: unknown): Args => {
    const cts = flatten(cotangent, isTensor).map(({ leaf }) => leaf);
    if (cts.length !== outputs.length) {
      throw new ShapeError("vjp", `expected ${outputs.length} cotangents, one per output, got ${cts.length}`);
    }
    const grads = backward(outputs, cts, inputs, since);
    let next = 0;
    return mapTree(own, isTensor, (leaf: Tensor) => grads[next++] ?? zerosLike(leaf)) as unknown as Args;
  };
  return { value, pullback };
}

/** Options of `grad` and `valueAndGrad`. */
export interface GradOptions {
  /** Which argument to differentiate with respect to; the first unless told. */
  readonly argument?: number;
}

/**
 * Makes a function that returns the value of `fn` and its gradient.
 *
 * `fn` returns a scalar loss, or `{ loss, aux }` where `aux` is any tree that comes along undifferentiated.
 *
 * @throws ShapeError when the loss is not a float32 scalar or a leaf differentiated for is not float32
 * @example const { value, grads } = valueAndGrad((w: Tensor) => mean(square(matmul(x, w))))(w);
 */
export function valueAndGrad<Args extends readonly unknown[], Out extends Tensor | { loss: Tensor; aux: unknown }>(
  fn: (...args: Args) => Out,
  { argument = 0 }: GradOptions = {},
): (...args: Args) => { value: Tensor; grads: Args[number]; aux: Out extends { aux: infer Aux } ? Aux : undefined } {
  return (...args) => {
    const since = nodeCount();
    const own = mapTree(args[argument], isTensor, (leaf: Tensor, path) => {
      if (leaf.dtype === "float32") return alias(leaf);
      throw new ShapeError("grad", `expected float32 leaves to differentiate for, got ${typeName(leaf)} at "${path}"`);
    });
    const out = fn(...(args.map((arg, i) => (i === argument ? own : arg)) as unknown as Args));
    const value: Tensor = out instanceof Tensor ? out : out.loss;
    if (value.dtype !== "float32" || value.shape.length > 0) {
      throw new ShapeError(
        "grad",
        `expected the function to return a float32 scalar, got ${typeName(value)}`,
        "Reduce it with sum(…) or mean(…).",
      );
    }
    const inputs = flatten(own, isTensor).map(({ leaf }) => leaf);
    const found = backward([value], [scalarConstant(1, "float32")], inputs, since);
    let next = 0;
    const grads = mapTree(own, isTensor, (leaf: Tensor) => found[next++] ?? zerosLike(leaf)) as Args[number];
    // The conditional type of `aux` cannot be narrowed from the value.
    return { value, grads, aux: (out instanceof Tensor ? undefined : out.aux) as never };
  };
}

/** Makes a function that returns the gradient of a scalar function; see `valueAndGrad`. */
export function grad<Args extends readonly unknown[]>(
  fn: (...args: Args) => Tensor,
  options: GradOptions = {},
): (...args: Args) => Args[number] {
  const both = valueAndGrad(fn, options);
  return (...args) => both(...args).grads;
}

/**
 * A function with a gradient of its own.
 *
 * @param forward returns `{ value, residuals }`: the result (a tensor) and a tree of what `back` needs
 * @param back maps the residuals and the cotangent of the value to one cotangent per argument (null: none)
 * @example
 * const clipGradient = customVjp((x: Tensor) => ({ value: x, residuals: [] }), (_, ct) => [clamp(ct, -1, 1)]);
 */
export function customVjp<Args extends readonly Tensor[], Residuals>(
  forward: (...args: Args) => { value: Tensor; residuals: Residuals },
  back: (residuals: Residuals, cotangent: Tensor) => readonly (Tensor | null)[],
): (...args: Args) => Tensor {
  return (...args) => {
    const { value, residuals } = forward(...args);
    const leaves = flatten(residuals, isTensor).map(({ leaf }) => leaf);
    const [result] = custom(args, [value], leaves, (kept, [ct]) => {
      if (!ct) return [];
      let next = 0;
      return back(mapTree(residuals, isTensor, () => kept[next++] as Tensor) as Residuals, ct);
    });
    return result as Tensor;
  };
}
