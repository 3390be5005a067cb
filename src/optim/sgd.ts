/** Stochastic gradient descent with momentum (Polyak 1964; Nesterov: Sutskever et al. 2013), as PyTorch defines it. */
import type { Tensor } from "../core/tensor.ts";
import { add, mul, sub } from "../ops/index.ts";
import { HeptagenError } from "../util/errors.ts";
import { checkOption, type Decays, decaysMatrices, type Optimizer, updateEach, zeroState } from "./optimizer.ts";

export interface SgdOptions {
  /** How much of the last step's direction is kept; 0, the default, keeps none and needs no state. */
  readonly momentum?: number;
  /** Look ahead along the momentum; false unless told. */
  readonly nesterov?: boolean;
  /** Adds this fraction of a parameter to its gradient (an L2 penalty, not decoupled); 0 unless told. */
  readonly weightDecay?: number;
  /** Which parameters decay; those of rank 2 and more unless told. */
  readonly decays?: Decays;
}

/**
 * Gradient descent. State: `momentum`, if there is any.
 *
 *     g ← g + λ p        b ← μ b + g        p ← p - lr b        (Nesterov: p ← p - lr (g + μ b))
 *
 * @throws HeptagenError `optim/option` for a momentum outside [0, 1), a negative decay, or Nesterov without momentum
 * @example const optimizer = sgd({ momentum: 0.9, nesterov: true });
 */
export function sgd({ momentum = 0, nesterov = false, weightDecay = 0, decays = decaysMatrices }: SgdOptions = {}): Optimizer {
  checkOption("sgd", "momentum", momentum, 0, 1);
  checkOption("sgd", "weightDecay", weightDecay, 0);
  if (nesterov && momentum === 0) {
    throw new HeptagenError("optim/option", "sgd: expected a momentum above 0 for Nesterov's look-ahead, got 0", {
      next: "Set momentum, for example to 0.9.",
    });
  }
  const slots = momentum > 0 ? ["momentum"] : [];
  return {
    name: "sgd",
    init: (params) => zeroState(params, slots),
    update(params, grads, state, { learningRate, gradientScale }) {
      const scaledRate = gradientScale ? mul(learningRate, gradientScale) : learningRate;
      return updateEach(params, grads, state, slots, (p, grad, [buffer], path) => {
        const decay = weightDecay > 0 && decays(path, p.shape) ? weightDecay : 0;
        // Without momentum, scalars alone: p (1 - lr λ) - (lr scale) g.
        if (!buffer) return [sub(decay ? mul(p, sub(1, mul(learningRate, decay))) : p, mul(grad, scaledRate))];
        const scaled = gradientScale ? mul(grad, gradientScale) : grad;
        const g = decay ? add(scaled, mul(p, decay)) : scaled;
        const next: Tensor = add(mul(buffer, momentum), g);
        const direction = nesterov ? add(g, mul(next, momentum)) : next;
        return [sub(p, mul(direction, learningRate)), next];
      });
    },
  };
}
