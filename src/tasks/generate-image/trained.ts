/** A trained image model: opened from a run, then sampled, evaluated, inspected and exported. */
import { mkdir } from "node:fs/promises";
import { dirname, extname, join, resolve } from "node:path";
import { readImages } from "../../data/index.ts";
import type { Device } from "../../runtime/index.ts";
import { openRun, type Run, restoreTree, writeFileAtomically } from "../../train/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import type { NdArray } from "../../util/ndarray.ts";
import { key } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import { exportGraphs } from "../export/graphs.ts";
import { parseOptions } from "../options.ts";
import type { OpenContext, Options, Recipe, SampleEvent, TrainedModel } from "../recipe.ts";
import { curvesOf, parametersOf } from "../training.ts";
import { labelsFor, ownOptions, type PictureFacts, picturesOf, toBytes } from "./data.ts";
import { evaluateImages, heldOut, ownPictures } from "./evaluate.ts";
import type { ImageFamily } from "./image-family.ts";
import {
  type EvaluateOptions,
  inspectOptions,
  type SampleOptions,
  type SettledOptions,
  sampleOptions,
  type TrainingOptions,
} from "./options.ts";
import { configure, sheetOfImages } from "./train.ts";

/** Pictures made at once. */
const madeAtOnce = 64;
/** Held-out pictures that inspection looks at, and pictures learnt from. */
const inspectedPictures = 2000;

/** A picture that a model made. */
export interface MadePicture {
  readonly channels: 1 | 3;
  readonly height: number;
  readonly width: number;
  /** [channels, height, width], 8 bits a value. */
  readonly pixels: Uint8Array;
  /** The name of its class, of a model that knows classes. */
  readonly label: string | undefined;
}

/** A trained image model. */
export interface TrainedImageModel extends TrainedModel {
  /**
   * Pictures as they are made. Takes the options of sampling but those that are about files.
   *
   * @example for await (const { width, height, pixels } of model.pictures({ numSamples: 4 })) draw(pixels, width, height);
   */
  pictures(options?: Options): AsyncIterable<MadePicture>;
}

/** An image model as a run keeps it. */
export interface LoadedImageModel<Config> {
  readonly run: Run;
  readonly options: SettledOptions & Options;
  readonly facts: PictureFacts;
  readonly config: Config;
  readonly params: Tree<NdArray>;
  readonly device: Device | undefined;
}

/**
 * Loads the best model of a run.
 *
 * @throws HeptagenError `run/…`, `parameters/mismatch`
 */
export async function loadImageRun<Config>(
  family: ImageFamily<Config>,
  folder: string,
  { device, onWarning }: OpenContext,
): Promise<LoadedImageModel<Config>> {
  const run = await openRun(folder);
  const options = run.config.config as SettledOptions & Options; // checked when the run was made
  const facts = run.config.data as unknown as PictureFacts; // written by training
  const config = configure(family, options, facts);
  const { model, warnings } = await run.loadModel();
  for (const { message } of warnings) onWarning?.(message);
  const params = restoreTree<unknown>(family.init(config, key(0)), model, "model") as Tree<NdArray>;
  return { run, options, facts, config, params, device };
}

