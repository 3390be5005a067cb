/** The variational autoencoder as a family of the image task. */

import { z } from "zod";
import { constant, type Tensor, type TracedKey } from "../../core/index.ts";
import {
  checkConfig,
  decode,
  encode,
  evidenceBound,
  importanceBound,
  init,
  likelyHalvings,
  loss,
  picture,
  type VaeConfig,
  type VaeParams,
} from "../../models/vae.ts";
import { arcs, complete, rounds, sample, type VaeSampling, vary } from "../../models/vae-sampler.ts";
import { add, concat, matmul, mul, normal, sum } from "../../ops/index.ts";
import { compile, type Executable } from "../../runtime/index.ts";
import { rowsOf } from "../../train/index.ts";
import { type NdArray, ndarray } from "../../util/ndarray.ts";
import { type Key, key } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import type { ModelGraph } from "../export/graphs.ts";
import type { ImageFamily, ImageSizes, PictureSampler, Pictures } from "../generate-image/image-family.ts";
import type { Options } from "../recipe.ts";
import { count } from "../training.ts";
import { inspectVae } from "./vae-inspect.node.ts";

const options = z.strictObject({
  output: z
    .enum(["binary", "logistic", "gaussian"])
    .describe(
      "a pixel is white or not, from above one half on, one of `levels` values, or any number (its likelihood is a density)",
    ),
  levels: z.int().min(2).max(256).describe("logistic: how many values a pixel can have; 256 for bytes"),
  network: z.enum(["conv", "mlp"]).describe("convolutions that halve the picture, or fully connected layers only"),
  filters: count.describe("channels of the first convolution; each further one doubles them"),
  halvings: count.optional().describe("convolutions on each side; as many as leave 4 pixels unless set"),
  layers: z.int().min(0).describe("fully connected layers between latent and convolutions (or pixels), on each side"),
  hidden: count.describe("width of the fully connected layers"),
  latent: count.describe("numbers a picture is told by"),
  beta: z.number().min(0).describe("weight of the KL divergence: higher for better samples, lower for better reconstructions"),
  betaWarmup: z.int().min(0).describe("steps in which beta rises from 0"),
  freeBits: z.number().min(0).describe("KL divergence that each latent may have at no cost, in nats"),
});
/** What a user may choose about a variational autoencoder. */
export type VaeOptions = z.output<typeof options>;

const sampling = z.strictObject({
  temperature: z.number().min(0).default(1).describe("scale of the latents: lower for more typical pictures"),
  walk: count.default(1).describe("new pictures on each walk from one to another; 1 for none, and each picture on its own"),
  drawPixels: z.boolean().default(false).describe("draw each pixel from its distribution, instead of showing its mean"),
});

const evaluation = z.strictObject({
  importance: count.default(50).describe("latents per picture of the importance-weighted bound"),
});

const paramsOf = (params: Tree<Tensor>) => params as unknown as VaeParams;

/** Likelihoods in nats per picture; of a `gaussian` output they are densities, which have no bits per dimension. */
const natsKey = ({ output }: VaeConfig) => (output === "gaussian" ? "density" : "nats");

export const vaeFamily: ImageFamily<VaeConfig> = {
  name: "vae",
  options,
  sampling,
  evaluation,
  startsFrom: true,
  configure(given: Options, sizes: ImageSizes) {
    const own = given as VaeOptions; // checked by the task
    const halvings = own.halvings ?? likelyHalvings(sizes.height, sizes.width);
    const config: VaeConfig = { ...sizes, ...own, halvings };
    checkConfig(config);
    return config;
  },
  init: (config, own) => init(config, own) as unknown as Tree<NdArray>,
  objectives: (config) => [
    {
      name: "model",
      loss(params, batch, random, step) {
        const noise = normal(random.fold("latents"), [batch.images.shape[0] as number, config.latent]);
        const { loss: value, ...metrics } = loss(config, paramsOf(params), batch, noise, step);
        return { loss: value, metrics };
      },
      // What is free below `freeBits` is the mean over all pictures.
      ...(config.freeBits === 0 && { counts: ({ images }: Pictures) => rowsOf(images) }),
    },
  ],
  measure(config, params, { mask, ...batch }, random, chosen) {
    const size = batch.images.shape[0] as number;
    const own = paramsOf(params);
    const bound = evidenceBound(config, own, batch, normal(random.fold("latents"), [size, config.latent]));
    const divergence = sum(bound.divergence, 1);
    const mean = (each: Tensor, sign: 1 | -1) => ({ sum: mul(sum(mul(each, mask)), sign), count: sum(mask) });
    const [reconstruction, kl] = [mean(bound.reconstruction, -1), mean(divergence, 1)];
    const name = natsKey(config);
    const parts = { [name]: { sum: add(reconstruction.sum, kl.sum), count: kl.count }, reconstruction, kl };
    if (!chosen) return parts;
    const noise = normal(random.fold("importance"), [chosen.importance as number, size, config.latent]);
    return { ...parts, [`${name}Importance`]: mean(importanceBound(config, own, batch, noise), -1) };
  },
  measureNames: {
    nats: "nats per picture (upper bound, 1 latent)",
    natsImportance: "nats per picture (importance-weighted bound)",
    density: "nats per picture, as a density over 0 to 1 (upper bound)",
    densityImportance: "nats per picture, as a density over 0 to 1 (importance-weighted bound)",
    reconstruction: "reconstruction, nats",
    kl: "KL divergence, nats",
  },
  score: natsKey,
  openSampler,
  inspect: inspectVae,
  graphs,
  watch,
};

