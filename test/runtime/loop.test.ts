/** The training loop: resuming equals not having stopped, bit for bit; every way to end leaves a run that goes on. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Tensor, TracedKey } from "../../src/core/index.ts";
import { dropout } from "../../src/nn/dropout.ts";
import { initLinear, type Linear, linear } from "../../src/nn/linear.ts";
import { meanSquaredError } from "../../src/nn/losses.ts";
import { tanh } from "../../src/ops/index.ts";
import { adamw, schedule, sgd } from "../../src/optim/index.ts";
import { createRun, type LoopEvent, type LoopOptions, resumeRun, type Training, trainLoop } from "../../src/train/index.ts";
import { type NdArray, ndarray } from "../../src/util/ndarray.ts";
import { fillNormal, fold, key } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "heptagen-loop-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Batch {
  readonly x: NdArray;
  readonly y: NdArray;
}
interface Net<Leaf = Tensor> {
  readonly up: Linear<Leaf>;
  readonly down: Linear<Leaf>;
}

/** A small network that learns y = sin(x₀) + x₁, with dropout, so that random numbers matter. */
function regression(change: Partial<Training<Batch>> = {}): Training<Batch> {
  const init = key(1);
  const batch = (step: number): Batch => {
    const x = new Float32Array(32);
    fillNormal(fold(key(2), step), x);
    const y = Float32Array.from({ length: 16 }, (_, i) => Math.sin(x[2 * i] as number) + (x[2 * i + 1] as number));
    return { x: ndarray("float32", [16, 2], x), y: ndarray("float32", [16, 1], y) };
  };
  return {
    params: {
      up: initLinear(fold(init, "up"), 2, 32, { deviation: 0.5 }),
      down: initLinear(fold(init, "down"), 32, 1, { deviation: 0.2 }),
    } as unknown as Tree<NdArray>,
    objectives: [
      {
        name: "model",
        loss(params, { x, y }, random: TracedKey) {
          const { up, down } = params as unknown as Net;
          const hidden = dropout(tanh(linear(up, x)), 0.1, random.fold("hidden"));
          return { loss: meanSquaredError(linear(down, hidden), y) };
        },
        optimizer: adamw({ weightDecay: 0.01 }),
        learningRate: schedule({ schedule: "cosine", learningRate: 1e-2, warmup: 5, steps: 40 }),
        clip: 1,
      },
    ],
    batch,
    unitsPerBatch: 16,
    ...change,
  };
}

const options: LoopOptions = {
  steps: 40,
  seed: 3,
  evaluateEvery: 10,
  sampleEvery: 0,
  checkpointEvery: 10,
  patience: 0,
  accumulate: 1,
  averaging: 0,
  compile: { device: "cpu" },
};
const config = { recipe: "test/regression", seed: 3, config: {}, versions: {}, data: {} };

/** Trains in a folder, created or resumed, until the end or until `stopAt` steps are done. */
async function session(name: string, training: Training<Batch>, change: Partial<LoopOptions> = {}, stopAt?: number) {
  const path = join(folder, name);
  const fresh = !readdirSync(folder).includes(name);
  const { run, checkpoint } = fresh ? { run: await createRun(path, config), checkpoint: undefined } : await resumeRun(path);
  const abort = new AbortController();
  const events: LoopEvent[] = [];
  try {
    const onEvent = (event: LoopEvent) => {
      events.push(event);
      if (event.kind === "step" && event.step === stopAt) abort.abort();
    };
    const result = await trainLoop(run, training, { ...options, ...change, signal: abort.signal, onEvent }, checkpoint);
    return { result, events };
  } finally {
    await run.close();
  }
}

/** Everything of a finished run that must not depend on how often it was stopped. */
function remains(name: string) {
  const checkpoints = join(folder, name, "checkpoints");
  const last = readdirSync(checkpoints).sort().at(-1) as string;
  return {
    model: readFileSync(join(folder, name, "model.safetensors")),
    optimizer: readFileSync(join(checkpoints, last, "optimizer.safetensors")),
    metrics: readFileSync(join(folder, name, "metrics.jsonl"), "utf8"),
  };
}

describe.each([
  ["plainly", {}],
  ["with a moving average", { averaging: 0.9 }],
  ["with accumulated gradients", { accumulate: 3 }],
])("training %s", (title, change: Partial<LoopOptions>) => {
  it("is resumed as if it had never stopped", async () => {
    const [straight, stopped] = [`${title} straight`, `${title} stopped`];
    await session(straight, regression(), change);
    expect((await session(stopped, regression(), change, 7)).result).toMatchObject({ ended: "interrupted", step: 7 });
    expect((await session(stopped, regression(), change, 23)).result).toMatchObject({ ended: "interrupted", step: 23 });
    expect((await session(stopped, regression(), change)).result).toMatchObject({ ended: "finished", step: 40 });
    expect(remains(stopped)).toEqual(remains(straight));
  });
});

