/**
 * PixelCNN: an autoregressive model of pictures that predicts each pixel from those above it and to its left.
 *
 * Convolutions are cut down to what comes earlier in reading order (masked), so one pass predicts all pixels of a known picture at
 * once and their probabilities multiply to the exact probability of the picture. A plain network has one stack of such convolutions;
 * its view of the past is a wedge that leaves out what lies to the upper right (the blind spot). A gated network has two stacks: a
 * vertical one sees all rows above, a horizontal one the row to the left, and reads the vertical one.
 *
 * A pixel is black or white, one of a number of levels, or a mixture of logistic distributions cut into levels. The colours of a
 * pixel are predicted in turn: red, green given red, blue given both.
 *
 * Papers: van den Oord et al. 2016 (Pixel Recurrent Neural Networks: masks, residual blocks), van den Oord et al. 2016 (Conditional
 * Image Generation with PixelCNN Decoders: gates, two stacks), Salimans et al. 2017 (PixelCNN++: mixtures, colours through means).
 *
 * Legend: B pictures, C colours (1 or 3), H height, W width, F features, I inner features of a plain block, U hidden units of the
 * head, L levels, M mixture components, O numbers per prediction, r and q how far the first and the other kernels reach.
 */
import { constant } from "../core/index.ts";
import type { TracedKey } from "../core/random.ts";
import type { Tensor } from "../core/tensor.ts";
import { type Conv, conv, initConv } from "../nn/conv.ts";
import { bernoulliLogProb, categoricalLogProb, type LogisticMixture, logisticMixtureLogProb } from "../nn/distributions.ts";
import { dropout } from "../nn/dropout.ts";
import { normalInit } from "../nn/init.ts";
import { type Embedding, embedding, initEmbedding } from "../nn/linear.ts";
import {
  add,
  cast,
  clamp,
  concat,
  div,
  gather,
  mean,
  mul,
  neg,
  relu,
  reshape,
  round,
  sigmoid,
  slice,
  split,
  sub,
  sum,
  tanh,
  transpose,
} from "../ops/index.ts";
import { HeptagenError } from "../util/errors.ts";
import { type NdArray, ndarray, sizeOf } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";

export interface PixelCnnConfig {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** Number of classes that a picture can be of; 0 for a model that does not know them. */
  readonly classes: number;
  /** One stack of masked convolutions in residual blocks, or a vertical and a horizontal one with gates. */
  readonly stacks: "plain" | "gated";
  /** What a colour of a pixel is: black or white, one of `levels` values without order, or a mixture over them. */
  readonly output: "binary" | "categorical" | "logistic-mixture";
  /** How many values it can have; 2 where it is binary. */
  readonly levels: number;
  /** Components of the mixture. */
  readonly mixtures: number;
  /** Side of the first kernel, which leaves out the pixel itself (mask A). */
  readonly firstKernel: number;
  /** Side of the other kernels, which see it (mask B). */
  readonly kernel: number;
  /** Blocks. */
  readonly depth: number;
  readonly features: number;
  /** Features inside a plain block. */
  readonly inner: number;
  /** Units of the last layer but one. */
  readonly hidden: number;
  /**
   * Whether each place of a picture has biases of its own, for each class, so that predictions know where they are: the zeros around a
   * picture look like a black background, by which nothing can be told. With classes they say what shape is to come there (the
   * location-dependent conditioning of Conditional PixelCNN).
   */
  readonly places: boolean;
  /** Part of what a block adds that is left out in training. */
  readonly dropout: number;
}

export const pixelCnnDefaults: Omit<PixelCnnConfig, "channels" | "height" | "width" | "classes"> = {
  stacks: "gated",
  output: "categorical",
  levels: 256,
  mixtures: 5,
  firstKernel: 7,
  kernel: 3,
  depth: 6,
  features: 32,
  inner: 32,
  hidden: 64,
  places: false,
  dropout: 0,
};

/** A residual block (Pixel Recurrent Neural Networks, figure 5). */
export interface PlainBlock<Leaf = Tensor> {
  /** [I, F, 1, 1] */
  readonly reduce: Conv<Leaf>;
  /** The rows of a masked kernel that the mask does not empty: [I, I, q + 1, 2q + 1]. */
  readonly masked: Conv<Leaf>;
  /** What a class adds to its results: [classes, I]. */
  readonly label?: Embedding<Leaf>;
  /** [F, I, 1, 1] */
  readonly expand: Conv<Leaf>;
}

