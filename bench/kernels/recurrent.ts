/**
 * Times ways to run an LSTM layer over time, forward and with gradients, against each other.
 *
 *     npx tsx bench/kernels/recurrent.ts
 *
 * "by hand" is what models/recurrent.ts does; "derived" leaves the loop's gradient to autodiff; "input inside" computes x W in the
 * loop too; "operator" is ONNX's LSTM (forward only: it does not give the gates that a gradient needs). Variants are checked
 * against the first and take turns; minima compare.
 */
import { type Tensor, vjp } from "../../src/core/index.ts";
import { definePrimitive } from "../../src/core/primitive.ts";
import { scan } from "../../src/core/scan.ts";
import { lstmCell } from "../../src/models/lstm.ts";
import { type CellState, inputPart, type RecurrentLayer, runLayers } from "../../src/models/recurrent.ts";
import { concat, matmul, mul, reshape, split, transpose, zeros } from "../../src/ops/index.ts";
import { compile } from "../../src/runtime/index.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import { quiet } from "../machine.ts";
import { normal } from "./harness.ts";

const [T, B, C, H] = [64, 32, 128, 256];
const config = { layers: 1, width: H, bidirectional: false, norm: "none", dropout: 0 } as const;

type Forward = (layer: RecurrentLayer, x: Tensor) => Tensor;

const byHand: Forward = (layer, x) =>
  runLayers(lstmCell, config, [layer], (direction) => inputPart(lstmCell, direction, x)).outputs;

function plain(outside: boolean): Forward {
  return (layer, x) => {
    const start: CellState = { hidden: zeros([B, H]), memory: zeros([B, H]) };
    const sequence = outside ? inputPart(lstmCell, layer, x) : x;
    const [, hidden] = scan(
      (state: CellState, now: Tensor) => {
        const input = outside ? now : inputPart(lstmCell, layer, now);
        const next = lstmCell.step(input, matmul(state.hidden, layer.hidden.weight), state).state;
        return [next, next.hidden] as const;
      },
      start,
      sequence,
    );
    return hidden;
  };
}

const lstmOperator = definePrimitive<null>({
  name: "lstm operator",
  key: () => null,
  infer: () => [{ dtype: "float32", shape: [T, 1, B, H] }],
  lower: (b, [x, w, r, ...[bias]]) => b.node("LSTM", [x, w, r, bias as string], { hidden_size: H }),
});

/** ONNX's order of gates is input, output, forget, candidate; its matrices are [G H, in]. */
const operator: Forward = ({ input, hidden }, x) => {
  const ordered = (columns: Tensor) => {
    const [i, f, g, ...[o]] = split(columns, 4, columns.shape.length - 1);
    return concat([i, o as Tensor, f, g], columns.shape.length - 1);
  };
  const matrix = (weight: Tensor) => reshape(transpose(ordered(weight)), [1, 4 * H, weight.shape[0] as number]);
  const bias = reshape(concat([ordered(input.bias), ordered(hidden.bias)]), [1, 8 * H]);
  const out = lstmOperator.bind([x, matrix(input.weight), matrix(hidden.weight), bias], null)[0];
  return reshape(out, [T, B, H]);
};

const gradients =
  (forward: Forward): ((layer: RecurrentLayer, x: Tensor) => Tensor[]) =>
  (layer, x) => {
    const { value, pullback } = vjp(forward, layer, x);
    const [grads, dx] = pullback(mul(value, 0.5));
    return [value, grads.input.weight, grads.hidden.weight, grads.input.bias, dx];
  };

const scaled = (name: string, shape: readonly number[], by: number): NdArray => {
  const array = normal(name, shape);
  return { ...array, data: (array.data as Float32Array).map((value) => value * by) };
};
const layer: RecurrentLayer<NdArray> = {
  input: { weight: scaled("w", [C, 4 * H], 0.05), bias: scaled("b", [4 * H], 0.1) },
  hidden: { weight: scaled("u", [H, 4 * H], 0.05), bias: scaled("c", [4 * H], 0.1) },
};
const x = normal("x", [T, B, C]);

async function compare(title: string, variants: Record<string, (layer: RecurrentLayer, x: Tensor) => Tensor[]>) {
  const runs: { name: string; run: () => Promise<readonly NdArray[]>; times: number[] }[] = [];
  for (const [name, variant] of Object.entries(variants)) {
    const executable = await compile<[RecurrentLayer<NdArray>, NdArray], Tensor[]>(variant as never, [layer, x], {
      device: "cpu",
    });
    runs.push({ name, run: () => executable.run(layer, x), times: [] });
  }
  const first = await (runs[0] as (typeof runs)[0]).run();
  for (const { name, run } of runs) {
    (await run()).forEach(({ data }, i) => {
      const expected = first[i]?.data as Float32Array;
      const scale = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
      const worst = (data as Float32Array).reduce(
        (most, value, j) => Math.max(most, Math.abs(value - (expected[j] as number))),
        0,
      );
      if (!(worst < 1e-4 * scale)) throw new Error(`${title}: result ${i} of ${name} is off by ${worst}`);
    });
  }
  for (let round = 0; round < 8; round++) {
    for (const { run, times } of runs) {
      await quiet(2);
      for (let i = 0; i < 4; i++) {
        const start = performance.now();
        await run();
        times.push(performance.now() - start);
      }
    }
  }
  console.log(`${title}, T ${T}, B ${B}, C ${C}, H ${H}`);
  for (const { name, times } of runs) console.log(`  ${name.padEnd(16)} ${Math.min(...times).toFixed(2)} ms`);
}

const alone = (forward: Forward) => (own: RecurrentLayer, given: Tensor) => [forward(own, given)];
await compare("forward", {
  "by hand": alone(byHand),
  "input inside": alone(plain(false)),
  operator: alone(operator),
});
await compare("forward and gradients", {
  "by hand": gradients(byHand),
  derived: gradients(plain(true)),
  "input inside": gradients(plain(false)),
});
