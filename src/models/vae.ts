/**
 * Variational autoencoder: pictures as points of a small latent space, and points of that space as pictures.
 *
 * An encoder maps a picture to a normal distribution q(z|x) over latent vectors, a decoder a latent vector to a distribution
 * p(x|z) over pictures. Both learn by raising a lower bound of log p(x): how likely the decoder finds a picture from a latent drawn
 * by the encoder (reconstruction), less what the encoder says beyond the prior N(0, 1) (KL divergence). New pictures are decoded
 * from latents drawn from the prior. Where pictures are of classes, each class has a prior of its own, learnt with the rest: latents
 * are told from its mean and in its deviations, so that N(0, 1) is the prior of every class. The bound and the likelihoods below
 * know nothing of convolutions: an encoder and a decoder of another kind of data need only fit `Posterior` and `logProb`.
 *
 * Papers: Kingma & Welling 2014 and Rezende et al. 2014 (VAE), Sohn et al. 2015 (labels, a prior for each), Higgins et al. 2017
 * (beta), Bowman et al. 2016 (warm-up), Kingma et al. 2016 (free bits, logistic likelihood), Burda et al. 2016 (importance-weighted
 * bound, active units), Rybkin et al. 2021 (a variance that is learnt).
 *
 * Legend: B pictures, C channels (1 grey, 3 RGB), H height, W width, O numbers the decoder gives per pixel, F features of the
 * smallest image, Z latent size, K importance samples.
 */

import type { Tensor, TracedKey } from "../core/index.ts";
import { scan } from "../core/scan.ts";
import { type Conv, conv, convTranspose, initConv, initConvTranspose } from "../nn/conv.ts";
import { bernoulliLogProb, gaussianLogProb, logisticLogProb } from "../nn/distributions.ts";
import { constantInit } from "../nn/init.ts";
import { type Embedding, embedding, initEmbedding, initLinear, type Linear, linear } from "../nn/linear.ts";
import {
  add,
  cast,
  clamp,
  exp,
  greater,
  less,
  log,
  logsumexp,
  maximum,
  mean,
  minimum,
  mul,
  normal,
  relu,
  reshape,
  round,
  sigmoid,
  split,
  square,
  sub,
  sum,
  uniform,
} from "../ops/index.ts";
import { HeptagenError } from "../util/errors.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";

export interface VaeConfig {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** Number of classes that pictures are made of on demand; 0 for none. */
  readonly classes: number;
  /**
   * What a pixel is given a latent. `binary`: white (above one half) or black, a Bernoulli. `logistic`: one of `levels` values, by a
   * logistic distribution of its own cut into bins. `gaussian`: any number, with one variance per channel for all pixels.
   */
  readonly output: "binary" | "logistic" | "gaussian";
  /** How many values a pixel can have where `output` is `logistic`. */
  readonly levels: number;
  /** Convolutions that halve the picture, or fully connected layers only. */
  readonly network: "conv" | "mlp";
  /** Channels of the first convolution; each further one doubles them. */
  readonly filters: number;
  /** How many convolutions there are on each side. */
  readonly halvings: number;
  /** Fully connected layers between latent and convolutions (or pixels), on each side, and how wide they are. */
  readonly layers: number;
  readonly hidden: number;
  readonly latent: number;
  /** Weight of the KL divergence: above 1 for latents nearer to the prior, below 1 for better reconstructions. */
  readonly beta: number;
  /** Steps in which beta rises from 0. */
  readonly betaWarmup: number;
  /** KL divergence that each latent may have at no cost, in nats. */
  readonly freeBits: number;
}

/** The benchmark's sizes. */
export const vaeDefaults: VaeConfig = {
  channels: 1,
  height: 28,
  width: 28,
  classes: 0,
  output: "binary",
  levels: 256,
  network: "conv",
  filters: 32,
  halvings: 2,
  layers: 0,
  hidden: 256,
  latent: 20,
  beta: 1,
  betaWarmup: 0,
  freeBits: 0,
};

/** Parameters: a plain tree whose dotted paths are the names in `model.safetensors`. */
export interface VaeParams<Leaf = Tensor> {
  readonly encoder: {
    /** Kernels of 4 × 4, stride 2: [filters 2^i, …, 4, 4]. */
    readonly convs: readonly Conv<Leaf>[];
    /** The last gives means and log-variances: [F or hidden, 2Z]. */
    readonly layers: readonly Linear<Leaf>[];
    /** What a label adds to the first convolution or layer. */
    readonly label?: Embedding<Leaf>;
  };
  readonly decoder: {
    /** The mirror: [Z, hidden], …, [hidden, F], or [hidden, O H W] without convolutions. */
    readonly layers: readonly Linear<Leaf>[];
    readonly convs: readonly Conv<Leaf>[];
    readonly label?: Embedding<Leaf>;
    /** Of a `gaussian` output, per channel: [C, 1, 1]. */
    readonly logVariance?: Leaf;
  };
  /** Where latents of each class lie, in the numbers that the networks write and read: [classes, Z] both. */
  readonly prior?: Posterior<Leaf>;
}

