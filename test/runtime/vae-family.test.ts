/** The variational autoencoder in the image task: what it measures, makes of given pictures, shows and warns of. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { arcs } from "../../src/models/vae-sampler.ts";
import { vaeFamily } from "../../src/tasks/families/vae.ts";
import { onSphere } from "../../src/tasks/families/vae-inspect.node.ts";
import type { MadePicture } from "../../src/tasks/generate-image/trained.ts";
import type { Measure } from "../../src/tasks/recipe.ts";
import { vaeGenerateImage } from "../../src/tasks/recipes/vae-generate-image.ts";

const folder = mkdtempSync(join(tmpdir(), "heptagen-vae-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const brief = {
  conditional: false,
  filters: 8,
  hidden: 32,
  latent: 4,
  warmup: 0,
  evaluateEvery: 60,
  checkpointEvery: 60,
  sampleEvery: 60,
};

async function trained(name: string, options: object) {
  const run = join(folder, name);
  await vaeGenerateImage.train({ ...brief, ...options }, { out: run, device: "cpu" });
  return { run, model: await vaeGenerateImage.open(run, { device: "cpu" }) };
}

async function all<T>(made: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const one of made) list.push(one);
  return list;
}
const apart = (a: MadePicture, b: MadePicture): number =>
  a.pixels.reduce((sum, value, i) => sum + Math.abs(value - (b.pixels[i] as number)), 0) / a.pixels.length;

describe("a run on digits", () => {
  let digits: Awaited<ReturnType<typeof trained>>;
  beforeAll(async () => {
    digits = await trained("digits", { steps: 300, data: "digits" });
  });

  it("measures a likelihood of bytes: its parts, and a bound that more latents tighten", async () => {
    const measures = await digits.model.evaluate({ samples: 0, importance: 20 });
    const value = (name: string) => measures.find(({ key }) => key === name)?.value as number;
    expect(value("nats")).toBeCloseTo(value("reconstruction") + value("kl"), 3);
    expect(value("natsImportance")).toBeLessThan(value("nats"));
    expect(value("bitsPerDimension")).toBeCloseTo(value("nats") / (64 * Math.LN2), 5);
    expect(value("bitsPerDimension")).toBeLessThan(5); // of 8, had it learnt nothing
    const [fewer] = [await digits.model.evaluate({ samples: 0, importance: 1 })];
    expect(fewer?.find(({ key }) => key === "natsImportance")?.value).toBeGreaterThan(value("natsImportance"));
  });

  it("stays near a given picture as the temperature falls, and completes half of one", async () => {
    const file = join(folder, "given.png");
    const [source] = (await all(digits.model.pictures({ numSamples: 1 }))) as [MadePicture];
    await sharp(Buffer.from(source.pixels), { raw: { width: 8, height: 8, channels: 1 } })
      .png()
      .toFile(file);
    const made = (options: object) => all(digits.model.pictures({ numSamples: 6, input: file, ...options }));
    const [still, near, far] = await Promise.all([made({ temperature: 0 }), made({ temperature: 1 }), made({ temperature: 4 })]);
    const mean = (list: MadePicture[]) => list.reduce((sum, one) => sum + apart(one, source), 0) / list.length;
    expect(new Set(still?.map(({ pixels }) => pixels.join())).size).toBe(1);
    expect(new Set(near?.map(({ pixels }) => pixels.join())).size).toBe(6);
    expect(mean(near as MadePicture[])).toBeLessThan(mean(far as MadePicture[]));
    for (const { pixels } of await made({ mask: "lower" })) {
      expect(pixels.subarray(0, 32)).toEqual(source.pixels.subarray(0, 32));
      expect(pixels.subarray(32)).not.toEqual(source.pixels.subarray(32));
    }
    const [drawn] = await all(digits.model.pictures({ numSamples: 1, drawPixels: true }));
    expect(apart(drawn as MadePicture, source)).toBeGreaterThan(0);
  });

  it("walks from one new picture to another in even steps, and on from there", async () => {
    const made = await all(digits.model.pictures({ numSamples: 16, walk: 8 }));
    const step = (i: number) => apart(made[i] as MadePicture, made[i + 1] as MadePicture);
    expect(step(7)).toBe(0); // the second walk begins where the first has ended
    expect(apart(made[0] as MadePicture, made[7] as MadePicture)).toBeGreaterThan(Math.max(...[0, 1, 2, 3, 4, 5, 6].map(step)));
  });

  it("shows what it does", async () => {
    const { pictures, measures } = await digits.model.inspect({});
    expect(pictures.map(({ file }) => file.slice(file.lastIndexOf("/") + 1))).toEqual(
      ["reconstructions", "samples", "traversals", "interpolations", "latent-map", "latents"].map((name) => `${name}.png`),
    );
    const [active, first, second] = measures as Measure[];
    expect(active).toMatchObject({ key: "activeUnits", name: "active latents, of 4" });
    expect(active?.value).toBeGreaterThan(0);
    expect(first?.value).toBeGreaterThanOrEqual(second?.value as number);
  });
});

it("learns colours, odd sizes and classes, and makes pictures of a class", async () => {
  const pictures = join(folder, "pictures");
  for (const [name, background] of [
    ["red", { r: 230, g: 20, b: 20 }],
    ["blue", { r: 20, g: 20, b: 230 }],
  ] as const) {
    mkdirSync(join(pictures, name), { recursive: true });
    for (let i = 0; i < 20; i++) {
      const shade = { ...background, g: background.g + i }; // what differs within a class is little
      await sharp({ create: { width: 11, height: 11, channels: 3, background: shade } })
        .png()
        .toFile(join(pictures, name, `${i}.png`));
    }
  }
  const { model } = await trained("colours", {
    data: pictures,
    conditional: true,
    steps: 200,
    beta: 10,
    batch: 16,
    latent: 2,
    learningRate: 5e-3,
  });
  for (const name of ["red", "blue"]) {
    for (const { channels, pixels, label } of await all(model.pictures({ numSamples: 4, label: [name], temperature: 0.5 }))) {
      const mean = (channel: number) => pixels.subarray(121 * channel, 121 * (channel + 1)).reduce((a, b) => a + b, 0) / 121;
      expect({ channels, label }).toEqual({ channels: 3, label: name });
      expect(mean(0) > mean(2)).toBe(name === "red");
    }
  }
  const { pictures: drawn } = await model.inspect({ out: join(folder, "looked") });
  expect(drawn.map(({ caption }) => caption).join()).toContain("a column for each class: blue, red");
  expect(readdirSync(join(folder, "looked"))).toContain("plane.png"); // two latents: what lies where
});

it("calls a density a density: it has no bits per dimension", async () => {
  const { model } = await trained("gaussian", { data: "digits", output: "gaussian", network: "mlp", layers: 1, steps: 4 });
  const measures = await model.evaluate({ samples: 0, importance: 2 });
  expect(measures.map(({ key }) => key)).toEqual(["density", "reconstruction", "kl", "densityImportance", "pictures"]);
});

it("warns of posterior collapse, once, after beta has risen", () => {
  const config = vaeFamily.configure(
    {
      output: "binary",
      levels: 256,
      network: "conv",
      filters: 4,
      layers: 0,
      hidden: 8,
      latent: 2,
      beta: 1,
      betaWarmup: 150,
      freeBits: 0,
    },
    { channels: 1, height: 8, width: 8, classes: 0 },
  );
  const told = (kl: (step: number) => number) => {
    const look = vaeFamily.watch?.(config);
    return Array.from({ length: 400 }, (_, i) => look?.(i + 1, { loss: 9, kl: kl(i + 1) })).flatMap((said, i) =>
      said === undefined ? [] : [[i + 1, said] as const],
    );
  };
  expect(told(() => 4)).toEqual([]);
  expect(told((step) => (step % 50 === 0 ? 1 : 0.01))).toEqual([]);
  const [[step, message] = [0, ""], ...more] = told(() => 0.01);
  expect(step).toBe(150);
  expect(message).toMatch(/^posterior collapse: latents tell 0\.01 nats .* --beta.* --beta-warmup 1000, --free-bits/);
  expect(more).toEqual([]);
});

it("walks between vectors along the sphere", () => {
  const { shape, data } = arcs(5, 3);
  expect(shape).toEqual([5, 3]);
  for (let i = 0; i < 5; i++) expect(Math.hypot(...(data as Float32Array).subarray(3 * i, 3 * i + 3))).toBeCloseTo(1, 6);
  expect(
    onSphere(
      [
        [2, 0],
        [0, 2],
      ],
      0,
    ),
  ).toEqual([2, 0]);
  const [x, y] = onSphere(
    [
      [2, 0],
      [0, 2],
    ],
    0.5,
  ) as [number, number];
  expect([x, y]).toEqual([expect.closeTo(Math.SQRT2, 6), expect.closeTo(Math.SQRT2, 6)]);
  expect(
    Math.hypot(
      ...onSphere(
        [
          [1, 0],
          [0, 3],
        ],
        0.5,
      ),
    ),
  ).toBeCloseTo(2, 6);
  expect(
    onSphere(
      [
        [0, 0],
        [4, 0],
      ],
      0.25,
    ),
  ).toEqual([1, 0]); // no direction to turn from
});
