/**
 * Generative adversarial networks: a generator turns noise into pictures, a discriminator tells them from real ones, and each
 * learns from the other until pictures can no longer be told apart. There is no likelihood: the discriminator is the loss.
 *
 * Two architectures share the first layer (noise to a small picture of many channels) and the shape of the rest, in which every
 * step towards the picture doubles its sides and halves its channels, and the discriminator goes the same way back.
 * `dcgan`: one (transposed) convolution of 4×4 and stride 2 a step. `residual`: two convolutions of 3×3 and a shortcut a step.
 *
 * Papers: Goodfellow et al. 2014 (GAN), Radford et al. 2016 (DCGAN), Miyato et al. 2018 (SNGAN: spectral norm, residual blocks),
 * Miyato & Koyama 2018 (projection discriminator, conditional batch norm), Gulrajani et al. 2017 (residual critic with layer norm).
 * What the two players minimise: `gan-losses.ts`.
 *
 * Legend: B pictures, C channels, H height, W width, Z latent numbers, L doublings, s × t the sides that the doublings start from,
 * W₀ … W_L channels of the maps between them. Pictures are from -1 (black) to 1 (white) here.
 */
import type { Tensor } from "../core/tensor.ts";
import { type BatchNorm, batchNorm, batchNormInference, initBatchNorm, runningStatistics } from "../nn/batch-norm.ts";
import { type Conv, conv, convTranspose } from "../nn/conv.ts";
import { groupNorm } from "../nn/group-norm.ts";
import { constantInit, normalInit } from "../nn/init.ts";
import { embedding } from "../nn/linear.ts";
import { initNorm, type Norm } from "../nn/norm.ts";
import { initPowerIteration, spectralNorm } from "../nn/spectral-norm.ts";
import { add, avgPool, leakyRelu, matmul, mul, relu, reshape, resize, sum, tanh } from "../ops/index.ts";
import { HeptagenError } from "../util/errors.ts";
import { type NdArray, type Shape, sizeOf } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";

export interface GanConfig {
  /** C, H, W of the pictures. */
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** Classes that pictures are made of on demand; 0 without. */
  readonly classes: number;
  readonly architecture: "dcgan" | "residual";
  /** Z: numbers that a picture is made from. */
  readonly latent: number;
  /** Channels of the generator's and of the discriminator's largest maps; each halving of the sides doubles them. */
  readonly generatorWidth: number;
  readonly discriminatorWidth: number;
  /** What keeps the discriminator's activations or weights in bounds. The generator always has batch norm. */
  readonly normalization: "batch" | "layer" | "spectral" | "none";
  readonly loss: "non-saturating" | "hinge" | "wasserstein";
  /** Weight of the gradient penalty between real and generated pictures (WGAN-GP: 10); 0 for none. */
  readonly gradientPenalty: number;
  /** Weight of the R1 penalty on real pictures; 0 for none. */
  readonly r1: number;
}

/** DCGAN as it was published. */
export const ganDefaults: Omit<GanConfig, "channels" | "height" | "width"> = {
  classes: 0,
  architecture: "dcgan",
  latent: 100,
  generatorWidth: 64,
  discriminatorWidth: 64,
  normalization: "batch",
  loss: "non-saturating",
  gradientPenalty: 0,
  r1: 0,
};

/** A map of the discriminator; `u` is the vector of its power iteration, where spectral norm is used. */
export type Judge<Leaf = Tensor> = Conv<Leaf> & { readonly u?: Leaf };

/** With classes, weight and bias are [classes, C]: what a class is shows in which channels it brings out. */
export interface GeneratorBlock<Leaf = Tensor> {
  readonly norm1: BatchNorm<Leaf>;
  /** [W_i, W_i+1, 4, 4] in `dcgan`, where the rest is missing; else [W_i+1, W_i, 3, 3]. */
  readonly conv1: Conv<Leaf>;
  readonly norm2?: BatchNorm<Leaf>;
  readonly conv2?: Conv<Leaf>;
  readonly shortcut?: Conv<Leaf>;
}

/** Parameters: a plain tree whose dotted paths are the names in `model.safetensors`. */
export interface Generator<Leaf = Tensor> {
  /** From noise to the first map: [Z, W₀, s, t]. */
  readonly first: { readonly weight: Leaf };
  /** With classes: what a class adds where to the normalised first map, [classes, W₀, s, t]. Behind the norm it cannot drown noise. */
  readonly places?: { readonly weight: Leaf };
  readonly blocks: readonly GeneratorBlock<Leaf>[];
  /** `residual` only: what makes the picture of the last map. */
  readonly norm?: BatchNorm<Leaf>;
  readonly out?: Conv<Leaf>;
}