/** A layer of both stacks (Conditional Image Generation with PixelCNN Decoders, figure 2). */
export interface GatedBlock<Leaf = Tensor> {
  /** This row and those above: [2F, F, q + 1, 2q + 1]. */
  readonly vertical: Conv<Leaf>;
  /** From the vertical stack to the horizontal one: [2F, 2F, 1, 1]. */
  readonly link: Conv<Leaf>;
  /** This pixel and those to its left: [2F, F, 1, q + 1]. */
  readonly horizontal: Conv<Leaf>;
  /** What a class adds in the vertical and in the horizontal stack: [classes, 4F]. */
  readonly label?: Embedding<Leaf>;
  /** [F, F, 1, 1] */
  readonly residual: Conv<Leaf>;
}

export interface Head<Leaf = Tensor> {
  /** [U, F, 1, 1] */
  readonly hidden: Conv<Leaf>;
  /** What the colours before it add for a colour, from the second on: [U, colours, 1, 1]. */
  readonly earlier: readonly Conv<Leaf>[];
  /** A prediction per colour, or one for all: [O, U, 1, 1]. */
  readonly out: readonly Conv<Leaf>[];
}

export interface PlainParams<Leaf = Tensor> {
  /** [F, C, r + 1, 2r + 1] */
  readonly first: Conv<Leaf>;
  /** What each place adds to its result, by class: [classes, F, H, W]; [1, F, H, W] without. */
  readonly places?: Leaf;
  readonly blocks: readonly PlainBlock<Leaf>[];
  readonly head: Head<Leaf>;
}

export interface GatedParams<Leaf = Tensor> {
  /** Rows above: [F, C, r, 2r + 1]. */
  readonly above: Conv<Leaf>;
  /** What each place adds to their result, by class: [classes, F, H, W]; [1, F, H, W] without. */
  readonly places?: Leaf;
  /** Pixels to the left: [F, C, 1, r]. */
  readonly left: Conv<Leaf>;
  readonly blocks: readonly GatedBlock<Leaf>[];
  readonly head: Head<Leaf>;
}

/** Parameters: a plain tree whose dotted paths are the names in `model.safetensors`. */
export type PixelCnnParams<Leaf = Tensor> = PlainParams<Leaf> | GatedParams<Leaf>;

export interface PixelCnnForwardOptions {
  /** int32 [B]; needed exactly where the model knows classes. */
  readonly labels?: Tensor | undefined;
  /** Key of dropout; without it nothing is left out. */
  readonly key?: TracedKey | undefined;
}

/** How far a kernel of this side reaches. */
export const reachOf = (side: number): number => (side - 1) / 2;

/**
 * Checks a configuration.
 *
 * @throws HeptagenError `options/value` naming the first value that does not fit
 */
export function checkConfig(config: PixelCnnConfig): void {
  const fail = (name: string, expected: string, value: number): never => {
    throw new HeptagenError("options/value", `pixelcnn: expected ${name} to be ${expected}, got ${value}`, {
      facts: { name, value },
      next: `Set ${name}.`,
    });
  };
  const least = {
    height: 2,
    width: 2,
    levels: 2,
    mixtures: 1,
    firstKernel: 3,
    kernel: 3,
    depth: 1,
    features: 1,
    inner: 1,
    hidden: 1,
  } as const;
  for (const [name, low] of Object.entries(least) as [keyof typeof least, number][]) {
    if (!Number.isInteger(config[name]) || config[name] < low) fail(name, `a whole number from ${low}`, config[name]);
  }
  for (const name of ["firstKernel", "kernel"] as const) if (config[name] % 2 === 0) fail(name, "odd", config[name]);
  if (config.levels > 256) fail("levels", "at most 256", config.levels);
  if (config.output === "binary" && config.levels !== 2) fail("levels", "2 where pixels are binary", config.levels);
}

/** Numbers per prediction, of each colour in turn; a mixture predicts all colours together. */
export function outputsOf({ output, channels: C, levels, mixtures }: PixelCnnConfig): number[] {
  // Per component: a weight, a mean and a scale per colour, and how the mean depends on each colour before.
  if (output === "logistic-mixture") return [mixtures * (1 + 2 * C + (C * (C - 1)) / 2)];
  return Array.from({ length: C }, () => (output === "binary" ? 1 : levels));
}

