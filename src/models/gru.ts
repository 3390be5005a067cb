/**
 * GRU: two gates and no memory beside the hidden state.
 *
 * The update gate mixes the old state with a new candidate, so that a gradient passes along the old state unharmed; the reset
 * gate decides how much of the old state the candidate sees. Three quarters of an LSTM's parameters, and often as good.
 *
 *     r, z = σ(x W + b + h U + b'),   n = tanh(x W + b + r (h U + b'))       (three blocks)
 *     h' = (1 - z) n + z h
 *
 * Papers: Cho et al. 2014, Chung et al. 2014. The reset gate is applied after the product with the state, as PyTorch and cuDNN do,
 * so that the product is one for all blocks.
 *
 * Legend: B batch, H width of the state. Blocks stand in PyTorch's order: reset, update, candidate.
 */
import { add, concat, mul, sigmoid, split, square, sub, tanh } from "../ops/index.ts";
import type { Cell } from "./recurrent.ts";
import { type RecurrentModelConfig, recurrentLanguageModel, recurrentModelDefaults } from "./recurrent-language-model.ts";

type Kept = "reset" | "update" | "candidate" | "proposal";

export const gruCell: Cell<Kept> = {
  blocks: ["reset", "update", "candidate"],
  remembers: false,
  additive: false,
  shown: { reset: "reset gate", update: "update gate", candidate: "candidate" },

  step(input, recurrent, { hidden }) {
    const width = hidden.shape[1] as number;
    const [gates, fresh] = split(input, [2 * width, width], 1); // [B, 2 H], [B, H]
    const [recurrentGates, proposal] = split(recurrent, [2 * width, width], 1);
    const [reset, update] = split(sigmoid(add(gates, recurrentGates)), 2, 1); // [B, H] each
    const candidate = tanh(add(fresh, mul(reset, proposal)));
    const next = add(candidate, mul(update, sub(hidden, candidate)));
    return { state: { hidden: next }, kept: { reset, update, candidate, proposal } };
  },

  // σ' = σ (1 - σ), tanh' = 1 - tanh²
  back({ hidden: ct }, { reset, update, candidate, proposal }, before) {
    const kept = mul(ct, update);
    const fresh = mul(sub(ct, kept), sub(1, square(candidate))); // of the candidate's pre-activation
    const gates = [
      mul(mul(fresh, proposal), sub(reset, square(reset))),
      mul(mul(ct, sub(before.hidden, candidate)), sub(update, square(update))),
    ];
    return {
      input: concat([...gates, fresh], 1), // [B, 3 H]
      recurrent: concat([...gates, mul(fresh, reset)], 1),
      hidden: kept,
    };
  },
};

/** Options of a GRU language model. */
export type GruConfig = RecurrentModelConfig;

export const gruDefaults: GruConfig = recurrentModelDefaults;

/** The GRU as the language-model task sees it. */
export const gru = recurrentLanguageModel<GruConfig>("gru", gruDefaults, () => gruCell);
