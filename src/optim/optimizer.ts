/**
 * What every optimizer is: zero state for some parameters, and one traced update.
 *
 * An update is part of the step's graph, where each op is a pass over a whole tensor. So scalars (learning rate, bias
 * corrections, the factor of clipping) are multiplied with each other first, and every new tensor ends in an elementwise op
 * that follows all other readers of the old one: then the runtime can write the new state over the old.
 */
import { isTensor, type Tensor } from "../core/tensor.ts";
import { HeptagenError } from "../util/errors.ts";
import { allocate, isNdArray, type NdArray, type Shape, sizeOf } from "../util/ndarray.ts";
import { mapTree, type Tree, zipTrees } from "../util/tree.ts";

/** An optimizer's memory: by name, trees shaped like the parameters. Empty for one that remembers nothing. */
export interface OptimizerState<Leaf = Tensor> {
  readonly [slot: string]: Tree<Leaf>;
}

/** What an update reads besides parameters, gradients and state: float32 scalars. */
export interface UpdateOptions {
  readonly learningRate: Tensor;
  /** Which step this is, counted from 1. */
  readonly step: Tensor;
  /**
   * Multiplies every gradient; 1 unless told. Clipping gives its factor here (`clipFactor`), which saves a pass over each
   * gradient. The factor also makes each update wait for every gradient, without which a parameter that the backward pass
   * still reads could not be overwritten.
   */
  readonly gradientScale?: Tensor | undefined;
}

/** A rule that turns gradients into new parameters. */
export interface Optimizer {
  readonly name: string;
  /** Zero state for concrete parameters. */
  init(params: unknown): OptimizerState<NdArray>;
  /**
   * Traced: new parameters and new state, shaped like the old ones.
   *
   * @throws HeptagenError `tree/structure` when gradients or state do not have the parameters' structure
   */
  update<Params>(
    params: Params,
    grads: Params,
    state: OptimizerState,
    options: UpdateOptions,
  ): { params: Params; state: OptimizerState };
}

/** Says which parameters are pulled towards zero, by dotted path and shape. */
export type Decays = (path: string, shape: Shape) => boolean;

/** Matrices (rank 2 and more) are decayed; biases and the scales of norms are not. */
export const decaysMatrices: Decays = (_path, shape) => shape.length >= 2;

/** Zeros for each parameter, under each name. */
export function zeroState(params: unknown, slots: readonly string[]): OptimizerState<NdArray> {
  const zeros = () =>
    mapTree(params, isNdArray, ({ dtype, shape }: NdArray) => ({ dtype, shape, data: allocate(dtype, sizeOf(shape)) }));
  return Object.fromEntries(slots.map((slot) => [slot, zeros() as Tree<NdArray>]));
}

/**
 * Applies a rule to each parameter with its gradient and state.
 *
 * @param slots the names of the state's trees
 * @param rule maps a parameter, its gradient and its state to the new parameter and the new state, in the order of `slots`
 */
export function updateEach<Params>(
  params: Params,
  grads: Params,
  state: OptimizerState,
  slots: readonly string[],
  rule: (param: Tensor, grad: Tensor, state: readonly Tensor[], path: string) => readonly Tensor[],
): { params: Params; state: OptimizerState } {
  const results: (readonly Tensor[])[] = [];
  zipTrees([params, grads, ...slots.map((slot) => state[slot])], isTensor, ([param, grad, ...own]: Tensor[], path) =>
    results.push(rule(param as Tensor, grad as Tensor, own, path)),
  );
  const tree = (position: number) => {
    let next = 0;
    return mapTree(params, isTensor, () => results[next++]?.[position] as Tensor);
  };
  return {
    params: tree(0) as Params,
    state: Object.fromEntries(slots.map((slot, i) => [slot, tree(i + 1) as Tree<Tensor>])),
  };
}

/**
 * Checks that an option lies in a half-open interval.
 *
 * @throws HeptagenError `optim/option`
 */
export function checkOption(optimizer: string, name: string, value: number, low: number, high = Number.POSITIVE_INFINITY): void {
  if (value >= low && value < high) return;
  const range = high === Number.POSITIVE_INFINITY ? `${low} or more` : `from ${low} to below ${high}`;
  throw new HeptagenError("optim/option", `${optimizer}: expected ${name} ${range}, got ${value}`, {
    facts: { optimizer, name, value },
    next: `Set ${name} to a number ${range}.`,
  });
}
