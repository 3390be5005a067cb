/**
 * Diffusion: a model that makes pictures out of noise, by having learnt to take noise away.
 *
 * The process mixes a picture x0 with Gaussian noise ε, more and more of it: x = α x0 + σ ε, from the picture alone (α = 1, σ = 0) to
 * noise alone (α = 0, σ = 1). A network (`unet.ts`) sees x and the time and predicts some mixture F = a x0 + b ε of the two; as x is
 * known, each of x0, ε and F gives the others. Schedules differ in α and σ only, predictions in a and b only, and so one formula
 * serves them all:
 *
 *   schedule   α² = ᾱ, σ² = 1 - ᾱ        ᾱ: product of 1 - β; β in a line from 1e-4 to 0.02 (linear), or ᾱ a squared cosine (cosine)
 *              α = 1 - t, σ = t           straight lines from picture to noise: flow (rectified flow, flow matching)
 *   prediction epsilon F = ε;  x0 F = x0;  v F = α ε - σ x0;  velocity F = ε - x0, what x changes by along a straight line
 *
 * Training minimises the mean squared error of F. Sampling (`diffusion-samplers.ts`) walks from noise to picture.
 *
 * Papers: Ho et al. 2020 (DDPM), Nichol & Dhariwal 2021 (cosine), Salimans & Ho 2022 (v), Hang et al. 2023 (min-SNR), Ho & Salimans
 * 2022 (classifier-free guidance), Kingma et al. 2021 (VDM: the bound, times spread over a batch), Liu et al. 2022 and Lipman et al.
 * 2022 (flow), Esser et al. 2024 (logit-normal times).
 *
 * Legend: B pictures, C channels, H height, W width of the canvas that the network works on: pictures scaled to [-1, 1] with
 * black around them where they are smaller. T steps of the process. A place is a point of the schedule, from 0 (picture) to 1 (noise).
 */
import { constant } from "../core/builtin.ts";
import { bernoulli, normal, type TracedKey, uniform } from "../core/random.ts";
import type { Tensor } from "../core/tensor.ts";
import {
  add,
  arange,
  cast,
  clamp,
  div,
  erf,
  floor,
  full,
  gather,
  greater,
  greaterEqual,
  less,
  log,
  maximum,
  mean,
  minimum,
  mod,
  mul,
  pad,
  reshape,
  sigmoid,
  slice,
  split,
  square,
  sub,
  sum,
  where,
} from "../ops/index.ts";
import { HeptagenError } from "../util/errors.ts";
import { checkConfig as checkUNet, conditions, forward, sideUnit, type UNetConfig, type UNetParams } from "./unet.ts";

export interface DiffusionConfig {
  /** Of the pictures; the network's canvas is as large or larger. */
  readonly height: number;
  readonly width: number;
  readonly network: UNetConfig;
  readonly schedule: "linear" | "cosine" | "flow";
  readonly prediction: "epsilon" | "x0" | "v" | "velocity";
  /** T of the schedules that have steps. */
  readonly timesteps: number;
  /** Where training looks: everywhere alike, or in the middle of the schedule more often (flow). */
  readonly places: "uniform" | "logit-normal";
  /** γ: places with a signal-to-noise ratio above count as if they had it; 0 for the plain mean squared error. */
  readonly minSnr: number;
  /** Part of the pictures whose class is not told in training, so that sampling can tell what a class adds. */
  readonly unlabelled: number;
}

/** A point of the process: how much picture, how much noise, and the time as the network is told it (0 to 1000). */
export interface Level {
  readonly alpha: number;
  readonly sigma: number;
  readonly time: number;
}

/** The picture alone. */
export const clean: Level = { alpha: 1, sigma: 0, time: 0 };
/** Places of the variational bound of a flow: so many, the first with this noise. */
const [boundPlaces, boundStart] = [1000, 0.01];
/** Training of a flow stays as far from the picture alone, where no noise is left to tell. */
const leastPlace = 1e-4;

/** The smallest canvas for pictures of a height and width, or that of a wanted side. */
export function canvasOf(size: { readonly height: number; readonly width: number }, unit: number, side = 0) {
  const up = (own: number): number => Math.ceil(Math.max(own, side) / unit) * unit;
  return { height: up(size.height), width: up(size.width) };
}

/**
 * Checks a configuration.
 *
 * @throws HeptagenError `diffusion/config`, `unet/config` naming what does not fit
 */
