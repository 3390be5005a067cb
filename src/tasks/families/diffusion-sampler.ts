/**
 * Making pictures with a diffusion model: a walk (see `models/diffusion-samplers.ts`) in chunks, so that it can be watched and stopped.
 *
 * One executable walks any number of steps of any sampler. The noise of each step depends on the seed and the step alone, and so
 * the result does not depend on where chunks begin.
 */
import type { Tensor } from "../../core/index.ts";
import { type DiffusionConfig, fromCanvas, levelAt, toCanvas } from "../../models/diffusion.ts";
import {
  type Kept,
  mixed,
  type Plan,
  tableOf,
  type Visit,
  visitsOf,
  type Walk,
  type WalkOptions,
  walk,
} from "../../models/diffusion-samplers.ts";
import type { UNetParams } from "../../models/unet.ts";
import { add, mul, pad } from "../../ops/index.ts";
import { compile, type Device } from "../../runtime/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import { type NdArray, ndarray, scalar, sizeOf } from "../../util/ndarray.ts";
import { fillNormal, fold, type Key, key } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import type { PictureRequest, PictureSampler } from "../generate-image/image-family.ts";

/** Visits in one run of the executable. */
const rows = 10;
/** How noisy a whole picture is made that sampling starts from, unless told. */
const usualStrength = 0.6;

/** What is chosen about sampling. */
export interface WalkSettings extends Omit<Plan, "from"> {
  readonly guidance: number;
  /** Place to start from, where there are pictures. */
  readonly strength: number | undefined;
  readonly clip: boolean;
}

export interface WalkerOptions {
  /** B */
  readonly count: number;
  /** Whether pictures are given to start from. */
  readonly given: boolean;
  /** Whether visits use fresh noise. */
  readonly fresh: boolean;
  /** Whether a class is told and not told, to go beyond what it adds. */
  readonly guided: boolean;
  readonly clip: boolean;
  readonly device: Device | undefined;
}

/** What a walk goes along. */
interface Journey {
  readonly params: Tree<NdArray>;
  readonly visits: readonly Visit[];
  /** [B, C, H, W] on the canvas. */
  readonly start: NdArray;
  readonly labels: NdArray;
  readonly guidance: number;
  /** Of fresh noise. */
  readonly noise: Key;
  readonly kept?: Kept<NdArray> | undefined;
}

/** Where a walk stands: also as pictures from 0 to 1 [B, C, h, w]. */
export interface Stage {
  readonly state: Walk<NdArray>;
  readonly picture: NdArray;
  readonly guess: NdArray;
}

export interface Walker {
  /** Yields at least after every ten visits, and where `stops` says (counts of visits done). */
  run(journey: Journey, stops?: readonly number[]): AsyncGenerator<Stage & { readonly visited: number }>;
  dispose(): Promise<void>;
}

/** Standard normal numbers. */
export function noiseOf(from: Key, shape: readonly number[]): NdArray {
  const data = new Float32Array(sizeOf(shape));
  fillNormal(from, data);
  return ndarray("float32", shape, data);
}

const blank = (shape: readonly number[]): NdArray => ndarray("float32", shape, new Float32Array(sizeOf(shape)));

/** [B, C, H, W] */
export const canvasShape = ({ network }: DiffusionConfig, count: number): number[] => [
  count,
  network.channels,
  network.height,
  network.width,
];

/** Compiles a walk. Of `params`, only shapes matter. */
export async function openWalker(
  config: DiffusionConfig,
  params: Tree<NdArray>,
  { count, given, fresh, guided, clip, device }: WalkerOptions,
): Promise<Walker> {
  const canvas = canvasShape(config, count);
  const state: Walk<NdArray> = { x: blank(canvas), memory: blank(canvas), guess: blank(canvas) };
  const inputs = {
    table: tableOf(config, [], rows),
    count: ndarray("int32", [], [0]),
    labels: ndarray("int32", [count], new Int32Array(count)),
    ...(guided && { guidance: scalar(1) }),
    ...(fresh && { noise: blank([rows, ...canvas]) }),
    ...(given && { kept: { images: blank(canvas), mask: blank([count, 1, ...canvas.slice(2)]), noise: blank(canvas) } }),
  };
  const traced = (own: UNetParams, from: Walk, on: Required<WalkOptions> & Record<"table" | "count", Tensor>) => {
    const to = walk(config, own, from, on, { ...on, clip });
    const end = on.kept ? mixed(on.kept, to.x, on.kept.images) : to.x;
    return { state: to, picture: fromCanvas(config, end), guess: fromCanvas(config, to.guess) };
  };
  type Args = [Tree<NdArray>, Walk<NdArray>, typeof inputs];
  const executable = await compile<Args, ReturnType<typeof traced>>(traced as never, [params, state, inputs], {
    ...(device && { device }),
  });
  return {
    async *run({ params: own, visits, start, labels, guidance, noise, kept }, stops = []) {
      let now: Walk<NdArray> = { ...state, x: start };
      let at = 0;
      while (at < visits.length) {
        const stop = Math.min(visits.length, at + rows, ...stops.filter((place) => place > at));
        const here = visits.slice(at, stop);
        const out = (await executable.run(own, now, {
          ...inputs,
          table: tableOf(config, here, rows),
          count: ndarray("int32", [], [here.length]),
          labels,
          ...(guided && { guidance: scalar(guidance) }),
          ...(inputs.noise && { noise: freshNoise(noise, at, here.length, inputs.noise) }),
          ...(inputs.kept && kept && { kept }),
        })) as unknown as Stage;
        now = out.state;
        at = stop;
        yield { ...out, visited: at };
      }
    },
    dispose: () => executable.dispose(),
  };
}