/** Initial parameters: convolutions as PyTorch makes them for whole kernels, vectors of classes normal. */
export function init(config: PixelCnnConfig, key: Key): PixelCnnParams<NdArray> {
  checkConfig(config);
  const { channels, classes, depth, features: F, inner: I, hidden, height, width } = config;
  const [r, q] = [reachOf(config.firstKernel), reachOf(config.kernel)];
  const outputs = outputsOf(config);
  const pointwise = (own: Key, from: number, to: number, bias = true) => initConv(own, from, to, [1, 1], { bias });
  const label = (own: Key, width: number) => classes > 0 && { label: initEmbedding(fold(own, "label"), classes, width, 0.1) };
  const blocksOf = <Block>(make: (own: Key) => Block): Block[] =>
    Array.from({ length: depth }, (_, i) => make(fold(fold(key, "blocks"), i)));
  const places = config.places && { places: normalInit(fold(key, "places"), [Math.max(1, classes), F, height, width], 0.1) };
  const top = fold(key, "head");
  const head: Head<NdArray> = {
    hidden: pointwise(fold(top, "hidden"), F, hidden),
    earlier: outputs.slice(1).map((_, i) => pointwise(fold(fold(top, "earlier"), i), i + 1, hidden, false)),
    out: outputs.map((count, i) => pointwise(fold(fold(top, "out"), i), hidden, count)),
  };
  if (config.stacks === "plain") {
    return {
      first: initMasked(fold(key, "first"), channels, F, config.firstKernel),
      ...places,
      blocks: blocksOf((own) => ({
        reduce: pointwise(fold(own, "reduce"), F, I),
        masked: initMasked(fold(own, "masked"), I, I, config.kernel),
        ...label(own, I),
        expand: pointwise(fold(own, "expand"), I, F),
      })),
      head,
    };
  }
  return {
    above: initConv(fold(key, "above"), channels, F, [r, config.firstKernel]),
    ...places,
    left: initConv(fold(key, "left"), channels, F, [1, r]),
    blocks: blocksOf((own) => ({
      vertical: initConv(fold(own, "vertical"), F, 2 * F, [q + 1, config.kernel]),
      link: pointwise(fold(own, "link"), 2 * F, 2 * F),
      horizontal: initConv(fold(own, "horizontal"), F, 2 * F, [1, q + 1]),
      ...label(own, 4 * F),
      residual: pointwise(fold(own, "residual"), F, F),
    })),
    head,
  };
}

/** A square kernel as PyTorch makes it, without the rows below its middle. */
function initMasked(key: Key, from: number, to: number, side: number): Conv<NdArray> {
  const whole = initConv(key, from, to, [side, side]);
  const kept = (reachOf(side) + 1) * side;
  const data = new Float32Array(to * from * kept);
  for (let i = 0; i < to * from; i++) {
    const start = i * side * side;
    data.set((whole.weight.data as Float32Array).subarray(start, start + kept), i * kept);
  }
  return { ...whole, weight: ndarray("float32", [to, from, reachOf(side) + 1, side], data) };
}

/** Pictures with only as many values as a model tells apart: [B, C, H, W] from 0 to 1 in steps of 1 / (L - 1). */
export const quantise = ({ levels }: Pick<PixelCnnConfig, "levels">, images: Tensor): Tensor =>
  div(round(mul(clamp(images, 0, 1), levels - 1)), levels - 1);

/**
 * What each pixel may be, given those before it in reading order.
 *
 * @param pictures [B, C, H, W] from 0 to 1, as `quantise` returns them
 * @returns [B, O, H, W]: log-odds per colour; scores of each level, colour after colour; or, as PixelCNN++ has it, M log-weights, M
 *   means per colour, M logarithms of scales per colour, M coefficients per pair of colours
 * @throws HeptagenError `pixelcnn/labels` when labels are missing or the model does not know them
 * @example const logits = forward(config, params, quantise(config, images), { labels });
 */
export function forward(
  config: PixelCnnConfig,
  params: PixelCnnParams,
  pictures: Tensor,
  { labels, key }: PixelCnnForwardOptions = {},
): Tensor {
  checkLabels(config, labels);
  const seen = isGated(params)
    ? gatedStacks(config, params, pictures, labels, key)
    : plainStack(config, params, pictures, labels, key); // [B, F, H, W]
  const { hidden, earlier, out } = params.head;
  const units = conv(hidden, relu(seen)); // [B, U, H, W]
  const predictions = out.map((own, colour) => {
    if (colour === 0) return conv(own, relu(units));
    const before = slice(pictures, { 1: { stop: colour } });
    return conv(own, relu(add(units, conv(earlier[colour - 1] as Conv, before))));
  });
  return concat(predictions, 1);
}

