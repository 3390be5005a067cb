/** Comparing pictures by a classifier: trained once, kept, the same for all; and distances that follow what is done to pictures. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { input } from "../../src/core/builtin.ts";
import type { Tensor } from "../../src/core/index.ts";
import { type ImageDataset, readImages, splitImages } from "../../src/data/index.ts";
import { frechetDistance, kernelDistance, manifoldScores } from "../../src/metrics/index.ts";
import { buildModel, encodeModel } from "../../src/onnx/index.ts";
import { avgPool, mean, reshape, transpose } from "../../src/ops/index.ts";
import { generateImageRecipe } from "../../src/tasks/generate-image/generate-image.ts";
import { inceptionFeatures } from "../../src/tasks/generate-image/inception-features.ts";
import { type FeatureClassifier, featureClassifier, type PictureSet } from "../../src/tasks/generate-image/picture-features.ts";
import type { EvaluateEvent, TrainEvent } from "../../src/tasks/recipe.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import { fillUniform, fold, key } from "../../src/util/random.ts";
import { independentPixels } from "./independent-pixels.ts";

const folder = mkdtempSync(join(tmpdir(), "heptagen-features-"));
beforeAll(() => vi.stubEnv("HEPTAGEN_CACHE", join(folder, "cache")));
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** Pictures in which each pixel is drawn anew with some probability. */
function noisy(set: PictureSet, part: number): PictureSet {
  const [where, what] = ["where", "what"].map((name) => {
    const numbers = new Float32Array(set.pixels.length);
    fillUniform(fold(key(1), name), numbers);
    return numbers;
  }) as [Float32Array, Float32Array];
  return { ...set, pixels: set.pixels.map((value, i) => ((where[i] as number) < part ? 255 * (what[i] as number) : value)) };
}

describe("a classifier of digits", () => {
  let digits: ImageDataset;
  let features: FeatureClassifier;
  const events: EvaluateEvent[] = [];
  beforeAll(async () => {
    digits = await readImages({});
    features = await featureClassifier(digits, { onEvent: (event) => events.push(event) });
  });

  it("learns them, and says that it does", () => {
    expect(features.facts.accuracy).toBeGreaterThan(0.95);
    expect(features.facts).toMatchObject({ heldOut: 179, fingerprint: digits.fingerprint });
    expect(events[0]).toMatchObject({ kind: "note", message: expect.stringContaining("training a classifier on digits") });
    const progress = events.flatMap((event) => (event.kind === "progress" ? [event.done] : []));
    expect(progress.at(-1)).toBe(1);
    expect(progress).toEqual([...progress].sort((a, b) => a - b));
  });

  it("is kept with its accuracy, and used again without training", async () => {
    const names = readdirSync(join(folder, "cache", "classifiers")).sort();
    expect(names.map((name) => name.split(".")[1])).toEqual(["json", "safetensors"]);
    const again: EvaluateEvent[] = [];
    const second = await featureClassifier(digits, { onEvent: (event) => again.push(event) });
    expect(again).toEqual([]);
    const kept = JSON.parse(readFileSync(features.file.replace("safetensors", "json"), "utf8"));
    expect(kept).toMatchObject({ accuracy: second.facts.accuracy, config: { features: 128, channels: 1, height: 8 } });
    expect(await second.of(digits, "")).toEqual(await features.of(digits, ""));
    await second.dispose();
  });

  it("is the same when it is trained again, as where the file is damaged; of two that need it, one trains it", async () => {
    const before = readFileSync(features.file);
    writeFileSync(features.file, before.subarray(0, 1000));
    const told: EvaluateEvent[][] = [[], []];
    const both = await Promise.all(told.map((list) => featureClassifier(digits, { onEvent: (event) => list.push(event) })));
    for (const one of both) await one.dispose();
    expect(readFileSync(features.file)).toEqual(before);
    expect(told.filter((list) => list.some(({ kind }) => kind === "progress"))).toHaveLength(1);
    const notes = told.flat().flatMap((event) => (event.kind === "note" ? [event.message] : []));
    for (const part of ["is damaged", "training a classifier", "waiting for it"]) expect(notes.join()).toContain(part);
  });

  it("finds a set near itself, its halves nearer than noise, and more noise farther", async () => {
    const { train, validation } = splitImages(digits, 0.5, 3);
    const real = await features.of(train, "");
    const other = await features.of(validation, "");
    expect(frechetDistance(real, real)).toBeLessThan(1e-3);
    const ladder = [other];
    for (const part of [0.1, 0.25, 0.5, 1]) ladder.push(await features.of(noisy(validation, part), ""));
    const fids = ladder.map((made) => frechetDistance(real, made));
    const kids = ladder.map((made) => kernelDistance(real, made, { subsets: 20, size: 500 }).mean);
    for (const distances of [fids, kids]) {
      expect(distances).toEqual([...distances].sort((a, b) => a - b));
      expect(distances[4]).toBeGreaterThan(20 * (distances[0] as number));
    }
    const [clean, noise] = [ladder[0], ladder[4]].map((made) => manifoldScores(real, made as typeof real));
    expect(clean?.precision).toBeGreaterThan(0.8);
    expect(clean?.recall).toBeGreaterThan(0.8);
    expect(noise?.recall).toBeLessThan(0.1);
  });

  it("looks at pictures of another size and in colours, all in the same way", async () => {
    const { train, validation } = splitImages(await readImages({ size: 16, channels: 3 }), 0.5, 3);
    const [real, other, noise] = [train, validation, noisy(validation, 1)].map((set) => features.of(set, ""));
    const near = frechetDistance((await real) as NdArray, (await other) as NdArray);
    expect(near).toBeLessThan(frechetDistance((await real) as NdArray, (await noise) as NdArray) / 20);
  });

  it("refuses pictures without classes, and stops when asked", async () => {
    const bare = { ...digits, labels: undefined, classes: [] };
    await expect(featureClassifier(bare)).rejects.toMatchObject({ code: "features/no-classes" });
    const stopped = featureClassifier({ ...digits, fingerprint: "another" }, { signal: AbortSignal.abort() });
    await expect(stopped).rejects.toMatchObject({ code: "evaluate/interrupted" });
    expect(readdirSync(join(folder, "cache", "classifiers"))).toHaveLength(2);
  });
});