export function checkConfig(config: DiffusionConfig): void {
  const { schedule, prediction, timesteps, network, height, width, places, minSnr, unlabelled } = config;
  const fail = (expected: string, got: unknown, next: string): never => {
    throw new HeptagenError("diffusion/config", `diffusion: expected ${expected}, got ${got}`, { next });
  };
  checkUNet(network);
  if (network.height < height || network.width < width) {
    const sizes = `${network.width} x ${network.height}`;
    fail(`a canvas of at least ${width} x ${height}`, sizes, `Sides are multiples of ${sideUnit(network)}.`);
  }
  if (schedule === "flow" && prediction === "epsilon") {
    fail(
      "velocity, v or x0 as the prediction of a flow",
      prediction,
      "At its end there is noise only, which says nothing of x0.",
    );
  }
  if (schedule !== "flow" && places !== "uniform") fail("places to be uniform without a flow", places, "Set places to uniform.");
  if (!Number.isInteger(timesteps) || timesteps < 2) fail("timesteps to be a whole number from 2", timesteps, "DDPM takes 1000.");
  if (!(minSnr >= 0)) fail("minSnr from 0", minSnr, "Hang et al. take 5; 0 is for none.");
  if (!(unlabelled >= 0 && unlabelled < 1)) fail("unlabelled from 0 to below 1", unlabelled, "0.1 is usual.");
}

