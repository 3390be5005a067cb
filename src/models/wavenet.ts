/**
 * WaveNet: an autoregressive model of sound that predicts each sample of a waveform from thousands before it.
 *
 * A stack of blocks reads the waveform with causal convolutions of width 2 whose two taps lie further apart from block to block
 * (1, 2, 4, … 512 samples, and again from 1), so that the past a sample depends on doubles with each block while the work stays the
 * same. In a block, tanh proposes features and a sigmoid gate decides what passes; the result goes on to the next block (residual)
 * and, past all others, to the output (skip). What a sample may be is one of 256 values on a logarithmic scale (mu-law), or a
 * mixture of logistic distributions cut into 65,536 steps.
 *
 * Papers: van den Oord et al. 2016 (WaveNet), Salimans et al. 2017 (PixelCNN++: discretised logistic mixtures), van den Oord et al.
 * 2018 (Parallel WaveNet: the same for sound), Le Paine et al. 2016 (fast generation with queues: `wavenet-sampler.ts`).
 *
 * Legend: B clips, T samples, R residual channels, S skip channels, L blocks, O numbers per prediction, M mixture components, F
 * features per frame, H samples per frame (hop), N frames = T / H.
 */
import type { Tensor } from "../core/tensor.ts";
import { type Conv, conv, initConv } from "../nn/conv.ts";
import { categoricalLogProb, type LogisticMixture, logisticMixtureLogProb } from "../nn/distributions.ts";
import { type Embedding, embedding, initEmbedding } from "../nn/linear.ts";
import { add, concat, mean, mul, neg, relu, reshape, sigmoid, split, tanh, transpose } from "../ops/index.ts";
import { HeptagenError } from "../util/errors.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";
import type { Probe } from "./language-model.ts";

export interface WaveNetConfig {
  /** What is predicted: one of `levels` values on a logarithmic scale, or a mixture of distributions over `levels` even steps. */
  readonly output: "mu-law" | "logistic-mixture";
  /** How many values a sample can have. */
  readonly levels: number;
  /** Components of the mixture. */
  readonly mixtures: number;
  /** How often the dilations start again from 1. */
  readonly stacks: number;
  /** Blocks per stack, with dilations 1, 2, 4, … 2^(depth - 1). */
  readonly depth: number;
  readonly residual: number;
  readonly skip: number;
  /** Number of labels that a clip can have (speakers, instruments): global conditioning; 0 for none. */
  readonly labels: number;
  /** Numbers per frame of what accompanies the sound (a log-mel spectrogram): local conditioning; 0 for none. */
  readonly features: number;
  /** Samples per frame. */
  readonly hop: number;
}

export const waveNetDefaults: WaveNetConfig = {
  output: "mu-law",
  levels: 256,
  mixtures: 10,
  stacks: 2,
  depth: 10,
  residual: 32,
  skip: 128,
  labels: 0,
  features: 0,
  hop: 128,
};

export interface WaveNetBlock<Leaf = Tensor> {
  /** The dilated convolution: [2R, R, 2], half of its results for tanh, half for the gate; the first tap lies in the past. */
  readonly dilated: Conv<Leaf>;
  /** What a label adds to them: [labels, 2R]. */
  readonly label?: Embedding<Leaf>;
  /** What the features of a frame add: [2R, R, 1]. */
  readonly frame?: Conv<Leaf>;
  /** [R, R, 1]; the last block has none, since no block follows. */
  readonly residual?: Conv<Leaf>;
}

/** Parameters: a plain tree whose dotted paths are the names in `model.safetensors`. */
export interface WaveNetParams<Leaf = Tensor> {
  /** A vector per mu-law value [levels, R], or a map of the amplitude [R, 1, 1]. */
  readonly input: Embedding<Leaf> | Conv<Leaf>;
  /** A convolution of width 3 over frames: [R, F, 3]. */
  readonly frames?: Conv<Leaf>;
  readonly blocks: readonly WaveNetBlock<Leaf>[];
  /** The skip connections of all blocks, as one map of all their results: [S, L R, 1]. */
  readonly skip: Conv<Leaf>;
  /** [S, S, 1] */
  readonly hidden: Conv<Leaf>;
  /** [O, S, 1] */
  readonly out: Conv<Leaf>;
}

/** What a clip is made under; both must be given exactly where the model has them. */
export interface Conditions<Leaf = Tensor> {
  /** int32 [B] */
  readonly labels?: Leaf;
  /** float32 [B, N + 2, F]: the frames of the window, with one before and one after. */
  readonly frames?: Leaf;
}

