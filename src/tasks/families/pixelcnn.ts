/** PixelCNN as a family of the image task. */

import { z } from "zod";
import type { Tensor } from "../../core/index.ts";
import {
  checkConfig,
  forward,
  init,
  loss,
  nats,
  type PixelCnnConfig,
  type PixelCnnParams,
  quantise,
} from "../../models/pixelcnn.ts";
import { drawRows, drawsPerPixel, emptyState, type PixelCnnState } from "../../models/pixelcnn-sampler.ts";
import { mul, sum } from "../../ops/index.ts";
import { compile, defaultDevice } from "../../runtime/index.ts";
import { rowsOf } from "../../train/index.ts";
import { allocate, type NdArray, ndarray, sizeOf } from "../../util/ndarray.ts";
import { fillUniform, fold, key } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import type { ImageFamily, PictureRequest, PictureSampler, SamplerSettings } from "../generate-image/image-family.ts";
import { count, fraction } from "../training.ts";
import { inspectPixelCnn } from "./pixelcnn-inspect.node.ts";

const options = z.strictObject({
  stacks: z
    .enum(["plain", "gated"])
    .describe("one stack of masked convolutions, which has a blind spot, or a vertical and a horizontal one with gates"),
  output: z
    .enum(["binary", "categorical", "logistic-mixture"])
    .describe("what a pixel is: black or white, one of some levels, or a mixture of distributions over them"),
  levels: count.describe("values that a colour can have: 256 for all of them; 2 where pixels are binary"),
  mixtures: count.describe("distributions in a mixture"),
  firstKernel: count.describe("side of the first kernel, odd"),
  kernel: count.describe("side of the other kernels, odd"),
  depth: count.describe("blocks"),
  places: z.boolean().describe("biases for each place of a picture, by class, so that predictions know where they are"),
  features: count.describe("features per pixel"),
  inner: count.describe("features inside a block of a plain stack"),
  hidden: count.describe("units of the last layer but one"),
  dropout: fraction.describe("part of what a block adds that is left out in training"),
});

const sampling = z.strictObject({
  temperature: z.number().min(0).default(1).describe("below 1 nearer to the likeliest, above 1 wilder; 0 always the likeliest"),
});

const asModel = (params: Tree<Tensor>): PixelCnnParams => params as unknown as PixelCnnParams;
/** Labels for a model that knows classes. */
const known = ({ classes }: PixelCnnConfig, labels: Tensor | undefined) => ({ labels: classes > 0 ? labels : undefined });

export const pixelCnnFamily: ImageFamily<PixelCnnConfig> = {
  name: "pixelcnn",
  options,
  sampling,
  startsFrom: true,
  configure(given, sizes) {
    const own = given as z.output<typeof options>; // the task parsed them by `options`
    const config = { ...own, ...sizes };
    checkConfig(config);
    return config;
  },
  init: (config, from) => init(config, from) as unknown as Tree<NdArray>,
  objectives: (config) => [
    {
      name: "model",
      loss: (params, { images, labels }, from) => ({
        loss: loss(config, asModel(params), images, { ...known(config, labels), key: from }),
      }),
      counts: ({ images }) => rowsOf(images),
    },
  ],
  measure: (config, params, { images, labels, mask }) => ({
    nats: { sum: sum(mul(nats(config, asModel(params), images, known(config, labels)), mask)), count: sum(mask) },
  }),
  measureNames: {},
  score: "nats",
  openSampler,
  inspect: (model) => inspectPixelCnn(model, openSampler),
  graphs(config) {
    const { channels, height, width, classes, levels } = config;
    const inputs = [
      {
        name: "images",
        dtype: "float32" as const,
        shape: ["batch" as const, channels, height, width],
        note: `pictures from 0 to 1, read in ${levels} levels`,
      },
      ...(classes > 0
        ? [{ name: "labels", dtype: "int32" as const, shape: ["batch" as const], note: `classes from 0 to ${classes - 1}` }]
        : []),
    ];
    const predict = (params: Tree<Tensor>, images?: Tensor, labels?: Tensor) =>
      forward(config, asModel(params), quantise(config, images as Tensor), known(config, labels));
    const measure = (params: Tree<Tensor>, images?: Tensor, labels?: Tensor) =>
      nats(config, asModel(params), images as Tensor, known(config, labels));
    return [
      {
        name: "logits",
        inputs,
        output: { name: "logits", note: "what each pixel may be, given those before it" },
        apply: predict,
      },
      { name: "nats", inputs, output: { name: "nats", note: "minus the log-probability of each picture" }, apply: measure },
    ];
  },
  watch() {
    let [best, worse, told] = [Number.POSITIVE_INFINITY, 0, false];
    return (_, values) => {
      const now = values["validation/nats"];
      if (told || now === undefined) return undefined;
      worse = now > best ? worse + 1 : 0;
      best = Math.min(best, now);
      if (worse < 3 || now < best * 1.01) return undefined;
      told = true;
      return `overfitting: held-out pictures have become less likely three times in a row (${now.toFixed(1)} nats, ${best.toFixed(1)} at best); the best model is kept, more pictures or --dropout help`;
    };
  },
};

