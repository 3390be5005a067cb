/**
 * Features to compare sets of pictures by: those of a classifier that Heptagen trains itself on labelled pictures.
 *
 * The classifier belongs to the pictures, not to a model: it is trained once on a labelled set at one size and kept in the cache
 * folder under the fingerprint of what it saw, so that all models of these pictures, of whatever family, size and run, are measured
 * by the same features. Pictures of another size or other colours are brought to what the classifier sees, made and real ones by the
 * same function.
 *
 * Legend: N pictures, F features.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import type { Tensor } from "../../core/index.ts";
import {
  classifierFolder,
  exactResampler,
  exclusively,
  type ImageDataset,
  imageBatches,
  imageChunks,
  splitImages,
} from "../../data/index.ts";
import {
  featuresOf,
  forward,
  init,
  loss,
  type PictureClassifierConfig,
  type PictureClassifierParams,
  pictureClassifierConfig,
} from "../../models/picture-classifier.ts";
import { argmax, cast, equal, mul, sum } from "../../ops/index.ts";
import { adamw, schedule } from "../../optim/index.ts";
import { compile, type Device } from "../../runtime/index.ts";
import {
  compileEvaluation,
  flattenParameters,
  readSafetensorsFile,
  restoreTree,
  writeFileAtomically,
} from "../../train/index.ts";
import { parseJson, stringifyJson } from "../../train/json.ts";
import type { ObjectiveState } from "../../train/objective.ts";
import { writeSafetensorsFile } from "../../train/safetensors.node.ts";
import { compileStep } from "../../train/step.ts";
import { HeptagenError } from "../../util/errors.ts";
import type { NdArray } from "../../util/ndarray.ts";
import { fold, key } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import { checkStop, type EvaluateContext } from "../recipe.ts";
import { versions } from "../versions.node.ts";

/** Pictures as bytes: what a dataset is apart from its source. */
export type PictureSet = Pick<ImageDataset, "channels" | "height" | "width" | "count" | "pixels">;

/** What turns pictures into features. */
export interface PictureFeatures {
  /** float32 [N, F] */
  of(pictures: PictureSet, what: string): Promise<NdArray>;
  dispose(): Promise<void>;
}

/** How classifiers are trained; part of the name they are kept under, so that a change trains new ones. */
const recipe = { seed: 0, heldOut: 0.1, batch: 128, epochs: 4, leastSteps: 600, mostSteps: 2000, learningRate: 2e-3 };
/** Pictures looked at in one run of the network. */
const atOnce = 128;

/** What stands in the file beside a classifier's parameters. */
export interface ClassifierFacts {
  /** The pictures it was trained on. */
  readonly source: string;
  readonly fingerprint: string;
  readonly classes: readonly string[];
  readonly config: PictureClassifierConfig;
  readonly recipe: typeof recipe;
  /** Part of the held-out pictures whose class it names, and how many they are. */
  readonly accuracy: number;
  readonly heldOut: number;
  readonly steps: number;
  readonly seconds: number;
  readonly versions: Readonly<Record<string, string>>;
}

export interface FeatureClassifier extends PictureFeatures {
  readonly facts: ClassifierFacts;
  /** Where its parameters are kept. */
  readonly file: string;
}

/**
 * The classifier of a labelled set: from the cache folder, or trained now and kept there.
 *
 * @param set the labelled pictures, as the classifier is to see them
 * @throws HeptagenError `features/no-classes`; `evaluate/interrupted`; `storage/…` when the cache folder cannot be written
 * @example const features = await featureClassifier(await readImages({ data: "fashion-mnist" }));
 */
