/**
 * Drawing pictures from a PixelCNN, pixel by pixel, without computing what is known already.
 *
 * Two nested loops, both inside ONNX Runtime. The outer one goes from row to row: what the rows above say to each pixel of a row
 * is computed for the whole row at once, from the few rows of activations that kernels reach. The inner one goes from pixel to pixel:
 * it computes one column of activations, from those of the pixels to the left that it carries along. So a pixel costs one small
 * product per layer instead of a pass over the whole picture.
 *
 * Rows come in chunks that begin and end in a state, so that pictures can be shown while they are drawn. Where pixels are given,
 * they are taken instead of drawn ones (inpainting): what follows in reading order continues them, what comes before does not know
 * them.
 *
 * Legend: B pictures at once, N rows in a chunk, W width, C colours, D draws per pixel, F features, I inner features, r and q how
 * far the first and the other kernels reach, K features that a block's kernel reads (I, or F where there are two stacks).
 */
import { scan } from "../core/scan.ts";
import type { Tensor } from "../core/tensor.ts";
import { type Conv, conv } from "../nn/conv.ts";
import { embedding } from "../nn/linear.ts";
import { sampleToken, samplingDefaults } from "../nn/sampling.ts";
import {
  add,
  arange,
  cast,
  clamp,
  concat,
  conv as convolve,
  div,
  equal,
  exp,
  gather,
  greater,
  less,
  log,
  matmul,
  maximum,
  mul,
  relu,
  reshape,
  round,
  sigmoid,
  slice,
  split,
  sub,
  sum,
  transpose,
  where,
  zeros,
} from "../ops/index.ts";
import { allocate, type NdArray, ndarray, sizeOf } from "../util/ndarray.ts";
import {
  checkLabels,
  type GatedParams,
  gate,
  type Head,
  isGated,
  maskedWeight,
  mixtureParts,
  type PixelCnnConfig,
  type PixelCnnParams,
  type PlainParams,
  placed,
  placesOf,
  reachOf,
} from "./pixelcnn.ts";

/** Uniform numbers that each pixel of one picture needs: a value per colour; and for a mixture, which component. */
export const drawsPerPixel = ({ output, channels }: PixelCnnConfig): number =>
  output === "logistic-mixture" ? channels + 1 : channels;

/** What drawing remembers of the rows above. */
export interface PixelCnnState<Leaf = Tensor> {
  /** Pixels of the last r rows: [B, C, r, W]. */
  readonly pixels: Leaf;
  /** What each block's kernel read in the last q rows: [B, K, q, W]. */
  readonly memory: readonly Leaf[];
  /** The number of the next row: float32 [1], where places of a picture differ. */
  readonly row?: Leaf;
}

export interface DrawOptions {
  /** int32 [B]; needed exactly where the model knows classes. */
  readonly labels?: Tensor | undefined;
  /** Below 1 nearer to the likeliest, above 1 wilder; 0 always the likeliest. */
  readonly temperature: number;
  /** Pixels [N, W, B, C] from 0 to 1 in the levels of the model, and where to draw anew: [N, W, B, 1], 1 for anew, 0 for given. */
  readonly given?: { readonly pixels: Tensor; readonly anew: Tensor } | undefined;
}

/** The state above the first row. */
export function emptyState(config: PixelCnnConfig, batch: number): PixelCnnState<NdArray> {
  const { channels, width, depth, features, inner } = config;
  const blank = (count: number, rows: number): NdArray => {
    const shape = [batch, count, rows, width];
    return { dtype: "float32", shape, data: allocate("float32", sizeOf(shape)) };
  };
  const read = config.stacks === "gated" ? features : inner;
  return {
    pixels: blank(channels, reachOf(config.firstKernel)),
    memory: Array.from({ length: depth }, () => blank(read, reachOf(config.kernel))),
    ...(config.places && { row: ndarray("float32", [1], Float32Array.of(0)) }),
  };
}

/** A network cut into what is computed once per row and what is computed per pixel. */
interface Stepper {
  /** What the rows above say to each pixel of a row, [W, B, …] each, and their memory where no pixel is needed for it. */
  above(state: PixelCnnState): { readonly said: readonly Tensor[]; readonly memory?: readonly Tensor[] };
  /**
   * One pixel.
   *
   * @param said by the rows above, at this pixel
   * @param pixels the r pixels to the left: [B, r C]
   * @param lefts what each block read at the q pixels to the left: [B, q K]
   * @returns features [B, F], and what each block reads here: [B, K]
   */
  pixel(
    said: readonly Tensor[],
    pixels: Tensor,
    lefts: readonly Tensor[],
  ): { readonly seen: Tensor; readonly read: readonly Tensor[] };
}

