/** The training loop: resuming equals not having stopped, bit for bit. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Tensor, TracedKey } from "../../src/core/index.ts";
import { linear } from "../../src/nn/linear.ts";
import { meanSquaredError } from "../../src/nn/losses.ts";
import { mul, tanh } from "../../src/ops/index.ts";
import { adamw, sgd } from "../../src/optim/index.ts";
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

it("takes the newest parameters for the best where no score tells", async () => {
  const evaluate = async () => ({ measures: { accuracy: 0.5 } });
  const { result, events } = await session("newest", regression({ evaluate }), { patience: 1 });
  expect(result).toMatchObject({ ended: "finished", step: 40, best: { step: 40, measures: { accuracy: 0.5 } } });
  expect(events.flatMap((e) => (e.kind === "evaluation" ? [e.best] : []))).toEqual([true, true, true, true]);
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

it("trains a player in every third step only, and counts its updates for Adam's bias correction", async () => {
  const player = (name: "up" | "down") => ({ ...onlyObjective(), name, trains: name });
  const turns = regression({ objectives: [player("up"), { ...player("down"), every: 3 }] });
  const { events } = await session("turns", turns);
  const trained = events.flatMap((event) => (event.kind === "step" && event.reports.down ? [event.step] : []));
  expect(trained).toEqual([3, 6, 9, 12, 15, 18, 21, 24, 27, 30, 33, 36, 39]);
  await session("turns stopped", turns, {}, { stopAt: 11 });
  await session("turns stopped", turns);
  expect(remains("turns stopped")).toEqual(remains("turns"));

  // Adam's first update moves each number by the learning rate, whatever the gradient: if it counts as the first.
  const rate = 0.01;
  const adam = { ...player("down"), optimizer: adamw({ weightDecay: 0 }), learningRate: () => rate, every: 5 };
  const { result } = await session("first", regression({ objectives: [player("up"), adam] }), { steps: 5 });
  const [before, after] = [turns.params, result.params].map(
    (p) => (p as unknown as Net<NdArray>).down.weight.data as Float32Array,
  );
  after?.forEach((value, i) => {
    expect(Math.abs(value - (before?.[i] as number))).toBeCloseTo(rate, 5);
  });
});

it("refuses objectives that do not know when they train", async () => {
  const player = (name: "up" | "down", every: number) => ({ ...onlyObjective(), name, trains: name, every });
  for (const objectives of [
    [player("up", 2), player("down", 1)],
    [player("up", 1), player("down", 0.5)],
  ]) {
    await expect(session("never", regression({ objectives }))).rejects.toMatchObject({ code: "train/objectives" });
  }
});

it("gives losses the step they belong to, counted from 1", async () => {
  const whole = onlyObjective();
  const warming: Objective<Batch> = {
    ...whole,
    loss: (params, batch, key, step, carry) => ({
      ...whole.loss(params, batch, key, step, carry),
      metrics: { at: mul(step, 1) },
    }),
  };
  for (const accumulate of [1, 3]) {
    const { events } = await session(`steps ${accumulate}`, regression({ objectives: [warming] }), { accumulate, steps: 4 });
    expect(events.flatMap((event) => (event.kind === "step" ? [event.reports.model?.metrics.at] : []))).toEqual([1, 2, 3, 4]);
  }
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
    loss(params: Tree<Tensor>, batch: { x: Tensor; y: Tensor }, key: TracedKey, step: Tensor, carry: Tree<Tensor>) {
      const { loss } = whole.loss(params, batch, key, step, carry);
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
