/**
 * Optimizers, traced into the training step.
 *
 * Each maps parameters, gradients and state to new parameters and state. Weight decay pulls on matrices only (rank 2 and up):
 * biases and norms are left alone. ONNX Runtime executes every op as a pass over its operands, so scalars (learning rate,
 * bias corrections, clipping) are folded before they touch a parameter, and the last op of everything new is elementwise, so
 * that it can be written over the old.
 */
import { isTensor, type Tensor } from "../core/tensor.ts";
import { add, div, mul, pow, sign, sqrt, square, sub } from "../ops/index.ts";
import { HeptagenError } from "../util/errors.ts";
import { isNdArray, type NdArray, sizeOf } from "../util/ndarray.ts";
import { mapTree, type Tree, zipTrees } from "../util/tree.ts";

/** Scalars of one step, float32. */
export interface StepScalars {
  readonly learningRate: Tensor;
  /** Counts from 1. */
  readonly step: Tensor;
  /** Multiplies every gradient (see `clipScale`); 1 when absent. */
  readonly scale?: Tensor;
}

export interface Optimizer {
  readonly name: string;
  /** Zeros for everything the optimizer remembers per parameter, by what it is called: `{ m: tree, v: tree }`. */
  init(params: Tree<NdArray>): OptimizerState<NdArray>;
  /** Traced: new parameters and state. */
  update(
    params: Tree<Tensor>,
    grads: Tree<Tensor>,
    state: OptimizerState<Tensor>,
    scalars: StepScalars,
  ): { params: Tree<Tensor>; state: OptimizerState<Tensor> };
}

/** Per remembered quantity, a tree like the parameters'. */
export type OptimizerState<Leaf> = Readonly<Record<string, Tree<Leaf>>>;

/** One parameter's update: its new value and what is remembered of it, by name. */
type Rule = (p: Tensor, g: Tensor, memory: Readonly<Record<string, Tensor>>) => { p: Tensor; memory: Record<string, Tensor> };

/** An optimizer from a rule per parameter; `prepare` computes the scalars all parameters share. */
function perParameter(name: string, remembered: readonly string[], prepare: (scalars: StepScalars) => Rule): Optimizer {
  return {
    name,
    init: (params) => Object.fromEntries(remembered.map((key) => [key, mapTree(params, isNdArray, zerosLike)])),
    update(params, grads, state, scalars) {
      const rule = prepare(scalars);
      const results = new Map<string, ReturnType<Rule>>();
      zipTrees([params, grads, ...remembered.map((key) => state[key])], isTensor, ([p, g, ...memory], path) => {
        const named = Object.fromEntries(remembered.map((key, i) => [key, memory[i] as Tensor]));
        results.set(path, rule(p as Tensor, g as Tensor, named));
      });
      const pick = (read: (result: ReturnType<Rule>) => Tensor) =>
        mapTree(params, isTensor, (_: Tensor, path) => read(results.get(path) as ReturnType<Rule>));
      return {
        params: pick((r) => r.p),
        state: Object.fromEntries(remembered.map((key) => [key, pick((r) => r.memory[key] as Tensor)])),
      };
    },
  };
}

function zerosLike({ dtype, shape }: NdArray): NdArray {
  return { dtype, shape, data: new Float32Array(sizeOf(shape)) };
}

/** p · (1 - learningRate · decay) for matrices, p for the others. */
function decayed(p: Tensor, weightDecay: number, learningRate: Tensor): Tensor {
  return weightDecay > 0 && p.shape.length > 1 ? mul(p, sub(1, mul(learningRate, weightDecay))) : p;
}

const scaled = (g: Tensor, scale: Tensor | undefined): Tensor => (scale ? mul(g, scale) : g);

function check(
  name: string,
  values: Readonly<Record<string, number>>,
  limits: Readonly<Record<string, readonly [number, number]>>,
): void {
  for (const [key, [low, high]] of Object.entries(limits)) {
    const value = values[key] as number;
    if (!(value >= low && value < high)) {
      throw new HeptagenError("optim/value", `${name}: expected ${key} from ${low} to below ${high}, got ${value}`);
    }
  }
}

export interface AdamWOptions {
  /** Decay of the mean of gradients. */
  readonly beta1?: number;
  /** Decay of the mean of squared gradients. */
  readonly beta2?: number;
  readonly epsilon?: number;
  readonly weightDecay?: number;
}

