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

export const lstmCell: Cell<Kept> = {
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

  // σ' = σ (1 - σ), tanh' = 1 - tanh²
  back(ct, { input, forget, candidate, output, shown }, before) {
    const ctMemory = add(ct.memory as Tensor, mul(ct.hidden, mul(output, sub(1, square(shown)))));
    const both = concat(
      [
        mul(mul(ctMemory, candidate), sub(input, square(input))),
        mul(mul(ctMemory, before.memory as Tensor), sub(forget, square(forget))),
        mul(mul(ctMemory, input), sub(1, square(candidate))),
        mul(mul(ct.hidden, shown), sub(output, square(output))),
      ],
      1,
    ); // [B, 4 H]
    return { input: both, recurrent: both, memory: mul(ctMemory, forget) };
  },
};

/** Options of an LSTM language model. */
export type LstmConfig = RecurrentModelConfig;

export const lstmDefaults: LstmConfig = recurrentModelDefaults;

/** The LSTM as the language-model task sees it. */
export const lstm = recurrentLanguageModel<LstmConfig>("lstm", lstmDefaults, () => lstmCell);