const options = {
  start: 0,
  fit: "crop",
  flip: false,
  validation: 0.2,
  conditional: true,
  batch: 32,
  accumulate: 1,
  steps: 60,
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
  evaluateEvery: 60,
  patience: 0,
  checkpointEvery: 60,
  sampleEvery: 0,
  samplePictures: 10,
  seed: 1,
};
const recipe = generateImageRecipe(independentPixels, { summary: "for tests", presets: { only: { summary: "", options } } });

/** A file that gives the mean of every colour in each quarter of a picture: 12 features. */
function tinyNetwork(name: string, { first = true, side = 16 } = {}): string {
  const images = input({ shape: first ? [4, 3, side, side] : [4, side, side, 3], dtype: "float32" });
  const planes: Tensor = first ? images : transpose(images, [0, 3, 1, 2]);
  const features = reshape(avgPool(planes, side / 2), [4, 12]);
  const file = join(folder, name);
  writeFileSync(file, encodeModel(buildModel({ inputs: [["images", images]], outputs: [["features", features]] })));
  return file;
}

describe("evaluating image models", async () => {
  const run = join(folder, "run");
  await recipe.train({}, { out: run });
  const model = await recipe.open(run);
  const values = async (given: object, onEvent = (_: EvaluateEvent) => {}) =>
    Object.fromEntries((await model.evaluate({ ...given }, { onEvent })).map(({ key: name, value }) => [name, value]));

  it("measures what a model makes, beside its likelihood; the same for the same seed", async () => {
    const events: EvaluateEvent[] = [];
    const measured = await values({ samples: 300 }, (event) => events.push(event));
    expect(measured).toMatchObject({ samples: 300, pictures: 359 });
    for (const name of ["nats", "kid", "kidDeviation", "precision", "recall", "density", "coverage", "classifierAccuracy"]) {
      expect(measured[name], name).toBeTypeOf("number");
    }
    // Pixels that know their class but not each other: nothing like digits, and farther than other digits are.
    expect(measured.fid).toBeGreaterThan(3 * (measured.fidOfReal as number));
    expect(events).toContainEqual({ kind: "progress", what: "making 300 pictures", done: 1 });
    expect(await values({ samples: 300 })).toEqual(measured);
    expect((await values({ samples: 300, seed: 1 })).fid).not.toBe(measured.fid);
    expect(await values({ samples: 300, threshold: -30 })).toMatchObject({ recall: 0 }); // black pictures
  });

  it("of another size are compared by the same classifier", async () => {
    const before = readdirSync(join(folder, "cache", "classifiers"));
    const larger = join(folder, "larger");
    await recipe.train({ size: 12 }, { out: larger });
    const measured = await (await recipe.open(larger)).evaluate({ samples: 100 });
    expect(measured.find(({ key: name }) => name === "fid")?.value).toBeGreaterThan(0);
    expect(readdirSync(join(folder, "cache", "classifiers"))).toEqual(before);
  });

  it("without classes says why there is no FID, unless a labelled set is named", async () => {
    const bare = join(folder, "bare-images-idx3-ubyte");
    const header = Buffer.from([0, 0, 8, 3, 0, 0, 0, 50, 0, 0, 0, 8, 0, 0, 0, 8]);
    writeFileSync(bare, Buffer.concat([header, (await readImages({})).pixels.subarray(0, 50 * 64)]));
    const unlabelled = join(folder, "unlabelled");
    await recipe.train({ data: bare, conditional: false, batch: 8, steps: 2 }, { out: unlabelled });
    const other = await recipe.open(unlabelled);
    const events: EvaluateEvent[] = [];
    const few = await other.evaluate({}, { onEvent: (event) => events.push(event) });
    expect(few.map(({ key: name }) => name)).toEqual(["nats", "bitsPerDimension", "pictures"]);
    expect(events[0]).toMatchObject({
      kind: "note",
      message: expect.stringMatching(/no FID, as .* has no classes.*--features/s),
    });
    await expect(other.evaluate({ samples: 100 })).rejects.toMatchObject({ code: "features/no-classes" });
    const named = await other.evaluate({ samples: 100, features: "digits" });
    expect(named.map(({ key: name }) => name)).toContain("fid");
  });

  it("decides about the best model in training where there is no likelihood", async () => {
    const { measure: _, score: __, ...blind } = independentPixels;
    const generator = generateImageRecipe(blind, { summary: "", presets: { only: { summary: "", options } } });
    const events: TrainEvent[] = [];
    const given = { fidPictures: 100, evaluateEvery: 20, checkpointEvery: 20 };
    await generator.train(given, { out: join(folder, "blind"), onEvent: (event) => events.push(event) });
    const fids = events.flatMap((event) =>
      event.kind === "evaluation" ? [[event.measures[0]?.value, event.best] as const] : [],
    );
    expect(fids).toHaveLength(3);
    let least = Number.POSITIVE_INFINITY;
    for (const [fid, best] of fids) {
      expect(best).toBe((fid as number) < least);
      least = Math.min(least, fid as number);
    }
    expect(fids[0]?.[0]).toBeGreaterThan(least);
  });

  it("ends early when asked", async () => {
    const stop = new AbortController();
    const onEvent = (event: EvaluateEvent) => {
      if (event.kind === "progress" && event.what.startsWith("making")) stop.abort();
    };
    const stopped = model.evaluate({ samples: 1000 }, { signal: stop.signal, onEvent });
    await expect(stopped).rejects.toMatchObject({ code: "evaluate/interrupted" });
  });

  it("takes features from a network in a file as well, whichever its layout", async () => {
    const files = [tinyNetwork("first.onnx"), tinyNetwork("last.onnx", { first: false })];
    const [a, b] = await Promise.all(files.map((inception) => values({ samples: 100, inception })));
    expect(a?.inceptionFid).toBeGreaterThan(0);
    expect(a?.inceptionFid).toBeCloseTo(b?.inceptionFid as number, 6);
    expect(a?.inceptionPrecision).toBe(b?.inceptionPrecision);
    const bytes = await values({ samples: 100, inception: files[0], inceptionInput: "bytes" });
    expect((bytes.inceptionFid as number) / (a?.inceptionFid as number)).toBeCloseTo(255 ** 2, -2);
  });
});