/** Pictures and what is known of them. */
export interface VaeBatch<Leaf = Tensor> {
  /** float32 [B, C, H, W] from 0 to 1 */
  readonly images: Leaf;
  /** int32 [B]; not read by a model without classes. */
  readonly labels: Leaf;
}

/** A normal distribution over latents, independent in each: [B, Z] both. */
export interface Posterior<Leaf = Tensor> {
  readonly mean: Leaf;
  readonly logVariance: Leaf;
}

/** Numbers the decoder gives per pixel. */
const outputs = ({ output, channels }: VaeConfig): number => (output === "logistic" ? 2 * channels : channels);

/** [height, width] of the picture and after each halving. Odd sizes round down; the decoder rounds back up. */
export function pyramid({ network, height, width, halvings }: Pick<VaeConfig, "network" | "height" | "width" | "halvings">) {
  const count = network === "conv" ? halvings : 0;
  return Array.from({ length: count + 1 }, (_, i) => [Math.floor(height / 2 ** i), Math.floor(width / 2 ** i)] as const);
}

/** As many halvings as leave 4 pixels on each side; at least one. */
export function likelyHalvings(height: number, width: number): number {
  return Math.max(1, Math.floor(Math.log2(Math.min(height, width) / 4)));
}

/**
 * Checks a configuration.
 *
 * @throws HeptagenError `options/value` naming the first value that does not fit
 */
export function checkConfig(config: VaeConfig): void {
  const fail = (name: keyof VaeConfig, expected: string, next: string): never => {
    const facts = { name, value: config[name] };
    throw new HeptagenError("options/value", `vae: expected ${name} to be ${expected}, got ${config[name]}`, { facts, next });
  };
  const { network, height, width, halvings } = config;
  const least = { channels: 1, height: 1, width: 1, classes: 0, levels: 2, filters: 1, hidden: 1, latent: 1 } as const;
  for (const [name, low] of Object.entries({ ...least, layers: network === "mlp" ? 1 : 0 }) as [keyof typeof least, number][]) {
    if (!Number.isInteger(config[name]) || config[name] < low) fail(name, `a whole number from ${low}`, `Set ${name}.`);
  }
  for (const name of ["beta", "betaWarmup", "freeBits"] as const) {
    if (!(config[name] >= 0)) fail(name, "a number from 0", `Set ${name}.`);
  }
  const most = Math.floor(Math.log2(Math.min(height, width)));
  if (network !== "conv" || (Number.isInteger(halvings) && halvings >= 1 && halvings <= most)) return;
  if (most < 1) fail("network", `mlp for pictures of ${width} × ${height}`, "One pixel cannot be halved: use network mlp.");
  fail(
    "halvings",
    `from 1 to ${most} for pictures of ${width} × ${height}`,
    "Leave it out to have it chosen, or use network mlp.",
  );
}

/** Initial parameters: even weights up to 1 / √fan-in for convolutions, normal ones of that variance for layers. */
export function init(config: VaeConfig, key: Key): VaeParams<NdArray> {
  checkConfig(config);
  const { channels, classes, filters, layers, hidden, latent, output } = config;
  const sizes = pyramid(config);
  const wide = sizes.map((_, i) => (i === 0 ? 0 : filters * 2 ** (i - 1))); // channels after each halving
  const last = sizes.length - 1;
  const [height, width] = sizes[last] as readonly [number, number];
  const between = Array<number>(layers).fill(hidden);
  const dense = (own: Key, widths: readonly number[]) =>
    widths.slice(1).map((to, i) => {
      const from = widths[i] as number;
      return initLinear(fold(own, i), from, to, { deviation: 1 / Math.sqrt(3 * from) });
    });
  const label = (own: Key, to: number) => (classes > 0 ? { label: initEmbedding(fold(own, "label"), classes, to, 0.1) } : {});
  const features = (own: number, pixel: number) => (last === 0 ? pixel : own) * height * width;
  const [encoder, decoder] = [fold(key, "encoder"), fold(key, "decoder")];
  const [reading, writing] = [fold(encoder, "layers"), fold(decoder, "layers")];
  const up = [latent, ...between, features(wide[last] as number, outputs(config))];
  return {
    encoder: {
      convs: wide
        .slice(1)
        .map((to, i) => initConv(fold(fold(encoder, "convs"), i), i === 0 ? channels : (wide[i] as number), to, [4, 4])),
      layers: dense(reading, [features(wide[last] as number, channels), ...between, 2 * latent]),
      ...label(encoder, last === 0 ? hidden : filters),
    },
    decoder: {
      layers: dense(writing, up),
      convs: wide
        .slice(1)
        .toReversed()
        .map((from, i) => {
          const to = i === last - 1 ? outputs(config) : from / 2;
          return initConvTranspose(fold(fold(decoder, "convs"), i), from, to, [4, 4]);
        }),
      ...label(decoder, up[1] as number),
      ...(output === "gaussian" && { logVariance: constantInit([channels, 1, 1], -3) }),
    },
    ...(classes > 0 && {
      prior: { mean: constantInit([classes, latent], 0), logVariance: constantInit([classes, latent], 0) },
    }),
  };
}

