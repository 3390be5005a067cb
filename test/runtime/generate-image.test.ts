/** The image task, with the simplest family there is: from pictures to a run, and what a run can do. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, describe, expect, it } from "vitest";
import { generateImageRecipe } from "../../src/tasks/generate-image/generate-image.ts";
import type { SampleEvent, TrainEvent } from "../../src/tasks/recipe.ts";
import { independentPixels } from "./independent-pixels.ts";

const folder = mkdtempSync(join(tmpdir(), "heptagen-image-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const options = {
  start: 0,
  fit: "crop",
  flip: false,
  validation: 0.2,
  conditional: true,
  batch: 32,
  accumulate: 1,
  steps: 20,
  optimizer: "adamw",
  learningRate: 0.3,
  finalLearningRate: 0,
  warmup: 0,
  schedule: "constant",
  beta1: 0.9,
  beta2: 0.99,
  weightDecay: 0,
  clip: 0,
  averaging: 0,
  evaluateEvery: 10,
  patience: 0,
  checkpointEvery: 10,
  sampleEvery: 10,
  samplePictures: 10,
  seed: 1,
};
const recipe = generateImageRecipe(independentPixels, { summary: "for tests", presets: { only: { summary: "", options } } });

async function train(name: string, given = {}, stopAt?: number): Promise<{ run: string; events: TrainEvent[] }> {
  const stop = new AbortController();
  const events: TrainEvent[] = [];
  const run = join(folder, name);
  const onEvent = (event: TrainEvent) => {
    events.push(event);
    if (event.kind === "step" && event.step === stopAt) stop.abort();
  };
  await recipe.train(given, { out: run, signal: stop.signal, onEvent });
  return { run, events };
}

async function all<T>(events: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const event of events) list.push(event);
  return list;
}
const filesOf = (events: SampleEvent[]) => events.flatMap((event) => (event.kind === "file" ? [event.file] : []));

describe("a run on digits", async () => {
  const { run, events } = await train("digits");
  const model = await recipe.open(run);

  it("learns, tells what it does, and shows samples", async () => {
    const evaluations = events.flatMap((event) => (event.kind === "evaluation" ? [event.measures] : []));
    const nats = evaluations.map((measures) => measures.find(({ key }) => key === "nats")?.value as number);
    expect(nats).toHaveLength(2);
    expect(nats[1]).toBeLessThan(64 * Math.LN2 * 0.8);
    const bits = evaluations[1]?.find(({ key }) => key === "bitsPerDimension")?.value;
    expect(bits).toBeCloseTo((nats[1] as number) / (64 * Math.LN2), 6);
    expect(events.filter(({ kind }) => kind === "warning")).toEqual([
      { kind: "warning", message: "pixels are independent: choose a better family" },
    ]);
    const sheets = readdirSync(join(run, "samples")).sort();
    expect(sheets).toEqual(["step-00000010.png", "step-00000020.png"]);
    const { width, channels } = await sharp(join(run, "samples", sheets[1] as string)).metadata();
    expect(width).toBeGreaterThan(4 * 8);
    expect(channels).toBe(3);
  });

  it("is resumed as if it had never stopped", async () => {
    const stopped = await train("stopped", {}, 7);
    await recipe.resume(stopped.run, {});
    const weights = (name: string) => readFileSync(join(name, "model.safetensors"));
    expect(weights(stopped.run)).toEqual(weights(run));
    const sheet = (name: string) => readFileSync(join(name, "samples", "step-00000020.png"));
    expect(sheet(stopped.run)).toEqual(sheet(run));
  });

  it("makes pictures of chosen classes, the same for the same seed", async () => {
    const made = await all(model.pictures({ numSamples: 3, label: ["7", "1"] }));
    expect(made.map(({ label }) => label)).toEqual(["7", "1", "7"]);
    expect(made[0]).toMatchObject({ channels: 1, height: 8, width: 8 });
    expect(new Set(made[0]?.pixels)).toEqual(new Set([0, 255]));
    expect(await all(model.pictures({ numSamples: 3, label: ["7", "1"] }))).toEqual(made);
    expect(await all(model.pictures({ numSamples: 3, label: ["7", "1"], seed: 2 }))).not.toEqual(made);
    await expect(all(model.pictures({ label: ["seven"] }))).rejects.toMatchObject({ code: "sample/label" });
  });

  it("makes more pictures than fit a batch, each another", async () => {
    const made = await all(model.pictures({ numSamples: 130 }));
    expect(made).toHaveLength(130);
    expect(new Set(made.map(({ pixels }) => pixels.join())).size).toBeGreaterThan(120);
  });

  it("writes a sheet and single pictures", async () => {
    const out = join(folder, "sheets", "all.png");
    const events = await all(model.sample({ numSamples: 4, out, apart: true }));
    expect(filesOf(events)).toEqual([out, ...[1, 2, 3, 4].map((i) => join(folder, "sheets", `all-000${i}.png`))]);
    expect(await sharp(join(folder, "sheets", "all-0002.png")).metadata()).toMatchObject({ width: 8, height: 8 });
    const text = all(model.sample({ out: join(folder, "all.txt") }));
    await expect(text).rejects.toMatchObject({ code: "options/value" });
  });

  it("keeps what a mask does not cover", async () => {
    const white = join(folder, "white.png");
    await sharp({ create: { width: 20, height: 20, channels: 3, background: "white" } })
      .png()
      .toFile(white);
    const [picture] = await all(model.pictures({ numSamples: 1, input: white, mask: "lower" }));
    expect([...(picture?.pixels.subarray(0, 32) ?? [])]).toEqual(Array(32).fill(255));
    expect(new Set(picture?.pixels.subarray(32))).toEqual(new Set([0, 255]));
    await expect(all(model.pictures({ mask: "lower" }))).rejects.toThrow(/expected input with mask/);
  });

  it("is evaluated as in training, and on other pictures", async () => {
    const last = events.findLast((event) => event.kind === "evaluation");
    const nats = last?.measures.find(({ key }) => key === "nats")?.value as number;
    const own = await model.evaluate({ samples: 0 });
    expect(own.find(({ key }) => key === "nats")?.value).toBeCloseTo(nats, 4);
    const few = await model.evaluate({ data: "digits", limit: 100, samples: 0 });
    expect(few.find(({ key }) => key === "pictures")?.value).toBe(100);
  });

  it("is inspected", async () => {
    const { pictures, measures, curves, parameters } = await model.inspect({ out: join(folder, "looked") });
    expect(pictures).toEqual([{ file: join(folder, "looked", "nothing.png"), caption: "0 1 2 3 4 5 6 7 8 9" }]);
    expect(measures?.[0]?.value).toBeGreaterThan(300);
    expect(parameters).toEqual([{ name: "logits", shape: [10, 1, 8, 8], count: 640 }]);
    expect(curves.map(({ name }) => name)).toEqual(expect.arrayContaining(["loss", "validation/nats"]));
  });

  it("is exported: parts for any batch, and parameters", async () => {
    const [part] = await model.export("onnx", join(folder, "onnx"));
    expect(part).toMatchObject({ file: join(folder, "onnx", "probabilities.onnx") });
    expect(part?.note).toContain("labels int32 [batch] → white");
    const [weights] = await model.export("safetensors", join(folder, "safetensors"));
    expect(weights?.bytes).toBeGreaterThan(640 * 4);
  });
});

it("starts from another run", async () => {
  const first = await train("first", { steps: 10, conditional: false });
  const second = await train("second", { steps: 1, learningRate: 1e-9, initFrom: first.run });
  const [a, b] = [first, second].map(({ run }) => readFileSync(join(run, "model.safetensors")).subarray(-256));
  const numbers = (bytes: Buffer) => new Float32Array(bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + 256));
  numbers(a as Buffer).forEach((value, i) => {
    expect(numbers(b as Buffer)[i]).toBeCloseTo(value, 5);
  });
});

it("refuses what does not fit", async () => {
  await sharp({ create: { width: 8, height: 8, channels: 3, background: "white" } })
    .png()
    .toFile(join(folder, "single.png"));
  await expect(train("classless", { data: join(folder, "single.png"), validation: 0 })).rejects.toMatchObject({
    code: "data/no-classes",
  });
  await expect(train("misspelt", { learningrate: 1 })).rejects.toMatchObject({ code: "options/unknown" });
  expect(() =>
    generateImageRecipe(
      { ...independentPixels, options: independentPixels.sampling.extend({ batch: independentPixels.sampling }) },
      { summary: "", presets: {} },
    ),
  ).toThrow(/names already: batch/);
});

it("learns classes where there are several, unless told otherwise", async () => {
  const { conditional: _, ...open } = options;
  const undecided = generateImageRecipe(independentPixels, { summary: "", presets: { only: { summary: "", options: open } } });
  const flat = join(folder, "flat");
  mkdirSync(flat);
  for (let i = 0; i < 12; i++) {
    const create = { width: 8, height: 8, channels: 3, background: { r: 20 * i, g: 20 * i, b: 20 * i } } as const;
    writeFileSync(join(flat, `${i}.png`), await sharp({ create }).png().toBuffer());
  }
  const knows = async (name: string, given: object): Promise<unknown> => {
    const out = join(folder, name);
    await undecided.train({ steps: 1, ...given }, { out });
    return JSON.parse(readFileSync(join(out, "config.json"), "utf8")).config.conditional;
  };
  expect(await knows("several classes", {})).toBe(true);
  expect(await knows("several classes, unwanted", { conditional: false })).toBe(false);
  expect(await knows("no classes", { data: flat })).toBe(false);
});