/**
 * Traced: draws a chunk of N rows.
 *
 * @param chances uniform numbers in [0, 1): [N, W, D, B]
 * @returns `pixels` [N, W, B, C] from 0 to 1, the `predictions` they were drawn from [N, W, B, O] (computed only where they are
 *   used), and the state to go on from
 * @throws HeptagenError `pixelcnn/labels`
 */
export function drawRows(
  config: PixelCnnConfig,
  params: PixelCnnParams,
  state: PixelCnnState,
  chances: Tensor,
  { labels, temperature, given }: DrawOptions,
): { pixels: Tensor; predictions: Tensor; state: PixelCnnState } {
  checkLabels(config, labels);
  const [r, q] = [reachOf(config.firstKernel), reachOf(config.kernel)];
  const [batch, C] = state.pixels.shape as [number, number, number, number];
  const stepper = isGated(params) ? gatedStepper(config, params, labels) : plainStepper(config, params, labels);
  const predict = predictor(config, params.head, temperature);
  const kept = state.memory.map(({ shape }) => shape[1] as number); // K

  const [end, drawn] = scan(
    (before: PixelCnnState, row: { chances: Tensor; given?: GivenPixel }) => {
      const { said, memory } = stepper.above(before);
      const start = { pixels: zeros([batch, r * C]), lefts: kept.map((count) => zeros([batch, q * count])) };
      const [, seen] = scan(
        (left: typeof start, here: typeof row & { said: readonly Tensor[] }) => {
          const { seen: features, read } = stepper.pixel(here.said, left.pixels, left.lefts);
          const { pixel, prediction } = predict(features, here.chances, here.given);
          const next = { pixels: shifted(left.pixels, pixel), lefts: left.lefts.map((x, i) => shifted(x, read[i] as Tensor)) };
          return [next, { pixel, prediction, read: memory ? [] : read }] as const;
        },
        start,
        { ...row, said },
      );
      const after: PixelCnnState = {
        pixels: nextRows(before.pixels, asRow(seen.pixel)),
        memory: memory ?? before.memory.map((rows, i) => nextRows(rows, asRow(seen.read[i] as Tensor))),
        ...(before.row && { row: add(before.row, 1) }),
      };
      return [after, { pixels: seen.pixel, predictions: seen.prediction }] as const;
    },
    state,
    { chances, ...(given && { given }) },
  );
  return { ...drawn, state: end };
}

/** What the places of a row add: [B or 1, F, H, W] → [B or 1, F, 1, W] */
function inRow(places: Tensor | undefined, row: Tensor | undefined): Tensor | undefined {
  return places && row ? gather(places, cast(row, "int32"), 2) : undefined;
}

/** [W, B, K] → [B, K, 1, W] */
function asRow(vectors: Tensor): Tensor {
  const [width, batch, count] = vectors.shape as [number, number, number];
  return reshape(transpose(vectors, [1, 2, 0]), [batch, count, 1, width]);
}

/** [B, K, 1, W] → [W, B, K] */
function byPixel(row: Tensor): Tensor {
  const [batch, count, , width] = row.shape as [number, number, number, number];
  return transpose(reshape(row, [batch, count, width]), [2, 0, 1]);
}

/** Adds a row below and drops the uppermost: [B, K, rows, W]. */
function nextRows(rows: Tensor, below: Tensor): Tensor {
  return rows.shape[2] === 1 ? below : concat([slice(rows, { 2: { start: 1 } }), below], 2);
}

/** Adds a vector on the right and drops the leftmost: [B, q K]. */
function shifted(vectors: Tensor, right: Tensor): Tensor {
  const count = right.shape[1] as number;
  return vectors.shape[1] === count ? right : concat([slice(vectors, { 1: { start: count } }), right], 1);
}

interface Rows {
  readonly weight: Tensor;
  readonly bias: Tensor | undefined;
}

/** A kernel of one row, or the last row of a higher one, for pixels side by side in a vector: [O, K, rows, taps] → [taps K, O] */
function rowsOf({ weight, bias }: Conv): Rows {
  const [outputs, inputs, rows, taps] = weight.shape as [number, number, number, number];
  const last = reshape(slice(weight, { 2: { start: rows - 1 } }), [outputs, inputs, taps]);
  return { weight: reshape(transpose(last, [2, 1, 0]), [taps * inputs, outputs]), bias };
}