/** What the model sees of pictures: black and white from above one half on, or the nearest of its levels (bytes are 256). */
export function seen({ output, levels }: VaeConfig, images: Tensor): Tensor {
  if (output === "binary") return cast(greater(images, 0.5), "float32");
  return output === "gaussian" || levels === 256 ? images : mul(round(mul(images, levels - 1)), 1 / (levels - 1));
}

/**
 * The latents that a picture may come from, as told from the prior.
 *
 * @example const { mean, logVariance } = encode(config, params, { images, labels });
 */
export function encode(config: VaeConfig, params: VaeParams, { images, labels }: VaeBatch): Posterior {
  const { convs, layers, label } = params.encoder;
  const batch = images.shape[0] as number;
  const said = label && embedding(label, labels); // [B, filters] or [B, hidden]
  let x = seen(config, images);
  convs.forEach((own, i) => {
    const sums = conv(own, x, { stride: 2, padding: 1 });
    x = relu(said && i === 0 ? add(sums, reshape(said, [batch, -1, 1, 1])) : sums);
  });
  x = reshape(x, [batch, -1]); // [B, C, H, W] → [B, F]
  layers.forEach((layer, i) => {
    const sums = linear(layer, x);
    const shifted = said && convs.length === 0 && i === 0 ? add(sums, said) : sums;
    x = i === layers.length - 1 ? sums : relu(shifted);
  });
  const [means, logVariance] = split(x, 2, 1);
  const prior = priorOf(params, labels);
  if (!prior) return { mean: means, logVariance };
  const inDeviations = mul(sub(means, prior.mean), exp(mul(prior.logVariance, -0.5)));
  return { mean: inDeviations, logVariance: sub(logVariance, prior.logVariance) };
}

/** The prior of each picture's class, [B, Z], where there are classes. */
function priorOf({ prior }: VaeParams, labels: Tensor): Posterior | undefined {
  const own = (weight: Tensor) => embedding({ weight }, labels);
  return prior && { mean: own(prior.mean), logVariance: own(prior.logVariance) };
}

/**
 * What pixels may be, given latents.
 *
 * @param latents float32 [B, Z], standard normal where they come from the prior
 * @returns [B, O, H, W]: log-odds of white, means, or means and then logarithms of scales; read by `logProb`, `picture` and `draw`
 */
export function decode(config: VaeConfig, params: VaeParams, latents: Tensor, labels: Tensor): Tensor {
  const { convs, layers, label } = params.decoder;
  const batch = latents.shape[0] as number;
  const sizes = pyramid(config).toReversed();
  const prior = priorOf(params, labels);
  let x = prior ? reparameterise(prior, latents) : latents;
  layers.forEach((layer, i) => {
    const sums = linear(layer, x);
    const shifted = label && i === 0 ? add(sums, embedding(label, labels)) : sums;
    x = i === layers.length - 1 && convs.length === 0 ? shifted : relu(shifted);
  });
  x = reshape(x, [batch, -1, ...(sizes[0] as readonly [number, number])]); // [B, F] → [B, C, H, W]
  convs.forEach((own, i) => {
    const [from, to] = [sizes[i], sizes[i + 1]] as [readonly [number, number], readonly [number, number]];
    const outputPadding = to.map((size, axis) => size - 2 * (from[axis] as number));
    const sums = convTranspose(own, x, { stride: 2, padding: 1, outputPadding });
    x = i === convs.length - 1 ? sums : relu(sums);
  });
  return x;
}

/** Log-probability of pictures given what was decoded, in nats: [B]. Of a `gaussian` output, a density of values from 0 to 1. */
export function logProb(config: VaeConfig, params: VaeParams, decoded: Tensor, images: Tensor): Tensor {
  return sum(pixelLogProb(config, params, decoded, seen(config, images)), [1, 2, 3]);
}

function pixelLogProb({ output, levels }: VaeConfig, { decoder }: VaeParams, decoded: Tensor, x: Tensor): Tensor {
  switch (output) {
    case "binary":
      return bernoulliLogProb(decoded, x);
    case "logistic": {
      const [means, logScales] = split(decoded, 2, 1);
      return logisticLogProb({ mean: means, logScale: logScales }, sub(mul(x, 2), 1), { levels });
    }
    case "gaussian":
      return gaussianLogProb({ mean: decoded, logVariance: decoder.logVariance as Tensor }, x);
  }
}