export interface DiscriminatorBlock<Leaf = Tensor> {
  readonly norm1?: Norm<Leaf>;
  /** [W', W, 4, 4] in `dcgan`, where the rest is missing; else [W', W, 3, 3]. */
  readonly conv1: Judge<Leaf>;
  readonly norm2?: Norm<Leaf>;
  readonly conv2?: Judge<Leaf>;
  readonly shortcut?: Judge<Leaf>;
}

export interface Discriminator<Leaf = Tensor> {
  readonly blocks: readonly DiscriminatorBlock<Leaf>[];
  /** [1, W₀, s, t] in `dcgan`, [1, W₀, 1, 1] over the sum of all places in `residual`. */
  readonly score: Judge<Leaf>;
  /** What each class adds: [classes, W₀], times the sum of the last map over all places. */
  readonly projection?: { readonly weight: Leaf; readonly u?: Leaf };
}

export interface GanParams<Leaf = Tensor> {
  readonly generator: Generator<Leaf>;
  readonly discriminator: Discriminator<Leaf>;
}

/** How the sides grow: s × t, doubled so many times. */
export function growth({ height, width }: Pick<GanConfig, "height" | "width">): { start: Shape; doublings: number } {
  const doublings = Math.max(1, Math.floor(Math.log2(Math.min(height, width) / 4)));
  return { start: [height / 2 ** doublings, width / 2 ** doublings], doublings };
}

/** W₀ … W_L: channels of the maps, the smallest map first. */
function widths(config: GanConfig, narrowest: number): number[] {
  const { doublings } = growth(config);
  return Array.from({ length: doublings + 1 }, (_, i) => narrowest * 2 ** Math.min(3, Math.max(0, doublings - 1 - i)));
}

/**
 * Checks what depends on several values at once.
 *
 * @throws HeptagenError `options/value`
 */
export function checkConfig(config: GanConfig): void {
  const { height, width, normalization, gradientPenalty } = config;
  const { start, doublings } = growth(config);
  if (start.some((side) => !Number.isInteger(side) || side < 2 || side > 15)) {
    const near = 2 ** doublings * Math.max(4, Math.round(Math.min(height, width) / 2 ** doublings));
    throw new HeptagenError(
      "options/value",
      `gan: expected pictures whose sides are 4 to 15 pixels doubled once or more, got ${width} × ${height}`,
      { facts: { height, width }, next: `Scale them, for example with --size ${near}.` },
    );
  }
  if (gradientPenalty > 0 && normalization === "batch") {
    throw new HeptagenError(
      "options/value",
      "gan: expected a discriminator that judges each picture on its own with a gradient penalty, got batch norm",
      { next: "Choose --normalization layer (as in WGAN-GP), spectral or none." },
    );
  }
}

/** Normal weights of deviation 0.02 and norms around 1, as in DCGAN; weights that no batch norm follows as in He et al. 2015. */
export function init(config: GanConfig, key: Key): GanParams<NdArray> {
  checkConfig(config);
  return {
    generator: initGenerator(config, fold(key, "generator")),
    discriminator: initDiscriminator(config, fold(key, "discriminator")),
  };
}

function initGenerator(config: GanConfig, key: Key): Generator<NdArray> {
  const { architecture, channels, classes, latent, generatorWidth } = config;
  const { start, doublings } = growth(config);
  const sizes = widths(config, generatorWidth);
  const weight = (name: string, shape: Shape) => normalInit(fold(key, name), shape, 0.02);
  const norm = (name: string, width: number): BatchNorm<NdArray> => {
    const own = classes > 0 ? [classes, width] : [width];
    return { ...initBatchNorm(width), weight: aroundOne(key, name, own), bias: constantInit(own, 0) };
  };
  const picture = (from: number): Conv<NdArray> => ({
    weight: weight("out", [channels, from, 3, 3]),
    bias: constantInit([channels], 0),
  });
  // No convolution that a norm follows has a bias: the norm would take it away again.
  const block = (i: number): GeneratorBlock<NdArray> => {
    const [from, to] = [sizes[i], sizes[i + 1]] as [number, number];
    const norm1 = norm(`${i}.norm1`, from);
    if (architecture === "dcgan") {
      return { norm1, conv1: { weight: weight(`${i}.conv1`, [from, i === doublings - 1 ? channels : to, 4, 4]) } };
    }
    return {
      norm1,
      conv1: { weight: weight(`${i}.conv1`, [to, from, 3, 3]) },
      norm2: norm(`${i}.norm2`, to),
      conv2: { weight: weight(`${i}.conv2`, [to, to, 3, 3]) },
      shortcut: { weight: weight(`${i}.shortcut`, [to, from, 1, 1]) },
    };
  };
  const last = sizes[doublings] as number;
  return {
    first: { weight: weight("first", [latent, sizes[0] as number, ...start]) },
    ...(classes > 0 && { places: { weight: constantInit([classes, sizes[0] as number, ...start], 0) } }),
    blocks: Array.from({ length: doublings }, (_, i) => block(i)),
    ...(architecture === "residual" && { norm: norm("norm", last), out: picture(last) }),
  };
}

