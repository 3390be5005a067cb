/** Lion (Chen et al. 2023, "Symbolic discovery of optimization algorithms"): steps of one size, along a sign. */
import type { Tensor } from "../core/tensor.ts";
import { add, mul, sign, sub } from "../ops/index.ts";
import { HeptagenError } from "../util/errors.ts";
import { checkOption, type Decays, decaysMatrices, type Optimizer, updateEach, zeroState } from "./optimizer.ts";

export interface LionOptions {
  /** Share of the momentum in the step's direction, above 0; 0.9 unless told. */
  readonly beta1?: number;
  /** Decay of the momentum; 0.99 unless told. */
  readonly beta2?: number;
  /** Fraction of a parameter that goes away at each step at learning rate 1; 0 unless told. */
  readonly weightDecay?: number;
  /** Which parameters decay; those of rank 2 and more unless told. */
  readonly decays?: Decays;
}

/**
 * Sign of an interpolated momentum, with decoupled weight decay. State: `m`, the momentum. Wants a learning rate 3 to 10
 * times smaller than AdamW's, and a weight decay as many times larger.
 *
 *     u = sign(β₁ m + (1 - β₁) g)        p ← p (1 - lr λ) - lr u        m ← β₂ m + (1 - β₂) g
 *
 * @throws HeptagenError `optim/option` for a beta outside [0, 1), beta1 = 0 or a negative decay
 * @example const optimizer = lion({ weightDecay: 1 });
 */
export function lion({ beta1 = 0.9, beta2 = 0.99, weightDecay = 0, decays = decaysMatrices }: LionOptions = {}): Optimizer {
  checkOption("lion", "beta1", beta1, 0, 1);
  checkOption("lion", "beta2", beta2, 0, 1);
  checkOption("lion", "weightDecay", weightDecay, 0);
  if (beta1 === 0) {
    throw new HeptagenError("optim/option", "lion: expected beta1 above 0, got 0", {
      next: "Use a small beta1, such as 0.1, or plain gradient descent (sgd).",
    });
  }
  const slots = ["m"];
  return {
    name: "lion",
    init: (params) => zeroState(params, slots),
    update(params, grads, state, { learningRate, gradientScale }) {
      const scaled = (share: number) => (gradientScale ? mul(gradientScale, share) : share);
      const kept = sub(1, mul(learningRate, weightDecay));
      // With w = m + ((1 - β₁) / β₁) g, the sign is that of w, and β₂ m + (1 - β₂) g = β₂ w + (1 - β₂ / β₁) g. So the old m is
      // read once, and the new one can take its place.
      const lead = scaled((1 - beta1) / beta1);
      const rest = scaled(1 - beta2 / beta1);
      return updateEach(params, grads, state, slots, (p, g, [m], path) => {
        const w = add(m as Tensor, mul(g, lead));
        const shrunk = weightDecay > 0 && decays(path, p.shape) ? mul(p, kept) : p;
        return [sub(shrunk, mul(sign(w), learningRate)), add(mul(w, beta2), mul(g, rest))];
      });
    },
  };
}
