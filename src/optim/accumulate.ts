/** Gradient accumulation: a large batch in small pieces, for the memory of one. */
import { valueAndGrad } from "../core/grad.ts";
import type { TracedKey } from "../core/random.ts";
import { scan } from "../core/scan.ts";
import { isTensor, ShapeError, type Tensor } from "../core/tensor.ts";
import { add, mul, reshape, slice, zeros } from "../ops/index.ts";
import { flatten, mapTree } from "../util/tree.ts";

/** A scalar loss of parameters on one micro-batch. */
export type Objective<Params, Batch> = (params: Params, batch: Batch, key: TracedKey | undefined) => Tensor;

/**
 * The mean loss over K micro-batches, and its gradient.
 *
 * Without a key the micro-batches run in one loop, whatever K. A loop cannot draw random numbers, so with a key (dropout) the
 * objective is traced K times, each with a key of its own.
 *
 * @param batches a tree of tensors with a leading axis of K micro-batches
 * @returns the mean of the losses (a scalar) and of the gradients. Where micro-batches count differently many targets, this
 * is the mean of their means.
 * @throws ShapeError when `batches` holds no tensor or their leading axes differ
 * @example const { value, grads } = accumulateGradients(loss, params, { tokens, targets }, { key });
 */
export function accumulateGradients<Params, Batch>(
  objective: Objective<Params, Batch>,
  params: Params,
  batches: Batch,
  { key }: { readonly key?: TracedKey | undefined } = {},
): { value: Tensor; grads: Params } {
  const leaves = flatten(batches, isTensor).map(({ leaf }) => leaf);
  const count = leaves[0]?.shape[0];
  if (count === undefined || count === 0 || leaves.some((x) => x.shape[0] !== count)) {
    const got = leaves.map(String).join(", ") || "no tensor";
    throw new ShapeError("accumulateGradients", `expected tensors with one leading axis of micro-batches, got ${got}`);
  }
  const both = (batch: Batch, own: TracedKey | undefined) => {
    const { value, grads } = valueAndGrad((p: Params) => objective(p, batch, own))(params);
    return { value, grads: grads as Params };
  };
  const element = (k: number) =>
    mapTree(batches, isTensor, (x: Tensor) => reshape(slice(x, { 0: { start: k, stop: k + 1 } }), x.shape.slice(1))) as Batch;

  if (count === 1) return both(element(0), key);
  let total: { value: Tensor; grads: Params };
  if (key) {
    const parts = Array.from({ length: count }, (_, k) => both(element(k), key.fold(k)));
    total = parts.reduce(addTrees);
  } else {
    const start = { value: zeros([]), grads: mapTree(params, isTensor, (p: Tensor) => zeros(p.shape)) as Params };
    const step = (sum: typeof start, batch: Batch): [typeof start, []] => [addTrees(sum, both(batch, undefined)), []];
    // Nothing is stacked: only the carry matters.
    [total] = scan<typeof start, Batch, unknown>(step, start, batches);
  }
  return mapTree(total, isTensor, (x: Tensor) => mul(x, 1 / count)) as { value: Tensor; grads: Params };
}

function addTrees<T>(a: T, b: T): T {
  const others = flatten(b, isTensor);
  let next = 0;
  return mapTree(a, isTensor, (x: Tensor) => add(x, others[next++]?.leaf as Tensor)) as T;
}