describe("a network in a file", () => {
  it("sees pictures at its own size, in three colours, from 0 to 1 or as told", async () => {
    const file = tinyNetwork("means.onnx");
    const pixels = Uint8Array.from({ length: 64 }, (_, i) => (i % 8 < 4 ? 255 : 0));
    const set: PictureSet = { channels: 1, height: 8, width: 8, count: 1, pixels };
    for (const [range, low, high] of [
      ["unit", 0, 1],
      ["signed", -1, 1],
      ["bytes", 0, 255],
    ] as const) {
      const network = await inceptionFeatures(file, { input: range });
      const { shape, data } = await network.of(set, "");
      await network.dispose();
      expect(shape).toEqual([1, 12]);
      // Columns 0-3 of 8 are white: enlarged, the middle two columns of each half are on the way.
      const share = (low + high) / 2 + ((high - low) / 2) * 0.9375;
      expect(data[0]).toBeCloseTo(share, 3);
      expect(data[1]).toBeCloseTo(low + high - share, 3);
      expect(data[5]).toBeCloseTo(low + high - share, 3);
    }
  });

  it("is refused when it takes or gives something else, or cannot be read", async () => {
    const grey = input({ shape: [4, 1, 16, 16], dtype: "float32" });
    const file = join(folder, "grey.onnx");
    writeFileSync(file, encodeModel(buildModel({ inputs: [["x", grey]], outputs: [["y", mean(grey, [1, 2, 3])]] })));
    const open = (name: string) => inceptionFeatures(name, { input: "unit" });
    await expect(open(file)).rejects.toThrow(/expected one input float32 \[N, 3, H, H\] or .*, got x float32 \[4, 1, 16, 16\]/);
    await expect(open(join(folder, "none.onnx"))).rejects.toMatchObject({ code: "storage/unreadable" });
    writeFileSync(join(folder, "text.onnx"), "text");
    await expect(open(join(folder, "text.onnx"))).rejects.toMatchObject({ code: "runtime/load" });
  });
});