type Batch<Leaf> = Pictures<Leaf>;

async function openSampler(
  config: VaeConfig,
  params: Tree<NdArray>,
  { count: size, options: chosen, device }: Parameters<ImageFamily<VaeConfig>["openSampler"]>[2],
): Promise<PictureSampler> {
  const { temperature, walk, drawPixels } = chosen as z.output<typeof sampling>; // checked by the task
  const { channels, height, width, latent } = config;
  const settings = (random: TracedKey): VaeSampling => ({ temperature, ...(drawPixels && { pixels: random.fold("pixels") }) });
  const noise = (random: TracedKey, ...more: number[]) => normal(random.fold("latents"), [...more, size, latent]);
  const zeros = (...shape: number[]) => ndarray("float32", shape, new Float32Array(shape.reduce((a, b) => a * b)));
  const batch: Batch<NdArray> = {
    images: zeros(size, channels, height, width),
    labels: ndarray("int32", [size], new Int32Array(size)),
  };
  const mask = zeros(size, 1, height, width);
  const mixed = (random: TracedKey) => {
    if (walk === 1) return noise(random);
    const parts = arcs(size, walk);
    return matmul(constant(parts), normal(random.fold("latents"), [parts.shape[1] as number, latent]));
  };
  const ways = {
    prior: (p: Tree<Tensor>, { labels }: Batch<Tensor>, _: Tensor, random: TracedKey) =>
      sample(config, paramsOf(p), labels, mixed(random), settings(random)),
    vary: (p: Tree<Tensor>, given: Batch<Tensor>, _: Tensor, random: TracedKey) =>
      vary(config, paramsOf(p), given, noise(random), settings(random)),
    complete: (p: Tree<Tensor>, given: Batch<Tensor>, part: Tensor, random: TracedKey) =>
      complete(config, paramsOf(p), given, part, noise(random, rounds + 1), settings(random)),
  };
  type Args = [Tree<NdArray>, Batch<NdArray>, NdArray, Key];
  const compiled = new Map<keyof typeof ways, Executable<Args, NdArray>>();
  const open = async (way: keyof typeof ways) => {
    const found = compiled.get(way);
    if (found) return found;
    const example: Args = [params, batch, mask, key(0)];
    // The types of arguments follow the structure of trees, which TypeScript cannot see through here.
    const made = (await compile(ways[way] as never, example, device ? { device } : {})) as unknown as Executable<Args, NdArray>;
    compiled.set(way, made);
    return made;
  };
  return {
    async run(own, { seed, labels, given }) {
      const whole = given?.mask.data.every((value) => Number(value) === 1);
      const executable = await open(given === undefined ? "prior" : whole ? "vary" : "complete");
      return executable.run(own, { images: given?.images ?? batch.images, labels }, given?.mask ?? mask, key(seed));
    },
    async dispose() {
      for (const executable of compiled.values()) await executable.dispose();
    },
  };
}

function graphs(config: VaeConfig): readonly ModelGraph[] {
  const { channels, height, width, classes, latent } = config;
  const labels = { name: "labels", dtype: "int32", shape: ["batch"], note: `class, from 0 to ${classes - 1}` } as const;
  const more = classes > 0 ? [labels] : [];
  const latents = "one standard normal number each for a new picture";
  return [
    {
      name: "encoder",
      inputs: [{ name: "images", dtype: "float32", shape: ["batch", channels, height, width], note: "from 0 to 1" }, ...more],
      output: { name: "posterior", note: `[batch, ${2 * latent}]: ${latent} means of the latents, then ${latent} log-variances` },
      apply(params, images, given) {
        const { mean, logVariance } = encode(config, paramsOf(params), { images: images as Tensor, labels: given as Tensor });
        return concat([mean, logVariance], 1);
      },
    },
    {
      name: "decoder",
      inputs: [{ name: "latents", dtype: "float32", shape: ["batch", latent], note: latents }, ...more],
      output: { name: "images", note: "the mean of each pixel, from 0 to 1" },
      apply: (params, given, label) => picture(config, decode(config, paramsOf(params), given as Tensor, label as Tensor)),
    },
  ];
}

/** KL divergence, in nats per picture, below which latents tell nothing; and how many steps in a row. */
const collapsed = { nats: 0.5, steps: 100 };

function watch({ betaWarmup, freeBits }: VaeConfig) {
  let [low, told] = [0, false];
  return (step: number, { kl }: Readonly<Record<string, number>>): string | undefined => {
    if (kl === undefined) return undefined;
    low = kl < collapsed.nats ? low + 1 : 0;
    if (told || low < collapsed.steps || step < betaWarmup) return undefined;
    told = true;
    const advice = freeBits > 0 ? "" : " --free-bits 0.1,";
    return (
      `posterior collapse: latents tell ${kl.toFixed(2)} nats of a picture, so the decoder ignores them and samples will be alike. ` +
      `Start again with a lower --beta, with --beta-warmup ${Math.max(1000, 2 * betaWarmup)},${advice} or with a lower learning rate.`
    );
  };
}
