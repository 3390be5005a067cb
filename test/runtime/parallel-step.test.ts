/** A step whose batch is computed in parts by two threads: the same numbers as in one piece, whatever the parts are like. */
import { afterAll, describe, expect, it } from "vitest";
import type { Tensor } from "../../src/core/index.ts";
import { dropout } from "../../src/nn/dropout.ts";
import { type Linear, linear } from "../../src/nn/linear.ts";
import { crossEntropy } from "../../src/nn/losses.ts";
import { mean, tanh } from "../../src/ops/index.ts";
import { adamw } from "../../src/optim/index.ts";
import { targetsOf } from "../../src/train/counts.ts";
import type { JointStep, Objective } from "../../src/train/objective.ts";
import { cut } from "../../src/train/parallel-step.ts";
import { beginStates } from "../../src/train/states.ts";
import { compileJointStep } from "../../src/train/step.ts";
import { isNdArray, type NdArray, ndarray } from "../../src/util/ndarray.ts";
import { fillNormal, fold, key } from "../../src/util/random.ts";
import { flatten } from "../../src/util/tree.ts";
import { openRuns, regression } from "./regression.ts";

interface Batch {
  readonly x: NdArray;
  readonly targets: NdArray;
}
type Net = { readonly up: Linear; readonly down: Linear };

const normal = (shape: readonly number[], seed: number): NdArray => {
  const data = new Float32Array(shape.reduce((a, b) => a * b, 1));
  fillNormal(key(seed), data);
  return ndarray("float32", shape, data);
};
const params = {
  up: { weight: normal([3, 8], 1), bias: normal([8], 2) },
  down: { weight: normal([8, 4], 3), bias: normal([4], 4) },
};
/** Rows of which every other has no target in the first half, and each has one in the second. */
const batchOf = (rows: number, seed = 5): Batch => ({
  x: normal([rows, 3], seed),
  targets: ndarray(
    "int32",
    [rows],
    Int32Array.from({ length: rows }, (_, i) => (i < rows / 2 && i % 2 === 1 ? -1 : i % 4)),
  ),
});

function objective(rate = 0): Objective<Batch> {
  return {
    name: "model",
    loss(all, { x, targets }, random) {
      const { up, down } = all as unknown as Net;
      const hidden = dropout(tanh(linear(up, x)), rate, random.fold("hidden"));
      const logits = linear(down, hidden);
      return { loss: crossEntropy(logits, targets), metrics: { first: mean(crossEntropy(logits, targets)) } };
    },
    counts: ({ targets }) => targetsOf(targets),
    optimizer: adamw({ weightDecay: 0.01 }),
    learningRate: () => 0.01,
    clip: 0.5,
  };
}

/** Takes steps on batches in turn. */
async function steps(own: Objective<Batch>, threads: number, batches: readonly Batch[]) {
  const begun = beginStates(params as never, [own], { averaging: true, from: undefined });
  const settings = { accumulate: 1, averaging: 0.9, compile: { device: "cpu", threads } } as const;
  const step: JointStep<Batch> = await compileJointStep([own], begun.states, {}, batches[0] as Batch, settings);
  let states = begun.states;
  const reports = [];
  try {
    for (const [i, batch] of batches.entries()) {
      await step.prepare(batch);
      const [only] = await step.run(states, {}, batch, { step: i + 1, key: fold(key(7), i) });
      states = [only?.state as never];
      reports.push(only?.report);
    }
  } finally {
    await step.dispose();
  }
  const numbers = flatten(states, isNdArray).flatMap(({ leaf }) => [...((leaf as NdArray).data as Float32Array)]);
  return { reports, numbers };
}

describe("cut", () => {
  it("shares out rows in order, as evenly as can be, without copying", () => {
    const batch = { x: normal([5, 3], 1), deep: { y: ndarray("int32", [5], [0, 1, 2, 3, 4]) } };
    const [a, b] = cut(batch, 2) as [typeof batch, typeof batch];
    expect([a.x.shape, b.x.shape]).toEqual([
      [2, 3],
      [3, 3],
    ]);
    expect([...(b.deep.y.data as Int32Array)]).toEqual([2, 3, 4]);
    expect([...(a.x.data as Float32Array), ...(b.x.data as Float32Array)]).toEqual([...(batch.x.data as Float32Array)]);
    expect(b.x.data.buffer).toBe(batch.x.data.buffer);
  });
  it("refuses what has no common axis, or too few rows", () => {
    expect(cut({ x: normal([4, 3], 1), y: normal([3], 1) }, 2)).toBeUndefined();
    expect(cut({ x: normal([4, 3], 1), y: normal([], 1) }, 2)).toBeUndefined();
    expect(cut({ x: normal([1, 3], 1) }, 2)).toBeUndefined();
    expect(cut({}, 2)).toBeUndefined();
  });
});