const linearRows = ({ weight, bias }: Rows, x: Tensor): Tensor => (bias ? add(matmul(x, weight), bias) : matmul(x, weight));

function plainStepper({ classes }: PixelCnnConfig, params: PlainParams, labels: Tensor | undefined): Stepper {
  /** The rows of a kernel that lie above a pixel; and what the mask leaves of the row of the pixel. */
  const parts = ({ weight, bias }: Conv, mask: "A" | "B") => {
    const reach = (weight.shape[2] as number) - 1;
    const own = slice(maskedWeight(weight, mask), { 2: { start: reach }, 3: { stop: mask === "A" ? reach : reach + 1 } });
    return { above: slice(weight, { 2: { stop: reach } }), own: rowsOf({ weight: own }), bias: bias as Tensor, reach };
  };
  const places = placesOf(params, labels);
  const first = parts(params.first, "A");
  const blocks = params.blocks.map(({ reduce, masked, label, expand }) => {
    const own = parts(masked, "B");
    // [I], or [B, I] with classes
    const shift = classes > 0 && label ? add(embedding(label, labels as Tensor), own.bias) : own.bias;
    return { ...own, shift, reduce: rowsOf(reduce), expand: rowsOf(expand) };
  });
  const said = (rows: Tensor, { above, reach }: typeof first, shift: Tensor, places?: Tensor) => {
    const padding = [
      [0, 0],
      [reach, reach],
    ] as const;
    return add(byPixel(placed(convolve(rows, above, { padding }), places)), shift);
  };
  return {
    above: ({ pixels, memory, row }) => ({
      said: [
        said(pixels, first, first.bias, inRow(places, row)),
        ...blocks.map((block, i) => said(memory[i] as Tensor, block, block.shift)),
      ],
    }),
    pixel([above, ...others], pixels, lefts) {
      const read: Tensor[] = [];
      let x = add(matmul(pixels, first.own.weight), above as Tensor); // [B, F]
      blocks.forEach(({ own, reduce, expand }, i) => {
        const here = relu(linearRows(reduce, relu(x))); // [B, I]
        read.push(here);
        const sums = add(matmul(concat([lefts[i] as Tensor, here], 1), own.weight), others[i] as Tensor);
        x = add(x, linearRows(expand, relu(sums)));
      });
      return { seen: x, read };
    },
  };
}

function gatedStepper(config: PixelCnnConfig, params: GatedParams, labels: Tensor | undefined): Stepper {
  const [r, q] = [reachOf(config.firstKernel), reachOf(config.kernel)];
  const places = placesOf(params, labels);
  const left = rowsOf(params.left);
  const blocks = params.blocks.map((block) => {
    const [forRows, forPixels] = block.label ? split(embedding(block.label, labels as Tensor), 2, 1) : []; // [B, 2F] each
    const shift = block.horizontal.bias as Tensor;
    return {
      ...block,
      forRows: forRows && reshape(forRows, [...forRows.shape, 1, 1]),
      shift: forPixels ? add(forPixels, shift) : shift,
      own: rowsOf({ weight: block.horizontal.weight }),
      back: rowsOf(block.residual),
    };
  });
  return {
    // The vertical stack needs no pixel of its own row.
    above({ pixels, memory, row }) {
      const said: Tensor[] = [];
      const next: Tensor[] = [];
      const first = conv(params.above, pixels, {
        padding: [
          [0, 0],
          [r, r],
        ],
      });
      let x = placed(first, inRow(places, row)); // [B, F, 1, W]
      blocks.forEach(({ vertical, link, forRows, shift }, i) => {
        const rows = memory[i] as Tensor;
        next.push(nextRows(rows, x));
        const sums = conv(vertical, concat([rows, x], 2), {
          padding: [
            [0, 0],
            [q, q],
          ],
        }); // [B, 2F, 1, W]
        const all = forRows ? add(sums, forRows) : sums;
        said.push(add(byPixel(conv(link, all)), shift));
        x = gate(all);
      });
      return { said, memory: next };
    },
    pixel(said, pixels, lefts) {
      const read: Tensor[] = [];
      let x = linearRows(left, pixels); // [B, F]
      blocks.forEach(({ own, back }, i) => {
        read.push(x);
        const sums = add(matmul(concat([lefts[i] as Tensor, x], 1), own.weight), said[i] as Tensor);
        x = add(x, linearRows(back, gate(sums)));
      });
      return { seen: x, read };
    },
  };
}

