/**
 * Pictures of a generative adversarial network at work: what it makes, how its space of latents hangs together, whether it copies
 * the pictures it learnt from, and whether its discriminator still tells anything apart.
 *
 * Legend: Z latent numbers.
 */
import type { Tensor } from "../../core/index.ts";
import { discriminate, type GanConfig, type GanParams, spectrallyNormalized } from "../../models/gan.ts";
import { mul, sub } from "../../ops/index.ts";
import { compile } from "../../runtime/index.ts";
import { type NdArray, ndarray } from "../../util/ndarray.ts";
import { fold, key } from "../../util/random.ts";
import { drawCharts } from "../drawing/line-chart.node.ts";
import type { ImageFamily, InspectedModel, Pictures } from "../generate-image/image-family.ts";
import { sheetOfImages } from "../generate-image/train.ts";
import { compileGenerator, drawLatents, interpolated } from "./gan-sampler.ts";

type Model = InspectedModel<GanConfig>;

/** Pictures made, and judged, at once. */
const chunk = 64;
const columns = 8;
const limits = [0.25, 0.5, 1, 0] as const;
const bins = 20;

export async function inspectGan(model: Model): ReturnType<ImageFamily<GanConfig>["inspect"]> {
  const { config, params, device, training, validation, classes, seed } = model;
  const generator = await compileGenerator(config, params, { count: chunk, device });
  const root = fold(key(seed), "inspect");
  const across = Math.max(1, config.classes);
  /** Labels in turn, or one a row of the sheet. */
  const labels = (of: (i: number) => number) =>
    ndarray(
      "int32",
      [chunk],
      Int32Array.from({ length: chunk }, (_, i) => of(i) % across),
    );
  const make = async (latents: NdArray, of: (i: number) => number) =>
    (await generator.run((params as unknown as GanParams<NdArray>).generator, latents, labels(of))) as unknown as NdArray;
  const row = (i: number) => Math.floor(i / columns);

  const latents = drawLatents(root, chunk, config.latent);
  const samples = await make(latents, (i) => i % columns);
  const walks = await make(interpolated(latents, columns), row);
  const truncated: NdArray[] = [];
  for (const limit of limits) {
    const kept = drawLatents(fold(root, "truncation"), chunk, config.latent, limit);
    truncated.push(rowsOf(await make(kept, (i) => i % columns), 0, 2 * columns));
  }
  await generator.dispose();

  const near = [training, validation].map((set) => nearest(samples, set.images)) as [Near[], Near[]];
  const shown = Array.from({ length: columns }, (_, i) => i);
  const looked = joined([
    rowsOf(samples, 0, columns),
    ...shown.map((i) => rowsOf(training.images, (near[0][i] as Near).place, 1)),
    ...shown.map((i) => rowsOf(validation.images, (near[1][i] as Near).place, 1)),
  ]);
  // Of as many pictures learnt from as held out, either is as likely to be the nearer, unless the former are copied.
  const equal = Math.min(training.images.shape[0] as number, validation.images.shape[0] as number);
  const [learnt, heldOut] = [training, validation].map(({ images }) => nearest(samples, rowsOf(images, 0, equal))) as [
    Near[],
    Near[],
  ];
  const nearer = learnt.filter(({ distance }, i) => distance < (heldOut[i]?.distance ?? 0)).length / chunk;

  const fakes: Pictures = { images: samples, labels: labels((i) => i % columns) };
  const scores = await judged(model, { training, validation, fakes });
  const named = config.classes > 0 ? `; classes in turn: ${classes.join(", ")}` : "";
  return {
    pictures: [
      { name: "samples", caption: `new pictures${named}`, content: await sheetOfImages(samples, { columns }) },
      {
        name: "interpolations",
        caption: "each row on the way from one latent to the next, along a sphere",
        content: await sheetOfImages(walks, { columns }),
      },
      {
        name: "truncation",
        caption: `latents cut off at ${limits.slice(0, -1).join(", ")} and not at all, two rows each: typical on top, varied below`,
        content: await sheetOfImages(joined(truncated), { columns }),
      },
      {
        name: "neighbours",
        caption: "new pictures; below each the nearest it learnt from, and the nearest held out",
        content: await sheetOfImages(looked, { columns }),
      },
      { name: "scores", caption: "how real pictures look to the discriminator", content: await drawCharts([histogram(scores)]) },
    ],
    measures: [
      {
        key: "nearerTraining",
        name: "samples nearer to a picture learnt from than to one held out (0.5: no copying)",
        value: nearer,
      },
      ...Object.entries(scores).map(([kind, values]) => ({
        key: `score/${kind}`,
        name: `mean score of ${kindNames[kind as Kind]}`,
        value: values.reduce((a, b) => a + b, 0) / values.length,
      })),
    ],
  };
}