describe("a step in parts", () => {
  it("takes the steps of a step in one piece: unequal parts, new shapes, a row that cannot be cut", async () => {
    const batches = [batchOf(8), batchOf(8, 6), batchOf(7), batchOf(1), batchOf(8, 9)];
    const [whole, parts] = [await steps(objective(), 1, batches), await steps(objective(), 2, batches)];
    expect(parts.numbers.length).toBe(whole.numbers.length);
    for (const [i, value] of parts.numbers.entries()) expect(value).toBeCloseTo(whole.numbers[i] as number, 5);
    for (const [i, report] of parts.reports.entries()) {
      expect(report?.loss).toBeCloseTo(whole.reports[i]?.loss as number, 5);
      expect(report?.gradNorm).toBeCloseTo(whole.reports[i]?.gradNorm as number, 5);
      expect(report?.metrics.first).toBeCloseTo(whole.reports[i]?.metrics.first as number, 5);
    }
  });

  it("gives the same numbers each time, random ones too, of which each part has its own", async () => {
    const twice = [batchOf(4), batchOf(4)];
    const own = objective(0.5);
    const [first, second] = [await steps(own, 2, twice), await steps(own, 2, twice)];
    expect(second.numbers).toEqual(first.numbers);
    // The same row on both sides, of which one counts: with the same random numbers, either would have the same loss.
    const row = [...(normal([1, 3], 1).data as Float32Array)];
    const counting = (targets: readonly number[]): Batch => ({
      x: ndarray("float32", [2, 3], [...row, ...row]),
      targets: ndarray("int32", [2], targets),
    });
    const [left] = (await steps(own, 2, [counting([2, -1])])).reports;
    const [right] = (await steps(own, 2, [counting([-1, 2])])).reports;
    expect(left?.loss).not.toBeCloseTo(right?.loss as number, 3);
  });

  it("tells which gradients are not finite, wherever that happens", async () => {
    const batch = batchOf(4);
    const bad = {
      ...batch,
      x: ndarray(
        "float32",
        [4, 3],
        [...(batch.x.data as Float32Array)].map((v, i) => (i === 11 ? Number.NaN : v)),
      ),
    };
    const [report] = (await steps(objective(), 2, [bad])).reports;
    expect(report?.loss).toBeNaN();
    expect(report?.broken).toContain("up.weight");
  });

  it("fails with the reason of the thread, and the next training begins anew", async () => {
    const batch = batchOf(4);
    const wrong = { ...batch, targets: ndarray("int32", [4], [0, 1, 2, 9]) };
    await expect(steps(objective(), 2, [batch, wrong])).rejects.toMatchObject({
      code: "runtime/run",
      message: expect.stringContaining("ONNX Runtime failed"),
    });
    await expect(steps(objective(), 2, [batch])).resolves.toBeDefined();
  });

  it("refuses buffers: what a batch's statistics are is no sum over its parts", async () => {
    const own: Objective<Batch> = {
      ...objective(),
      loss: (all, batch, random, step, carry) => ({
        ...objective().loss(all, batch, random, step, carry),
        buffers: { "up.bias": (all as unknown as Net).up.bias as Tensor },
      }),
    };
    await expect(steps(own, 2, [batchOf(4)])).rejects.toMatchObject({ code: "train/counts" });
  });
});

describe("the training loop in two threads", () => {
  const { session, remains, remove } = openRuns();
  afterAll(remove);
  const plain = regression();
  const training = regression({
    objectives: plain.objectives.map((own) => ({ ...own, counts: ({ x }) => x.shape[0] as number })),
  });

  it("goes on after a stop as if there had been none, bit for bit", async () => {
    const compile = { device: "cpu", threads: 2 } as const;
    await session("straight", training, { compile });
    await session("stopped", training, { compile }, { stopAt: 17 });
    const { result } = await session("stopped", training, { compile });
    expect(result).toMatchObject({ ended: "finished", step: 40 });
    expect(remains("stopped")).toEqual(remains("straight"));
  });
});