export async function featureClassifier(
  set: ImageDataset,
  context: EvaluateContext & { readonly device?: Device | undefined } = {},
): Promise<FeatureClassifier> {
  const { channels, height, width, classes, source, fingerprint } = set;
  if (!set.labels || classes.length < 2) {
    throw new HeptagenError(
      "features/no-classes",
      `${source}: expected pictures of at least two classes, got ${classes.length}`,
      {
        next: "Put the pictures of each class into a folder of its own, or name another labelled set.",
      },
    );
  }
  const config = pictureClassifierConfig({ channels, height, width, classes: classes.length });
  const settings = createHash("sha256").update(JSON.stringify({ config, recipe })).digest("hex");
  const stem = join(classifierFolder(), `${fingerprint.slice(0, 16)}-${settings.slice(0, 8)}`);
  const [file, note] = [`${stem}.safetensors`, `${stem}.json`];
  const kept = () =>
    load(config, file, note).catch((error: unknown) => {
      if (!(error instanceof HeptagenError)) throw error;
      context.onEvent?.({ kind: "note", message: `the classifier kept in ${file} is damaged: ${error.message}` });
      return undefined;
    });
  const trainAndKeep = async (): Promise<Trained> => {
    const trained = await train(config, set, context);
    await writeSafetensorsFile(file, flattenParameters(trained.params), { format: "pt" });
    await writeFileAtomically(note, `${stringifyJson(trained.facts, note)}\n`); // last: a classifier without it does not count
    return trained;
  };
  const waiting = {
    signal: context.signal,
    onWait: () => context.onEvent?.({ kind: "note", message: "another process trains the same classifier; waiting for it" }),
  };
  const { params, facts } =
    (await kept()) ??
    (await exclusively(`${stem}.lock`, async () => (await kept()) ?? trainAndKeep(), waiting).catch((error: unknown) => {
      checkStop(context); // says that the evaluation was interrupted, where the wait was
      throw error;
    }));
  return { facts, file, ...(await extractor(config, params, context)) };
}

type Params = PictureClassifierParams<NdArray>;
interface Trained {
  readonly params: Params;
  readonly facts: ClassifierFacts;
}

