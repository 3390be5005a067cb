/** The family of diffusion models: what the image task needs to know of `models/diffusion.ts` and its U-Net. */
import { z } from "zod";
import { constant } from "../../core/builtin.ts";
import type { Tensor } from "../../core/index.ts";
import {
  boundOnNats,
  canvasOf,
  checkConfig,
  type DiffusionConfig,
  fromCanvas,
  loss,
  losses,
  predict,
  spreadPlaces,
  toCanvas,
} from "../../models/diffusion.ts";
import { samplers, tableOf, visitsOf, walk } from "../../models/diffusion-samplers.ts";
import { init, sideUnit, type UNetParams } from "../../models/unet.ts";
import { full, mul, normal, sum } from "../../ops/index.ts";
import { rowsOf } from "../../train/index.ts";
import type { ModelGraph } from "../export/graphs.ts";
import type { ImageFamily } from "../generate-image/image-family.ts";
import type { Options } from "../recipe.ts";
import { inspectDiffusion } from "./diffusion-pictures.node.ts";
import { openDiffusionSampler, type WalkSettings } from "./diffusion-sampler.ts";

const count = z.int().min(1);

const options = z.strictObject({
  canvas: z.int().min(0).describe("side that pictures are padded to with black; 0 for as little as the network's levels need"),
  patch: count.describe("side of the squares of pixels that the network reads as one place; 1 for none"),
  base: z.int().min(2).describe("channels of the network's first level"),
  mults: z.array(count).min(1).describe("channels of each level, as multiples of the first's; each level halves the height"),
  blocks: count.describe("residual blocks per level"),
  attention: z
    .array(z.int().min(0))
    .describe("heights of the levels whose places attend to each other; 0 for none but the middle"),
  heads: count.describe("heads of attention"),
  groups: count.describe("groups of channels that are normalised together"),
  dropout: z.number().min(0).lt(1).describe("part of activations dropped in training"),
  process: z.enum(["linear", "cosine", "flow"]).describe("how noise comes in: DDPM's schedule, a softer one, or straight lines"),
  prediction: z.enum(["epsilon", "x0", "v", "velocity"]).describe("what the network predicts: noise, picture, or a mixture"),
  timesteps: z.int().min(2).describe("steps of the process; a flow has none"),
  places: z.enum(["uniform", "logit-normal"]).describe("how noisy training pictures are: all alike, or mostly half (flow)"),
  minSnr: z.number().min(0).describe("signal-to-noise ratio above which errors count no more; 0 for the plain loss"),
  unlabelled: z.number().min(0).lt(1).describe("with --conditional: part of the pictures whose class is not told, for guidance"),
});

const sampling = z.strictObject({
  sampler: z.enum(samplers).default("dpm++").describe("how to walk from noise to picture"),
  steps: count.default(30).describe("steps of the walk"),
  guidance: z
    .number()
    .default(1)
    .describe("how far to go towards the class and beyond: 1 as learnt, more is clearer and less varied"),
  eta: z.number().min(0).max(1).default(0).describe("ddim: fresh noise in each step, from 0 (none) to 1 (ancestral)"),
  strength: z.number().gt(0).max(1).optional().describe("how much of --input to change; 0.6 unless set, 1 with a mask"),
  repeats: count.default(1).describe("how often each step is taken; more fit a masked part better into its picture"),
  clip: z.boolean().default(true).describe("hold the guessed picture between black and white in each step"),
});

function configure(
  given: Options,
  { channels, height, width, classes }: Parameters<ImageFamily["configure"]>[1],
): DiffusionConfig {
  const { canvas, process, prediction, timesteps, places, minSnr, unlabelled, ...network } = given as z.output<typeof options>;
  const config: DiffusionConfig = {
    height,
    width,
    network: { ...network, channels, classes, ...canvasOf({ height, width }, sideUnit(network), canvas) },
    schedule: process,
    prediction,
    timesteps,
    places,
    minSnr,
    unlabelled,
  };
  checkConfig(config);
  return config;
}

/** Steps of the sampler that is exported as one graph. */
const exportedSteps = 50;