/** A given pixel [B, C], and whether to draw it anew [B, 1]. */
type GivenPixel = NonNullable<DrawOptions["given"]>;

/** Makes the colours of a pixel: features [B, F], chances [D, B] → pixel [B, C] from 0 to 1, prediction [B, O]. */
function predictor(config: PixelCnnConfig, head: Head, temperature: number) {
  const hidden = rowsOf(head.hidden);
  const earlier = head.earlier.map(rowsOf);
  const out = head.out.map(rowsOf);
  const pick = { ...samplingDefaults, temperature };
  return (features: Tensor, chances: Tensor, given: GivenPixel | undefined): { pixel: Tensor; prediction: Tensor } => {
    /** Colours from the given one on: those drawn, or those given. */
    const settled = (drawn: Tensor, from = 0) => {
      if (!given) return drawn;
      const known = slice(given.pixels, { 1: { start: from, stop: from + (drawn.shape[1] as number) } });
      return where(greater(given.anew, 0.5), drawn, known);
    };
    const [batch] = features.shape as [number];
    const chance = (i: number) => reshape(slice(chances, { 0: { start: i, stop: i + 1 } }), [batch]);
    const units = linearRows(hidden, relu(features)); // [B, U]
    if (config.output === "logistic-mixture") {
      const prediction = linearRows(out[0] as Rows, relu(units));
      return { pixel: settled(drawMixture(config, prediction, chance, temperature)), prediction };
    }
    const predictions: Tensor[] = [];
    const colours: Tensor[] = [];
    out.forEach((own, i) => {
      const all = i === 0 ? units : add(units, linearRows(earlier[i - 1] as Rows, concat(colours, 1)));
      const scores = linearRows(own, relu(all)); // [B, 1] or [B, L]
      predictions.push(scores);
      const drawn =
        config.output === "binary"
          ? drawBinary(scores, chance(i), temperature)
          : div(reshape(cast(sampleToken(scores, chance(i), undefined, pick), "float32"), [batch, 1]), config.levels - 1);
      colours.push(settled(drawn, i));
    });
    return { pixel: concat(colours, 1), prediction: concat(predictions, 1) };
  };
}

/** 1 with the log-odds [B, 1], else 0: [B, 1] */
function drawBinary(logits: Tensor, chance: Tensor, temperature: number): Tensor {
  if (temperature === 0) return cast(greater(logits, 0), "float32");
  const odds = temperature === 1 ? logits : mul(logits, 1 / temperature);
  return cast(less(reshape(chance, logits.shape), sigmoid(odds)), "float32");
}

/** A component, and from it colour after colour: [B, O] → [B, C] */
function drawMixture(config: PixelCnnConfig, prediction: Tensor, chance: (i: number) => Tensor, temperature: number): Tensor {
  const { logits, means, logScales, pull } = mixtureParts(config, prediction);
  const [batch] = prediction.shape as [number];
  const component = sampleToken(logits, chance(0), undefined, { ...samplingDefaults, temperature }); // [B]
  const own = equal(arange(config.mixtures), reshape(component, [batch, 1])); // [B, M]
  const picked = (x: Tensor) => sum(where(own, x, 0), 1, { keepDims: true }); // [B, M] → [B, 1]
  const colours: Tensor[] = [];
  means.forEach((mean, colour) => {
    // A logistic distribution by its inverse: mean + scale · log(u / (1 - u)).
    const u = clamp(reshape(chance(colour + 1), [batch, 1]), 1e-7, 1 - 1e-7);
    const noise = mul(log(div(u, sub(1, u))), temperature);
    const centre = colours.map((x, j) => mul(picked(pull(colour, j)), x)).reduce(add, picked(mean));
    const value = add(centre, mul(exp(maximum(picked(logScales[colour] as Tensor), -7)), noise));
    // Onto the grid of values that colours can have.
    const steps = config.levels - 1;
    colours.push(sub(mul(round(mul(add(clamp(value, -1, 1), 1), steps / 2)), 2 / steps), 1));
  });
  // Written as `quantise` writes them, so that what is drawn is what would be read.
  return div(round(mul(add(concat(colours, 1), 1), (config.levels - 1) / 2)), config.levels - 1);
}