type Kind = "training" | "validation" | "fakes";
const kindNames: Readonly<Record<Kind, string>> = {
  training: "pictures learnt from",
  validation: "held-out pictures",
  fakes: "generated pictures",
};

/** The discriminator's scores, of up to as many pictures as it judges at once eight times. */
async function judged({ config, params, device }: Model, sets: Readonly<Record<Kind, Pictures>>) {
  const { discriminator } = params as unknown as GanParams<NdArray>;
  const score = (own: GanParams["discriminator"], images: Tensor, labels: Tensor): Tensor =>
    discriminate(config, spectrallyNormalized(own), sub(mul(images, 2), 1), config.classes > 0 ? labels : undefined);
  const scores: Record<Kind, number[]> = { training: [], validation: [], fakes: [] };
  for (const [kind, { images, labels }] of Object.entries(sets) as [Kind, Pictures][]) {
    const size = Math.min(chunk, images.shape[0] as number);
    const part = (from: number) => [discriminator, rowsOf(images, from, size), rowsOf(labels, from, size)] as const;
    type Args = [typeof discriminator, NdArray, NdArray];
    const executable = await compile<Args, Tensor>(score as never, [...part(0)], device ? { device } : {});
    const rounds = Math.min(8, Math.floor((images.shape[0] as number) / size));
    for (let i = 0; i < rounds; i++) {
      const got = (await executable.run(...part(i * size))) as unknown as NdArray;
      scores[kind].push(...(got.data as Float32Array));
    }
    await executable.dispose();
  }
  return scores;
}

function histogram(scores: Readonly<Record<Kind, readonly number[]>>) {
  const all = Object.values(scores).flat();
  const [low, high] = [Math.min(...all), Math.max(...all)];
  const width = (high - low) / bins || 1;
  const curves = Object.entries(scores).map(([kind, values]) => {
    const shares = new Float32Array(bins);
    for (const value of values) {
      const bin = Math.min(bins - 1, Math.floor((value - low) / width));
      shares[bin] = (shares[bin] as number) + 1 / values.length;
    }
    const points = Array.from(shares, (share, i) => [low + (i + 0.5) * width, share] as const);
    return { name: kindNames[kind as Kind], points };
  });
  return {
    title: "Scores of the discriminator",
    note: "score, and the share of pictures that have it; right looks more real",
    curves,
  };
}

interface Near {
  readonly place: number;
  readonly distance: number;
}

/** For each picture the nearest of a set, by the squared distance of pixels. */
function nearest(pictures: NdArray, set: NdArray): Near[] {
  const size = pictures.data.length / (pictures.shape[0] as number);
  const [own, others] = [pictures.data as Float32Array, set.data as Float32Array];
  return Array.from({ length: pictures.shape[0] as number }, (_, i) => {
    let best: Near = { place: 0, distance: Number.POSITIVE_INFINITY };
    for (let place = 0; place < (set.shape[0] as number); place++) {
      let distance = 0;
      for (let k = 0; k < size; k++) distance += ((own[i * size + k] as number) - (others[place * size + k] as number)) ** 2;
      if (distance < best.distance) best = { place, distance };
    }
    return best;
  });
}

/** Rows [from, from + count) of an array. */
function rowsOf({ dtype, shape, data }: NdArray, from: number, count: number): NdArray {
  const size = data.length / (shape[0] as number);
  return { dtype, shape: [count, ...shape.slice(1)], data: data.slice(from * size, (from + count) * size) } as NdArray;
}

function joined(parts: readonly NdArray[]): NdArray {
  const [first] = parts as [NdArray, ...NdArray[]];
  const rows = parts.reduce((total, { shape }) => total + (shape[0] as number), 0);
  const data = new Float32Array(parts.reduce((total, part) => total + part.data.length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part.data as Float32Array, at);
    at += part.data.length;
  }
  return ndarray("float32", [rows, ...first.shape.slice(1)], data);
}
