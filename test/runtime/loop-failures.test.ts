/** The training loop when something goes wrong: it says what, and nothing that was learnt is lost. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import type { Tensor, TracedKey } from "../../src/core/index.ts";
import { sqrt, sub, sum } from "../../src/ops/index.ts";
import { sgd } from "../../src/optim/index.ts";
import type { LoopEvent, Objective, TrainingRun } from "../../src/train/index.ts";
import { HeptagenError } from "../../src/util/errors.ts";
import { ndarray } from "../../src/util/ndarray.ts";
import type { Tree } from "../../src/util/tree.ts";
import { type Batch, onlyObjective, openRuns, regression } from "./regression.ts";

const { folder, session, remains, checkpoints, remove } = openRuns();
afterAll(remove);

/** A function that fails the first time it is asked for this step. */
function failingOnce<T>(at: number, value: (step: number) => T): (step: number) => T {
  let failed = false;
  return (step) => {
    if (step === at && !failed) {
      failed = true;
      throw new Error("not today");
    }
    return value(step);
  };
}

describe("numbers that are not finite", () => {
  const good = regression();
  const poisoned = (step: number): Batch => {
    const batch = good.batch(step) as Batch;
    if (step < 14) return batch;
    const data = new Float32Array(32);
    data[7] = Number.NaN;
    return { ...batch, x: ndarray("float32", [16, 2], data) };
  };

  it("in the data: named with their place, and the good checkpoint goes on", async () => {
    await expect(session("data", { ...good, batch: poisoned })).rejects.toMatchObject({
      code: "train/not-finite",
      facts: { step: 15, tensor: "batch.x", objective: "model", checkpoint: 10 },
      message: expect.stringMatching(
        /step 15: the loss is NaN, and batch\.x holds NaN at index 7 .*gradient norms before: [\d., ]+\)[\s\S]*Look at the data[\s\S]*checkpoint of step 10 is good/,
      ),
    });
    expect((await session("data", good)).result).toMatchObject({ ended: "finished", step: 40 });
    await session("data straight", good);
    expect(remains("data")).toEqual(remains("data straight"));
  });

  it("in every gradient: a learning rate that is too high", async () => {
    const wild: Objective<Batch> = {
      ...onlyObjective(),
      optimizer: sgd(),
      clip: Number.POSITIVE_INFINITY,
      learningRate: () => 1e30,
    };
    await expect(session("rate", regression({ objectives: [wild] }))).rejects.toMatchObject({
      code: "train/not-finite",
      facts: { gradients: expect.arrayContaining(["up.weight"]), checkpoint: 0 },
      message: expect.stringMatching(
        /gradient.*learning rate 1e\+30; gradient norms before: [\s\S]*Lower the learning rate[\s\S]*Nothing was saved yet/,
      ),
    });
  });

  it("in one gradient, with a finite loss", async () => {
    const broken: Objective<Batch> = {
      ...onlyObjective(),
      loss(params: Tree<Tensor>, batch: { x: Tensor; y: Tensor }, key: TracedKey, step: Tensor, carry: Tree<Tensor>) {
        const { loss } = onlyObjective().loss(params, batch, key, step, carry);
        const { bias } = (params as unknown as { down: { bias: Tensor } }).down;
        // The root of 0 is finite, its slope is not.
        return { loss: sub(loss, sum(sqrt(bias))) };
      },
    };
    await expect(session("slope", regression({ objectives: [broken] }))).rejects.toMatchObject({
      facts: { step: 1, tensor: "gradient of down.bias", gradients: ["down.bias"] },
      message: expect.stringMatching(/the loss is [\d.]+, but the gradient of down\.bias is not finite/),
    });
  });

  it("in parameters that are read but not trained", async () => {
    const player = (name: "up" | "down"): Objective<Batch> => ({ ...onlyObjective(), name, trains: name });
    const up = { ...player("up"), optimizer: sgd(), learningRate: () => Number.POSITIVE_INFINITY };
    await expect(session("other", regression({ objectives: [up, player("down")] }))).rejects.toMatchObject({
      facts: { objective: "down", tensor: "parameters.up.weight" },
    });
  });
});

