/**
 * Pictures of a PixelCNN at work: where held-out pictures surprise it, which pixels a prediction looks at, how it completes
 * pictures, and pictures it makes.
 */
import { type Tensor, valueAndGrad } from "../../core/index.ts";
import { forward, init, logProb, type PixelCnnConfig, type PixelCnnParams, quantise } from "../../models/pixelcnn.ts";
import { abs, mean, slice, sum } from "../../ops/index.ts";
import { compile } from "../../runtime/index.ts";
import { type NdArray, ndarray, sizeOf } from "../../util/ndarray.ts";
import { key } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import { colour } from "../drawing/heat-map.node.ts";
import { type SheetPicture, sheetOf } from "../drawing/picture-sheet.node.ts";
import type { ImageFamily, InspectedModel, InspectionPicture, Pictures } from "../generate-image/image-family.ts";
import type { Measure } from "../recipe.ts";

type Model = InspectedModel<PixelCnnConfig>;
type OpenSampler = ImageFamily<PixelCnnConfig>["openSampler"];

const columns = 8;
/** Pictures to complete, and ways to complete each. */
const [completedPictures, completions] = [6, 6];

/** Draws all there is to see, and counts what the prediction in the middle sees. */
export async function inspectPixelCnn(
  model: Model,
  openSampler: OpenSampler,
): Promise<{ pictures: InspectionPicture[]; measures: Measure[] }> {
  const field = await receptiveField(model);
  return {
    pictures: [await samples(model, openSampler), await completed(model, openSampler), await surprises(model), field.picture],
    measures: [
      { key: "pixelsBefore", name: "pixels before the one in the middle", value: field.before },
      { key: "pixelsSeen", name: "of these, seen by its prediction", value: field.seen },
    ],
  };
}

/** How many screen pixels a pixel becomes. */
const scaleOf = ({ height, width }: PixelCnnConfig): number => Math.max(1, Math.round(96 / Math.max(height, width)));

/** Pictures of a batch [B, C, H, W] from 0 to 1. */
function sheetPictures({ shape, data }: NdArray): SheetPicture[] {
  const [count, channels, height, width] = shape as [number, number, number, number];
  const size = channels * height * width;
  return Array.from({ length: count }, (_, i) => {
    const own = (data as Float32Array).subarray(i * size, (i + 1) * size);
    return {
      channels,
      height,
      width,
      pixels: Uint8Array.from(own, (value) => Math.round(255 * Math.min(1, Math.max(0, value)))),
    };
  });
}

/** Numbers from 0 (dark) to 1 (bright) as a picture in colours; NaN is light grey. */
function heatPicture(values: Float32Array, height: number, width: number): SheetPicture {
  const area = height * width;
  const pixels = new Uint8Array(3 * area);
  values.forEach((value, at) => {
    // The map takes the square root of what it is given.
    const own = Number.isNaN(value) ? [225, 225, 225] : colour(value ** 2);
    for (let c = 0; c < 3; c++) pixels[c * area + at] = own[c] as number;
  });
  return { channels: 3, height, width, pixels };
}

/** The first pictures of a set. */
function firstOf({ images, labels }: Pictures, count: number): Pictures {
  const [size] = [sizeOf(images.shape.slice(1))];
  const kept = Math.min(count, images.shape[0] as number);
  return {
    images: ndarray("float32", [kept, ...images.shape.slice(1)], images.data.slice(0, kept * size)),
    labels: ndarray("int32", [kept], labels.data.slice(0, kept)),
  };
}

/** A traced function of parameters and pictures, run once. */
async function look<Out>(
  { params, device }: Pick<Model, "params" | "device">,
  pictures: Pictures,
  fn: (params: PixelCnnParams, pictures: Pictures<Tensor>) => Out,
) {
  const args = [params, pictures] as const;
  const executable = await compile<typeof args, Out>(fn as never, args, device ? { device } : {});
  const out = await executable.run(...args);
  await executable.dispose();
  return out;
}

const classesOf = ({ classes }: PixelCnnConfig, labels: Tensor) => ({ labels: classes > 0 ? labels : undefined });

/** Held-out pictures, and below each how many bits each of its pixels takes. */
async function surprises({ config, params, device, validation }: Model): Promise<InspectionPicture> {
  const { height, width } = config;
  const shown = firstOf(validation, 2 * columns);
  const { pictures, logs } = await look({ params, device }, shown, (own, { images, labels }) => {
    const read = quantise(config, images);
    return { pictures: read, logs: logProb(config, forward(config, own, read, classesOf(config, labels)), read) };
  });
  const bits = Float32Array.from(logs.data as Float32Array, (value) => -value / Math.LN2); // [B, H, W]
  // As bright as all but the most surprising hundredth allow.
  const most = Math.max(1e-6, [...bits].sort((a, b) => a - b)[Math.floor(bits.length * 0.99)] as number);
  const originals = sheetPictures(pictures);
  const area = height * width;
  const rows = Math.ceil(originals.length / columns);
  const cells: SheetPicture[] = [];
  const captions: string[] = [];
  for (let row = 0; row < rows; row++) {
    const own = originals.slice(row * columns, (row + 1) * columns);
    cells.push(...own);
    captions.push(...own.map(() => ""));
    own.forEach((_, i) => {
      const at = (row * columns + i) * area;
      const each = bits.slice(at, at + area);
      cells.push(
        heatPicture(
          each.map((value) => Math.min(1, value / most)),
          height,
          width,
        ),
      );
      captions.push(`${each.reduce((total, value) => total + value, 0).toFixed(0)} bits`);
    });
  }
  const across = Math.min(columns, originals.length);
  return {
    name: "likelihood",
    caption: `held-out pictures, and the bits that each pixel takes: dark is expected, bright is ${most.toFixed(1)} bits or more`,
    content: await sheetOf(cells, { columns: across, scale: scaleOf(config), captions }),
  };
}

