/** GANs in the image task: classes on demand, truncation, averages, what is exported, what is warned of. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { ganFamily } from "../../src/tasks/families/gan.ts";
import type { MadePicture } from "../../src/tasks/generate-image/trained.ts";
import { presetOptions } from "../../src/tasks/recipe.ts";
import { ganGenerateImage } from "../../src/tasks/recipes/gan-generate-image.ts";

const folder = mkdtempSync(join(tmpdir(), "heptagen-gan-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const brief = { generatorWidth: 8, discriminatorWidth: 8, latent: 4, batch: 16, limit: 200 };
const often = { evaluateEvery: 20, checkpointEvery: 10, sampleEvery: 20, samplePictures: 4 };

async function all<T>(made: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const one of made) list.push(one);
  return list;
}
const spread = (made: readonly MadePicture[]): number => {
  const size = made[0]?.pixels.length ?? 0;
  const variances = Array.from({ length: size }, (_, k) => {
    const values = made.map(({ pixels }) => pixels[k] as number);
    const mean = values.reduce((a, b) => a + b, 0) / values.length;
    return values.reduce((total, value) => total + (value - mean) ** 2, 0) / values.length;
  });
  return variances.reduce((a, b) => a + b, 0);
};
const trained = async (name: string, options: object, stopAt?: number) => {
  const run = join(folder, name);
  const stop = new AbortController();
  await ganGenerateImage.train(
    { ...brief, ...often, ...options },
    {
      out: run,
      device: "cpu",
      signal: stop.signal,
      onEvent: (event) => event.kind === "step" && event.step === stopAt && stop.abort(),
    },
  );
  return run;
};

describe("a critic that takes several steps, with classes and an average", async () => {
  const options = {
    conditional: true,
    loss: "wasserstein",
    normalization: "layer",
    gradientPenalty: 10,
    criticSteps: 3,
    learningRate: 5e-3, // enough for classes to differ by more than a shade
    averaging: 0.9,
    steps: 20,
  };
  const run = await trained("critic", options);
  const model = await ganGenerateImage.open(run, { device: "cpu" });

  it("is resumed between two of its steps as if it had not stopped", async () => {
    const stopped = await trained("stopped", options, 7);
    await ganGenerateImage.resume(stopped, { device: "cpu" });
    for (const file of ["model.safetensors", "checkpoints/step-00000020/optimizer.safetensors"]) {
      expect(readFileSync(join(stopped, file)), file).toEqual(readFileSync(join(run, file)));
    }
  });

  it("makes each class on demand, and less varied pictures under a limit", async () => {
    const made = await all(model.pictures({ numSamples: 2, label: ["7", "1"] }));
    expect(made.map(({ label }) => label)).toEqual(["7", "1"]);
    const [other] = await all(model.pictures({ numSamples: 1, label: ["1"] }));
    expect(other?.pixels).not.toEqual(made[0]?.pixels);
    const [free, cut] = await Promise.all(
      [0, 0.1].map((truncation) => all(model.pictures({ numSamples: 32, label: ["3"], truncation }))),
    );
    expect(spread(cut as MadePicture[])).toBeLessThan(0.2 * spread(free as MadePicture[]));
  });

  it("makes a picture that does not depend on those made beside it", async () => {
    const [alone] = await all(model.pictures({ numSamples: 1, label: ["2"] }));
    const [first] = await all(model.pictures({ numSamples: 5, label: ["2", "9"] }));
    expect(alone?.pixels.map((value, i) => Math.abs(value - (first?.pixels[i] as number))).every((gap) => gap <= 1)).toBe(true);
  });

  it("exports both players: each picture is judged on its own", async () => {
    const files = await model.export("onnx", join(folder, "onnx"));
    expect(files.map(({ file }) => file.slice(file.lastIndexOf("/") + 1))).toEqual(["generator.onnx", "discriminator.onnx"]);
  });
});

it("refuses pictures whose sides cannot be halved, before anything is written", async () => {
  await expect(trained("odd", { size: 25, steps: 1 })).rejects.toMatchObject({
    code: "options/value",
    message: expect.stringMatching(/got 25 × 25/),
  });
});

describe("warnings", () => {
  const config = ganFamily.configure(presetOptions(ganGenerateImage, "digits"), { channels: 1, height: 8, width: 8, classes: 0 });
  const healthy = {
    "discriminator/diversity": 0.9,
    "discriminator/realAccuracy": 0.8,
    "discriminator/fakeAccuracy": 0.7,
    "discriminator/realScore": 1,
  };
  const heard = (values: Readonly<Record<string, number>>, evaluation?: Readonly<Record<string, number>>): string[] => {
    const look = ganFamily.watch?.(config);
    const messages = Array.from({ length: 600 }, (_, i) => look?.(i + 1, values));
    return [...messages, evaluation && look?.(600, evaluation)].flatMap((message) => message ?? []);
  };

  it("are silent while all is well", () => {
    expect(heard(healthy, { "validation/realScore": 0.8, "validation/fakeScore": -1 })).toEqual([]);
  });

  it.each([
    ["mode collapse", { "discriminator/diversity": 0.1 }, /^mode collapse: two generated pictures differ 10 %/],
    [
      "a discriminator that has won",
      { "discriminator/realAccuracy": 1, "discriminator/fakeAccuracy": 1 },
      /^the discriminator has won: .* --generator-rate 2/,
    ],
  ])("tell of %s, once", (_, change, message) => {
    const messages = heard({ ...healthy, ...change });
    expect(messages).toHaveLength(1);
    expect(messages[0]).toMatch(message);
  });

  it("tell of a discriminator that knows its pictures by heart", () => {
    const messages = heard(healthy, { "validation/realScore": -0.9, "validation/fakeScore": -1 });
    expect(messages).toEqual([expect.stringMatching(/by heart: it scores them 1.00, held-out ones -0.90/)]);
  });
});