/** What a trained model can do. */
export function trainedImageModel<Config>(
  { recipe, family }: { readonly recipe: Recipe; readonly family: ImageFamily<Config> },
  loaded: LoadedImageModel<Config>,
): TrainedImageModel {
  const { run, facts } = loaded;
  const schema = sampleOptions.extend(family.sampling.shape);
  const parse = (given: Options) => parseOptions("sample", schema, given) as SampleOptions & Options;
  return {
    recipe,
    async *pictures(given = {}) {
      const options = parse(given);
      for await (const { images, names } of batches(family, loaded, options)) yield* split(images, names);
    },
    async *sample(given) {
      const options = parse(given);
      const file = resolve(options.out ?? run.path("samples", `sample-${options.seed}.png`));
      if (extname(file).toLowerCase() !== ".png") {
        throw new HeptagenError("options/value", `sample: expected out to end in .png, got ${file}`, {
          next: "Name the picture to write, as in --out sheet.png.",
        });
      }
      const made: NdArray[] = [];
      let labels: string[] = [];
      for await (const batch of batches(family, loaded, options)) {
        made.push(batch.images);
        labels = [...labels, ...batch.names];
        yield { kind: "progress", done: labels.length / options.numSamples };
      }
      await mkdir(dirname(file), { recursive: true });
      yield* written(file, joinImages(made), labels, options);
    },
    evaluate(given, context = {}) {
      const options = parseOptions("eval", recipe.abilities.evaluate, given) as EvaluateOptions & Options;
      const sampling = ownOptions(options, family.sampling.shape);
      const make = async function* (numSamples: number, label: readonly string[]) {
        const asked = parse({ ...sampling, numSamples, label, seed: options.seed });
        for await (const { images } of batches(family, loaded, asked)) yield images;
      };
      return evaluateImages(family, loaded, options, make, context);
    },
    async inspect(given) {
      const { out, seed } = parseOptions("inspect", inspectOptions, given);
      const folder = resolve(out ?? run.path("inspect"));
      const own = await ownPictures(loaded);
      const [training, validation] = [own.train, heldOut(own)];
      const { config, params, device } = loaded;
      const drawn = await family.inspect({
        config,
        params,
        device,
        training: picturesOf(training, 0, Math.min(training.count, inspectedPictures)),
        validation: picturesOf(validation, 0, Math.min(validation.count, inspectedPictures)),
        classes: facts.classes,
        seed,
      });
      await mkdir(folder, { recursive: true });
      const pictures: { file: string; caption: string }[] = [];
      for (const { name, caption, content } of drawn.pictures) {
        const file = join(folder, `${name}.png`);
        await writeFileAtomically(file, content);
        pictures.push({ file, caption });
      }
      const parameters = parametersOf(params);
      return { config: loaded.options, parameters, curves: await curvesOf(run), pictures, measures: drawn.measures };
    },
    export: (format, out) =>
      exportGraphs(family.graphs(loaded.config), loaded.params, {
        format,
        out: out ?? run.path(format),
        device: loaded.device,
        metadata: { "heptagen.recipe": recipe.name, "heptagen.config": JSON.stringify(loaded.config) },
      }),
  };
}

/** Makes pictures, a batch at a time. */
async function* batches<Config>(
  family: ImageFamily<Config>,
  { config, params, device, facts, options: trained }: LoadedImageModel<Config>,
  options: SampleOptions & Options,
): AsyncGenerator<{ images: NdArray; names: string[] }> {
  const { numSamples, seed, label, input, mask } = options;
  if ((input !== undefined || mask !== undefined) && !family.startsFrom) {
    throw new HeptagenError("options/value", `sample: ${family.name} cannot start from a picture, got input or mask`, {
      next: "Leave them out, or use a model of another family.",
    });
  }
  if (mask !== undefined && input === undefined) {
    throw new HeptagenError("options/value", "sample: expected input with mask, got none", {
      next: "Name a picture with --input.",
    });
  }
  const own = ownOptions(options, family.sampling.shape);
  const count = Math.min(numSamples, madeAtOnce);
  const labels = labelsFor(label, facts.classes, trained.conditional, numSamples).data as Int32Array;
  const given = input === undefined ? undefined : await givenPictures(input, mask, facts, trained, count);
  const sampler = await family.openSampler(config, params, { count, options: own, given: given !== undefined, device });
  try {
    for (let done = 0; done < numSamples; done += count) {
      const chosen = Int32Array.from({ length: count }, (_, i) => labels[Math.min(done + i, numSamples - 1)] as number);
      const images = await sampler.run(params, {
        seed: seed + done / count,
        labels: { dtype: "int32", shape: [count], data: chosen },
        ...(given && { given }),
      });
      const kept = Math.min(count, numSamples - done);
      const names = trained.conditional ? [...chosen.subarray(0, kept)].map((at) => facts.classes[at] as string) : [];
      yield { images: firstImages(images, kept), names: kept === names.length ? names : Array<string>(kept).fill("") };
    }
  } finally {
    await sampler.dispose();
  }
}