/** How strongly the prediction of one pixel depends on each: the size of its gradient, on a logarithmic scale. */
async function receptiveField({
  config,
  params,
  device,
  validation,
}: Model): Promise<{ picture: InspectionPicture; before: number; seen: number }> {
  const { height, width } = config;
  const [y, x] = [Math.floor((2 * height) / 3), Math.floor(width / 2)];
  const gradients = async (own: PixelCnnConfig, weights: Tree<NdArray>): Promise<Float32Array> => {
    const size = await look({ params: weights, device }, firstOf(validation, 16), (p, { images, labels }) => {
      const score = (pictures: Tensor) => {
        const prediction = forward(own, p, pictures, classesOf(own, labels));
        return sum(slice(prediction, { 2: { start: y, stop: y + 1 }, 3: { start: x, stop: x + 1 } }));
      };
      return mean(sum(abs(valueAndGrad(score)(images).grads), 1), 0); // [B, C, H, W] → [H, W]
    });
    return size.data as Float32Array;
  };
  const draw = (sizes: Float32Array): SheetPicture => {
    const largest = Math.max(1e-30, ...sizes);
    const heat = heatPicture(
      sizes.map((size) => (size === 0 ? Number.NaN : Math.max(0.05, 1 + Math.log10(size / largest) / 6))),
      height,
      width,
    );
    [220, 40, 40].forEach((value, c) => {
      heat.pixels[c * height * width + y * width + x] = value;
    });
    return heat;
  };
  const trained = await gradients(config, params);
  const fresh = (stacks: "plain" | "gated") => {
    const own = { ...config, stacks };
    return gradients(own, init(own, key(0)) as unknown as Tree<NdArray>);
  };
  const cells = [draw(trained), draw(await fresh("plain")), draw(await fresh("gated"))];
  return {
    before: y * width + x,
    seen: trained.filter((size) => size !== 0).length,
    picture: {
      name: "receptive-field",
      caption:
        "what the prediction of the red pixel depends on, bright is most, grey is not at all: this model; a plain stack of its size, untrained, with its blind spot to the upper right; two gated stacks, untrained",
      content: await sheetOf(cells, {
        columns: 3,
        scale: 2 * scaleOf(config),
        captions: ["this model", "plain, untrained", "gated, untrained"],
      }),
    },
  };
}

/** Held-out pictures, their upper halves, and ways to go on. */
async function completed(
  { config, params, device, validation, seed }: Model,
  openSampler: OpenSampler,
): Promise<InspectionPicture> {
  const { channels, height, width } = config;
  const { images, labels } = firstOf(validation, completedPictures);
  const [own] = images.shape as [number];
  const size = channels * height * width;
  const count = own * completions;
  const given = new Float32Array(count * size);
  const classes = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    const from = Math.floor(i / completions);
    given.set((images.data as Float32Array).subarray(from * size, (from + 1) * size), i * size);
    classes[i] = Number(labels.data[from]);
  }
  const kept = Math.floor(height / 2) * width;
  const mask = Float32Array.from({ length: count * height * width }, (_, i) => (i % (height * width) < kept ? 0 : 1));
  const sampler = await openSampler(config, params, { count, options: { temperature: 1 }, given: true, device });
  const made = await sampler.run(params, {
    seed,
    labels: ndarray("int32", [count], classes),
    given: {
      images: ndarray("float32", [count, channels, height, width], given),
      mask: ndarray("float32", [count, 1, height, width], mask),
    },
  });
  await sampler.dispose();
  const [originals, ways] = [sheetPictures(images), sheetPictures(made)];
  const cells = originals.flatMap((picture, i) => {
    const upper = picture.pixels.map((value, at) => (at % (height * width) < kept ? value : 128));
    return [picture, { ...picture, pixels: upper }, ...ways.slice(i * completions, (i + 1) * completions)];
  });
  return {
    name: "completions",
    caption: `held-out pictures, the upper halves that were given, and ${completions} ways to go on`,
    content: await sheetOf(cells, { columns: completions + 2, scale: scaleOf(config) }),
  };
}

/** Pictures that the model makes, class after class. */
async function samples({ config, params, device, classes, seed }: Model, openSampler: OpenSampler): Promise<InspectionPicture> {
  const across = config.classes > 0 ? Math.min(10, config.classes) : columns;
  const count = across * 6;
  const labels = Int32Array.from({ length: count }, (_, i) => i % across);
  const sampler = await openSampler(config, params, { count, options: { temperature: 1 }, given: false, device });
  const made = await sampler.run(params, { seed, labels: ndarray("int32", [count], labels) });
  await sampler.dispose();
  const names = config.classes > 0 ? `, a column each of: ${classes.slice(0, across).join(", ")}` : "";
  return {
    name: "samples",
    caption: `pictures that the model makes${names}`,
    content: await sheetOf(sheetPictures(made), { columns: across, scale: scaleOf(config) }),
  };
}
