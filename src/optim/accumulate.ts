/** Gradient accumulation: a large batch in small pieces, for the memory of one. */
import { barrier } from "../core/builtin.ts";
import { valueAndGrad } from "../core/grad.ts";
import type { TracedKey } from "../core/random.ts";
import { scan } from "../core/scan.ts";
import { isTensor, reachable, ShapeError, type Tensor, typeName } from "../core/tensor.ts";
import { add, mul, reshape, slice, zeros } from "../ops/index.ts";
import { flatten, mapTree } from "../util/tree.ts";

/** A scalar loss of parameters on one micro-batch, or `{ loss, aux }` with a tree of float32 tensors to average as well. */
export type Objective<Params, Batch, Out extends LossAndAux = LossAndAux> = (
  params: Params,
  batch: Batch,
  key: TracedKey | undefined,
) => Out;

type LossAndAux = Tensor | { readonly loss: Tensor; readonly aux: unknown };
type AuxOf<Out> = Out extends { readonly aux: infer Aux } ? Aux : undefined;

/**
 * The mean loss over K micro-batches, and its gradient.
 *
 * Micro-batches run one after the other, each only when the gradients of the one before are summed up, so that memory does not
 * grow with K: in a loop if no random numbers are drawn (a loop cannot), else written out K times, each with a key of its own.
 *
 * @param batches a tree of tensors with a leading axis of K micro-batches
 * @returns the means of the losses (a scalar), of the gradients and of `aux`. Where micro-batches count differently many
 * targets, these are means of their means.
 * @throws ShapeError when `batches` holds no tensor, their leading axes differ, or `aux` holds anything but float32
 * @example const { value, grads } = accumulateGradients(loss, params, { tokens, targets }, { key });
 */
export function accumulateGradients<Params, Batch, Out extends LossAndAux>(
  objective: Objective<Params, Batch, Out>,
  params: Params,
  batches: Batch,
  { key }: { readonly key?: TracedKey | undefined } = {},
): { value: Tensor; grads: Params; aux: AuxOf<Out> } {
  type Sum = { value: Tensor; grads: Params; aux: AuxOf<Out> };
  const leaves = flatten(batches, isTensor).map(({ leaf }) => leaf);
  const count = leaves[0]?.shape[0];
  if (count === undefined || count === 0 || leaves.some((x) => x.shape[0] !== count)) {
    const got = leaves.map(String).join(", ") || "no tensor";
    throw new ShapeError("accumulateGradients", `expected tensors with one leading axis of micro-batches, got ${got}`);
  }
  const element = (k: number) =>
    mapTree(batches, isTensor, (x: Tensor) => reshape(slice(x, { 0: { start: k, stop: k + 1 } }), x.shape.slice(1))) as Batch;
  const run = (batch: Batch, own: TracedKey | undefined): Sum => {
    const { value, grads, aux } = valueAndGrad((p: Params) => objective(p, batch, own))(params);
    return { value, grads: grads as Params, aux: aux as AuxOf<Out> };
  };

  const first = run(element(0), key?.fold(0));
  for (const { leaf, path } of flatten(first.aux, isTensor)) {
    if (leaf.dtype === "float32") continue;
    throw new ShapeError("accumulateGradients", `expected float32 to average, got ${typeName(leaf)} at "${path}"`);
  }
  if (count === 1) return first;
  const results = flatten(first, isTensor).map(({ leaf }) => leaf);
  const random = reachable(results).some(({ primitive }) => primitive.random);
  let total = first;
  if (random) {
    for (let k = 1; k < count; k++) total = addTrees(total, run(after(total.grads, element(k)), key?.fold(k)));
  } else {
    // The first is done again inside: only its types matter here. Nothing is stacked: only the carry matters.
    const start = mapTree(first, isTensor, (x: Tensor) => zeros(x.shape)) as Sum;
    [total] = scan<Sum, Batch, unknown>((sum, batch) => [addTrees(sum, run(batch, key)), []], start, batches);
  }
  return mapTree(total, isTensor, (x: Tensor) => mul(x, 1 / count)) as Sum;
}

/** The same batch, but not before all gradients are there: else the runtime may keep the activations of several micro-batches. */
function after<Batch>(grads: unknown, batch: Batch): Batch {
  const done = flatten(grads, isTensor).map(({ leaf }) => leaf);
  const late = barrier(
    done,
    flatten(batch, isTensor).map(({ leaf }) => leaf),
  );
  let next = 0;
  return mapTree(batch, isTensor, () => late[next++] as Tensor) as Batch;
}

function addTrees<T>(a: T, b: T): T {
  const others = flatten(b, isTensor);
  let next = 0;
  return mapTree(a, isTensor, (x: Tensor) => add(x, others[next++]?.leaf as Tensor)) as T;
}
