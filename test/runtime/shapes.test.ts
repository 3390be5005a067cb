/** Training on batches of several shapes: one state, a graph a shape. */
import { afterAll, describe, expect, it } from "vitest";
import { batchSignature, compiledShapes } from "../../src/train/compiled-shapes.ts";
import { beginStates } from "../../src/train/states.ts";
import { compileStep } from "../../src/train/step.ts";
import { ndarray } from "../../src/util/ndarray.ts";
import { fold, key } from "../../src/util/random.ts";
import { type Batch, onlyObjective, openRuns, regression } from "./regression.ts";

const { session, remains, checkpoints, remove } = openRuns();
afterAll(remove);

/** A regression whose batches have 16, 7 or 3 rows, in an order that does not repeat soon. */
const sizes = [16, 7, 3];
const sizeOf = (step: number) => sizes[(step * step + Math.floor(step / 5)) % 3] as number;
const whole = regression();
const rowsOf = (step: number, rows: number): Batch => {
  const { x, y } = whole.batch(step) as Batch;
  const part = (data: Float32Array, width: number) => ndarray("float32", [rows, width], data.slice(0, rows * width));
  return { x: part(x.data as Float32Array, 2), y: part(y.data as Float32Array, 1) };
};
const unitsPerBatch = ({ x: { shape } }: Batch) => shape.at(-2) as number;
const shaped = regression({ batch: (step) => rowsOf(step, sizeOf(step)), unitsPerBatch });

describe("training on several shapes", () => {
  it.each([
    ["plainly", {}],
    ["with a moving average", { averaging: 0.9 }],
  ])("is resumed as if it had never stopped, %s", async (title, change) => {
    const [straight, stopped] = [`${title} straight`, `${title} stopped`];
    await session(straight, shaped, change);
    for (const stopAt of [1, 17]) {
      const { result } = await session(stopped, shaped, change, { stopAt });
      expect(result).toMatchObject({ ended: "interrupted", step: stopAt });
    }
    expect((await session(stopped, shaped, change)).result).toMatchObject({ ended: "finished", step: 40 });
    expect(remains(stopped)).toEqual(remains(straight));
  });

  it("with accumulated gradients, micro-batches of a step alike", async () => {
    const training = { ...shaped, batch: (micro: number) => rowsOf(micro, sizeOf(Math.floor(micro / 2))) };
    await session("accumulated", training, { accumulate: 2 });
    await session("accumulated stopped", training, { accumulate: 2 }, { stopAt: 11 });
    await session("accumulated stopped", training, { accumulate: 2 });
    expect(remains("accumulated stopped")).toEqual(remains("accumulated"));
    await expect(session("unlike", shaped, { accumulate: 2 })).rejects.toMatchObject({ code: "train/micro-batches" });
  });

  it("equals a graph compiled by hand for each", async () => {
    const objective = onlyObjective();
    const begin = () => beginStates(whole.params, [objective], { averaging: false, from: undefined }).states[0] as never;
    const settings = { accumulate: 1, averaging: 0, compile: { device: "cpu" as const } };
    const one = await compileStep(objective, begin(), {}, rowsOf(0, 16), settings);
    const own = new Map<number, typeof one>();
    for (const rows of sizes) own.set(rows, await compileStep(objective, begin(), {}, rowsOf(0, rows), settings));
    let [a, b] = [begin(), begin()];
    for (let step = 0; step < 12; step++) {
      const at = { step: step + 1, key: fold(key(9), step) };
      const batch = rowsOf(step, sizeOf(step));
      const [x, y] = [await one.run(a, {}, batch, at), await own.get(sizeOf(step))?.run(b, {}, batch, at)];
      expect(x.report).toEqual(y?.report);
      expect(x.state).toEqual(y?.state);
      [a, b] = [x.state as never, y?.state as never];
    }
    for (const step of [one, ...own.values()]) await step.dispose();
  });

  it("counts the units of each batch", async () => {
    const counted: number[] = [];
    const counting = (batch: Batch) => {
      counted.push(unitsPerBatch(batch));
      return unitsPerBatch(batch);
    };
    await session("units", { ...shaped, unitsPerBatch: counting }, { steps: 6 });
    expect(counted).toEqual(Array.from({ length: 6 }, (_, step) => sizeOf(step)));
  });

  it("saves what was learnt where a new shape cannot be compiled", async () => {
    const bad = { ...shaped, batch: (step: number) => rowsOf(step, step === 13 ? 5 : sizeOf(step)) };
    const objective = onlyObjective();
    const failing = {
      ...objective,
      loss(...given: Parameters<typeof objective.loss>) {
        if (given[1].x.shape[0] === 5) throw new Error("no graph for five rows");
        return objective.loss(...given);
      },
    };
    const training = { ...bad, objectives: [failing] };
    await expect(session("failed", training)).rejects.toThrow("no graph for five rows");
    expect(checkpoints("failed").at(-1)).toBe("step-00000013");
    await session("failed", shaped);
    await session("not failed", shaped);
    expect(remains("failed")).toEqual(remains("not failed"));
  });
});

describe("graphs by shape", () => {
  const zeros = (dtype: "float32" | "int32", rows: number) => ndarray(dtype, [rows, 2], new Array<number>(2 * rows).fill(0));
  const batch = (rows: number) => ({ x: zeros("float32", rows) });
  const counting = () => {
    const [made, gone]: [string[], string[]] = [[], []];
    const make = async (example: unknown) => {
      const name = batchSignature(example);
      made.push(name);
      return { name, dispose: async () => void gone.push(name) };
    };
    return { made, gone, make };
  };

  it("are compiled once, and given up where the latest are more than may be kept", async () => {
    const { made, gone, make } = counting();
    const shapes = compiledShapes(make, 2);
    for (const rows of [1, 2, 1, 3, 1, 2]) expect((await shapes.of(batch(rows))).name).toBe(batchSignature(batch(rows)));
    const names = [1, 2, 3].map((rows) => batchSignature(batch(rows)));
    expect(made).toEqual([names[0], names[1], names[2], names[1]]); // 2 was used least recently when 3 came
    expect(gone).toEqual([names[1], names[2]]);
    await shapes.dispose();
    expect(gone.slice(2).sort()).toEqual([names[0], names[1]].sort());
  });
  it("are told apart by type and structure, not by content", () => {
    expect(batchSignature(batch(2))).toBe(batchSignature({ x: ndarray("float32", [2, 2], Float32Array.of(1, 2, 3, 4)) }));
    expect(batchSignature(batch(2))).not.toBe(batchSignature({ x: zeros("int32", 2) }));
    expect(batchSignature(batch(2))).not.toBe(batchSignature({ y: zeros("float32", 2) }));
  });
});
