/** The audio task from files to sounds: training, exact resume, sampling, evaluation, inspection, export; and input that will not do. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeWav, readAudioFile } from "../../src/data/index.ts";
import type { SampleEvent, TrainEvent } from "../../src/tasks/recipe.ts";
import { waveNetGenerateAudio as recipe } from "../../src/tasks/recipes/wavenet-generate-audio.ts";
import { readSafetensorsFile } from "../../src/train/index.ts";

const rate = 4000;
let folder: string;

/** A tone that fades, 0.3 s: what a tiny model can tell by its label. */
async function saveTone(name: string, hertz: number): Promise<void> {
  const samples = Float32Array.from(
    { length: 1200 },
    (_, i) => 0.6 * Math.exp(-i / 500) * Math.sin((2 * Math.PI * hertz * i) / rate),
  );
  const file = join(folder, name);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, await encodeWav(samples, rate));
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "heptagen-wavenet-"));
  for (let i = 0; i < 4; i++) {
    await saveTone(`tones/low/${i}.wav`, 150 + 10 * i);
    await saveTone(`tones/high/${i}.wav`, 900 + 50 * i);
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const tiny = {
  rate,
  stacks: 1,
  depth: 6,
  residual: 8,
  skip: 16,
  window: 256,
  batch: 2,
  validation: 0.25,
  steps: 4,
  evaluateEvery: 2,
  checkpointEvery: 2,
  sampleEvery: 4,
  sampleSeconds: 0.1,
} as const;

const train = (out: string, options: object = {}, signal?: AbortSignal, onEvent?: (event: TrainEvent) => void) =>
  recipe.train(
    { data: join(folder, "tones"), ...tiny, ...options },
    { out: join(folder, out), device: "cpu", ...(signal && { signal }), ...(onEvent && { onEvent }) },
  );

async function files(events: AsyncIterable<SampleEvent>): Promise<string[]> {
  const written: string[] = [];
  for await (const event of events) if (event.kind === "file") written.push(event.file);
  return written;
}

describe("a run", () => {
  const events: TrainEvent[] = [];
  beforeAll(async () => {
    await train("whole", {}, undefined, (event) => events.push(event));
  });
  const open = () => recipe.open(join(folder, "whole"), { device: "cpu" });

  it("trains on labelled folders, measures held-out files and writes a sound", async () => {
    const start = events.find(({ kind }) => kind === "start");
    expect(JSON.stringify(start)).toContain("8 clips, 2.4 s at 4,000 Hz, 2 labels; 2 for validation");
    const evaluations = events.filter(({ kind }) => kind === "evaluation");
    expect(evaluations.length).toBe(2);
    const sample = events.find((event) => event.kind === "sample") as Extract<TrainEvent, { kind: "sample" }>;
    expect((await readAudioFile(sample.file, rate)).length).toBe(400);
  });

  it("stopped and resumed gives the same parameters, bit for bit", async () => {
    const stop = new AbortController();
    const result = await train("resumed", {}, stop.signal, (event) => {
      if (event.kind === "step" && event.step === 2) stop.abort();
    });
    expect([result.ended, result.step]).toEqual(["interrupted", 2]);
    await recipe.resume(join(folder, "resumed"), { device: "cpu" });
    const [a, b] = await Promise.all(
      ["whole", "resumed"].map((run) => readSafetensorsFile(join(folder, run, "model.safetensors"))),
    );
    expect([...(b?.tensors ?? [])]).toEqual([...(a?.tensors ?? [])]);
  });

  it("makes sounds of a label, the same ones from the same seed, and continues a given one", async () => {
    const model = await open();
    const out = join(folder, "made");
    const two = await files(model.sample({ seconds: 0.6, numSamples: 2, label: ["low"], out, seed: 3 }));
    expect(two.map((file) => file.slice(out.length + 1))).toEqual(["sample-seed-3-1.wav", "sample-seed-3-2.wav"]);
    const [first, second] = await Promise.all(two.map((file) => readAudioFile(file, rate)));
    expect(first?.length).toBe(2400);
    expect(second).not.toEqual(first);
    const options = { seconds: 0.6, numSamples: 2, label: ["low"] };
    expect(await model.sounds({ ...options, seed: 3 })).toEqual(await model.sounds({ ...options, seed: 3 }));
    expect(await model.sounds({ ...options, seed: 3 })).not.toEqual(await model.sounds({ ...options, seed: 4 }));

    const prime = join(folder, "tones/low/1.wav");
    const [continued] = await files(model.sample({ seconds: 0.2, prime, primeSeconds: 0.1, out: join(folder, "on.wav") }));
    expect(continued).toBe(join(folder, "on.wav"));
    const [given, whole] = await Promise.all([prime, continued as string].map((file) => readAudioFile(file, rate)));
    expect(whole?.length).toBe(800);
    for (let i = 0; i < 400; i++) expect(Math.abs((whole?.[i] as number) - (given?.[i] as number))).toBeLessThan(0.02);
  });

  it("is measured by likelihood and by spectra", async () => {
    const measures = await (await open()).evaluate({ clips: 2, seconds: 0.3 });
    const value = (key: string) => measures.find((measure) => measure.key === key)?.value as number;
    expect(value("bitsPerSample")).toBeCloseTo(value("nats") / Math.LN2, 10);
    expect(value("samples")).toBe(2400);
    expect(value("stftDistance")).toBeGreaterThan(0);
    expect(value("logSpectralDistanceOfReal")).toBeGreaterThan(0);
  });

  it("is drawn and exported", async () => {
    const model = await open();
    const { pictures, measures } = await model.inspect({ seconds: 0.2 });
    expect(pictures.map(({ file }) => file.split("/").at(-1))).toEqual(["spectrograms.png", "receptive-field.png", "gates.png"]);
    for (const { file } of pictures) expect(readFileSync(file).subarray(1, 4).toString()).toBe("PNG");
    expect(measures?.find(({ key }) => key === "receptiveField")?.value).toBe(64);
    const [onnx] = await model.export("onnx");
    expect(onnx?.note).toContain("samples int32 [batch, 256], labels int32 [batch] → prediction");
    const [tensors] = await model.export("safetensors", join(folder, "out"));
    expect(existsSync(tensors?.file as string)).toBe(true);
  });

  it("says what it does not know", async () => {
    const model = await open();
    const fails = (options: Readonly<Record<string, unknown>>) => expect(files(model.sample(options))).rejects;
    await fails({ label: ["hihg"] }).toThrow('Did you mean "high"?');
    await fails({ like: join(folder, "tones/low/1.wav") }).toThrow("this model is no vocoder");
    await fails({ seconds: 0.1, prime: join(folder, "tones/low/1.wav"), primeSeconds: 0.2 }).toThrow(
      "expected more seconds than primeSeconds, got 0.1 and 0.2",
    );
    await expect(model.evaluate({ data: join(folder, "tones/low") })).rejects.toThrow(
      "expected one of the labels the model knows, got none",
    );
  });
});

it("a vocoder with a mixture output follows the mel bands of a sound", async () => {
  const options = { output: "logistic-mixture", mixtures: 3, features: 8, hop: 32, conditional: false } as const;
  await train("vocoder", { ...options, steps: 2 });
  const model = await recipe.open(join(folder, "vocoder"), { device: "cpu" });
  const like = join(folder, "tones/high/2.wav");
  const [sound] = await model.sounds({ like, seconds: 0.2 });
  expect(sound?.length).toBe(800);
  await expect(model.sounds({ seconds: 0.2 })).rejects.toThrow("name a sound to follow with --like");
  const measures = await model.evaluate({ clips: 1, seconds: 0.3 });
  expect(measures.map(({ key }) => key)).toEqual(["nats", "bitsPerSample", "stftDistance", "logSpectralDistance", "samples"]);
  const [onnx] = await model.export("onnx");
  expect(onnx?.note).toContain("samples float32 [batch, 256], frames float32 [batch, 10, 8]");
  expect((await model.inspect({ seconds: 0.2 })).pictures.length).toBe(3);
});

it("refuses data and options that do not fit before anything is written", async () => {
  await expect(train("no", { data: join(folder, "tones/low"), conditional: true })).rejects.toThrow(
    "expected files with at least two different labels, got none",
  );
  await expect(train("no", { features: 8, hop: 100 })).rejects.toThrow(
    "expected window to be a whole number of frames of 100, got 256",
  );
  await expect(train("no", { data: join(folder, "tones/low/0.wav") })).rejects.toThrow("expected several clips, or a long one");
  await expect(train("no", { depth: 0 })).rejects.toMatchObject({ code: "options/value" });
  expect(existsSync(join(folder, "no"))).toBe(false);
});

it("does not go on with sound that has changed", async () => {
  mkdirSync(join(folder, "changing"));
  for (const name of ["a", "b", "c"]) await saveTone(`changing/${name}.wav`, 300 + name.charCodeAt(0));
  const stop = new AbortController();
  await train("changed", { data: join(folder, "changing") }, stop.signal, ({ kind }) => kind === "step" && stop.abort());
  await saveTone("changing/b.wav", 777);
  await expect(recipe.resume(join(folder, "changed"), { device: "cpu" })).rejects.toMatchObject({ code: "data/changed" });
});
