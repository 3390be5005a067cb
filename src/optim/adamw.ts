/** AdamW (Loshchilov & Hutter 2019; Adam: Kingma & Ba 2015), with the arithmetic of PyTorch. */
import type { Tensor } from "../core/tensor.ts";
import { add, div, mul, sqrt, sub, tanh } from "../ops/index.ts";
import { checkOption, type Decays, decaysMatrices, type Optimizer, updateEach, zeroState } from "./optimizer.ts";

export interface AdamWOptions {
  /** Decay of the mean of gradients; 0.9 unless told. */
  readonly beta1?: number;
  /** Decay of the mean of squared gradients; 0.999 unless told. */
  readonly beta2?: number;
  /** Added to the root of the mean of squares; 1e-8 unless told. */
  readonly epsilon?: number;
  /** Fraction of a parameter that goes away at each step at learning rate 1; 0.01 unless told. */
  readonly weightDecay?: number;
  /** Which parameters decay; those of rank 2 and more unless told. */
  readonly decays?: Decays;
}

/**
 * Adam with decoupled weight decay. State: `m` and `v`, the moving averages of gradients and of their squares.
 *
 *     m ← β₁ m + (1 - β₁) g        v ← β₂ v + (1 - β₂) g²
 *     p ← p (1 - lr λ) - lr m̂ / (√v̂ + ε)        m̂ = m / (1 - β₁ᵗ), v̂ = v / (1 - β₂ᵗ)
 *
 * @throws HeptagenError `optim/option` for a beta outside [0, 1), or a negative epsilon or decay
 * @example
 * const optimizer = adamw({ beta2: 0.99, weightDecay: 0.1 });
 * const { params: next, state: moments } = optimizer.update(params, grads, state, { learningRate, step });
 */
export function adamw({
  beta1 = 0.9,
  beta2 = 0.999,
  epsilon = 1e-8,
  weightDecay = 0.01,
  decays = decaysMatrices,
}: AdamWOptions = {}): Optimizer {
  checkOption("adamw", "beta1", beta1, 0, 1);
  checkOption("adamw", "beta2", beta2, 0, 1);
  checkOption("adamw", "epsilon", epsilon, 0);
  checkOption("adamw", "weightDecay", weightDecay, 0);
  const slots = ["m", "v"];
  return {
    name: "adamw",
    init: (params) => zeroState(params, slots),
    update(params, grads, state, { learningRate, step, gradientScale }) {
      // lr m̂ / (√v̂ + ε) = speed · m / (√v + floor): the corrections become two scalars.
      const root = sqrt(correction(beta2, step));
      const speed = div(mul(learningRate, root), correction(beta1, step));
      const floor = mul(root, epsilon);
      const kept = sub(1, mul(learningRate, weightDecay));
      const share1 = gradientScale ? mul(gradientScale, 1 - beta1) : 1 - beta1;
      const share2 = gradientScale ? mul(mul(gradientScale, gradientScale), 1 - beta2) : 1 - beta2;

      return updateEach(params, grads, state, slots, (p, g, [m, v], path) => {
        const nextM = add(mul(m as Tensor, beta1), mul(g, share1));
        const nextV = add(mul(v as Tensor, beta2), mul(mul(g, g), share2));
        const shrunk = weightDecay > 0 && decays(path, p.shape) ? mul(p, kept) : p;
        return [sub(shrunk, mul(div(nextM, add(sqrt(nextV), floor)), speed)), nextM, nextV];
      });
    },
  };
}

/**
 * 1 - β^t, exact also where β^t is near 1: with y = -t ln β it is 1 - e^-y = 2 tanh(y/2) / (1 + tanh(y/2)). In float32 the
 * plain difference would be off by 6e-5 for β = 0.999 at the first step.
 */
function correction(beta: number, step: Tensor): Tensor | number {
  if (beta === 0) return 1;
  const t = tanh(mul(step, -0.5 * Math.log(beta)));
  return div(mul(t, 2), add(t, 1));
}