/** The sampler's arguments besides parameters, state and chances. */
interface Given<Leaf = NdArray> {
  readonly labels?: Leaf;
  readonly given?: { readonly pixels: Leaf; readonly anew: Leaf };
}

async function openSampler(
  config: PixelCnnConfig,
  params: Tree<NdArray>,
  { count: batch, options: chosen, given, device }: SamplerSettings,
): Promise<PictureSampler> {
  const { channels, height, width, classes } = config;
  const { temperature } = chosen as z.output<typeof sampling>;
  const rows = rowsPerChunk(height);
  const chances = blank([rows, width, drawsPerPixel(config), batch]);
  const example: Given = {
    ...(classes > 0 && { labels: ndarray("int32", [batch], new Int32Array(batch)) }),
    ...(given && { given: { pixels: blank([rows, width, batch, channels]), anew: blank([rows, width, batch, 1]) } }),
  };
  const draw = (own: Tree<Tensor>, state: PixelCnnState, uniform: Tensor, more: Given<Tensor>) => {
    const start = more.given && { ...more.given, pixels: quantise(config, more.given.pixels) };
    const drawn = drawRows(config, asModel(own), state, uniform, { labels: more.labels, given: start, temperature });
    return { pixels: drawn.pixels, state: drawn.state };
  };
  const args = [params, emptyState(config, batch), chances, example] as const;
  // On one thread: a pixel is dozens of small products, and sharing one out takes longer than computing it.
  const target = device ?? (await defaultDevice()).device;
  const settings = { device: target, ...(target === "cpu" && { threads: 1 }) };
  const executable = await compile<typeof args, ReturnType<typeof draw>>(draw as never, args, settings);
  return {
    async run(own, { seed, labels, given: start, signal, onProgress }: PictureRequest) {
      const images = blank([batch, channels, height, width]);
      let state = emptyState(config, batch);
      for (let first = 0; first < height; first += rows) {
        signal?.throwIfAborted();
        fillUniform(fold(fold(key(seed), "pixels"), first), chances.data as Float32Array);
        const result = await executable.run(own, state, chances, {
          ...(classes > 0 && { labels }),
          ...(start && { given: { pixels: takeRows(start.images, first, rows), anew: takeRows(start.mask, first, rows) } }),
        });
        state = result.state as unknown as PixelCnnState<NdArray>;
        putRows(images, first, result.pixels);
        onProgress?.((first + rows) / height, { ...images, data: images.data.slice() });
      }
      return images;
    },
    dispose: () => executable.dispose(),
  };
}

/** Rows drawn in one go: a part of a picture, about a quarter, that leaves no rest. */
function rowsPerChunk(height: number): number {
  let rows = Math.ceil(height / 4);
  while (height % rows !== 0) rows--;
  return rows;
}

const blank = (shape: readonly number[]): NdArray => ({ dtype: "float32", shape, data: allocate("float32", sizeOf(shape)) });

/** Rows of pictures as the sampler reads them: [B, C, H, W] → [count, W, B, C] */
function takeRows({ shape, data }: NdArray, first: number, rows: number): NdArray {
  const [B, C, H, W] = shape as [number, number, number, number];
  const out = new Float32Array(rows * W * B * C);
  for (let i = 0; i < B * C; i++) {
    for (let at = 0; at < rows * W; at++) out[at * B * C + i] = data[(i * H + first) * W + at] as number;
  }
  return ndarray("float32", [rows, W, B, C], out);
}

/** Writes rows [count, W, B, C] into pictures [B, C, H, W]. */
function putRows({ shape, data }: NdArray, first: number, drawn: NdArray): void {
  const [B, C, H, W] = shape as [number, number, number, number];
  const places = drawn.data.length / (B * C);
  for (let i = 0; i < B * C; i++) {
    for (let at = 0; at < places; at++) data[(i * H + first) * W + at] = drawn.data[at * B * C + i] as number;
  }
}