/** The picture to start from, once for each that is made, and what to make anew. */
async function givenPictures(
  input: string,
  mask: string | undefined,
  { channels, height, width }: PictureFacts,
  { fit }: TrainingOptions,
  count: number,
): Promise<{ images: NdArray; mask: NdArray }> {
  if (height !== width) {
    throw new HeptagenError(
      "options/value",
      `sample: expected a model of square pictures to start from one, got ${width} × ${height}`,
    );
  }
  const read = async (file: string, colours: 1 | 3) =>
    picturesOf(await readImages({ data: file, size: height, channels: colours, fit }), 0, 1).images.data as Float32Array;
  const repeated = (one: Float32Array): Float32Array => {
    const all = new Float32Array(count * one.length);
    for (let i = 0; i < count; i++) all.set(one, i * one.length);
    return all;
  };
  const places = Array.from({ length: height * width }, (_, i) => [Math.floor(i / width), i % width] as const);
  const halves: Readonly<Record<string, (y: number, x: number) => boolean>> = {
    upper: (y) => y < height / 2,
    lower: (y) => y >= height / 2,
    left: (_, x) => x < width / 2,
    right: (_, x) => x >= width / 2,
  };
  const half = mask === undefined ? () => true : halves[mask];
  const anew = half
    ? Float32Array.from(places, ([y, x]) => (half(y, x) ? 1 : 0))
    : (await read(mask as string, 1)).map((value) => (value >= 0.5 ? 1 : 0));
  return {
    images: { dtype: "float32", shape: [count, channels, height, width], data: repeated(await read(input, channels)) },
    mask: { dtype: "float32", shape: [count, 1, height, width], data: repeated(anew) },
  };
}

async function* written(
  file: string,
  images: NdArray,
  labels: readonly string[],
  { columns, scale, apart }: SampleOptions,
): AsyncGenerator<SampleEvent> {
  await writeFileAtomically(file, await sheetOfImages(images, { columns, scale }));
  const count = labels.length;
  yield { kind: "file", file, caption: `${count} ${count === 1 ? "picture" : "pictures"}` };
  if (!apart) return;
  for (let i = 0; i < count; i++) {
    const single = `${file.slice(0, -extname(file).length)}-${String(i + 1).padStart(4, "0")}.png`;
    await writeFileAtomically(single, await sheetOfImages(slice(images, i, 1), { scale: 1, gap: 0 }));
    yield { kind: "file", file: single, caption: labels[i] || `picture ${i + 1}` };
  }
}

function split(images: NdArray, names: readonly string[]): MadePicture[] {
  const [, channels, height, width] = images.shape as [number, 1 | 3, number, number];
  return names.map((name, i) => ({
    channels,
    height,
    width,
    pixels: toBytes(slice(images, i, 1)),
    label: name === "" ? undefined : name,
  }));
}

/** Pictures [from, from + count): float32 [count, C, H, W]. */
function slice({ shape, data }: NdArray, from: number, count: number): NdArray {
  const size = shape.slice(1).reduce((a, b) => a * b, 1);
  const part = (data as Float32Array).subarray(from * size, (from + count) * size);
  return { dtype: "float32", shape: [count, ...shape.slice(1)], data: part };
}

function firstImages(images: NdArray, count: number): NdArray {
  return count === images.shape[0] ? images : slice(images, 0, count);
}

function joinImages(parts: readonly NdArray[]): NdArray {
  const count = parts.reduce((sum, { shape }) => sum + (shape[0] as number), 0);
  const data = new Float32Array(parts.reduce((sum, part) => sum + part.data.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part.data as Float32Array, at);
    at += part.data.length;
  }
  return { dtype: "float32", shape: [count, ...(parts[0]?.shape.slice(1) ?? [])], data };
}
