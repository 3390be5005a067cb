/** What a step replaces without learning it: buffers of the model, and what one step hands on to the next. */
import { afterAll, describe, expect, it } from "vitest";
import type { Tensor } from "../../src/core/index.ts";
import { meanSquaredError } from "../../src/nn/losses.ts";
import { add, matmul, mean, mul, reshape, sub } from "../../src/ops/index.ts";
import { adamw } from "../../src/optim/index.ts";
import type { LoopOptions, Objective } from "../../src/train/index.ts";
import { type NdArray, ndarray } from "../../src/util/ndarray.ts";
import type { Tree } from "../../src/util/tree.ts";
import { type Batch, openRuns, regression } from "./regression.ts";

const { session, remains, remove } = openRuns();
afterAll(remove);

interface Net<Leaf = Tensor> {
  readonly weight: Leaf;
  readonly norms: readonly { readonly mean: Leaf }[];
}

/** y = (x - running mean) w; the running mean of x follows it at a tenth of the way, as in batch norm. */
const centred = (change: Partial<Objective<Batch>> = {}): Objective<Batch> => ({
  name: "model",
  loss(params, { x, y }) {
    const { weight, norms } = params as unknown as Net;
    const running = norms[0]?.mean as Tensor;
    const now = mean(x, 0, { keepDims: true });
    const loss = meanSquaredError(matmul(sub(x, now), weight), y);
    return { loss, buffers: { "norms.0.mean": add(mul(running, 0.9), mul(now, 0.1)) } };
  },
  optimizer: adamw({ weightDecay: 0.5 }),
  learningRate: () => 1e-2,
  ...change,
});
const start = (): Tree<NdArray> => ({
  weight: ndarray("float32", [2, 1], Float32Array.of(0.1, 0.2)),
  norms: [{ mean: ndarray("float32", [1, 2], Float32Array.of(5, -5)) }],
});

/** The running mean after some steps, in float64. */
function runningMean(steps: number, accumulate = 1): number[] {
  const { batch } = regression();
  const running = [5, -5];
  for (let step = 0; step < steps; step++) {
    const xs = Array.from({ length: accumulate }, (_, k) => (batch(step * accumulate + k) as Batch).x.data as Float32Array);
    running.forEach((before, column) => {
      const values = xs.flatMap((x) => [...x].filter((_, i) => i % 2 === column));
      running[column] = 0.9 * before + 0.1 * (values.reduce((a, b) => a + b) / values.length);
    });
  }
  return running;
}

describe.each([
  ["alone", {}, 1],
  ["beside a moving average of the parameters", { averaging: 0.9 }, 1],
  ["with accumulated gradients", { accumulate: 3 }, 3],
])("a buffer %s", (title, change: Partial<LoopOptions>, accumulate) => {
  it("takes its new value, whatever optimizer and average make of it, and is resumed exactly", async () => {
    const training = regression({ params: start(), objectives: [centred()] });
    const { result } = await session(title, training, { ...change, steps: 20 });
    const { norms, weight } = result.params as unknown as Net<NdArray>;
    runningMean(20, accumulate).forEach((expected, i) => {
      expect(norms[0]?.mean.data[i]).toBeCloseTo(expected, 5);
    });
    expect(weight.data[0]).not.toBeCloseTo(0.1, 3);
    await session(`${title} stopped`, training, { ...change, steps: 20 }, { stopAt: 7 });
    await session(`${title} stopped`, training, { ...change, steps: 20 });
    expect(remains(`${title} stopped`)).toEqual(remains(title));
  });
});

it("refuses buffers that are no leaves of the parameters, or have other shapes", async () => {
  for (const [name, buffers] of [
    ["unknown", (x: Tensor) => ({ "norms.1.mean": x })],
    ["shape", (x: Tensor) => ({ "norms.0.mean": reshape(x, [2, 1]) })],
  ] as const) {
    const objective = centred({
      loss: (params, { x, y }) => {
        const now = mean(x, 0, { keepDims: true });
        return { loss: meanSquaredError(matmul(x, (params as unknown as Net).weight), y), buffers: buffers(now) };
      },
    });
    await expect(session(name, regression({ params: start(), objectives: [objective] }))).rejects.toMatchObject({
      code: "train/buffers",
    });
  }
});

/** A loss that depends on how many steps there were, which only the carry knows. */
const counting = (change: Partial<Objective<Batch>> = {}): Objective<Batch> => ({
  ...centred(),
  carry: { count: ndarray("float32", [1], Float32Array.of(0)) },
  loss(params, { x, y }, _key, _step, carry) {
    const { count } = carry as { count: Tensor };
    const loss = meanSquaredError(matmul(add(x, mul(count, 0.01)), (params as unknown as Net).weight), y);
    return { loss, metrics: { count: reshape(count, []) }, carry: { count: add(count, 1) } };
  },
  ...change,
});

it("hands a carry from step to step, and through a checkpoint", async () => {
  const training = regression({ params: start(), objectives: [counting()] });
  const { events } = await session("carry", training, { steps: 12 });
  const counts = events.flatMap((event) => (event.kind === "step" ? [event.reports.model?.metrics.count] : []));
  expect(counts).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  await session("carry stopped", training, { steps: 12 }, { stopAt: 5 });
  await session("carry stopped", training, { steps: 12 });
  expect(remains("carry stopped")).toEqual(remains("carry"));
});

it("refuses losses that do not hand on what they were given, and accumulating with a carry", async () => {
  const forgets = counting({
    loss: (params, { x, y }) => ({ loss: meanSquaredError(matmul(x, (params as unknown as Net).weight), y) }),
  });
  await expect(session("forgets", regression({ params: start(), objectives: [forgets] }))).rejects.toMatchObject({
    code: "train/carry",
  });
  await expect(
    session("accumulates", regression({ params: start(), objectives: [counting()] }), { accumulate: 2 }),
  ).rejects.toMatchObject({ code: "train/carry" });
});
