/** The language-model task with recurrent backbones, from a text to samples, measures, pictures and files: a small run each. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { streamWindows } from "../../src/data/index.ts";
import { findRecipe, type Options, type SampleEvent, type TrainEvent } from "../../src/tasks/index.ts";
import { openRun, readSafetensorsFile } from "../../src/train/index.ts";
import { key } from "../../src/util/random.ts";

const folder = mkdtempSync(join(tmpdir(), "heptagen-recurrent-"));
const data = join(folder, "text.txt");
const small: Options = {
  data,
  width: 12,
  embedding: 8,
  context: 16,
  batch: 4,
  steps: 6,
  evaluateEvery: 3,
  checkpointEvery: 2,
  sampleEvery: 6,
  sampleTokens: 20,
};

beforeAll(() => {
  writeFileSync(data, "The quick brown fox jumps over the lazy dog. Pack my box with five dozen jugs.\n".repeat(40));
});
afterAll(() => rmSync(folder, { recursive: true }));

async function textOf(events: AsyncIterable<SampleEvent>): Promise<string> {
  let text = "";
  for await (const event of events) if (event.kind === "text") text += event.text;
  return text;
}

describe.each(["rnn", "gru", "lstm"])("%s", (family) => {
  const recipe = findRecipe(`${family}/language-model`);
  const out = join(folder, family);
  const train = (name: string, options: Options = {}, signal?: AbortSignal, onEvent?: (event: TrainEvent) => void) =>
    recipe.train(
      { ...small, ...options },
      { out: join(folder, name), device: "cpu", ...(signal && { signal }), ...(onEvent && { onEvent }) },
    );

  it("stopped and resumed gives the same parameters, bit for bit, and the state that it carried", async () => {
    await train(family);
    const stop = new AbortController();
    const result = await train(`${family}-resumed`, {}, stop.signal, (event) => {
      if (event.kind === "step" && event.step === 3) stop.abort();
    });
    expect([result.ended, result.step]).toEqual(["interrupted", 3]);
    await recipe.resume(join(folder, `${family}-resumed`), { device: "cpu" });
    const [a, b] = await Promise.all([out, `${out}-resumed`].map((run) => readSafetensorsFile(join(run, "model.safetensors"))));
    expect([...(b?.tensors ?? [])]).toEqual([...(a?.tensors ?? [])]);
  });

  it("learns something else when it carries no state", async () => {
    await train(`${family}-windows`, { carryState: false });
    const [a, b] = await Promise.all([out, `${out}-windows`].map((run) => readSafetensorsFile(join(run, "model.safetensors"))));
    expect([...(b?.tensors ?? [])]).not.toEqual([...(a?.tensors ?? [])]);
  });

  it("writes, is measured as in training, drawn and exported", async () => {
    const model = await recipe.open(out, { device: "cpu" });
    const text = await textOf(model.sample({ maxTokens: 90, prompt: "The", seed: 1 }));
    expect([...text]).toHaveLength(90);
    expect(await textOf(model.sample({ maxTokens: 90, prompt: "The", seed: 1 }))).toBe(text);

    const measures = await model.evaluate({});
    const metrics = (await (await openRun(out)).readMetrics()).records;
    const bits = measures.find(({ key }) => key === "bitsPerCharacter")?.value as number;
    const trained = metrics.flatMap((record) => Object.entries(record)).filter(([name]) => name.endsWith("bitsPerCharacter"));
    expect(Math.min(...trained.map(([, value]) => Math.abs(Number(value) - bits)))).toBeLessThan(1e-5);

    const { pictures, measures: figures } = await model.inspect({});
    expect(pictures.map(({ file }) => file.split("/").at(-1))).toEqual(["layers-0.png", "layers-1.png", "gradient-norms.png"]);
    for (const { file } of pictures) expect(readFileSync(file).subarray(1, 4).toString()).toBe("PNG");
    expect(figures?.map(({ key }) => key)).toEqual(expect.arrayContaining(["gradientHalfDistance", "gradientAt16"]));

    const [onnx] = await model.export("onnx");
    expect(onnx?.note).toContain("state.… float32 [batch, width] → logits");
    const files = await model.export("safetensors", join(out, "weights"));
    for (const { file } of files) expect(existsSync(file)).toBe(true);
  });

  it("fine-tunes from a run", async () => {
    await train(`${family}-tuned`, { initFrom: out, steps: 1 });
    const tuned = (await openRun(`${out}-tuned`)).config.config as Options;
    expect([tuned.width, tuned.embedding]).toEqual([12, 8]);
  });
});

describe("carried state", () => {
  const recipe = findRecipe("lstm/language-model");

  it("needs steps that follow each other", async () => {
    const run = recipe.train({ ...small, accumulate: 2 }, { out: join(folder, "accumulated") });
    await expect(run).rejects.toThrow("carryState needs accumulate 1, got 2");
    expect(existsSync(join(folder, "accumulated"))).toBe(false);
  });

  it("needs a window for each row", async () => {
    const run = recipe.train({ ...small, batch: 400 }, { out: join(folder, "wide") });
    await expect(run).rejects.toThrow("expected more than 6400 tokens (a window for each of 400 pieces)");
  });
});

describe("streamWindows", () => {
  const stream = Int32Array.from({ length: 101 }, (_, i) => i);
  const batch = streamWindows(stream, { batch: 2, context: 8 }, key(1));

  it("goes on where the batch before ended, row by row, until all begin anew", () => {
    const epoch = Array.from({ length: 12 }, (_, step) => batch(step));
    const begins = epoch.map(({ continues }) => continues.data[0]);
    expect(begins.filter((value) => value === 0).length).toBeGreaterThan(1);
    expect(begins[0]).toBe(0);
    epoch.forEach(({ tokens, targets }, step) => {
      expect([...targets.data].map(Number)).toEqual([...tokens.data].map((token) => Number(token) + 1));
      const [first, second] = [tokens.data[0], tokens.data[8]].map(Number) as [number, number];
      expect(second - first).toBe(50);
      if (begins[step] === 1) expect(first).toBe(Number(epoch[step - 1]?.tokens.data[7]) + 1);
    });
  });

  it("is a pure function of the step", () => {
    expect(batch(7)).toEqual(streamWindows(stream, { batch: 2, context: 8 }, key(1))(7));
  });
});
