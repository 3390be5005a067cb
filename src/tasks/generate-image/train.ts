/**
 * Training an image model: what the training loop needs to know about this task.
 *
 * Held-out pictures are measured by the family's own measures (a likelihood where it has one), and by the Fréchet distance of
 * samples when asked. Sample sheets always show the same seed, so that one sees a picture change as the model learns.
 */
import { resolve } from "node:path";
import { type ImageBatch, type ImageDataset, imageBatches, imageChunks, lastingSource } from "../../data/index.ts";
import { schedule } from "../../optim/index.ts";
import type { Device } from "../../runtime/index.ts";
import {
  type Checkpoint,
  compileEvaluation,
  createRun,
  flatReports,
  type LoopEvent,
  type LoopOptions,
  openRun,
  restoreTree,
  resumeRun,
  type Training,
  type TrainingRun,
  trainLoop,
} from "../../train/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import type { NdArray } from "../../util/ndarray.ts";
import { fold, key } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import { sheetOf } from "../drawing/picture-sheet.node.ts";
import type { NewRun, Options, TrainContext, TrainResult } from "../recipe.ts";
import { chooseDevice, clipOf, namedMeasures, optimizerOf, parameterCount, trainEvent } from "../training.ts";
import { versions } from "../versions.node.ts";
import {
  labelsFor,
  ownOptions,
  type PictureFacts,
  type PreparedPictures,
  preparePictures,
  shown,
  sizesOf,
  toBytes,
} from "./data.ts";
import { openTrainingFid } from "./fid.ts";
import type { ImageFamily, PictureSampler } from "./image-family.ts";
import type { SettledOptions, TrainingOptions } from "./options.ts";

type AllOptions = SettledOptions & Options;

/** Pictures measured at once in validation. */
const measuredAtOnce = 128;
/** Names of measures that every family may have. */
export const commonNames: Readonly<Record<string, string>> = {
  nats: "nats per picture",
  bitsPerDimension: "bits per dimension",
  fid: "FID",
};

/** Trains a new run. */
export async function trainRun<Config>(
  family: ImageFamily<Config>,
  recipe: string,
  given: TrainingOptions & Options,
  context: NewRun,
): Promise<TrainResult> {
  const prepared = await preparePictures(given);
  const options: AllOptions = { ...given, conditional: given.conditional ?? prepared.facts.classes.length > 1 };
  configure(family, options, prepared.facts); // checked before anything is written
  const start = options.initFrom === undefined ? undefined : await loadOrigin(family, options, prepared.facts);
  const { data, initFrom, ...rest } = options;
  // A run is resumed and evaluated from any folder, so it keeps full paths of what is a file here; other names are of sets.
  const run = await createRun(context.out, {
    recipe,
    seed: options.seed,
    config: {
      ...(data !== undefined && { data: [data].flat().map(lastingSource) }),
      ...(initFrom !== undefined && { initFrom: resolve(initFrom) }),
      ...rest,
    },
    versions: await versions(),
    data: { ...prepared.facts },
  });
  try {
    return await trainOn(family, { run, options, prepared, checkpoint: undefined, start }, context);
  } finally {
    await run.close();
  }
}

/** Goes on with a run from its last checkpoint. */
export async function resumeTraining<Config>(
  family: ImageFamily<Config>,
  folder: string,
  context: TrainContext,
): Promise<TrainResult> {
  const { run, checkpoint } = await resumeRun(folder);
  try {
    for (const { message } of checkpoint?.warnings ?? []) context.onEvent?.({ kind: "warning", message });
    const options = run.config.config as AllOptions; // checked when the run was made
    const prepared = await preparePictures(options);
    checkUnchanged(prepared.facts, run.config.data as unknown as PictureFacts, folder);
    const fresh = !checkpoint && options.initFrom !== undefined;
    const start = fresh ? await loadOrigin(family, options, prepared.facts) : undefined;
    return await trainOn(family, { run, options, prepared, checkpoint, start }, context);
  } finally {
    await run.close();
  }
}

