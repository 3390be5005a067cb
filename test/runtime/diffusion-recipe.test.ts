/** The recipe diffusion/generate-image in small: what is particular to it (recipes.test.ts has what all recipes do). */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, describe, expect, it } from "vitest";
import { Session } from "../../src/runtime/session.ts";
import { diffusionFamily } from "../../src/tasks/families/diffusion.ts";
import { noiseOf } from "../../src/tasks/families/diffusion-sampler.ts";
import type { Options, SampleEvent, TrainEvent } from "../../src/tasks/recipe.ts";
import { diffusionGenerateImage as recipe } from "../../src/tasks/recipes/diffusion-generate-image.ts";
import { ndarray } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";

const folder = mkdtempSync(join(tmpdir(), "heptagen-diffusion-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const small: Options = {
  limit: 120,
  base: 8,
  heads: 2,
  batch: 8,
  steps: 6,
  evaluateEvery: 3,
  checkpointEvery: 3,
  sampleEvery: 6,
  samplePictures: 4,
  averaging: 0.9,
};

async function train(name: string, given: Options = {}): Promise<{ run: string; events: TrainEvent[] }> {
  const events: TrainEvent[] = [];
  const run = join(folder, name);
  await recipe.train({ ...small, ...given }, { out: run, onEvent: (event) => events.push(event) });
  return { run, events };
}

async function all<T>(events: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const event of events) list.push(event);
  return list;
}

describe("a run on digits", async () => {
  const { run, events } = await train("digits");
  const model = await recipe.open(run);

  it("measures the loss and a bound on the likelihood", () => {
    const last = events.findLast((event) => event.kind === "evaluation");
    const measure = (name: string) => last?.measures.find(({ key: own }) => own === name)?.value as number;
    expect(measure("loss")).toBeGreaterThan(0);
    expect(measure("bitsPerDimension")).toBeCloseTo(measure("nats") / (64 * Math.LN2), 5);
  });

  it("makes pictures by every sampler, of classes, guided, and out of others", async () => {
    const made = await all(model.pictures({ numSamples: 2, steps: 3, label: ["7"] }));
    expect(made.map(({ label, width, height }) => [label, width, height])).toEqual([
      ["7", 8, 8],
      ["7", 8, 8],
    ]);
    for (const more of [{ sampler: "ancestral" }, { sampler: "heun" }, { guidance: 3 }, { sampler: "ddim", eta: 1 }]) {
      const other = await all(model.pictures({ numSamples: 2, steps: 3, label: ["7"], ...more }));
      expect(other, JSON.stringify(more)).not.toEqual(made);
    }
    const file = join(folder, "half.png");
    await sharp({ create: { width: 8, height: 8, channels: 3, background: "#808080" } })
      .png()
      .toFile(file);
    const [filled] = await all(model.pictures({ numSamples: 1, steps: 3, input: file, mask: "lower", repeats: 2 }));
    expect([...(filled?.pixels.subarray(0, 32) ?? [])]).toEqual(Array(32).fill(128));
    const written = await all<SampleEvent>(model.sample({ numSamples: 4, steps: 3, out: join(folder, "sheet.png") }));
    expect(written.some((event) => event.kind === "file")).toBe(true);
    await expect(all(model.pictures({ eta: 0.5 }))).rejects.toThrow(/eta with the sampler ddim only, got 0.5 with dpm\+\+/);
    await expect(all(model.pictures({ strength: 0.5 }))).rejects.toThrow(/expected input with strength, got 0.5 without/);
    await expect(all(model.pictures({ sampler: "euler" }))).rejects.toThrow(/one of ancestral, ddim, dpm\+\+, heun/);
  });

  it("is inspected: the way from noise to picture, samplers, guidance, inversion and the process", async () => {
    const { pictures, measures } = await model.inspect({ out: join(folder, "looked") });
    const names = ["trajectory", "samplers", "guidance", "inversion", "process"];
    expect(pictures.map(({ file }) => file)).toEqual(names.map((name) => join(folder, "looked", `${name}.png`)));
    for (const { file } of pictures) expect((await sharp(file).metadata()).width).toBeGreaterThan(300);
    expect(measures?.every(({ value }) => Number.isFinite(value))).toBe(true);
  });

  it("is exported: the denoiser and a whole sampler, for any number of pictures", async () => {
    const files = await model.export("onnx", join(folder, "onnx"));
    expect(files.map(({ file }) => file)).toEqual(["denoiser", "sampler"].map((name) => join(folder, "onnx", `${name}.onnx`)));
    const session = await Session.create(readFileSync(join(folder, "onnx", "sampler.onnx")), { device: "cpu" });
    const inputs = new Map([
      ["noise", noiseOf(key(1), [5, 1, 8, 8])],
      ["labels", ndarray("int32", [5], [0, 1, 2, 3, 4])],
    ]);
    const images = (await session.run(inputs, new Map([["images", undefined]]))).get("images");
    await session.dispose();
    expect(images?.shape).toEqual([5, 1, 8, 8]);
    expect(Array.from(images?.data ?? [], Number).every((value) => value >= 0 && value <= 1)).toBe(true);
  });
});

it("pads pictures whose sides the levels do not divide", async () => {
  const { run } = await train("padded", {
    mults: [1, 1, 1],
    canvas: 10,
    conditional: false,
    steps: 1,
    sampleEvery: 1,
    process: "linear",
    prediction: "epsilon",
    places: "uniform",
  });
  const made = await all((await recipe.open(run)).pictures({ numSamples: 1, steps: 2 }));
  expect([made[0]?.width, made[0]?.height]).toEqual([8, 8]);
  expect(await sharp(join(run, "samples", "step-00000001.png")).metadata()).toBeTruthy();
});

it("refuses what does not fit", async () => {
  await expect(train("odd", { base: 12 })).rejects.toThrow(/multiple of the 8 groups, got 12/);
  await expect(train("end", { prediction: "epsilon" })).rejects.toThrow(/as the prediction of a flow, got epsilon/);
});

it("warns of divergence, of no learning and of pictures learnt by heart, once each", () => {
  const start = () =>
    diffusionFamily.watch?.(undefined as never) as (step: number, values: Record<string, number>) => string | undefined;
  const run = (values: (step: number) => Record<string, number>, steps: number) => {
    const watch = start();
    return Array.from({ length: steps }, (_, i) => watch(i + 1, values(i + 1))).flatMap(
      (message) => message?.split(":")[0] ?? [],
    );
  };
  expect(run((step) => ({ loss: 1 / step }), 1500)).toEqual([]);
  expect(run((step) => ({ loss: step < 300 ? 0.2 : 0.9 }), 1000)).toEqual(["divergence"]);
  expect(run(() => ({ loss: 1 }), 1500)).toEqual(["no learning"]);
  const learnt = (step: number) => (step % 100 === 0 ? { "validation/loss": 0.3 + step / 5000 } : { loss: 200 / (1000 + step) });
  expect(run(learnt, 1500)).toEqual(["overfitting"]);
});
