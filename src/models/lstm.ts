/**
 * LSTM: a memory that gates protect, so that gradients reach far back.
 *
 * Beside the hidden state runs a memory that is changed by addition only: the forget gate says how much of it stays, the
 * input gate how much of a new candidate is written, the output gate how much of it is shown.
 *
 *     i, f, g, o = x W + b + h U + b'       (four blocks; i, f, o through σ, g through tanh)
 *     c' = f c + i g,   h' = o tanh(c')
 *
 * Papers: Hochreiter & Schmidhuber 1997, Gers et al. 2000 (forget gate), Jozefowicz et al. 2015 (its bias starts near 1),
 * Ba et al. 2016 (layer-norm variant: x W, h U and c' are normalised).
 *
 * Legend: B batch, H width of the state. Blocks stand in PyTorch's order: input, forget, candidate, output.
 */
import type { Tensor } from "../core/tensor.ts";
import { layerNorm } from "../nn/norm.ts";
import { add, concat, mul, sigmoid, split, square, sub, tanh } from "../ops/index.ts";
import type { Cell } from "./recurrent.ts";
import { type RecurrentModelConfig, recurrentLanguageModel, recurrentModelDefaults } from "./recurrent-language-model.ts";

type Kept = "input" | "forget" | "candidate" | "output" | "shown";
type Factor = "hidden" | "input" | "forget" | "candidate" | "output" | "memory";

export const lstmCell: Cell<Kept, Factor> = {
  blocks: ["input", "forget", "candidate", "output"],
  remembers: true,
  additive: true,
  shown: { input: "input gate", forget: "forget gate", output: "output gate", candidate: "candidate" },
  raised: { forget: 1 },

  step(input, recurrent, state, norm) {
    const [i, f, g, ...[o]] = split(add(input, recurrent), 4, 1); // [B, H] each
    const gates = { input: sigmoid(i), forget: sigmoid(f), candidate: tanh(g), output: sigmoid(o as Tensor) };
    const memory = add(mul(gates.forget, state.memory as Tensor), mul(gates.input, gates.candidate));
    const shown = tanh(norm ? layerNorm(norm, memory) : memory);
    return { state: { hidden: mul(gates.output, shown), memory }, kept: { ...gates, shown } };
  },

  // Derivatives of c' with respect to each pre-activation and to c, and of h' with respect to c' and to o:
  // σ' = σ (1 - σ), tanh' = 1 - tanh².
  factors({ input, forget, candidate, output, shown }, before) {
    return {
      hidden: mul(output, sub(1, square(shown))),
      input: mul(candidate, sub(input, square(input))),
      forget: mul(before.memory as Tensor, sub(forget, square(forget))),
      candidate: mul(input, sub(1, square(candidate))),
      output: mul(shown, sub(output, square(output))),
      memory: forget,
    };
  },
  idle: { memory: 1 },

  back(ct, { hidden, input, forget, candidate, output, memory }) {
    const ctMemory = add(ct.memory as Tensor, mul(ct.hidden, hidden));
    const blocks = [mul(ctMemory, input), mul(ctMemory, forget), mul(ctMemory, candidate), mul(ct.hidden, output)];
    const both = concat(blocks, 1); // [B, 4 H]
    return { input: both, recurrent: both, memory: mul(ctMemory, memory) };
  },
};

/** Options of an LSTM language model. */
export type LstmConfig = RecurrentModelConfig;

export const lstmDefaults: LstmConfig = recurrentModelDefaults;

/** The LSTM as the language-model task sees it. */
export const lstm = recurrentLanguageModel<LstmConfig>("lstm", lstmDefaults, () => lstmCell);