/** @throws HeptagenError `data/changed` */
export function checkUnchanged(got: PictureFacts, expected: PictureFacts, folder: string): void {
  if (got.fingerprint === expected.fingerprint) return;
  throw new HeptagenError("data/changed", `${got.source} has changed since ${folder} was trained on it`, {
    facts: { expected: expected.fingerprint, got: got.fingerprint },
    next: "Restore the pictures, or start a new run from this one with --init-from.",
  });
}

/** The model's configuration out of a run's options and pictures. */
export function configure<Config>(family: ImageFamily<Config>, options: Options, facts: PictureFacts): Config {
  return family.configure(ownOptions(options, family.options.shape), sizesOf(facts, options.conditional === true));
}

/** The parameters of the run to start from. */
async function loadOrigin<Config>(family: ImageFamily<Config>, options: AllOptions, facts: PictureFacts): Promise<Tree<NdArray>> {
  const { model } = await (await openRun(options.initFrom as string)).loadModel();
  return restoreTree<unknown>(family.init(configure(family, options, facts), key(0)), model, "model") as Tree<NdArray>;
}

interface Prepared {
  readonly run: TrainingRun;
  readonly options: AllOptions;
  readonly prepared: PreparedPictures;
  /** Where to go on. */
  readonly checkpoint: Checkpoint | undefined;
  /** Parameters to start from; new ones without. */
  readonly start: Tree<NdArray> | undefined;
}

async function trainOn<Config>(
  family: ImageFamily<Config>,
  { run, options, prepared, checkpoint, start }: Prepared,
  { device, signal, onEvent = () => undefined }: TrainContext,
): Promise<TrainResult> {
  const { facts, skipped } = prepared;
  const [train, validation] = [shown(prepared.train, options), shown(prepared.validation, options)];
  const { seed, batch, samplePictures } = options;
  for (const { file, reason } of skipped) onEvent({ kind: "warning", message: `${file} was left out: ${reason}` });
  const root = key(seed);
  const config = configure(family, options, facts);
  const target = device ?? (await chooseDevice(onEvent));
  const sampling = family.sampling.parse({}) as Options;
  const labels = (count: number) => labelsFor([], facts.classes, options.conditional, count);
  const measureNames = { ...commonNames, ...family.measureNames };
  const params = start ?? family.init(config, fold(root, "parameters"));
  const score = typeof family.score === "function" ? family.score(config) : family.score;

  let measurer: Measurer | undefined;
  let sampler: PictureSampler | undefined;
  const draw = async (weights: Tree<NdArray>, drawn: number): Promise<NdArray> => {
    sampler ??= await family.openSampler(config, weights, {
      count: samplePictures,
      options: sampling,
      given: false,
      device: target,
    });
    // Without the signal: an interruption waits for the sheet, which a resumed run would lack otherwise.
    return sampler.run(weights, { seed: drawn, labels: labels(samplePictures) });
  };
  const real = validation.count > 0 ? validation : train;
  const { fidPictures } = options;
  const fid =
    fidPictures === undefined
      ? undefined
      : await openTrainingFid({ ...options, fidPictures }, { real, facts, draw, device: target }, onEvent);
  const measured = (family.measure !== undefined && validation.count > 0) || fid !== undefined;
  const evaluate = async (weights: Tree<NdArray>) => {
    if (validation.count > 0) {
      measurer ??= await compileMeasures(family, config, weights, { pictures: validation, facts, seed, device: target });
    }
    const measures = { ...(await measurer?.run(weights)), ...(fid && { fid: await fid.of(weights) }) };
    const deciding = score ?? (fid && "fid");
    return { measures, ...(deciding !== undefined && { score: (measures as Record<string, number>)[deciding] ?? Number.NaN }) };
  };
  const training: Training<ImageBatch> = {
    params,
    objectives: family.objectives(config).map(({ rate = 1, ...objective }) => ({
      ...objective,
      optimizer: optimizerOf(options),
      learningRate: (step: number) => rate * schedule(options)(step),
      clip: clipOf(options),
    })),
    batch: imageBatches(train, batch, fold(root, "batches"), { flip: options.flip }),
    unitsPerBatch: batch,
    ...(measured && { evaluate: (weights) => evaluate(weights) }),
    async sample(weights, step) {
      const images = await draw(weights, seed);
      const name = `step-${String(step).padStart(8, "0")}.png`;
      return { name, content: await sheetOfImages(images) };
    },
  };
  const watch = family.watch?.(config);
  const look = (event: LoopEvent): void => {
    if (!watch || (event.kind !== "step" && event.kind !== "evaluation")) return;
    const values =
      event.kind === "step" ? flatReports(event.reports, { prefixed: training.objectives.length > 1 }) : prefixed(event.measures);
    const message = watch(event.step, values);
    if (message !== undefined) onEvent({ kind: "warning", message });
  };
  const words = { run: run.folder, facts: factsOf(prepared, params, target), unit: "pictures", measureNames };
  try {
    const settings: LoopOptions = {
      ...options,
      compile: { device: target },
      ...(signal && { signal }),
      onEvent: (event) => {
        onEvent(trainEvent(event, words));
        look(event);
      },
    };
    const { ended, step, seconds, best } = await trainLoop(run, training, settings, checkpoint);
    return { run: run.folder, ended, step, seconds, measures: namedMeasures(best?.measures ?? {}, measureNames) };
  } finally {
    await measurer?.dispose();
    await sampler?.dispose();
    await fid?.dispose();
  }
}