/** The mean of what was decoded, as pictures: float32 [B, C, H, W] from 0 to 1. */
export function picture({ output }: VaeConfig, decoded: Tensor): Tensor {
  if (output === "binary") return sigmoid(decoded);
  if (output === "gaussian") return clamp(decoded, 0, 1);
  return clamp(mul(add(split(decoded, 2, 1)[0], 1), 0.5), 0, 1);
}

/** Pictures whose pixels are drawn from what was decoded, each on its own: float32 [B, C, H, W] from 0 to 1. */
export function draw({ output }: VaeConfig, { decoder }: VaeParams, decoded: Tensor, key: TracedKey): Tensor {
  if (output === "binary") return cast(less(uniform(key, decoded.shape), sigmoid(decoded)), "float32");
  if (output === "gaussian") {
    const deviation = exp(mul(decoder.logVariance as Tensor, 0.5));
    return clamp(add(decoded, mul(deviation, normal(key, decoded.shape))), 0, 1);
  }
  const [means, logScales] = split(decoded, 2, 1);
  const chance = clamp(uniform(key, means.shape), 1e-6, 1 - 1e-6);
  const drawn = add(means, mul(exp(logScales), sub(log(chance), log(sub(1, chance)))));
  return clamp(mul(add(drawn, 1), 0.5), 0, 1);
}

/** Draws latents as a differentiable function of the posterior (reparameterisation): noise is standard normal [B, Z]. */
export const reparameterise = ({ mean: mu, logVariance }: Posterior, noise: Tensor): Tensor =>
  add(mu, mul(exp(mul(logVariance, 0.5)), noise));

/** KL divergence of each latent from the prior N(0, 1), in nats: [B, Z]. */
export const divergence = ({ mean: mu, logVariance }: Posterior): Tensor =>
  mul(sub(sub(add(square(mu), exp(logVariance)), 1), logVariance), 0.5);

/** The two parts of the bound, in nats: log p(x) ≥ reconstruction - Σ divergence. */
export interface Bound {
  /** [B] */
  readonly reconstruction: Tensor;
  /** [B, Z] */
  readonly divergence: Tensor;
}

/** The evidence lower bound of each picture. Noise is standard normal [B, Z]. */
export function evidenceBound(config: VaeConfig, params: VaeParams, batch: VaeBatch, noise: Tensor): Bound {
  const posterior = encode(config, params, batch);
  const decoded = decode(config, params, reparameterise(posterior, noise), batch.labels);
  return { reconstruction: logProb(config, params, decoded, batch.images), divergence: divergence(posterior) };
}

/**
 * What training minimises: nats per picture that the bound misses, the divergence weighted by beta and free below `freeBits`.
 *
 * @param step float32 scalar, counted from 1
 */
export function loss(config: VaeConfig, params: VaeParams, batch: VaeBatch, noise: Tensor, step: Tensor) {
  const { beta, betaWarmup, freeBits } = config;
  const bound = evidenceBound(config, params, batch, noise);
  const perLatent = mean(bound.divergence, 0); // [Z]
  const [reconstruction, kl] = [mul(mean(bound.reconstruction), -1), sum(perLatent)];
  const charged = freeBits > 0 ? sum(maximum(perLatent, freeBits)) : kl;
  const weight = betaWarmup > 0 ? mul(minimum(mul(step, 1 / betaWarmup), 1), beta) : beta;
  return { loss: add(reconstruction, mul(charged, weight)), reconstruction, kl };
}

/**
 * The importance-weighted bound of each picture (Burda et al. 2016): log of the mean of p(x|z) p(z) / q(z|x) over K latents, which
 * lies between the evidence lower bound (K = 1) and log p(x), the nearer the larger K. In nats: [B].
 *
 * @param noise standard normal [K, B, Z]
 */
export function importanceBound(config: VaeConfig, params: VaeParams, batch: VaeBatch, noise: Tensor): Tensor {
  const posterior = encode(config, params, batch);
  const spread = sum(posterior.logVariance, 1); // [B]
  const none = mul(spread, 0);
  const [, weights] = scan(
    (carry: Tensor, own: Tensor) => {
      const latents = reparameterise(posterior, own);
      const decoded = decode(config, params, latents, batch.labels);
      const odds = mul(add(sum(sub(square(own), square(latents)), 1), spread), 0.5); // log p(z) - log q(z|x)
      return [carry, add(logProb(config, params, decoded, batch.images), odds)] as const;
    },
    none,
    noise,
  ); // [K, B]
  return sub(logsumexp(weights, 0), Math.log(noise.shape[0] as number));
}
