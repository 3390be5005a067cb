/** Hand-written gradients of recurrent layers against finite differences in float64, of first and second order. */
import { describe, expect, test } from "vitest";
import type { Tensor } from "../../../src/core/index.ts";
import { gruCell } from "../../../src/models/gru.ts";
import { lstmCell } from "../../../src/models/lstm.ts";
import { type Cell, type CellState, type RecurrentLayer, recurrentLayers } from "../../../src/models/recurrent.ts";
import { rnnCell } from "../../../src/models/rnn.ts";
import { compare, explain } from "../../ops/differences.ts";
import { whole } from "../../ops/run.ts";
import { normal, sample } from "../../ops/samples/make.ts";
import type { Sample } from "../../ops/samples.ts";

const [B, T, C, H] = [2, 3, 2, 2];
const cells: Record<string, Cell> = { "rnn tanh": rnnCell("tanh"), gru: gruCell, lstm: lstmCell };
const common = { layers: 1, width: H, norm: "none", dropout: 0 } as const;

/** A direction's parameters from a list of tensors, and how many it takes. */
function direction([w, b, u, c]: readonly Tensor[]): RecurrentLayer {
  return { input: { weight: w as Tensor, bias: b as Tensor }, hidden: { weight: u as Tensor, bias: c as Tensor } };
}

function makes({ blocks }: Cell) {
  const columns = blocks.length * H;
  return [normal(C, columns), normal(columns), normal(H, columns), normal(columns)];
}

/** Outputs and final states of one layer, as functions of everything that has a gradient. */
function samplesOf(name: string, cell: Cell): Sample[] {
  const states = cell.remembers ? [normal(B, H), normal(B, H)] : [normal(B, H)];
  const stateOf = ([hidden, memory]: readonly Tensor[]): CellState => ({ hidden: hidden as Tensor, ...(memory && { memory }) });
  const listed = ({ hidden, memory }: CellState) => (memory ? [hidden, memory] : [hidden]);
  const lengths = { ...whole([B], [2, 3]) };
  const resets = { ...whole([B, T], [0, 1, 0, 0, 0, 1], "bool") };
  return [
    sample(`${name}, from a given state`, [normal(B, T, C), ...makes(cell), ...states], ([x, ...rest]) => {
      const options = { state: [stateOf(rest.slice(4))] };
      const { outputs, state } = recurrentLayers(cell, { ...common, bidirectional: false }, [direction(rest)], x, options);
      return [outputs, ...listed(state[0] as CellState)];
    }),
    sample(`${name}, both directions, padded`, [normal(B, T, C), ...makes(cell), ...makes(cell), () => lengths], (given) => {
      const [x, ...rest] = given;
      const layer = { ...direction(rest), reverse: direction(rest.slice(4)) };
      const options = { lengths: rest[8] as Tensor };
      const { outputs, state } = recurrentLayers(cell, { ...common, bidirectional: true }, [layer], x, options);
      return [outputs, ...state.flatMap((one) => [...listed(one), ...listed(one.reverse as CellState)])];
    }),
    sample(`${name}, with new beginnings`, [normal(B, T, C), ...makes(cell), ...states, () => resets], ([x, ...rest]) => {
      const options = { state: [stateOf(rest.slice(4, -1))], resets: rest.at(-1) as Tensor };
      return recurrentLayers(cell, { ...common, bidirectional: false }, [direction(rest)], x, options).outputs;
    }),
  ];
}

describe.each(Object.entries(cells))("%s", (name, cell) => {
  test.each(samplesOf(name, cell).map((one) => [one.name, one] as const))("%s", (_, one) => {
    const wrong = compare(one).filter(({ agree }) => !agree);
    expect(wrong.length === 0 ? "" : explain(one)).toBe("");
  });
});