/** A family's measures of some pictures. */
interface Measurer {
  run(params: Tree<NdArray>): Promise<Record<string, number>>;
  dispose(): Promise<void>;
}

/** Compiles a family's measures, if it has any, with bits per dimension where there are nats per picture. */
export async function compileMeasures<Config>(
  { measure }: ImageFamily<Config>,
  config: Config,
  params: Tree<NdArray>,
  { pictures, facts, seed, device, options }: Measured,
): Promise<Measurer | undefined> {
  const size = Math.min(measuredAtOnce, pictures.count);
  const [example] = imageChunks(pictures, size);
  if (!measure || !example) return undefined;
  const evaluation = await compileEvaluation<typeof example>(
    (p, batch, k) => measure(config, p, batch, k, options),
    params,
    example,
    { seed, ...(device && { device }) },
  );
  const { channels, height, width } = facts;
  return {
    async run(own) {
      const measures = await evaluation.run(own, imageChunks(pictures, size));
      const { nats } = measures;
      return nats === undefined ? measures : { ...measures, bitsPerDimension: nats / (channels * height * width * Math.LN2) };
    },
    dispose: () => evaluation.dispose(),
  };
}

interface Measured {
  readonly pictures: ImageDataset;
  readonly facts: PictureFacts;
  readonly seed: number;
  readonly device: Device | undefined;
  /** Those of the family's `evaluation`. */
  readonly options?: Options;
}

/** A sheet of pictures: float32 [B, C, H, W] → PNG. */
export function sheetOfImages(
  images: NdArray,
  options: { columns?: number | undefined; scale?: number | undefined; gap?: number } = {},
): Promise<Uint8Array> {
  const [count, channels, height, width] = images.shape as [number, 1 | 3, number, number];
  const pixels = toBytes(images);
  const size = channels * height * width;
  const pictures = Array.from({ length: count }, (_, i) => ({
    channels,
    height,
    width,
    pixels: pixels.subarray(i * size, (i + 1) * size),
  }));
  const columns = options.columns ?? Math.ceil(Math.sqrt(count));
  const scale = options.scale ?? Math.max(1, Math.round(96 / Math.max(height, width)));
  return sheetOf(pictures, { columns, scale, ...(options.gap !== undefined && { gap: options.gap }) });
}

function prefixed(measures: Readonly<Record<string, number>>): Record<string, number> {
  return Object.fromEntries(Object.entries(measures).map(([name, value]) => [`validation/${name}`, value]));
}

/** What is trained on what, for people. */
function factsOf({ train, validation, facts }: PreparedPictures, params: Tree<NdArray>, device: string) {
  const whole = (value: number) => value.toLocaleString("en");
  const { source, channels, height, width, classes } = facts;
  return {
    pictures: `${source}: ${whole(train.count)} to learn from, ${whole(validation.count)} for validation`,
    size: `${width} × ${height}, ${channels === 1 ? "grey" : "RGB"}${classes.length > 0 ? `, ${classes.length} classes` : ""}`,
    model: `${whole(parameterCount(params))} parameters`,
    device: `${device} (others: heptagen devices)`,
  };
}