/** Noise of the visits from `first` on, each from a key of its own. */
function freshNoise(from: Key, first: number, count: number, into: NdArray): NdArray {
  const size = into.data.length / rows;
  for (let i = 0; i < count; i++) {
    fillNormal(fold(from, first + i), (into.data as Float32Array).subarray(i * size, (i + 1) * size));
  }
  return into;
}

/** Whether a sampler uses fresh noise. */
export const isFresh = ({ sampler, eta = 0, repeats = 1 }: Pick<Plan, "sampler" | "eta" | "repeats">): boolean =>
  sampler === "ancestral" || (sampler === "ddim" && eta > 0) || repeats > 1;

/**
 * A sampler of pictures.
 *
 * @throws HeptagenError `diffusion/guidance` for guidance of a model that cannot be guided, `diffusion/steps`, `options/value`
 */
export async function openDiffusionSampler(
  config: DiffusionConfig,
  params: Tree<NdArray>,
  settings: WalkSettings,
  { count, given, device }: { readonly count: number; readonly given: boolean; readonly device: Device | undefined },
): Promise<PictureSampler> {
  const { guidance, clip, strength } = settings;
  const guided = guidance !== 1;
  if (guided && (config.network.classes === 0 || config.unlabelled === 0)) {
    throw new HeptagenError("diffusion/guidance", `diffusion: expected guidance 1 for this model, got ${guidance}`, {
      next: "Guidance needs a model that knows classes and was trained without them now and then: --conditional, --unlabelled 0.1.",
    });
  }
  checkUsed(settings, given);
  visitsOf(config, settings); // checked before anything is compiled
  const walker = await openWalker(config, params, { count, given, fresh: isFresh(settings), guided, clip, device });
  const canvas = canvasShape(config, count);
  const begin = given ? await compileBeginning(config, count, device) : undefined;

  const journeyOf = async (own: Tree<NdArray>, { seed, labels, given: pictures }: PictureRequest): Promise<Journey> => {
    const root = key(seed);
    const start = noiseOf(fold(root, "start"), canvas);
    const common = { params: own, labels, guidance, noise: fold(root, "fresh") };
    if (!begin || !pictures) return { ...common, visits: visitsOf(config, settings), start };
    const whole = (pictures.mask.data as Float32Array).every((value) => value === 1);
    const from = strength ?? (whole ? usualStrength : 1);
    const steps = Math.max(1, Math.round(settings.steps * from));
    const level = levelAt(config, from);
    const { x, images, mask } = await begin.run(pictures, start, scalar(level.alpha), scalar(level.sigma));
    const kept = { images, mask, noise: noiseOf(fold(root, "kept"), canvas) };
    return { ...common, visits: visitsOf(config, { ...settings, steps, from }), start: x, kept };
  };
  return {
    async run(own, request) {
      request.signal?.throwIfAborted();
      const journey = await journeyOf(own, request);
      let picture = blank([0]);
      for await (const stage of walker.run(journey)) {
        ({ picture } = stage);
        request.onProgress?.(stage.visited / journey.visits.length, stage.guess);
        request.signal?.throwIfAborted();
      }
      return picture;
    },
    async dispose() {
      await begin?.dispose();
      await walker.dispose();
    },
  };
}

/** @throws HeptagenError `options/value` for what would be set to no effect */
function checkUsed({ sampler, eta = 0, strength }: WalkSettings, given: boolean): void {
  if (eta > 0 && sampler !== "ddim") {
    throw new HeptagenError("options/value", `sample: expected eta with the sampler ddim only, got ${eta} with ${sampler}`, {
      next: "Take --sampler ddim, or leave eta out.",
    });
  }
  if (strength !== undefined && !given) {
    throw new HeptagenError("options/value", `sample: expected input with strength, got ${strength} without`, {
      next: "Name a picture to start from with --input, or leave strength out.",
    });
  }
}

/** Puts given pictures and masks on the canvas and mixes them with noise; the black around is kept. */
function compileBeginning(config: DiffusionConfig, count: number, device: Device | undefined) {
  const { height, width, network } = config;
  const traced = (given: { images: Tensor; mask: Tensor }, noise: Tensor, alpha: Tensor, sigma: Tensor) => {
    const images = toCanvas(config, given.images);
    const around = (extra: number) => [Math.floor(extra / 2), Math.ceil(extra / 2)] as const;
    const mask = pad(given.mask, [[0, 0], [0, 0], around(network.height - height), around(network.width - width)]);
    return { x: add(mul(images, alpha), mul(noise, sigma)), images, mask };
  };
  const given = { images: blank([count, network.channels, height, width]), mask: blank([count, 1, height, width]) };
  const examples = [given, blank(canvasShape(config, count)), scalar(1), scalar(1)] as [typeof given, NdArray, NdArray, NdArray];
  return compile(traced, examples, device ? { device } : {});
}