/** The classifier kept in these files; undefined when there is none. */
async function load(config: PictureClassifierConfig, file: string, note: string): Promise<Trained | undefined> {
  const text = await readFile(note, "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  const facts = parseJson(text, note) as ClassifierFacts; // written below
  const { tensors } = await readSafetensorsFile(file);
  return { params: restoreTree<Params>(init(config, key(0)), tensors, "classifier") as Params, facts };
}

/** Trains on nine tenths of the pictures and measures on the last. */
async function train(
  config: PictureClassifierConfig,
  set: ImageDataset,
  context: EvaluateContext & { readonly device?: Device | undefined },
): Promise<Trained> {
  const { onEvent, device } = context;
  const { batch: size, seed, epochs, leastSteps, mostSteps, learningRate, heldOut } = recipe;
  const started = performance.now();
  const root = key(seed);
  const { train: known, validation } = splitImages(set, heldOut, seed);
  const steps = Math.min(mostSteps, Math.max(leastSteps, Math.ceil((epochs * known.count) / size)));
  onEvent?.({
    kind: "note",
    message: `training a classifier on ${set.source} once, to compare pictures by what it sees; it is kept for every later evaluation`,
  });
  const rate = schedule({ schedule: "cosine", steps, warmup: Math.floor(steps / 10), learningRate, finalLearningRate: 0 });
  const optimizer = adamw({ beta1: 0.9, beta2: 0.99, weightDecay: 0.01 });
  const batch = imageBatches(known, size, fold(root, "batches"));
  const params = init(config, fold(root, "parameters"));
  const options = device ? { device } : {};
  let state: ObjectiveState = { params: params as unknown as Tree<NdArray>, optimizer: optimizer.init(params) };
  const step = await compileStep<ReturnType<typeof batch>>(
    {
      name: "classifier",
      optimizer,
      learningRate: rate,
      loss: (own, pictures, k) => ({ loss: loss(config, own as unknown as PictureClassifierParams, pictures, k) }),
    },
    state,
    {},
    batch(0),
    { accumulate: 1, averaging: 0, compile: options },
  );
  try {
    for (let i = 0; i < steps; i++) {
      ({ state } = await step.run(state, {}, batch(i), { step: i + 1, key: fold(fold(root, "steps"), i) }));
      onEvent?.({ kind: "progress", what: "training the classifier", done: (i + 1) / steps });
      await setImmediate(); // lets an interruption through
      checkStop(context);
    }
  } finally {
    await step.dispose();
  }
  const trained = state.params as unknown as Params;
  const accuracy = await measureAccuracy(config, trained, validation, device);
  const { source, fingerprint, classes } = set;
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  const facts = { source, fingerprint, classes, config, recipe, accuracy, heldOut: validation.count, steps, seconds };
  return { params: trained, facts: { ...facts, versions: await versions() } };
}

async function measureAccuracy(
  config: PictureClassifierConfig,
  params: Params,
  pictures: ImageDataset,
  device: Device | undefined,
): Promise<number> {
  const chunks = [...imageChunks(pictures, Math.min(atOnce, pictures.count))];
  const evaluation = await compileEvaluation<(typeof chunks)[number]>(
    (own, { images, labels, mask }) => {
      const scores = forward(config, own as unknown as PictureClassifierParams, images);
      const right = cast(equal(argmax(scores, -1), labels), "float32");
      return { accuracy: { sum: sum(mul(mask, right)), count: sum(mask) } };
    },
    params as unknown as Tree<NdArray>,
    chunks[0] as (typeof chunks)[number],
    device ? { device } : {},
  );
  const { accuracy } = await evaluation.run(params as unknown as Tree<NdArray>, chunks);
  await evaluation.dispose();
  return accuracy as number;
}

/** Compiles the way from pictures to features. */
async function extractor(
  { channels, height, width, features }: PictureClassifierConfig,
  params: Params,
  context: EvaluateContext & { readonly device?: Device | undefined },
): Promise<PictureFeatures> {
  const sizes = { channels: channels as 1 | 3, side: height };
  const example: NdArray = {
    dtype: "float32",
    shape: [atOnce, channels, height, width],
    data: new Float32Array(atOnce * channels * height * width),
  };
  const executable = await compile<[Params, NdArray], Tensor>(
    ((own: PictureClassifierParams, images: Tensor) => featuresOf(own, images)) as never,
    [params, example],
    context.device ? { device: context.device } : {},
  );
  const run = async (images: Float32Array) => (await executable.run(params, { ...example, data: images })).data as Float32Array;
  return {
    of: (pictures, what) => featuresInBatches(pictures, { ...sizes, atOnce, features, run, what, context }),
    dispose: () => executable.dispose(),
  };
}

/** How a network takes pictures. */
export interface FeatureNetwork {
  readonly channels: 1 | 3;
  /** Height and width. */
  readonly side: number;
  readonly atOnce: number;
  /** F; known after the first run unless told. */
  readonly features?: number;
  /** [atOnce, channels, side, side] from 0 to 1 → [atOnce, F] */
  run(images: Float32Array): Promise<Float32Array>;
  readonly what: string;
  readonly context: EvaluateContext;
}

/**
 * Features of pictures, batch by batch. Each picture is brought to the network's side (bilinear, averaging when reduced, not
 * rounded) and colours: grey repeated, or RGB weighed as Rec. 601 does.
 */
export async function featuresInBatches(pictures: PictureSet, network: FeatureNetwork): Promise<NdArray> {
  const { channels, side, atOnce: size, run, what, context } = network;
  const { count, pixels, channels: given, height, width } = pictures;
  const [area, plane] = [height * width, side * side];
  const resample = exactResampler({ height, width }, side, "crop");
  let out: Float32Array | undefined;
  let features = 0;
  for (let first = 0; first < count; first += size) {
    checkStop(context);
    const images = new Float32Array(size * channels * plane);
    const present = Math.min(size, count - first);
    for (let i = 0; i < present; i++) {
      const from = (first + i) * given * area;
      const planes = Array.from({ length: given }, (_, c) => resample(pixels.subarray(from + c * area, from + (c + 1) * area)));
      inColours(planes, channels).forEach((values, c) => {
        images.set(values, (i * channels + c) * plane);
      });
    }
    const made = await run(images.map((value) => value / 255));
    features = made.length / size;
    out ??= new Float32Array(count * features);
    out.set(made.subarray(0, present * features), first * features);
    context.onEvent?.({ kind: "progress", what, done: Math.min(1, (first + present) / count) });
    await setImmediate();
  }
  return { dtype: "float32", shape: [count, features], data: out ?? new Float32Array() };
}

function inColours(planes: readonly Float32Array[], channels: 1 | 3): readonly Float32Array[] {
  const [red, green, blue] = planes;
  if (planes.length === channels) return planes;
  if (!red || !green || !blue) return [red, red, red] as Float32Array[];
  return [red.map((value, i) => 0.299 * value + 0.587 * (green[i] as number) + 0.114 * (blue[i] as number))];
}