function initDiscriminator(config: GanConfig, key: Key): Discriminator<NdArray> {
  const { architecture, channels, classes, discriminatorWidth, normalization } = config;
  const { start, doublings } = growth(config);
  const sizes = widths(config, discriminatorWidth).reverse(); // the largest map first
  const spectral = normalization === "spectral";
  const bias = spectral || normalization === "none"; // norms have their own
  const map = (name: string, shape: Shape): Judge<NdArray> => ({
    weight: normalInit(fold(key, name), shape, normalization === "batch" ? 0.02 : Math.sqrt(2 / sizeOf(shape.slice(1)))),
    ...(bias && { bias: constantInit([shape[0] as number], 0) }),
    ...(spectral && { u: initPowerIteration(fold(fold(key, name), "u"), shape[0] as number) }),
  });
  const norm = (name: string, width: number): Norm<NdArray> | undefined => {
    if (bias) return undefined;
    return normalization === "layer"
      ? initNorm(width, { bias: true })
      : { weight: aroundOne(key, name, [width]), bias: constantInit([width], 0) };
  };
  const block = (i: number): DiscriminatorBlock<NdArray> => {
    const to = (architecture === "dcgan" ? sizes[i + 1] : sizes[Math.min(i + 1, doublings)]) as number;
    const from = (i === 0 ? channels : sizes[i]) as number;
    const [norm1, norm2] = [
      i === 0 ? undefined : norm(`${i}.norm1`, architecture === "dcgan" ? to : from),
      norm(`${i}.norm2`, to),
    ];
    if (architecture === "dcgan") return { conv1: map(`${i}.conv1`, [to, from, 4, 4]), ...(norm1 && { norm1 }) };
    return {
      ...(norm1 && { norm1 }),
      conv1: map(`${i}.conv1`, [to, from, 3, 3]),
      ...(norm2 && { norm2 }),
      conv2: map(`${i}.conv2`, [to, to, 3, 3]),
      ...(i <= doublings - 1 && { shortcut: map(`${i}.shortcut`, [to, from, 1, 1]) }),
    };
  };
  const last = sizes[doublings] as number;
  // `residual` ends with a block that keeps its sides.
  const blocks = Array.from({ length: architecture === "dcgan" ? doublings : doublings + 1 }, (_, i) => block(i));
  return {
    blocks,
    score: map("score", [1, last, ...(architecture === "dcgan" ? start : [1, 1])]),
    ...(classes > 0 && {
      projection: {
        weight: normalInit(fold(key, "projection"), [classes, last], 0.02),
        ...(spectral && { u: initPowerIteration(fold(key, "projection.u"), classes) }),
      },
    }),
  };
}

/** Weights of a norm. */
function aroundOne(key: Key, name: string, shape: Shape): NdArray {
  const drawn = normalInit(fold(key, name), shape, 0.02);
  return { ...drawn, data: (drawn.data as Float32Array).map((value) => 1 + value) };
}

/** New values of buffers by dotted path, which a forward pass in training fills in. */
export type Buffers = Record<string, Tensor>;

export interface GenerateOptions {
  /** int32 [B], exactly where the model knows classes. */
  readonly labels?: Tensor | undefined;
  /** In training: batch norm by the statistics of the batch, and its new running averages go here. Without: by the averages. */
  readonly buffers?: Buffers;
  /** Sees each map: `first` [B, W₀, s, t], `blocks.0` [B, W₁, 2 s, 2 t], … */
  readonly probe?: ((name: string, map: Tensor) => void) | undefined;
}

/**
 * Pictures from noise.
 *
 * @param latents [B, Z], standard normal
 * @returns [B, C, H, W] from -1 to 1
 * @example const pictures = generate(params.generator, latents);
 */
