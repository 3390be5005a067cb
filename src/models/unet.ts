/**
 * U-Net: the network of a diffusion model, which looks at a noisy picture and a time and says what is noise in it.
 *
 * A way down shrinks the picture level by level while channels grow, so that deep layers see all of it; a way up grows it back, and
 * at each level reads again what the way down had there (skip connections), so that no detail is lost. Every residual block is told
 * the time, and the class where there is one, as a vector added to its channels.
 *
 * Papers: Ronneberger et al. 2015 (U-Net), Ho et al. 2020 (DDPM: this form of it), Dhariwal & Nichol 2021 (classes), Hoogeboom et
 * al. 2023 (simple diffusion: large pictures as patches).
 *
 * Every layer, for base C, multipliers m0 … mL, n blocks, E = 4 C. Convolutions have padding 1 and a bias; norms are GroupNorm with
 * `groups` groups and epsilon 1e-5.
 *
 *   time       sin and cos of time · 10000^(-i / (C / 2)), i < C / 2, sines first → linear C → E, SiLU, linear E → E; plus the vector
 *              of the class; SiLU
 *   input      conv 3x3 to C → kept
 *   down       each level l: n times { block to m_l C; attention, where the level's height is in `attention`; → kept }, and but
 *              for the last level: conv 3x3 stride 2 → kept
 *   middle     block, attention, block
 *   up         each level from the deepest: n + 1 times { beside it the last of what was kept, taken away; block to m_l C;
 *              attention as on the way down }, and but for level 0: every pixel twice (nearest), conv 3x3
 *   output     norm, SiLU, conv 3x3 to the picture's channels (starts at 0)
 *
 *   block      norm1, SiLU, conv1 3x3, + linear of the time (E → channels), norm2, SiLU, dropout, conv2 3x3 (starts at 0); + what came
 *              in (by a conv 1x1 `skip` where channels change)
 *   attention  norm, qkv conv 1x1 to 3 channels each, softmax(q · k / √D) v in each head, out conv 1x1 (starts at 0); + what came in
 *
 * Legend: B pictures, C channels, H height, W width, E width of the time's vector, T = H W places, D width of a head, P patch side.
 */