export interface WaveNetForwardOptions extends Conditions {
  /** Sees each block's gated activations: `blocks.0.gated` [B, R, T], and its gate: `blocks.0.gate`. */
  readonly probe?: Probe | undefined;
  /** Sees what each block reads: [B, R, T]. */
  readonly keep?: ((input: Tensor) => void) | undefined;
}

/** The dilation of each block. */
export const dilationsOf = ({ stacks, depth }: Pick<WaveNetConfig, "stacks" | "depth">): number[] =>
  Array.from({ length: stacks * depth }, (_, i) => 2 ** (i % depth));

/** How many samples, itself included, the input for a prediction reaches back. */
export const receptiveField = (config: Pick<WaveNetConfig, "stacks" | "depth">): number =>
  dilationsOf(config).reduce((sum, dilation) => sum + dilation, 1);

/** The sample that comes before the first: no sound. */
export const silence = ({ output, levels }: Pick<WaveNetConfig, "output" | "levels">): number =>
  output === "mu-law" ? levels >> 1 : 0;

/**
 * Checks a configuration.
 *
 * @throws HeptagenError `wavenet/config` naming the first value that does not fit
 */
export function checkConfig(config: WaveNetConfig): void {
  const least = { levels: 2, mixtures: 1, stacks: 1, depth: 1, residual: 1, skip: 1, labels: 0, features: 0, hop: 1 } as const;
  for (const [name, low] of Object.entries(least) as [keyof typeof least, number][]) {
    if (Number.isInteger(config[name]) && config[name] >= low) continue;
    throw new HeptagenError("wavenet/config", `wavenet: expected ${name} to be a whole number from ${low}, got ${config[name]}`, {
      facts: { name, value: config[name] },
      next: `Set ${name}.`,
    });
  }
  if (config.depth > 20) {
    throw new HeptagenError("wavenet/config", `wavenet: expected a depth up to 20, got ${config.depth}`, {
      next: "Every further block of a stack doubles the past that it sees; take more stacks instead.",
    });
  }
}

/** Numbers per prediction: scores of the values, or weight, mean and logarithm of the scale of each component. */
const outputs = ({ output, levels, mixtures }: WaveNetConfig): number => (output === "mu-law" ? levels : 3 * mixtures);

/** Initial parameters: convolutions as in PyTorch, value vectors standard normal. */
export function init(config: WaveNetConfig, key: Key): WaveNetParams<NdArray> {
  checkConfig(config);
  const { output, levels, residual: R, skip: S, labels, features } = config;
  const count = config.stacks * config.depth;
  const block = (own: Key, last: boolean): WaveNetBlock<NdArray> => ({
    dilated: initConv(fold(own, "dilated"), R, 2 * R, [2]),
    ...(labels > 0 && { label: initEmbedding(fold(own, "label"), labels, 2 * R, 0.1) }),
    ...(features > 0 && { frame: initConv(fold(own, "frame"), R, 2 * R, [1], { bias: false }) }),
    ...(!last && { residual: initConv(fold(own, "residual"), R, R, [1]) }),
  });
  return {
    input: output === "mu-law" ? initEmbedding(fold(key, "input"), levels, R, 1) : initConv(fold(key, "input"), 1, R, [1]),
    ...(features > 0 && { frames: initConv(fold(key, "frames"), features, R, [3]) }),
    blocks: Array.from({ length: count }, (_, i) => block(fold(fold(key, "blocks"), i), i === count - 1)),
    skip: initConv(fold(key, "skip"), count * R, S, [1]),
    hidden: initConv(fold(key, "hidden"), S, S, [1]),
    out: initConv(fold(key, "out"), S, outputs(config), [1]),
  };
}

/**
 * What the next sample may be, at every position.
 *
 * @param samples mu-law values int32 [B, T], or amplitudes from -1 to 1, float32 [B, T]
 * @returns [B, T, O]: position t has read samples 0 … t and predicts sample t + 1
 * @throws HeptagenError `wavenet/conditions` when conditions are missing or the model does not know them
 * @example const prediction = forward(config, params, samples, { labels });
 */
export function forward(
  config: WaveNetConfig,
  params: WaveNetParams,
  samples: Tensor,
  { probe, keep, ...conditions }: WaveNetForwardOptions = {},
): Tensor {
  checkConditions(config, conditions, samples.shape[1] as number);
  const frames = conditions.frames && readFrames(params, conditions.frames); // [B, R, N]
  const gated: Tensor[] = [];
  let x = readSamples(params, samples); // [B, R, T]
  dilationsOf(config).forEach((dilation, i) => {
    const block = params.blocks[i] as WaveNetBlock;
    keep?.(x);
    // As many zeros before the clip as the first tap reaches back: position t sees t - dilation and t, never t + 1.
    const sums = conv(block.dilated, x, { dilation: [dilation], padding: [[dilation, 0]] });
    const [features, opening] = split(withConditions(block, sums, conditions.labels, frames), 2, 1);
    const gate = sigmoid(opening);
    const passed = mul(tanh(features), gate); // [B, R, T]
    probe?.(`blocks.${i}.gate`, gate);
    probe?.(`blocks.${i}.gated`, passed);
    gated.push(passed);
    if (block.residual) x = add(x, conv(block.residual, passed));
  });
  const skipped = relu(conv(params.skip, concat(gated, 1))); // [B, S, T]
  const prediction = conv(params.out, relu(conv(params.hidden, skipped)));
  return transpose(prediction, [0, 2, 1]); // [B, O, T] → [B, T, O]
}