export function generate(params: Generator, latents: Tensor, options: GenerateOptions = {}): Tensor {
  const { labels, buffers, probe } = options;
  const norm = (name: string, shared: BatchNorm, x: Tensor): Tensor => {
    const ofClass = (p: Tensor) => embedding({ weight: p }, labels as Tensor); // [classes, C] → [B, C]
    const own = labels ? { ...shared, weight: ofClass(shared.weight), bias: ofClass(shared.bias) } : shared;
    if (!buffers) return batchNormInference(own, x);
    const { y, statistics } = batchNorm(own, x);
    for (const [leaf, value] of Object.entries(runningStatistics(own, statistics))) buffers[`${name}.${leaf}`] = value;
    return y;
  };
  const { weight } = params.first;
  const first = matmul(latents, reshape(weight, [weight.shape[0] as number, -1])); // [B, W₀ s t]
  let x = reshape(first, [-1, ...weight.shape.slice(1)]); // [B, W₀, s, t]
  probe?.("first", x);
  params.blocks.forEach(({ norm1, conv1, norm2, conv2, shortcut }, i) => {
    const normalized = norm(`blocks.${i}.norm1`, norm1, x);
    const placed = i === 0 && params.places && labels ? add(normalized, embedding(params.places, labels)) : normalized;
    const normal = relu(placed);
    if (norm2 && conv2 && shortcut) {
      const larger = conv(conv1, double(normal), { padding: 1 });
      const inner = conv(conv2, relu(norm(`blocks.${i}.norm2`, norm2, larger)), { padding: 1 });
      x = add(inner, double(conv(shortcut, x)));
    } else {
      x = convTranspose(conv1, normal, { stride: 2, padding: 1 });
    }
    probe?.(`blocks.${i}`, x);
  });
  if (params.norm && params.out) x = conv(params.out, relu(norm("norm", params.norm, x)), { padding: 1 });
  return tanh(x);
}

/** Each pixel four times. */
const double = (x: Tensor): Tensor =>
  resize(
    x,
    x.shape.slice(2).map((side) => 2 * side),
  );

/**
 * How real pictures look: logits, or whatever the loss makes of the scores; higher is more real. Batch norm always goes by the
 * batch at hand, even after training: real and generated pictures are normalised apart, and averages over both would fit neither.
 *
 * @param params with spectral norm, those that `spectrallyNormalized` returns
 * @param images [B, C, H, W] from -1 to 1
 * @param labels int32 [B], exactly where the model knows classes
 * @returns [B]
 */
export function discriminate(config: GanConfig, params: Discriminator, images: Tensor, labels?: Tensor): Tensor {
  const norm = (own: Norm | undefined, x: Tensor): Tensor => {
    if (!own?.bias) return x;
    const { weight, bias } = own;
    return config.normalization === "layer" ? groupNorm(own, x, { groups: 1 }) : batchNorm({ weight, bias }, x).y;
  };
  const residual = config.architecture === "residual";
  let x = images;
  params.blocks.forEach(({ norm1, conv1, norm2, conv2, shortcut }, i) => {
    if (!conv2) {
      x = leakyRelu(norm(norm1, conv(conv1, x, { stride: 2, padding: 1 })), 0.2);
      return;
    }
    const active = i === 0 ? x : relu(norm(norm1, x)); // the picture itself is not cut off
    const inner = conv(conv2, relu(norm(norm2, conv(conv1, active, { padding: 1 }))), { padding: 1 });
    x = shortcut ? add(halve(inner), conv(shortcut, halve(x))) : add(inner, x);
  });
  if (residual) x = relu(x);
  const [batch, width] = x.shape as [number, number];
  const { weight, bias } = params.score;
  const summed = residual || params.projection ? sum(x, [2, 3]) : undefined; // [B, W₀]
  const features = residual && summed ? summed : reshape(x, [batch, -1]);
  let score = reshape(matmul(features, reshape(weight, [1, -1]), { transposeB: true }), [batch]);
  if (bias) score = add(score, bias);
  if (!params.projection || !labels || !summed) return score;
  const said = reshape(embedding(params.projection, labels), [batch, width]);
  return add(score, sum(mul(said, summed), 1));
}

/** The mean of each 2 × 2 pixels. */
const halve = (x: Tensor): Tensor => avgPool(x, 2, { stride: 2 });

/**
 * Divides each weight that has a power iteration by its largest singular value.
 *
 * @param buffers in training, where each iteration goes on: its new vectors, by path. Without, it stays as it is
 */
export function spectrallyNormalized(params: Discriminator, buffers?: Buffers): Discriminator {
  const normalized = <Own extends { readonly weight: Tensor; readonly u?: Tensor }>(path: string, own: Own): Own => {
    if (!own.u) return own;
    const { normal, u } = spectralNorm(own.weight, own.u, { iterate: buffers !== undefined });
    if (buffers) buffers[`${path}.u`] = u;
    return { ...own, weight: normal };
  };
  return {
    blocks: params.blocks.map((block, i) => ({
      ...block,
      conv1: normalized(`blocks.${i}.conv1`, block.conv1),
      ...(block.conv2 && { conv2: normalized(`blocks.${i}.conv2`, block.conv2) }),
      ...(block.shortcut && { shortcut: normalized(`blocks.${i}.shortcut`, block.shortcut) }),
    })),
    score: normalized("score", params.score),
    ...(params.projection && { projection: normalized("projection", params.projection) }),
  };
}
