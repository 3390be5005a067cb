/**
 * RNN: the plain recurrent network.
 *
 * The new state is a nonlinearity of the input and the old state. On the way back through time a gradient is multiplied by the same
 * matrix (and by derivatives below 1) at every step, so it vanishes or explodes: what gates were invented against.
 *
 *     h' = tanh(x W + b + h U + b')         (or relu)
 *
 * Papers: Elman 1990, Bengio et al. 1994 (vanishing gradients), Pascanu et al. 2013 (clipping), Le et al. 2015 (relu).
 *
 * Legend: B batch, H width of the state.
 */

import { add, cast, greater, mul, relu, square, sub, tanh } from "../ops/index.ts";
import { HeptagenError } from "../util/errors.ts";
import type { Cell } from "./recurrent.ts";
import { type RecurrentModelConfig, recurrentLanguageModel, recurrentModelDefaults } from "./recurrent-language-model.ts";

/** The Elman cell with one of its nonlinearities. */
export function rnnCell(activation: "tanh" | "relu"): Cell<"candidate"> {
  const nonlinear = activation === "tanh" ? tanh : relu;
  return {
    blocks: ["candidate"],
    remembers: false,
    additive: true,
    shown: {},

    step(input, recurrent) {
      const hidden = nonlinear(add(input, recurrent));
      return { state: { hidden }, kept: { candidate: hidden } };
    },

    back({ hidden: ct }, { candidate }) {
      const slope = activation === "tanh" ? sub(1, square(candidate)) : cast(greater(candidate, 0), "float32");
      const both = mul(ct, slope);
      return { input: both, recurrent: both };
    },
  };
}

/** Options of an RNN language model. */
export interface RnnConfig extends RecurrentModelConfig {
  readonly activation: "tanh" | "relu";
}

export const rnnDefaults: RnnConfig = { ...recurrentModelDefaults, activation: "tanh" };

/** The RNN as the language-model task sees it. */
export const rnn = recurrentLanguageModel<RnnConfig>("rnn", rnnDefaults, ({ activation }) => {
  if (activation === "tanh" || activation === "relu") return rnnCell(activation);
  throw new HeptagenError("recurrent/config", `rnn: expected activation "tanh" or "relu", got "${activation}"`, {
    next: "Set activation.",
  });
});
