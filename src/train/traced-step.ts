/** A training step as traced: forward and backward, then clipping and update. */
import { type Tensor, type TracedKey, valueAndGrad } from "../core/index.ts";
import { isTensor } from "../core/tensor.ts";
import { add, concat, div, mul, reshape, sqrt, sum } from "../ops/index.ts";
import { accumulateGradients, clipFactor, updateAverage } from "../optim/index.ts";
import type { Traced } from "../runtime/index.ts";
import { HeptagenError } from "../util/errors.ts";
import { sameShape } from "../util/ndarray.ts";
import { flatten, mapTree, type Tree } from "../util/tree.ts";
import type { Objective, ObjectiveState } from "./objective.ts";

/** What a step tells. */
export interface Measured<Leaf> {
  readonly loss: Leaf;
  readonly metrics: Readonly<Record<string, Leaf>>;
  readonly norm: Leaf;
  readonly squares: Leaf;
}

/** Puts an objective's own parameters back among the others. */
export function joinParams<Leaf>(trains: string | undefined, own: Tree<Leaf>, others: Tree<Leaf>): Tree<Leaf> {
  return trains === undefined ? own : ({ ...(others as Record<string, Tree<Leaf>>), [trains]: own } as Tree<Leaf>);
}

/** The tree with some leaves replaced, by path. */
function replaceLeaves(tree: Tree<Tensor>, leaves: Readonly<Record<string, Tensor>>): Tree<Tensor> {
  return mapTree(tree, isTensor, (leaf: Tensor, path) => leaves[path] ?? leaf);
}

/** @throws HeptagenError `train/buffers` for a buffer that is no leaf of the parameters, or of another shape */
function checkBuffers(objective: string, params: Tree<Tensor>, buffers: Readonly<Record<string, Tensor>>): void {
  const known = new Map(flatten(params, isTensor).map(({ path, leaf }) => [path, leaf as Tensor]));
  for (const [path, value] of Object.entries(buffers)) {
    const leaf = known.get(path);
    if (leaf && sameShape(leaf.shape, value.shape) && leaf.dtype === value.dtype) continue;
    const expected = leaf ? `${leaf}` : "a leaf of the parameters that it trains";
    throw new HeptagenError("train/buffers", `${objective}: expected the buffer "${path}" to be ${expected}, got ${value}`, {
      next: "Give the new value of a leaf under its dotted path, as in model.safetensors, without the entry that is trained.",
    });
  }
}

/** @throws HeptagenError `train/carry` when a loss does not hand on what it was given, or gradients are accumulated */
function checkCarry(objective: string, given: Tree<Tensor>, next: Tree<Tensor> | undefined, accumulate: number): void {
  const types = (tree: unknown) => flatten(tree, isTensor).map(({ path, leaf }) => `${path}: ${leaf}`);
  const [expected, got] = [types(given).join(", "), types(next).join(", ")];
  if (expected !== got) {
    throw new HeptagenError("train/carry", `${objective}: expected the loss to hand on {${expected}}, got {${got}}`, {
      next: "Return as carry a tree of the same structure, shapes and types as the one given.",
    });
  }
  if (expected !== "" && accumulate > 1) {
    throw new HeptagenError(
      "train/carry",
      `${objective}: a loss that carries state cannot accumulate gradients, got ${accumulate}`,
      {
        next: "Train with accumulate 1 and a larger batch, or without carrying state.",
      },
    );
  }
}

/** Loss and gradients of one objective. */
export interface Gradients<Leaf> {
  readonly loss: Leaf;
  readonly metrics: Readonly<Record<string, Leaf>>;
  readonly grads: Tree<Leaf>;
  /** New values of buffers, by path. */
  readonly buffers: Readonly<Record<string, Leaf>>;
  readonly carry: Tree<Leaf>;
}

/** What gradients are traced from, besides the parameters that they are of. */
interface Given<Batch> {
  /** The parameters that are not trained. */
  readonly rest: Tree<Tensor>;
  readonly carry?: Tree<Tensor> | undefined;
  readonly batch: Traced<Batch>;
  readonly step: Tensor;
  readonly random: TracedKey;
  /** The part of the whole batch that this one is: loss, metrics and gradients of all parts then add up to those of the whole. */
  readonly share?: Tensor;
  readonly accumulate: number;
}

/** Forward and backward. */
export function traceGradients<Batch>(
  objective: Objective<Batch>,
  params: Tree<Tensor>,
  { rest, carry = {}, batch, step, random, share, accumulate }: Given<Batch>,
): Gradients<Tensor> {
  const scaled = (x: Tensor) => (share === undefined ? x : mul(x, share));
  const loss = (own: Tree<Tensor>, micro: Traced<Batch>, k: TracedKey | undefined) => {
    const whole = joinParams(objective.trains, own, rest);
    const { loss: value, metrics = {}, buffers = {}, carry: next } = objective.loss(whole, micro, k as TracedKey, step, carry);
    checkBuffers(objective.name, params, buffers);
    checkCarry(objective.name, carry, next, accumulate);
    return { loss: scaled(value), aux: { metrics: mapTree(metrics, isTensor, scaled), buffers, carry: next ?? {} } };
  };
  const { value, grads, aux } =
    accumulate > 1
      ? accumulateGradients(loss, params, batch, { key: random })
      : valueAndGrad((own: Tree<Tensor>) => loss(own, batch, random))(params);
  return { loss: value, grads: grads as Tree<Tensor>, ...aux };
}

/** Clipping and update. */
export function traceUpdate<Batch>(
  { optimizer: rule, clip, every = 1, ...objective }: Objective<Batch>,
  { params, optimizer, average }: ObjectiveState<Tensor>,
  { loss, metrics, grads, buffers, carry }: Gradients<Tensor>,
  { learningRate, step, averaging }: { readonly learningRate: Tensor; readonly step: Tensor; readonly averaging: number },
): { readonly state: ObjectiveState<Tensor>; readonly measured: Measured<Tensor> } {
  const squares = flatten(grads, isTensor).map(({ leaf }) => sum(mul(leaf, leaf)));
  const norm = sqrt(squares.reduce((a, b) => add(a, b)));
  const gradientScale = clip ? clipFactor(norm, clip) : undefined;
  /** Updates of this objective's parameters, this one included: what bias corrections count. */
  const updates = every > 1 ? div(step, every) : step;
  const next = rule.update(params, grads, optimizer, { learningRate, step: updates, gradientScale });
  const moved = average === undefined ? undefined : updateAverage(average, next.params, { decay: averaging, warmup: updates });
  return {
    state: {
      params: replaceLeaves(next.params, buffers),
      optimizer: next.state,
      ...(moved !== undefined && { average: replaceLeaves(moved, buffers) }),
      ...(objective.carry !== undefined && { carry }),
    },
    measured: { loss, metrics, norm, squares: concat(squares.map((s) => reshape(s, [1]))) },
  };
}