it("learns", async () => {
  const { result, events } = await session("learns", regression(), { steps: 400 });
  const losses = events.flatMap((e) => (e.kind === "step" ? [e.loss] : []));
  expect(losses).toHaveLength(400);
  expect(losses.slice(-20).reduce((a, b) => a + b) / 20).toBeLessThan(0.5 * (losses.slice(0, 20).reduce((a, b) => a + b) / 20));
  expect(result.ended).toBe("finished");
});

it("averages gradients over micro-batches as one large batch would", async () => {
  const training = regression();
  const [objective] = training.objectives as [Training<Batch>["objectives"][number]];
  const plain = {
    ...objective,
    optimizer: sgd(),
    loss: (params: Tree<Tensor>, { x, y }: { x: Tensor; y: Tensor }) => {
      const { up, down } = params as unknown as Net;
      return { loss: meanSquaredError(linear(down, tanh(linear(up, x))), y) };
    },
  };
  const join2 = (a: NdArray, b: NdArray) =>
    ndarray("float32", [32, a.shape[1] as number], Float32Array.from([...(a.data as Float32Array), ...(b.data as Float32Array)]));
  const large = (step: number) => {
    const [a, b] = [training.batch(2 * step) as Batch, training.batch(2 * step + 1) as Batch];
    return { x: join2(a.x, b.x), y: join2(a.y, b.y) };
  };
  const micro = await session("micro", { ...training, objectives: [plain] }, { accumulate: 2, steps: 5 });
  const whole = await session("whole", { ...training, objectives: [plain], batch: large }, { steps: 5 });
  const [a, b] = [micro, whole].map(({ result }) => (result.params as unknown as Net<NdArray>).up.weight.data as Float32Array);
  expect(Math.max(...(a as Float32Array).map((v, i) => Math.abs(v - (b?.[i] as number))))).toBeLessThan(1e-6);
});

it("keeps the best parameters by the validation score and stops when it no longer falls", async () => {
  const scores = [5, 3, 4, 4, 9, 9];
  let next = 0;
  const evaluate = async () => ({ measures: { loss: scores[next] as number }, score: scores[next++] as number });
  const { result, events } = await session("patience", regression({ evaluate }), { steps: 60, patience: 2 });
  expect(result).toMatchObject({ ended: "stopped-early", step: 40, best: { step: 20, score: 3 } });
  expect(events.flatMap((e) => (e.kind === "evaluation" ? [e.best] : []))).toEqual([true, true, false, false]);
  const best = readFileSync(join(folder, "patience", "model.safetensors"));
  expect(best).toEqual(readFileSync(join(folder, "patience", "checkpoints", "step-00000020", "model.safetensors")));
});

it("stops when numbers are no longer finite, names step and tensor, and keeps the good checkpoint", async () => {
  const training = regression();
  const batch = (step: number): Batch => {
    const good = training.batch(step) as Batch;
    if (step < 14) return good;
    return { ...good, x: ndarray("float32", [16, 2], new Float32Array(32).fill(Number.NaN)) };
  };
  await expect(session("nan", { ...training, batch })).rejects.toMatchObject({
    code: "train/not-finite",
    message: expect.stringMatching(
      /step 15: the loss is NaN, and the gradient of up\.weight is not finite[\s\S]*checkpoint of step 10 is good/,
    ),
  });
  expect((await session("nan", training)).result).toMatchObject({ ended: "finished", step: 40 });
});

it("saves first when evaluation or sampling fails", async () => {
  const failing = regression({ sample: () => Promise.reject(new Error("no pictures today")) });
  await expect(session("hook", failing, { sampleEvery: 13 })).rejects.toThrow("no pictures today");
  const { events } = await session("hook", regression());
  expect(events[0]).toMatchObject({ kind: "start", step: 13 });
});

it("trains two players in turn, each with its own parameters", async () => {
  const training = regression();
  const [model] = training.objectives as [Training<Batch>["objectives"][number]];
  const player = (name: "up" | "down") => ({ ...model, name, trains: name });
  const both = { ...training, objectives: [player("up"), player("down")] };
  await session("players", both);
  await session("players stopped", both, {}, 11);
  await session("players stopped", both);
  expect(remains("players stopped")).toEqual(remains("players"));
  const first = JSON.parse(remains("players").metrics.split("\n")[0] as string);
  expect(Object.keys(first)).toEqual(expect.arrayContaining(["up/loss", "down/loss", "up/gradNorm"]));
});

it("leaves the caller's parameters alone", async () => {
  const training = regression();
  const before = structuredClone(training.params);
  await session("untouched", training, { steps: 3 });
  expect(training.params).toEqual(before);
});