/** Whether these are the parameters of a network with two stacks. */
export const isGated = <Leaf>(params: PixelCnnParams<Leaf>): params is GatedParams<Leaf> => "above" in params;

/** @throws HeptagenError `pixelcnn/labels` */
export function checkLabels({ classes }: Pick<PixelCnnConfig, "classes">, labels: Tensor | undefined): void {
  if ((labels !== undefined) === classes > 0) return;
  const expected = classes > 0 ? `labels from 0 to ${classes - 1}` : "no labels, as the model was made without";
  throw new HeptagenError("pixelcnn/labels", `pixelcnn: expected ${expected}, got ${labels ? `[${labels.shape}]` : "none"}`);
}

function plainStack(config: PixelCnnConfig, params: PlainParams, pictures: Tensor, labels?: Tensor, key?: TracedKey): Tensor {
  let x = placed(maskedConv(params.first, pictures, "A"), placesOf(params, labels)); // [B, F, H, W]
  params.blocks.forEach(({ reduce, masked, label, expand }, i) => {
    const sums = maskedConv(masked, relu(conv(reduce, relu(x))), "B"); // [B, I, H, W]
    const passed = relu(label ? add(sums, perPicture(embedding(label, labels as Tensor))) : sums);
    x = add(x, conv(expand, dropout(passed, config.dropout, key?.fold(i))));
  });
  return x;
}

function gatedStacks(config: PixelCnnConfig, params: GatedParams, pictures: Tensor, labels?: Tensor, key?: TracedKey): Tensor {
  const [r, q] = [reachOf(config.firstKernel), reachOf(config.kernel)];
  const { height, width } = sizesOf(pictures);
  // Only rows above and pixels to the left: the last row and the last column of a picture are not read.
  const above = conv(params.above, slice(pictures, { 2: { stop: height - 1 } }), {
    padding: [
      [r, 0],
      [r, r],
    ],
  });
  let vertical = placed(above, placesOf(params, labels));
  let horizontal = conv(params.left, slice(pictures, { 3: { stop: width - 1 } }), {
    padding: [
      [0, 0],
      [r, 0],
    ],
  });
  params.blocks.forEach((block, i) => {
    const [forRows, forPixels] = block.label ? split(embedding(block.label, labels as Tensor), 2, 1) : []; // [B, 2F] each
    const rows = conv(block.vertical, vertical, {
      padding: [
        [q, 0],
        [q, q],
      ],
    }); // [B, 2F, H, W]
    const rowSums = forRows ? add(rows, perPicture(forRows)) : rows;
    const pixels = add(
      conv(block.horizontal, horizontal, {
        padding: [
          [0, 0],
          [q, 0],
        ],
      }),
      conv(block.link, rowSums),
    );
    const passed = gate(forPixels ? add(pixels, perPicture(forPixels)) : pixels); // [B, F, H, W]
    vertical = gate(rowSums);
    horizontal = add(horizontal, conv(block.residual, dropout(passed, config.dropout, key?.fold(i))));
  });
  return horizontal;
}

/** tanh of one half of the features, as far as the sigmoid of the other lets pass: [B, 2F, …] → [B, F, …] */
export function gate(sums: Tensor): Tensor {
  const [features, opening] = split(sums, 2, 1);
  return mul(tanh(features), sigmoid(opening));
}

/** What the places of each picture add: [B, F, H, W], or [1, F, H, W] where there are no classes. */
export const placesOf = ({ places }: Pick<PlainParams, "places">, labels: Tensor | undefined): Tensor | undefined =>
  places && labels ? gather(places, labels) : places;

/** Features [B, F, rows, W] with what their places add: [B or 1, F, rows, W]. */
export const placed = (x: Tensor, places: Tensor | undefined): Tensor => (places ? add(x, places) : x);

/** [B, N] → [B, N, 1, 1] */
const perPicture = (vectors: Tensor): Tensor => reshape(vectors, [...vectors.shape, 1, 1]);

function sizesOf({ shape }: Tensor): { height: number; width: number } {
  const [, , height, width] = shape as [number, number, number, number];
  return { height, width };
}

/**
 * The kernel with zeros where the mask has them: in its last row, from the middle on (A) or after it (B).
 *
 * @param weight [N, M, reach + 1, 2 reach + 1]
 */