function graphs(config: DiffusionConfig): ModelGraph[] {
  const { channels, height, width, classes } = config.network;
  const canvas = ["batch", channels, height, width] as const;
  const label = { name: "labels", dtype: "int32", shape: ["batch"], note: `classes; ${classes} for none in particular` } as const;
  const labels = classes > 0 ? [label] : [];
  const settings: Pick<WalkSettings, "sampler" | "steps"> = {
    sampler: "dpm++",
    steps: config.schedule === "flow" ? exportedSteps : Math.min(exportedSteps, config.timesteps),
  };
  return [
    {
      name: "denoiser",
      inputs: [
        { name: "x", dtype: "float32", shape: canvas, note: "noisy pictures on the canvas, α x0 + σ ε with x0 from -1 to 1" },
        { name: "time", dtype: "float32", shape: ["batch"], note: "from 0 (picture) to 1000 (noise)" },
        ...labels,
      ],
      output: { name: "prediction", note: `${config.prediction}, like x` },
      apply: (params, x, time, own) => predict(config, params as unknown as UNetParams, x as Tensor, time as Tensor, own),
    },
    {
      name: "sampler",
      inputs: [{ name: "noise", dtype: "float32", shape: canvas, note: "standard normal" }, ...labels],
      output: { name: "images", note: `pictures from 0 to 1, by ${settings.steps} steps of ${settings.sampler}` },
      apply: (params, noise, own) => {
        const visits = visitsOf(config, settings);
        const x = noise as Tensor;
        const start = { x, memory: mul(x, 0), guess: mul(x, 0) };
        const rows = { table: constant(tableOf(config, visits)), count: full([], visits.length, "int32") };
        return fromCanvas(config, walk(config, params as unknown as UNetParams, start, rows, { labels: own, clip: true }).x);
      },
    },
  ];
}

/** Steps over which the loss is averaged to be compared. */
const watched = 200;

/** Sees a loss that grows again, one that never fell, and pictures learnt by heart. */
function watch(): (step: number, values: Readonly<Record<string, number>>) => string | undefined {
  const told = new Set<string>();
  const recent: number[] = [];
  let [best, bestValidation] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  const once = (name: string, message: string): string | undefined => {
    if (told.has(name)) return undefined;
    told.add(name);
    return message;
  };
  return (step, values) => {
    const validation = values["validation/loss"];
    if (validation !== undefined) {
      bestValidation = Math.min(bestValidation, validation);
      if (validation > 1.1 * bestValidation && best < bestValidation) {
        const [now, then] = [validation.toPrecision(3), bestValidation.toPrecision(3)];
        return once(
          "overfitting",
          `overfitting: the validation loss has risen from ${then} to ${now} while the training loss falls: the model begins to ` +
            "learn its pictures by heart. Train on more pictures, mirror them (--flip), use --dropout, or stop earlier.",
        );
      }
    }
    if (values.loss === undefined) return undefined;
    recent.push(values.loss);
    if (recent.length > watched) recent.shift();
    if (recent.length < watched) return undefined;
    const mean = recent.reduce((a, b) => a + b) / watched;
    best = Math.min(best, mean);
    if (mean > 2 * best) {
      const [now, then] = [mean.toPrecision(3), best.toPrecision(3)];
      return once(
        "divergence",
        `divergence: the loss has grown from ${then} to ${now}. Lower --learning-rate, lengthen --warmup, or limit gradients with --clip 1.`,
      );
    }
    if (step >= 1000 && best > 0.9) {
      return once(
        "no-learning",
        `no learning: after ${step} steps the loss is still ${mean.toPrecision(3)}, where 1 is knowing nothing. Raise --learning-rate, ` +
          "or check the pictures (heptagen inspect).",
      );
    }
    return undefined;
  };
}

export const diffusionFamily: ImageFamily<DiffusionConfig> = {
  name: "diffusion",
  options,
  sampling,
  startsFrom: true,
  configure,
  init: (config, key) => init(config.network, key) as never, // a plain tree of arrays
  objectives: (config) => [
    {
      name: "model",
      loss: (params, { images, labels }, key) => ({ loss: loss(config, params as unknown as UNetParams, images, labels, key) }),
      counts: ({ images }) => rowsOf(images),
    },
  ],
  measure(config, params, { images, labels, mask }, key) {
    const own = params as unknown as UNetParams;
    const x0 = toCanvas(config, images);
    const places = spreadPlaces(key.fold("places"), x0.shape[0] as number);
    const noise = normal(key.fold("noise"), x0.shape);
    const each = losses({ ...config, minSnr: 0 }, own, { x0, noise, places, labels });
    const nats = boundOnNats(config, own, x0, labels, key.fold("bound"));
    return {
      loss: { sum: sum(mul(each, mask)), count: sum(mask) },
      nats: { sum: sum(mul(nats, mask)), count: sum(mask) },
    };
  },
  measureNames: { loss: "validation loss", nats: "nats per picture, at most", bitsPerDimension: "bits per dimension, at most" },
  score: "loss",
  openSampler: (config, params, { count: pictures, options: chosen, given, device }) => {
    const { sampler, steps, guidance, eta, strength, repeats, clip } = chosen as z.output<typeof sampling>;
    const settings = { sampler, steps, guidance, eta, strength, repeats, clip };
    return openDiffusionSampler(config, params, settings, { count: pictures, given, device });
  },
  inspect: inspectDiffusion,
  graphs,
  watch,
};
