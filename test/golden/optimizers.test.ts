/** Ten steps of every optimizer on a least-squares problem against PyTorch's (test/golden/fixtures/optimizers.*). */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Tensor, valueAndGrad } from "../../src/core/index.ts";
import { add, matmul, mul, square, sub, sum } from "../../src/ops/index.ts";
import {
  type AdamWOptions,
  adamw,
  lion,
  type Optimizer,
  type OptimizerState,
  type SgdOptions,
  sgd,
  updateAverage,
} from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { readSafetensors } from "../../src/train/safetensors.ts";
import { type NdArray, scalar } from "../../src/util/ndarray.ts";

interface Case {
  readonly name: string;
  readonly params: SgdOptions &
    AdamWOptions & { readonly optimizer: string; readonly lr: number; readonly betas?: [number, number] };
  readonly losses: readonly number[];
  readonly w: string;
  readonly b: string;
  readonly ema: string;
}

const fixtures = new URL("./fixtures/", import.meta.url);
const { cases, emaDecay } = JSON.parse(readFileSync(new URL("optimizers.json", fixtures), "utf8")) as {
  cases: readonly Case[];
  emaDecay: number;
};
const { tensors } = readSafetensors(readFileSync(new URL("optimizers.safetensors", fixtures)), "optimizers.safetensors");
const stored = (name: string) => tensors.get(name) as NdArray;

function build({ optimizer, betas, ...options }: Case["params"]): Optimizer {
  const [beta1, beta2] = betas ?? [0, 0];
  switch (optimizer) {
    case "sgd":
      return sgd(options);
    case "adamw":
      return adamw({ ...options, beta1, beta2 });
    case "lion":
      return lion({ ...options, beta1, beta2 });
    default:
      throw new Error(`the fixtures have an optimizer that the test does not know: ${optimizer}`);
  }
}

type Problem<Leaf> = { readonly w: Leaf; readonly b: Leaf };
/** What a step replaces: parameters, the optimizer's state, the average of the parameters. */
type Carried<Leaf> = { readonly params: Problem<Leaf>; readonly state: OptimizerState<Leaf>; readonly average: Problem<Leaf> };

const copy = (array: NdArray): NdArray => ({ ...array, data: array.data.slice() });

/** Largest difference between an array and a row of a stored one. */
function difference(got: NdArray, all: NdArray, row: number): number {
  let worst = 0;
  got.data.forEach((value, i) => {
    worst = Math.max(worst, Math.abs(Number(value) - Number(all.data[row * got.data.length + i])));
  });
  return worst;
}

describe("PyTorch's optimizers", () => {
  test.each(cases.map((one) => [one.name, one] as const))("%s", async (_, one) => {
    const optimizer = build(one.params);
    const [x, y] = [stored("problem/x"), stored("problem/y")];
    const start = () => ({ w: copy(stored("problem/w")), b: copy(stored("problem/b")) });
    let carried: Carried<NdArray> = { params: start(), state: optimizer.init(start()), average: start() };

    const step = ({ params, state, average }: Carried<Tensor>, x: Tensor, y: Tensor, learningRate: Tensor, step: Tensor) => {
      const loss = ({ w, b }: Problem<Tensor>) => mul(sum(square(sub(add(matmul(x, w), b), y))), 0.5 / (x.shape[0] as number));
      const { value, grads } = valueAndGrad(loss)(params);
      const next = optimizer.update(params, grads, state, { learningRate, step });
      return [{ ...next, average: updateAverage(average, next.params, { decay: emaDecay }) }, value] as const;
    };
    const executable = await compile<[Carried<NdArray>, NdArray, NdArray, NdArray, NdArray], readonly [Carried<Tensor>, Tensor]>(
      step,
      [carried, x, y, scalar(0), scalar(0)],
      { donate: [0], device: "cpu" },
    );

    for (const [i, expected] of one.losses.entries()) {
      const [next, loss] = await executable.run(carried, x, y, scalar(one.params.lr), scalar(i + 1));
      carried = next as Carried<NdArray>;
      expect(Math.abs((loss.data[0] as number) - expected) / expected).toBeLessThan(1e-6);
      expect(difference(carried.params.w, stored(one.w), i)).toBeLessThan(2e-6);
      expect(difference(carried.params.b, stored(one.b), i)).toBeLessThan(2e-6);
    }
    expect(difference(carried.average.w, stored(one.ema), 0)).toBeLessThan(2e-6);
    await executable.dispose();
  });
});