describe("hooks and data that fail", () => {
  it("a sample: saved first, the best marked as such", async () => {
    const evaluate = async () => ({ measures: { loss: 1, perplexity: Number.POSITIVE_INFINITY }, score: 1 });
    const training = regression({ evaluate, sample: () => Promise.reject(new Error("no pictures today")) });
    await expect(session("sample", training, { evaluateEvery: 13, sampleEvery: 13 })).rejects.toThrow("no pictures today");
    expect(checkpoints("sample").at(-1)).toBe("step-00000013");
    const state: unknown = JSON.parse(readFileSync(join(folder, "sample", "checkpoints", "step-00000013", "state.json"), "utf8"));
    expect(state).toMatchObject({ best: true });
    const { events, result } = await session("sample", regression({ evaluate }));
    expect(events[0]).toMatchObject({ kind: "start", step: 13 });
    expect(result.best).toEqual({ step: 13, score: 1, measures: { loss: 1, perplexity: Number.POSITIVE_INFINITY } });
  });

  const scored = (step: number) => ({ measures: { loss: step }, score: 100 - step });

  it.each([20, 40])("an evaluation, at step %i: done again after resuming, as if it had never failed", async (at) => {
    const count = () => {
      let calls = 0;
      return async () => scored(++calls);
    };
    await session(`evaluation ${at} straight`, regression({ evaluate: count() }));
    const evaluations = count();
    const once = failingOnce(at / 10, evaluations);
    let calls = 0;
    const training = regression({ evaluate: async () => once(++calls) });
    await expect(session(`evaluation ${at}`, training)).rejects.toThrow("not today");
    expect(checkpoints(`evaluation ${at}`).at(-1)).toBe(`step-000000${at}`);
    expect((await session(`evaluation ${at}`, training)).result).toMatchObject({ ended: "finished", best: { step: 40 } });
    expect(remains(`evaluation ${at}`)).toEqual(remains(`evaluation ${at} straight`));
  });

  it("a batch: saved first", async () => {
    const { batch } = regression();
    await session("batch straight", regression());
    await expect(session("batch", regression({ batch: failingOnce(17, batch) }))).rejects.toThrow("not today");
    expect(checkpoints("batch").at(-1)).toBe("step-00000017");
    await session("batch", regression());
    expect(remains("batch")).toEqual(remains("batch straight"));
  });

  it("a validation score that is not a number: a warning, and never the best", async () => {
    const scores = [Number.NaN, 3, Number.NaN, 2];
    let next = 0;
    const evaluate = async () => ({ measures: { loss: scores[next] as number }, score: scores[next++] as number });
    const { result, events } = await session("score", regression({ evaluate }));
    expect(result.best).toMatchObject({ step: 40, score: 2 });
    expect(events.flatMap((event) => (event.kind === "warning" ? [event.message] : []))).toEqual([
      "the validation score of step 10 is NaN; it counts as no improvement",
      "the validation score of step 30 is NaN; it counts as no improvement",
    ]);
  });
});

describe("a disk that is full", () => {
  const full = new HeptagenError("storage/full", "the disk is full");
  const breaking = (method: "saveCheckpoint" | "appendMetrics" | "writeSample", at: number) => (run: TrainingRun) => ({
    ...run,
    [method]: (content: { readonly step: number }, ...rest: unknown[]) => {
      if (typeof content === "object" && content.step < at)
        return (run[method] as (...args: unknown[]) => unknown)(content, ...rest);
      throw full;
    },
  });

  it.each(["saveCheckpoint", "appendMetrics"] as const)(
    "in %s: the checkpoint before stays, and training goes on from it",
    async (method) => {
      await expect(session(method, regression(), {}, { through: breaking(method, 30) })).rejects.toBe(full);
      expect(checkpoints(method)).toEqual(["step-00000010", "step-00000020"]);
      await session(method, regression());
      await session(`${method} straight`, regression());
      expect(remains(method)).toEqual(remains(`${method} straight`));
    },
  );

  it("while a sample is written and then its rescue: the first error is thrown, the second told", async () => {
    const training = regression({ sample: () => Promise.reject(new Error("no pictures today")) });
    const events: LoopEvent[] = [];
    const started = session("rescue", training, { sampleEvery: 13 }, { through: breaking("saveCheckpoint", 13), events });
    await expect(started).rejects.toThrow("no pictures today");
    expect(events.at(-1)).toMatchObject({
      kind: "warning",
      message: expect.stringMatching(/step 13 could not be saved: .*the disk is full/),
    });
    expect(checkpoints("rescue")).toEqual(["step-00000010"]);
  });
});

describe("stopping early", () => {
  it("is for good: resuming such a run trains no further", async () => {
    const evaluate = async () => ({ measures: { loss: 1 }, score: 1 });
    const ended = { ended: "stopped-early", step: 30 };
    expect((await session("early", regression({ evaluate }), { patience: 2 })).result).toMatchObject(ended);
    const before = remains("early");
    expect((await session("early", regression({ evaluate }), { patience: 2 })).result).toMatchObject(ended);
    expect(remains("early")).toEqual(before);
  });
});

describe("what does not fit", () => {
  const player = (name: string, trains?: string): Objective<Batch> => ({ ...onlyObjective(), name, ...(trains && { trains }) });

  it.each([
    ["no objective", [], "expected at least one objective, got none"],
    ["two of one name", [player("a", "up"), player("a", "down")], 'got two "a"'],
    ["two that train the same", [player("a", "up"), player("b", "up")], '"a" and "b" both train "up"'],
    ["one that trains all among others", [player("a", "up"), player("b")], '"b" trains all parameters'],
    ["an entry that is not there", [player("a", "dwn")], /lack[\s\S]*Did you mean "down"/],
  ])("%s", async (title, objectives, message) => {
    const refused = session(title, regression({ objectives }));
    await expect(refused).rejects.toThrowError(message);
    await expect(refused).rejects.toMatchObject({ code: "train/objectives" });
  });

  it("micro-batches of different sizes", async () => {
    const { batch } = regression();
    const short = (step: number): Batch => {
      const { x, y } = batch(step) as Batch;
      return step === 4 ? { x: ndarray("float32", [8, 2], x.data.slice(0, 16) as Float32Array), y } : { x, y };
    };
    await expect(session("micro", regression({ batch: short }), { accumulate: 3 })).rejects.toMatchObject({
      code: "train/micro-batches",
      message: expect.stringContaining('expected micro-batches of one shape, got float32[16,2] and float32[8,2] at "x"'),
    });
  });
});