/** Adam with decoupled weight decay (Kingma & Ba 2015; Loshchilov & Hutter 2019), with PyTorch's arithmetic. State: m, v. */
export function adamw({ beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weightDecay = 0.01 }: AdamWOptions = {}): Optimizer {
  check(
    "adamw",
    { beta1, beta2, epsilon, weightDecay },
    { beta1: [0, 1], beta2: [0, 1], epsilon: [0, 1], weightDecay: [0, Infinity] },
  );
  return perParameter("adamw", ["m", "v"], ({ learningRate, step, scale }) => {
    // With c1 = 1 - β1^t, c2 = sqrt(1 - β2^t): lr (m/c1) / (sqrt(v)/c2 + ε) = (lr c2/c1) m / (sqrt(v) + ε c2)
    const c1 = sub(1, pow(beta1, step));
    const c2 = sqrt(sub(1, pow(beta2, step)));
    const rate = div(mul(learningRate, c2), c1);
    const floor = mul(c2, epsilon);
    const meanShare = scale ? mul(scale, 1 - beta1) : 1 - beta1;
    const squareShare = scale ? mul(square(scale), 1 - beta2) : 1 - beta2;
    return (p, g, memory) => {
      const m = add(mul(memory.m as Tensor, beta1), mul(g, meanShare));
      const v = add(mul(memory.v as Tensor, beta2), mul(square(g), squareShare));
      return { p: sub(decayed(p, weightDecay, learningRate), mul(div(m, add(sqrt(v), floor)), rate)), memory: { m, v } };
    };
  });
}

export interface SgdOptions {
  /** Decay of the running sum of gradients; 0 for none. */
  readonly momentum?: number;
  /** Look ahead along the momentum (Sutskever et al. 2013). */
  readonly nesterov?: boolean;
  /** Added to the gradient of matrices, as in PyTorch (not decoupled). */
  readonly weightDecay?: number;
}

/** Stochastic gradient descent with PyTorch's arithmetic. State: momentum, if there is any. */
export function sgd({ momentum = 0, nesterov = false, weightDecay = 0 }: SgdOptions = {}): Optimizer {
  check("sgd", { momentum, weightDecay }, { momentum: [0, 1], weightDecay: [0, Infinity] });
  if (nesterov && momentum === 0) throw new HeptagenError("optim/value", "sgd: expected momentum above 0 for Nesterov, got 0");
  const remembered = momentum > 0 ? ["momentum"] : [];
  return perParameter("sgd", remembered, ({ learningRate, scale }) => (p, g, memory) => {
    const clipped = scaled(g, scale);
    const gradient = weightDecay > 0 && p.shape.length > 1 ? add(clipped, mul(p, weightDecay)) : clipped;
    if (momentum === 0) return { p: sub(p, mul(gradient, learningRate)), memory: {} };
    const sum = add(mul(memory.momentum as Tensor, momentum), gradient);
    const direction = nesterov ? add(gradient, mul(sum, momentum)) : sum;
    return { p: sub(p, mul(direction, learningRate)), memory: { momentum: sum } };
  });
}

export interface LionOptions {
  /** Weight of the momentum in the step's direction. */
  readonly beta1?: number;
  /** Decay of the momentum. */
  readonly beta2?: number;
  readonly weightDecay?: number;
}

/** Lion: the sign of an interpolated momentum (Chen et al. 2023). State: m. Wants about a tenth of AdamW's learning rate. */
export function lion({ beta1 = 0.9, beta2 = 0.99, weightDecay = 0.01 }: LionOptions = {}): Optimizer {
  check("lion", { beta1, beta2, weightDecay }, { beta1: [0, 1], beta2: [0, 1], weightDecay: [0, Infinity] });
  return perParameter("lion", ["m"], ({ learningRate, scale }) => (p, g, memory) => {
    const old = memory.m as Tensor;
    const gradient = scaled(g, scale);
    const direction = sign(add(mul(old, beta1), mul(gradient, 1 - beta1)));
    const m = add(mul(old, beta2), mul(gradient, 1 - beta2));
    return { p: sub(decayed(p, weightDecay, learningRate), mul(direction, learningRate)), memory: { m } };
  });
}