export function maskedWeight(weight: Tensor, mask: "A" | "B"): Tensor {
  const [rows, side] = weight.shape.slice(2) as [number, number];
  const kept = (rows - 1) * side + reachOf(side) + (mask === "A" ? 0 : 1);
  const ones = Float32Array.from({ length: rows * side }, (_, i) => (i < kept ? 1 : 0));
  return mul(weight, constant(ndarray("float32", [1, 1, rows, side], ones)));
}

function maskedConv({ weight, bias }: Conv, x: Tensor, mask: "A" | "B"): Tensor {
  const reach = (weight.shape[2] as number) - 1;
  const own = { weight: maskedWeight(weight, mask), ...(bias && { bias }) };
  return conv(own, x, {
    padding: [
      [reach, 0],
      [reach, reach],
    ],
  });
}

/**
 * Log-probability of each pixel with all its colours, in nats.
 *
 * @param prediction [B, O, H, W], as `forward` returns it
 * @param pictures those it was predicted from: [B, C, H, W]
 * @returns [B, H, W]
 */
export function logProb(config: PixelCnnConfig, prediction: Tensor, pictures: Tensor): Tensor {
  const { channels: C, levels } = config;
  if (config.output === "binary") return sum(bernoulliLogProb(prediction, pictures), 1);
  const [B, , height, width] = prediction.shape as [number, number, number, number];
  if (config.output === "categorical") {
    const scores = transpose(reshape(prediction, [B, C, levels, height, width]), [0, 1, 3, 4, 2]); // [B, C, H, W, L]
    return sum(categoricalLogProb(scores, cast(round(mul(pictures, levels - 1)), "int32")), 1);
  }
  const x = sub(mul(transpose(pictures, [0, 2, 3, 1]), 2), 1); // [B, H, W, C]
  return logisticMixtureLogProb(mixtureOf(config, transpose(prediction, [0, 2, 3, 1]), x), x, { levels });
}

/**
 * A prediction as a mixture. The mean of a colour also depends, component by component, on the values of the colours before it.
 *
 * @param prediction [..., O]
 * @param x colours from -1 to 1: [..., C]
 */
function mixtureOf({ channels: C, mixtures: M }: PixelCnnConfig, prediction: Tensor, x: Tensor): LogisticMixture {
  const { logits, means, logScales, pull } = mixtureParts({ channels: C, mixtures: M }, prediction);
  const all = means.map((own, colour) =>
    Array.from({ length: colour }, (_, j) => mul(pull(colour, j), slice(x, { [-1]: { start: j, stop: j + 1 } }))).reduce(
      add,
      own,
    ),
  );
  const lead = prediction.shape.slice(0, -1);
  const byColour = (parts: readonly Tensor[]) => reshape(concat(parts, -1), [...lead, C, M]); // C times [..., M] → [..., C, M]
  return { logits, means: byColour(all), logScales: byColour(logScales) };
}

/** A mixture's numbers: log-weights [..., M]; per colour means and logarithms of scales; what colour j gives to a later one's mean. */
export function mixtureParts(
  { channels: C, mixtures: M }: Pick<PixelCnnConfig, "channels" | "mixtures">,
  prediction: Tensor,
): {
  readonly logits: Tensor;
  readonly means: readonly Tensor[];
  readonly logScales: readonly Tensor[];
  readonly pull: (colour: number, j: number) => Tensor;
} {
  const parts: readonly Tensor[] = split(prediction, (prediction.shape.at(-1) as number) / M, -1);
  const pulls = parts.slice(1 + 2 * C); // (1, 0), (2, 0), (2, 1)
  return {
    logits: parts[0] as Tensor,
    means: parts.slice(1, 1 + C),
    logScales: parts.slice(1 + C, 1 + 2 * C),
    pull: (colour, j) => tanh(pulls[(colour * (colour - 1)) / 2 + j] as Tensor),
  };
}

/**
 * Nats of each picture, exact for what `quantise` leaves of it: [B].
 *
 * @param images [B, C, H, W] from 0 to 1
 */
export function nats(config: PixelCnnConfig, params: PixelCnnParams, images: Tensor, options?: PixelCnnForwardOptions): Tensor {
  const pictures = quantise(config, images);
  return neg(sum(logProb(config, forward(config, params, pictures, options), pictures), [1, 2]));
}

/** Mean nats per number of a picture: what training minimises. Arguments as those of `nats`. */
export function loss(config: PixelCnnConfig, params: PixelCnnParams, images: Tensor, options?: PixelCnnForwardOptions): Tensor {
  return div(mean(nats(config, params, images, options)), sizeOf(images.shape.slice(1)));
}
