/** The training loop: resuming equals not having stopped, bit for bit. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Tensor, TracedKey } from "../../src/core/index.ts";
import { linear } from "../../src/nn/linear.ts";
import { meanSquaredError } from "../../src/nn/losses.ts";
import { mul, tanh } from "../../src/ops/index.ts";
import { sgd } from "../../src/optim/index.ts";
import type { LoopOptions, Objective } from "../../src/train/index.ts";
import { type NdArray, ndarray } from "../../src/util/ndarray.ts";
import type { Tree } from "../../src/util/tree.ts";
import { type Batch, type Net, onlyObjective, openRuns, regression } from "./regression.ts";

const { folder, session, remains, checkpoints, remove } = openRuns();
afterAll(remove);

describe.each([
  ["plainly", {}],
  ["with a moving average", { averaging: 0.9 }],
  ["with accumulated gradients", { accumulate: 3 }],
])("training %s", (title, change: Partial<LoopOptions>) => {
  it("is resumed as if it had never stopped", async () => {
    const [straight, stopped] = [`${title} straight`, `${title} stopped`];
    await session(straight, regression(), change);
    expect((await session(stopped, regression(), change, { stopAt: 7 })).result).toMatchObject({ ended: "interrupted", step: 7 });
    expect((await session(stopped, regression(), change, { stopAt: 23 })).result).toMatchObject({
      ended: "interrupted",
      step: 23,
    });
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
  const plain = {
    ...onlyObjective(),
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

it("trains two players in turn, each with its own parameters", async () => {
  const player = (name: "up" | "down") => ({ ...onlyObjective(), name, trains: name });
  const both = regression({ objectives: [player("up"), player("down")] });
  await session("players", both);
  await session("players stopped", both, {}, { stopAt: 11 });
  await session("players stopped", both);
  expect(remains("players stopped")).toEqual(remains("players"));
  const first = JSON.parse(remains("players").metrics.split("\n")[0] as string);
  expect(Object.keys(first)).toEqual(expect.arrayContaining(["up/loss", "down/loss", "up/gradNorm", "down/learningRate"]));
});

it("leaves the caller's parameters alone", async () => {
  const training = regression();
  const before = structuredClone(training.params);
  await session("untouched", training, { steps: 3 });
  expect(training.params).toEqual(before);
});

it("tells what happens, in order", async () => {
  const evaluate = async () => ({ measures: { loss: 1 }, score: 1 });
  const sample = async () => ({ name: "sample.txt", content: "a sample" });
  const { events } = await session("events", regression({ evaluate, sample }), { steps: 4, evaluateEvery: 2, sampleEvery: 4 });
  expect(events.map(({ kind, step }) => `${kind} ${step}`)).toEqual([
    "start 0",
    ...["step 1", "step 2", "evaluation 2", "checkpoint 2"],
    ...["step 3", "step 4", "evaluation 4", "sample 4", "checkpoint 4"],
  ]);
  expect(events[1]).toMatchObject({
    loss: expect.any(Number),
    learningRate: 2e-3,
    reports: { model: { gradNorm: expect.any(Number) } },
  });
  expect(readFileSync(join(folder, "events", "samples", "sample.txt"), "utf8")).toBe("a sample");
});

it("saves after so many minutes, however few steps these were", async () => {
  await session("minutes", regression(), { steps: 5, checkpointEvery: 100, checkpointMinutes: 0 });
  expect(checkpoints("minutes")).toEqual(["step-00000004", "step-00000005"]);
});

it("keeps frozen parameters: read by the objective, changed by none, saved with the model", async () => {
  const whole = onlyObjective();
  const training = regression({ objectives: [{ ...whole, trains: "down" }] });
  await session("frozen straight", training);
  await session("frozen", training, {}, { stopAt: 11 });
  const { result } = await session("frozen", training);
  const [before, after] = [training.params, result.params].map((tree) => tree as unknown as Net<NdArray>);
  expect(Object.keys(result.params)).toEqual(["up", "down"]);
  expect(after?.up.weight.data).toEqual(before?.up.weight.data);
  expect(after?.down.weight.data).not.toEqual(before?.down.weight.data);
  expect(remains("frozen")).toEqual(remains("frozen straight"));
});

it("reports metrics of objectives, averaged over micro-batches", async () => {
  const whole = onlyObjective();
  const objective: Objective<Batch> = {
    ...whole,
    loss(params: Tree<Tensor>, batch: { x: Tensor; y: Tensor }, key: TracedKey) {
      const { loss } = whole.loss(params, batch, key);
      return { loss, metrics: { twice: mul(loss, 2) } };
    },
  };
  for (const accumulate of [1, 3]) {
    const { events } = await session(`metrics ${accumulate}`, regression({ objectives: [objective] }), { accumulate, steps: 3 });
    const reports = events.flatMap((event) => (event.kind === "step" ? event.reports.model : []));
    for (const report of reports) expect(report?.metrics.twice).toBeCloseTo(2 * (report?.loss ?? 0), 5);
    const [line] = remains(`metrics ${accumulate}`).metrics.split("\n");
    expect(JSON.parse(line as string)).toMatchObject({ step: 3, twice: expect.any(Number) });
  }
});