/** All levels of a process with steps, the one with the least noise first. The flow has no steps: levels for its bound, evenly in log t. */
export function levelsOf({ schedule, timesteps: T }: Pick<DiffusionConfig, "schedule" | "timesteps">): Level[] {
  if (schedule === "flow") {
    return Array.from({ length: boundPlaces }, (_, i) => flowLevel(boundStart ** (1 - i / (boundPlaces - 1))));
  }
  const cosine = (t: number): number => Math.cos(((t / T + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
  // Ho et al. have a thousand steps; with other numbers β is scaled so that the end is as noisy.
  const linear = (t: number): number => Math.min(0.999, (1000 / T) * (1e-4 + ((0.02 - 1e-4) * (t - 1)) / (T - 1)));
  let bar = 1;
  return Array.from({ length: T }, (_, i) => {
    bar *= 1 - (schedule === "linear" ? linear(i + 1) : Math.min(0.999, 1 - cosine(i + 1) / cosine(i)));
    return { alpha: Math.sqrt(bar), sigma: Math.sqrt(1 - bar), time: (i * 1000) / T };
  });
}

const flowLevel = (place: number): Level => ({ alpha: 1 - place, sigma: place, time: 1000 * place });

/** The level at a place above 0, up to 1: of a process with steps, the nearest. */
export function levelAt(config: Pick<DiffusionConfig, "schedule" | "timesteps">, place: number): Level {
  if (config.schedule === "flow") return flowLevel(place);
  const levels = levelsOf(config);
  return levels[Math.max(1, Math.round(place * levels.length)) - 1] as Level;
}

/** What the network predicts at a level: F = a x0 + b ε. */
export function predicted(
  { prediction }: Pick<DiffusionConfig, "prediction">,
  { alpha, sigma }: Pick<Level, "alpha" | "sigma">,
): { readonly a: number; readonly b: number } {
  const mixtures = { epsilon: [0, 1], x0: [1, 0], v: [-sigma, alpha], velocity: [-1, 1] } as const;
  const [a, b] = mixtures[prediction];
  return { a, b };
}

/** The picture out of x and F: x0 = ofX x + ofF F. */
export function pictureFrom(
  config: Pick<DiffusionConfig, "prediction">,
  level: Level,
): { readonly ofX: number; readonly ofF: number } {
  const { a, b } = predicted(config, level);
  const determinant = level.alpha * b - level.sigma * a;
  return { ofX: b / determinant, ofF: -level.sigma / determinant };
}

/** How much an error of F counts: 1, or by min-SNR as much as makes an error of x0 count min(SNR, γ). */
function weightAt(config: Pick<DiffusionConfig, "prediction" | "minSnr">, level: Level): number {
  if (config.minSnr === 0) return 1;
  const { a, b } = predicted(config, level);
  const ratio = level.alpha / level.sigma;
  return Math.min(ratio ** 2, config.minSnr) / (a - b * ratio) ** 2;
}

/** Numbers of a level for each picture: [B, 1, 1, 1] each, but the time: [B]. */
interface Levels {
  readonly alpha: Tensor;
  readonly sigma: Tensor;
  readonly a: Tensor;
  readonly b: Tensor;
  readonly weight: Tensor;
  readonly time: Tensor;
}

/** A column of numbers for each picture out of a table of some for each level: one column per function. */
function lookUp(levels: readonly Level[], index: Tensor, columns: readonly ((level: Level, i: number) => number)[]): Tensor[] {
  const data = Float32Array.from(levels.flatMap((level, i) => columns.map((column) => column(level, i))));
  const table = constant({ dtype: "float32", shape: [levels.length, columns.length], data });
  const rows = gather(table, index); // [B, columns]
  return split(rows, columns.length, 1).map((column) => reshape(column, [-1, 1, 1, 1]));
}

/** Places [B] as levels. */
function levelsAt(config: DiffusionConfig, places: Tensor): Levels {
  const { prediction, minSnr, timesteps } = config;
  if (config.schedule !== "flow") {
    const index = cast(clamp(floor(mul(places, timesteps)), 0, timesteps - 1), "int32");
    const [alpha, sigma, a, b, weight, time] = lookUp(levelsOf(config), index, [
      ({ alpha: own }) => own,
      ({ sigma: own }) => own,
      (level) => predicted(config, level).a,
      (level) => predicted(config, level).b,
      (level) => weightAt(config, level),
      ({ time: own }) => own,
    ]) as [Tensor, Tensor, Tensor, Tensor, Tensor, Tensor];
    return { alpha, sigma, a, b, weight, time: reshape(time, [-1]) };
  }
  const sigma = reshape(places, [-1, 1, 1, 1]);
  const alpha = sub(1, sigma);
  const ones = full(sigma.shape, 1);
  const zeros = full(sigma.shape, 0);
  const minus = (x: Tensor): Tensor => mul(x, -1);
  const mixtures = {
    epsilon: [zeros, ones],
    x0: [ones, zeros],
    v: [minus(sigma), alpha],
    velocity: [minus(ones), ones],
  } as const;
  const [a, b] = mixtures[prediction];
  const ratio = div(alpha, sigma);
  const weight = minSnr === 0 ? ones : div(minimum(square(ratio), minSnr), square(sub(a, mul(b, ratio))));
  return { alpha, sigma, a, b, weight, time: mul(places, 1000) };
}

/** Pictures from 0 to 1 [B, C, h, w] on the canvas: [B, C, H, W] from -1 to 1, with black around. */
export function toCanvas({ network }: DiffusionConfig, images: Tensor): Tensor {
  const [, , height, width] = images.shape as [number, number, number, number];
  const [down, across] = [network.height - height, network.width - width];
  const around = (extra: number) => [Math.floor(extra / 2), Math.ceil(extra / 2)] as const;
  return pad(sub(mul(images, 2), 1), [[0, 0], [0, 0], around(down), around(across)], { value: -1 });
}

/** The pictures of a canvas, from 0 to 1. */
export function fromCanvas({ height, width, network }: DiffusionConfig, canvas: Tensor): Tensor {
  const [top, left] = [Math.floor((network.height - height) / 2), Math.floor((network.width - width) / 2)];
  const inside = slice(canvas, { 2: { start: top, stop: top + height }, 3: { start: left, stop: left + width } });
  return clamp(mul(add(inside, 1), 0.5), 0, 1);
}

/** The network: x [B, C, H, W] at times [B] → F. `labels` int32 [B] count only for a model that knows classes. */
export function predict(
  { network }: DiffusionConfig,
  params: UNetParams,
  x: Tensor,
  times: Tensor,
  labels: Tensor | undefined,
  key?: TracedKey,
): Tensor {
  const said = conditions(network, params, times, network.classes > 0 ? labels : undefined);
  return forward(network, params, x, said, { key });
}

/** Places [B] spread evenly over the schedule, and so those of the first few, by steps of the golden ratio from a random start. */
export function spreadPlaces(key: TracedKey, count: number): Tensor {
  return mod(add(mul(arange(count, "float32"), (Math.sqrt(5) - 1) / 2), uniform(key, [1])), 1);
}

export interface LossInputs {
  /** On the canvas [B, C, H, W]. */
  readonly x0: Tensor;
  /** Standard normal, like x0. */
  readonly noise: Tensor;
  /** [B] */
  readonly places: Tensor;
  readonly labels?: Tensor | undefined;
  /** For dropout. */
  readonly key?: TracedKey | undefined;
}

/** The (weighted) mean squared error of F, for each picture: [B]. */
export function losses(config: DiffusionConfig, params: UNetParams, { x0, noise, places, labels, key }: LossInputs): Tensor {
  const { alpha, sigma, a, b, weight, time } = levelsAt(config, places);
  const x = add(mul(x0, alpha), mul(noise, sigma));
  const target = add(mul(x0, a), mul(noise, b));
  const errors = mean(square(sub(predict(config, params, x, time, labels, key), target)), [1, 2, 3]);
  return mul(errors, reshape(weight, [-1]));
}

/** What training minimises, of a batch of pictures from 0 to 1. */
export function loss(config: DiffusionConfig, params: UNetParams, images: Tensor, labels: Tensor, key: TracedKey): Tensor {
  const x0 = toCanvas(config, images);
  const [count] = x0.shape as [number];
  const { classes } = config.network;
  const places =
    config.places === "logit-normal" ? sigmoid(normal(key.fold("places"), [count])) : spreadPlaces(key.fold("places"), count);
  const told =
    classes > 0 && config.unlabelled > 0
      ? where(bernoulli(key.fold("unlabelled"), config.unlabelled, [count]), classes, labels)
      : labels;
  return mean(
    losses(config, params, {
      x0,
      noise: normal(key.fold("noise"), x0.shape),
      places: config.schedule === "flow" ? maximum(places, leastPlace) : places,
      labels: told,
      key: key.fold("dropout"),
    }),
  );
}

/**
 * An upper bound on the nats of each picture, drawn at random: [B], in expectation
 *
 *   Σ_i ½ (SNR_(i-1) - SNR_i) |x0 - x̂0(x_i)|²  +  -log p(x0 | x_1)  +  KL(q(x_T | x0) | N(0, 1))
 *
 * which is the bound of Ho et al. with the smaller of their variances, as Kingma et al. write it. One level i is drawn per picture and
 * its term divided by its chance: in proportion to (SNR_(i-1) - SNR_i) / (1 + SNR_i), about as large as the terms are. p(x0 | x_1) is
 * a Gaussian around x̂0, as wide as the noise of x_1, its mass in each of 256 bins; x̂0 is held between -1 and 1. A flow is bounded by
 * the diffusion with the same α and σ, from σ = 0.01 on. The black around pictures counts too, so that the bound holds for them.
 *
 * @param x0 pictures of 256 values on the canvas [B, C, H, W]
 */
export function boundOnNats(config: DiffusionConfig, params: UNetParams, x0: Tensor, labels: Tensor, key: TracedKey): Tensor {
  const levels = levelsOf(config);
  const [count, ...picture] = x0.shape as [number, number, number, number];
  const size = picture.reduce((a, b) => a * b);
  const guess = (name: string, index: Tensor) => {
    const [alpha, sigma, time, ofX, ofF] = lookUp(levels, index, [
      (level) => level.alpha,
      (level) => level.sigma,
      (level) => level.time,
      (level) => pictureFrom(config, level).ofX,
      (level) => pictureFrom(config, level).ofF,
    ]) as [Tensor, Tensor, Tensor, Tensor, Tensor];
    const x = add(mul(x0, alpha), mul(normal(key.fold(name), x0.shape), sigma));
    const F = predict(config, params, x, reshape(time, [-1]), labels);
    return clamp(add(mul(x, ofX), mul(F, ofF)), -1, 1);
  };
  const ratios = levels.map(({ alpha, sigma }) => (alpha / sigma) ** 2);
  const weights = ratios.map((ratio, k) => (k === 0 ? 0 : ((ratios[k - 1] as number) - ratio) / (1 + ratio)));
  const total = weights.reduce((a, b) => a + b);
  let below = 0;
  const reached = Float32Array.from(weights, (weight) => {
    below += weight / total;
    return below;
  });
  const chances = reshape(spreadPlaces(key.fold("levels"), count), [count, 1]);
  const passed = cast(greaterEqual(chances, constant({ dtype: "float32", shape: [1, levels.length], data: reached })), "int32");
  const index = minimum(sum(passed, 1), levels.length - 1); // [B]: 1 … T - 1
  // ½ (SNR_(i-1) - SNR_i) divided by the chance of i.
  const [lost] = lookUp(levels, index, [(_, k) => (total / 2) * (1 + (ratios[k] as number))]) as [Tensor];
  const middle = mul(reshape(lost, [-1]), sum(square(sub(x0, guess("middle", index))), [1, 2, 3]));

  const first = levels[0] as Level;
  const found = guess("first", full([count], 0, "int32"));
  const told = sum(binLogProb(found, x0, first.sigma / first.alpha), [1, 2, 3]);

  const last = levels.at(-1) as Level;
  const spreadOut = size * (last.sigma ** 2 - 1 - 2 * Math.log(last.sigma));
  const end = mul(add(mul(sum(square(x0), [1, 2, 3]), last.alpha ** 2), spreadOut), 0.5);
  return sub(add(middle, end), told);
}

/** Logarithm of a Gaussian's mass in the bin of x, one of 256 values from -1 to 1; the outermost bins reach to infinity. */
function binLogProb(mu: Tensor, x: Tensor, deviation: number): Tensor {
  const half = 1 / 255;
  const scaled = 1 / (deviation * Math.SQRT2);
  const upTo = (edge: Tensor): Tensor => mul(add(erf(mul(edge, scaled)), 1), 0.5);
  const distance = sub(x, mu);
  const above = where(greater(x, 1 - half), 1, upTo(add(distance, half)));
  const below = where(less(x, -1 + half), 0, upTo(sub(distance, half)));
  const mass = sub(above, below);
  // Far out float32 cannot tell the two apart; the density in the middle of the bin times its width is less than the mass there.
  const density = sub(Math.log((2 * half) / (deviation * Math.sqrt(2 * Math.PI))), square(mul(distance, scaled)));
  return where(greater(mass, 1e-4), log(maximum(mass, 1e-4)), density);
}