function readSamples({ input }: WaveNetParams, samples: Tensor): Tensor {
  const [batch, time] = samples.shape as [number, number];
  if (samples.dtype === "int32") return transpose(embedding(input, samples), [0, 2, 1]); // [B, T, R] → [B, R, T]
  return conv(input, reshape(samples, [batch, 1, time]));
}

/** Each frame with its neighbours: [B, N + 2, F] → [B, R, N] */
export function readFrames({ frames }: WaveNetParams, given: Tensor): Tensor {
  return tanh(conv(frames as Conv, transpose(given, [0, 2, 1])));
}

/** Adds what labels and frames say to a block's sums [B, 2R, T]; a frame's part is the same for all of its samples. */
function withConditions(block: WaveNetBlock, sums: Tensor, labels: Tensor | undefined, frames: Tensor | undefined): Tensor {
  let out = sums;
  if (block.label && labels) out = add(out, reshape(embedding(block.label, labels), [...sums.shape.slice(0, 2), 1])); // [B, 2R, 1]
  if (!block.frame || !frames) return out;
  const said = conv(block.frame, frames); // [B, 2R, N]
  const byFrame = reshape(out, [...said.shape, -1]); // [B, 2R, T] → [B, 2R, N, H]
  return reshape(add(byFrame, reshape(said, [...said.shape, 1])), sums.shape);
}

/**
 * Checks that conditions are there exactly where the model has them, and that frames fit the samples.
 *
 * @param time T
 * @throws HeptagenError `wavenet/conditions`
 */
export function checkConditions(
  { labels, features, hop }: WaveNetConfig,
  given: Conditions<{ readonly shape: readonly number[] }>,
  time: number,
): void {
  const fail = (expected: string, got: string): never => {
    throw new HeptagenError("wavenet/conditions", `wavenet: expected ${expected}, got ${got}`, {
      next: "A model with labels needs one per clip, a model with features needs a row of them per frame.",
    });
  };
  if (given.labels && labels === 0) fail("no labels: the model was made without", `labels [${given.labels.shape}]`);
  if (!given.labels && labels > 0) fail(`labels from 0 to ${labels - 1}`, "none");
  if (given.frames && features === 0) fail("no frames: the model was made without", `frames [${given.frames.shape}]`);
  if (features === 0) return;
  const frames = time / hop;
  if (!Number.isInteger(frames)) fail(`samples in whole frames of ${hop}`, `${time} samples`);
  const [, count, width] = given.frames?.shape ?? [];
  if (count !== frames + 2 || width !== features) {
    fail(`frames [B, ${frames + 2}, ${features}] (one more before and after)`, given.frames ? `[${given.frames.shape}]` : "none");
  }
}

/**
 * Log-probability of each sample, in nats.
 *
 * @param prediction [B, T, O], as `forward` returns it
 * @param targets the samples that follow, like those read: int32 or float32 [B, T]
 * @returns [B, T]
 */
export function logProb(config: WaveNetConfig, prediction: Tensor, targets: Tensor): Tensor {
  if (config.output === "mu-law") return categoricalLogProb(prediction, targets);
  const x = reshape(targets, [...targets.shape, 1]); // [B, T, 1]
  return logisticMixtureLogProb(mixtureOf(config, prediction), x, { levels: config.levels });
}

/** A prediction [..., 3M] as a mixture over one channel. */
export function mixtureOf({ mixtures }: WaveNetConfig, prediction: Tensor): LogisticMixture {
  const [logits, means, logScales] = split(prediction, 3, -1);
  const channel = [...prediction.shape.slice(0, -1), 1, mixtures]; // [..., 1, M]
  return { logits, means: reshape(means, channel), logScales: reshape(logScales, channel) };
}

/** Mean nats per sample: what training minimises. Arguments as those of `forward` and `logProb`. */
export function loss(
  config: WaveNetConfig,
  params: WaveNetParams,
  samples: Tensor,
  targets: Tensor,
  conditions: Conditions = {},
): Tensor {
  return neg(mean(logProb(config, forward(config, params, samples, conditions), targets)));
}