import { constant } from "../core/index.ts";
import type { TracedKey } from "../core/random.ts";
import type { Tensor } from "../core/tensor.ts";
import { type Conv, conv, convTranspose, initConv } from "../nn/conv.ts";
import { dropout } from "../nn/dropout.ts";
import { groupNorm } from "../nn/group-norm.ts";
import { constantInit, uniformInit } from "../nn/init.ts";
import { type Embedding, embedding, initEmbedding, type Linear, linear } from "../nn/linear.ts";
import { initNorm, type Norm } from "../nn/norm.ts";
import { add, arange, concat, cos, exp, matmul, mul, reshape, silu, sin, softmax, split, transpose } from "../ops/index.ts";
import { HeptagenError } from "../util/errors.ts";
import { type NdArray, ndarray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";

export interface UNetConfig {
  /** Of the picture. */
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** Side of the squares of pixels that become one place with as many channels; 1 for none. */
  readonly patch: number;
  /** C: channels of the first level. */
  readonly base: number;
  /** Channels of each level, as multiples of `base`; each level has half the height of the one before. */
  readonly mults: readonly number[];
  /** Residual blocks per level on the way down; one more on the way up. */
  readonly blocks: number;
  /** Heights at which places attend to each other, besides the middle. */
  readonly attention: readonly number[];
  readonly heads: number;
  readonly groups: number;
  readonly dropout: number;
  /** Number of classes; 0 for none. One more vector stands for "no class told". */
  readonly classes: number;
}

export const unetDefaults: Omit<UNetConfig, "channels" | "height" | "width"> = {
  patch: 1,
  base: 32,
  mults: [1, 2, 2],
  blocks: 2,
  attention: [8],
  heads: 1,
  groups: 8,
  dropout: 0,
  classes: 0,
};

export interface UNetBlock<Leaf = Tensor> {
  readonly norm1: Norm<Leaf>;
  readonly conv1: Conv<Leaf>;
  readonly time: Linear<Leaf>;
  readonly norm2: Norm<Leaf>;
  readonly conv2: Conv<Leaf>;
  readonly skip?: Conv<Leaf>;
}

export interface UNetAttention<Leaf = Tensor> {
  readonly norm: Norm<Leaf>;
  /** [3 C, C, 1, 1]: queries, then keys, then values. */
  readonly qkv: Conv<Leaf>;
  readonly out: Conv<Leaf>;
}

export interface UNetLevel<Leaf = Tensor> {
  readonly blocks: readonly UNetBlock<Leaf>[];
  /** One after each block. */
  readonly attention?: readonly UNetAttention<Leaf>[];
  /** To the next level: stride 2 on the way down, after doubling pixels on the way up. */
  readonly resize?: Conv<Leaf>;
}

/** Parameters: a plain tree whose dotted paths are the names in `model.safetensors`. */
export interface UNetParams<Leaf = Tensor> {
  readonly time: { readonly first: Linear<Leaf>; readonly second: Linear<Leaf> };
  /** [classes + 1, E]; the last stands for no class. */
  readonly classes?: Embedding<Leaf>;
  readonly input: Conv<Leaf>;
  readonly down: readonly UNetLevel<Leaf>[];
  readonly middle: { readonly first: UNetBlock<Leaf>; readonly attention: UNetAttention<Leaf>; readonly second: UNetBlock<Leaf> };
  /** The deepest level first. */
  readonly up: readonly UNetLevel<Leaf>[];
  readonly norm: Norm<Leaf>;
  readonly output: Conv<Leaf>;
}

const heightAt = ({ height, patch }: UNetConfig, level: number): number => height / patch / 2 ** level;

/** Sides of a picture must be multiples of this. */
export const sideUnit = ({ patch, mults }: Pick<UNetConfig, "patch" | "mults">): number => patch * 2 ** (mults.length - 1);

/**
 * Checks a configuration.
 *
 * @throws HeptagenError `unet/config` naming the first value that does not fit
 */
export function checkConfig(config: UNetConfig): void {
  const fail = (expected: string, got: unknown, next: string): never => {
    throw new HeptagenError("unet/config", `unet: expected ${expected}, got ${got}`, { next });
  };
  const least = { channels: 1, height: 1, width: 1, patch: 1, base: 2, blocks: 1, heads: 1, groups: 1, classes: 0 } as const;
  for (const [name, low] of Object.entries(least) as [keyof typeof least, number][]) {
    if (!Number.isInteger(config[name]) || config[name] < low) {
      fail(`${name} to be a whole number from ${low}`, config[name], `Set ${name}.`);
    }
  }
  const { base, mults, heads, groups, height, width } = config;
  if (mults.length === 0 || mults.some((m) => !Number.isInteger(m) || m < 1)) {
    fail("mults to be whole numbers from 1, one per level", `[${mults}]`, "For example 1 2 2: three levels.");
  }
  if (base % 2 > 0 || base % groups > 0) {
    fail(`base to be even and a multiple of the ${groups} groups`, base, "Change base or groups.");
  }
  const odd = mults.find((m) => (m * base) % heads > 0);
  if (odd !== undefined) fail(`channels that ${heads} heads divide`, odd * base, "Change base or heads.");
  const unit = sideUnit(config);
  if (height % unit > 0 || width % unit > 0) {
    fail(`sides in multiples of ${unit}`, `${width} x ${height}`, "Pad the pictures, or take fewer levels.");
  }
}

/** Initial parameters: as in PyTorch, but layers that end a branch start at 0, so that at first every block passes on what it gets. */
export function init(config: UNetConfig, key: Key): UNetParams<NdArray> {
  checkConfig(config);
  const { channels, patch, base, mults, blocks, attention, classes } = config;
  const E = 4 * base;
  const outer = channels * patch ** 2;
  const norm = (width: number) => initNorm(width, { bias: true });
  const line = (own: Key, from: number, to: number): Linear<NdArray> => ({
    weight: uniformInit(fold(own, "weight"), [from, to], 1 / Math.sqrt(from)),
    bias: uniformInit(fold(own, "bias"), [to], 1 / Math.sqrt(from)),
  });
  const silent = (from: number, to: number, size: number): Conv<NdArray> => ({
    weight: constantInit([to, from, size, size], 0),
    bias: constantInit([to], 0),
  });
  const block = (own: Key, from: number, to: number): UNetBlock<NdArray> => ({
    norm1: norm(from),
    conv1: initConv(fold(own, "conv1"), from, to, [3, 3]),
    time: line(fold(own, "time"), E, to),
    norm2: norm(to),
    conv2: silent(to, to, 3),
    ...(from !== to && { skip: initConv(fold(own, "skip"), from, to, [1, 1]) }),
  });
  const attend = (own: Key, width: number): UNetAttention<NdArray> => ({
    norm: norm(width),
    qkv: initConv(fold(own, "qkv"), width, 3 * width, [1, 1]),
    out: silent(width, width, 1),
  });
  let width = base;
  const kept = [width];
  const level = (own: Key, at: number, to: number, inputs: readonly number[], last: boolean): UNetLevel<NdArray> => ({
    blocks: inputs.map((from, i) => block(fold(fold(own, "blocks"), i), from, to)),
    ...(attention.includes(heightAt(config, at)) && {
      attention: inputs.map((_, i) => attend(fold(fold(own, "attention"), i), to)),
    }),
    ...(!last && { resize: initConv(fold(own, "resize"), to, to, [3, 3]) }),
  });
  const down = mults.map((m, i) => {
    const to = m * base;
    const inputs = Array.from({ length: blocks }, (_, n) => (n === 0 ? width : to));
    const last = i === mults.length - 1;
    width = to;
    kept.push(...Array<number>(blocks + (last ? 0 : 1)).fill(to));
    return level(fold(fold(key, "down"), i), i, to, inputs, last);
  });
  const middle = fold(key, "middle");
  const middleWidth = width;
  const up = [...mults.keys()].reverse().map((i) => {
    const to = (mults[i] as number) * base;
    const inputs = Array.from({ length: blocks + 1 }, (_, n) => (n === 0 ? width : to) + (kept.pop() as number));
    width = to;
    return level(fold(fold(key, "up"), i), i, to, inputs, i === 0);
  });
  return {
    time: { first: line(fold(key, "time.first"), base, E), second: line(fold(key, "time.second"), E, E) },
    ...(classes > 0 && { classes: initEmbedding(fold(key, "classes"), classes + 1, E, 1) }),
    input: initConv(fold(key, "input"), outer, base, [3, 3]),
    down,
    middle: {
      first: block(fold(middle, "first"), middleWidth, middleWidth),
      attention: attend(fold(middle, "attention"), middleWidth),
      second: block(fold(middle, "second"), middleWidth, middleWidth),
    },
    up,
    norm: norm(base),
    output: silent(base, outer, 3),
  };
}

/** All residual blocks in the order in which they run. */
const blocksOf = <Leaf>({ down, middle, up }: UNetParams<Leaf>): UNetBlock<Leaf>[] => [
  ...down.flatMap(({ blocks }) => blocks),
  middle.first,
  middle.second,
  ...up.flatMap(({ blocks }) => blocks),
];

/**
 * What times and classes say to each residual block. A sampler asks once for all of its steps.
 *
 * @param times float32 [N], from 0 to 1000
 * @param labels int32 [N], exactly where the model knows classes; `classes` stands for none told
 * @returns [N, channels] for each block in the order in which they run
 */
export function conditions({ base, classes }: UNetConfig, params: UNetParams, times: Tensor, labels?: Tensor): Tensor[] {
  const half = base / 2;
  const frequencies = exp(mul(arange(half, "float32"), -Math.log(10000) / half));
  const angles = mul(reshape(times, [-1, 1]), frequencies); // [N, C / 2]
  const { first, second } = params.time;
  const time = linear(second, silu(linear(first, concat([sin(angles), cos(angles)], 1)))); // [N, E]
  if (classes > 0 !== (labels !== undefined)) {
    throw new HeptagenError("unet/labels", `unet: expected ${classes > 0 ? "labels" : "no labels"}, got ${labels ?? "none"}`, {
      next: "A model that knows classes needs one per picture; the number of classes stands for none.",
    });
  }
  const vector = silu(params.classes && labels ? add(time, embedding(params.classes, labels)) : time);
  return blocksOf(params).map((block) => linear(block.time, vector));
}

export interface UNetForwardOptions {
  /** For dropout; without, nothing is dropped. */
  readonly key?: TracedKey | undefined;
}

/**
 * The network.
 *
 * @param x noisy pictures [B, channels, H, W]
 * @param said what `conditions` returned: [B, channels] each, or [1, channels] where all pictures are at one time
 * @returns like x
 * @example const prediction = forward(config, params, x, conditions(config, params, times));
 */
export function forward(
  config: UNetConfig,
  params: UNetParams,
  x: Tensor,
  said: readonly Tensor[],
  { key }: UNetForwardOptions = {},
): Tensor {
  let at = 0;
  const block = (own: UNetBlock, input: Tensor): Tensor => {
    const dropKey = key?.fold(at);
    return residualBlock(config, own, input, said[at++] as Tensor, dropKey);
  };
  let h = conv(params.input, toPatches(config, x), { padding: 1 });
  const kept = [h];
  for (const { blocks, attention, resize: shrink } of params.down) {
    blocks.forEach((own, i) => {
      h = block(own, h);
      if (attention) h = attend(config, attention[i] as UNetAttention, h);
      kept.push(h);
    });
    if (!shrink) continue;
    h = conv(shrink, h, { stride: 2, padding: 1 });
    kept.push(h);
  }
  h = block(params.middle.first, h);
  h = attend(config, params.middle.attention, h);
  h = block(params.middle.second, h);
  for (const { blocks, attention, resize } of params.up) {
    blocks.forEach((own, i) => {
      h = block(own, concat([h, kept.pop() as Tensor], 1));
      if (attention) h = attend(config, attention[i] as UNetAttention, h);
    });
    if (resize) h = grow(resize, h);
  }
  const { groups } = config;
  return fromPatches(config, conv(params.output, silu(groupNorm(params.norm, h, { groups })), { padding: 1 }));
}

/** x [B, C, H, W], said [B or 1, C'] → [B, C', H, W] */
function residualBlock(
  { groups, dropout: rate }: UNetConfig,
  { norm1, conv1, norm2, conv2, skip }: UNetBlock,
  x: Tensor,
  said: Tensor,
  key: TracedKey | undefined,
): Tensor {
  const first = conv({ weight: conv1.weight }, silu(groupNorm(norm1, x, { groups })), { padding: 1 });
  const shift = conv1.bias ? add(said, conv1.bias) : said; // [B, C'], so that pictures are added to once
  const told = add(first, reshape(shift, [...shift.shape, 1, 1])); // [B, C', 1, 1]
  const second = conv(conv2, dropout(silu(groupNorm(norm2, told, { groups })), rate, key), { padding: 1 });
  return add(second, skip ? conv(skip, x) : x);
}

/** Every place attends to every other: [B, C, H, W] → [B, C, H, W]. Places stay the last axis, so that nothing is transposed. */
function attend({ heads, groups }: UNetConfig, { norm, qkv, out }: UNetAttention, x: Tensor): Tensor {
  const [batch, channels] = x.shape as [number, number, number, number];
  const width = channels / heads;
  const joined = reshape(conv(qkv, groupNorm(norm, x, { groups })), [batch, 3 * heads, width, -1]); // [B, 3 heads, D, T]
  const [q, k, v] = split(joined, 3, 1);
  const weights = softmax(matmul(mul(q, width ** -0.5), k, { transposeA: true })); // [B, heads, T, T]
  const seen = matmul(v, weights, { transposeB: true }); // [B, heads, D, T]
  return add(x, conv(out, reshape(seen, x.shape)));
}

/**
 * Every pixel twice in both directions, then a convolution 3x3 with padding 1: [B, C, H, W] → [B, O, 2 H, 2 W].
 *
 * Neighbours that are the same pixel need one multiplication by the sum of their taps: per axis, taps a b c become c, b + c,
 * a + b, a of a transposed convolution of stride 2. Fewer than half the multiplications, and nothing is copied.
 */
function grow({ weight, bias }: Conv, x: Tensor): Tensor {
  const [outputs, channels] = weight.shape as [number, number, number, number];
  const sums = matmul(reshape(weight, [-1, 9]), constant(tapSums)); // [O C, 16]
  const kernel = transpose(reshape(sums, [outputs, channels, 4, 4]), [1, 0, 2, 3]);
  return convTranspose({ weight: kernel, ...(bias && { bias }) }, x, { stride: 2, padding: 1 });
}

/** [9, 16]: whether tap (i, j) of 3x3 is in the sum that is tap (k, l) of 4x4. */
const tapSums = ndarray(
  "float32",
  [9, 16],
  Float32Array.from({ length: 9 * 16 }, (_, at) => {
    const [tap, sum] = [Math.floor(at / 16), at % 16];
    const within = (i: number, k: number) => i + k === 2 || i + k === 3;
    return Number(within(Math.floor(tap / 3), sum >> 2) && within(tap % 3, sum & 3));
  }),
);

/** [B, C, H, W] → [B, C P P, H / P, W / P] */
function toPatches({ patch }: UNetConfig, x: Tensor): Tensor {
  if (patch === 1) return x;
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const apart = reshape(x, [batch, channels, height / patch, patch, width / patch, patch]);
  return reshape(transpose(apart, [0, 1, 3, 5, 2, 4]), [batch, channels * patch ** 2, height / patch, width / patch]);
}

/** [B, C P P, H / P, W / P] → [B, C, H, W] */
function fromPatches({ patch }: UNetConfig, x: Tensor): Tensor {
  if (patch === 1) return x;
  const [batch, channels, height, width] = x.shape as [number, number, number, number];
  const apart = reshape(x, [batch, channels / patch ** 2, patch, patch, height, width]);
  return reshape(transpose(apart, [0, 1, 4, 2, 5, 3]), [batch, channels / patch ** 2, height * patch, width * patch]);
}
