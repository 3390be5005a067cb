/**
 * What there is to see of a diffusion model: the way from noise to picture, what each sampler makes of the same noise, how good
 * the guess is at each time, the schedule, what guidance does, and whether a picture is found again through its noise.
 */

import type { Tensor } from "../../core/index.ts";
import { type DiffusionConfig, levelAt, losses, toCanvas } from "../../models/diffusion.ts";
import { inversionOf, type Plan, samplers, type Visit, visitsOf } from "../../models/diffusion-samplers.ts";
import type { UNetParams } from "../../models/unet.ts";
import { compile } from "../../runtime/index.ts";
import { type NdArray, ndarray } from "../../util/ndarray.ts";
import { fold, type Key, key } from "../../util/random.ts";
import { type Curve, drawCharts } from "../drawing/line-chart.node.ts";
import { type SheetPicture, sheetOf } from "../drawing/picture-sheet.node.ts";
import type { InspectedModel, InspectionPicture } from "../generate-image/image-family.ts";
import type { Measure } from "../recipe.ts";
import { canvasShape, noiseOf, openWalker, type Walker } from "./diffusion-sampler.ts";

type Inspected = InspectedModel<DiffusionConfig>;

/** Pictures shown of each kind. */
const shown = 6;
/** Places at which the loss is measured, and pictures it is measured on. */
const [lossPlaces, lossPictures] = [20, 96];

/** Draws everything. */
export async function inspectDiffusion(
  model: Inspected,
): Promise<{ pictures: readonly InspectionPicture[]; measures: readonly Measure[] }> {
  const { config, params, device, seed } = model;
  const guidable = config.network.classes > 0 && config.unlabelled > 0;
  const common = { count: shown, given: false, clip: true, device };
  const walkers: Walker[] = [];
  const open = async (options: { fresh?: boolean; guided?: boolean; clip?: boolean }): Promise<Walker> => {
    const walker = await openWalker(config, params, { ...common, fresh: false, guided: false, ...options });
    walkers.push(walker);
    return walker;
  };
  try {
    const [calm, fresh] = [await open({}), await open({ fresh: true })];
    const on = { model, root: key(seed) };
    const found = await inversion(on, await open({ clip: false }));
    const lost = await lossByTime(model);
    const pictures = [
      await trajectory(on, calm),
      await comparison(on, calm, fresh),
      ...(guidable ? [await guidance(on, await open({ guided: true }))] : []),
      found.picture,
      await curves(config, lost),
    ];
    const part = (from: number, to: number) => {
      const own = lost.points.filter(([place]) => place >= from && place < to);
      return own.reduce((sum, [, value]) => sum + value, 0) / own.length;
    };
    const measures: Measure[] = [
      { key: "lossEarly", name: "loss with much noise (last third of the schedule)", value: part(2 / 3, 1) },
      { key: "lossMiddle", name: "loss with some noise (middle third)", value: part(1 / 3, 2 / 3) },
      { key: "lossLate", name: "loss with little noise (first third)", value: part(0, 1 / 3) },
      { key: "inversionError", name: "picture → noise → picture, mean distance (0 to 1)", value: found.error },
    ];
    return { pictures, measures };
  } finally {
    for (const walker of walkers) await walker.dispose();
  }
}

interface On {
  readonly model: Inspected;
  readonly root: Key;
}

/** Classes in turn, or none. */
function labelsOf({ config }: Inspected): NdArray {
  const { classes } = config.network;
  return ndarray(
    "int32",
    [shown],
    Int32Array.from({ length: shown }, (_, i) => (classes > 0 ? i % classes : 0)),
  );
}

const stepsFor = ({ config }: Inspected, wanted: number): number =>
  config.schedule === "flow" ? wanted : Math.min(wanted, config.timesteps);

/** A journey from the same noise as all others. */
function journeyFrom({ model, root }: On, visits: readonly Visit[], more: { guidance?: number; start?: NdArray } = {}) {
  const start = noiseOf(fold(root, "start"), canvasShape(model.config, shown));
  return { params: model.params, visits, labels: labelsOf(model), start, guidance: 1, noise: fold(root, "fresh"), ...more };
}

async function end(walker: Walker, journey: ReturnType<typeof journeyFrom>): Promise<{ picture: NdArray; x: NdArray }> {
  let last: { picture: NdArray; x: NdArray } | undefined;
  for await (const { picture, state } of walker.run(journey)) last = { picture, x: state.x };
  return last as { picture: NdArray; x: NdArray };
}

/** Rows: x and the guessed picture in turn; columns: steps. */
async function trajectory(on: On, walker: Walker): Promise<InspectionPicture> {
  const visits = visitsOf(on.model.config, { sampler: "dpm++", steps: stepsFor(on.model, 30) });
  const stops = Array.from({ length: 10 }, (_, i) => Math.max(1, Math.round(((i + 1) * visits.length) / 10)));
  const stages: { picture: NdArray; guess: NdArray; visited: number }[] = [];
  for await (const stage of walker.run(journeyFrom(on, visits), stops)) stages.push(stage);
  const rows = [0, 1, 2].flatMap((i) => [
    { pictures: stages.map(({ picture }) => cut(picture, i)), captions: stages.map(({ visited }) => `x, ${visited}`) },
    { pictures: stages.map(({ guess }) => cut(guess, i)), captions: stages.map(() => "guess") },
  ]);
  const caption = "from noise to picture: x after so many steps, and below what the network then thinks the picture is";
  return { name: "trajectory", caption, content: await sheet(rows) };
}

/** Rows: samplers; columns: how often the network is asked, a few pictures each. */
async function comparison(on: On, calm: Walker, fresh: Walker): Promise<InspectionPicture> {
  const rows = [];
  for (const sampler of samplers) {
    const row: Row = { pictures: [], captions: [] };
    for (const asked of [5, 10, 20, 50]) {
      const steps = stepsFor(on.model, sampler === "heun" ? Math.ceil(asked / 2) : asked);
      const plan: Plan = { sampler, steps };
      const { picture } = await end(sampler === "ancestral" ? fresh : calm, journeyFrom(on, visitsOf(on.model.config, plan)));
      for (let i = 0; i < 3; i++) {
        row.pictures.push(cut(picture, i));
        row.captions.push(i === 0 ? `${sampler} ${asked}` : "");
      }
    }
    rows.push(row);
  }
  const caption = "samplers from the same noise, by how often the network is asked (heun asks twice a step)";
  return { name: "samplers", caption, content: await sheet(rows) };
}

async function guidance(on: On, walker: Walker): Promise<InspectionPicture> {
  const visits = visitsOf(on.model.config, { sampler: "dpm++", steps: stepsFor(on.model, 30) });
  const rows = [];
  for (const strength of [0, 1, 2, 4]) {
    const { picture } = await end(walker, journeyFrom(on, visits, { guidance: strength }));
    rows.push(rowOf(picture, `guidance ${strength}`));
  }
  return {
    name: "guidance",
    caption: "the same noise and classes with more and more guidance; 0 is without class",
    content: await sheet(rows),
  };
}

/** Held-out pictures, the noise that DDIM makes of them, and what it makes of that noise again. */
async function inversion(on: On, walker: Walker): Promise<{ picture: InspectionPicture; error: number }> {
  const { config, validation, device } = on.model;
  const { images, labels } = validation;
  const size = images.data.length / (images.shape[0] as number);
  const count = images.shape[0] as number;
  const real = ndarray(
    "float32",
    [shown, ...images.shape.slice(1)],
    Float32Array.from({ length: shown * size }, (_, i) => {
      return Number(images.data[(Math.floor(i / size) % count) * size + (i % size)]);
    }),
  );
  const own = ndarray(
    "int32",
    [shown],
    Int32Array.from({ length: shown }, (_, i) => Number(labels.data[i % count])),
  );
  const first = inversionOf(config, stepsFor(on.model, 100));
  const begin = await compile<[NdArray], Tensor>((x: Tensor) => toCanvas(config, x), [real], device ? { device } : {});
  const start = await begin.run(real);
  await begin.dispose();
  const level = (first[0] as Visit).at;
  (start.data as Float32Array).forEach((value, i, all) => {
    all[i] = level.alpha * value;
  });
  const noise = await end(walker, { ...journeyFrom(on, first, { start }), labels: own });
  const visits = visitsOf(config, { sampler: "ddim", steps: stepsFor(on.model, 100) });
  const again = await end(walker, { ...journeyFrom(on, visits, { start: noise.x }), labels: own });
  const distances = (again.picture.data as Float32Array).map((value, i) => Math.abs(value - Number(real.data[i])));
  const rows = [rowOf(real, "held out"), rowOf(noise.picture, "as noise"), rowOf(again.picture, "again")];
  return {
    picture: {
      name: "inversion",
      caption: "held-out pictures, turned into noise by DDIM backwards, and back",
      content: await sheet(rows),
    },
    error: distances.reduce((a, b) => a + b) / distances.length,
  };
}

/** The mean squared error of the prediction at places from 0 to 1, on held-out pictures. */
async function lossByTime({ config, params, validation, device, seed }: Inspected): Promise<Curve> {
  const count = Math.min(lossPictures, validation.images.shape[0] as number);
  const first = (array: NdArray): NdArray => ({
    ...array,
    shape: [count, ...array.shape.slice(1)],
    data: array.data.slice(0, (array.data.length / (array.shape[0] as number)) * count),
  });
  const batch = { images: first(validation.images), labels: first(validation.labels) };
  const noise = noiseOf(fold(key(seed), "loss"), canvasShape(config, count));
  const placesAt = (place: number): NdArray => ndarray("float32", [count], new Float32Array(count).fill(place));
  const traced = (own: UNetParams, { images, labels }: Record<"images" | "labels", Tensor>, e: Tensor, places: Tensor): Tensor =>
    losses({ ...config, minSnr: 0 }, own, { x0: toCanvas(config, images), noise: e, places, labels });
  const examples = [params, batch, noise, placesAt(0.5)] as const;
  const executable = await compile<typeof examples, Tensor>(traced as never, examples, device ? { device } : {});
  const points: [number, number][] = [];
  for (let i = 0; i < lossPlaces; i++) {
    const place = (i + 0.5) / lossPlaces;
    const { data } = await executable.run(params, batch, noise, placesAt(place));
    points.push([place, (data as Float32Array).reduce((a, b) => a + b) / count]);
  }
  await executable.dispose();
  return { name: "held-out loss", points };
}

async function curves(config: DiffusionConfig, lost: Curve): Promise<InspectionPicture> {
  const places = Array.from({ length: 100 }, (_, i) => (i + 0.5) / 100);
  const along = (name: string, value: (place: number) => number): Curve => ({ name, points: places.map((p) => [p, value(p)]) });
  const content = await drawCharts([
    {
      title: `the process: ${config.schedule}`,
      note: "part of picture and noise in x, from picture (0) to noise (1)",
      curves: [along("α (picture)", (p) => levelAt(config, p).alpha), along("σ (noise)", (p) => levelAt(config, p).sigma)],
    },
    {
      title: "signal-to-noise ratio",
      note: "log10 (α² / σ²), from picture (0) to noise (1)",
      curves: [along("log10 SNR", (p) => 2 * Math.log10(levelAt(config, p).alpha / levelAt(config, p).sigma))],
    },
    {
      title: `error of the prediction (${config.prediction})`,
      note: "mean square on held-out pictures, from picture (0) to noise (1)",
      curves: [lost],
    },
  ]);
  return { name: "process", caption: "how noise comes in, and how well the network predicts at each time", content };
}

interface Row {
  readonly pictures: SheetPicture[];
  readonly captions: string[];
}

function cut({ shape, data }: NdArray, i: number): SheetPicture {
  const [, channels, height, width] = shape as [number, number, number, number];
  const size = channels * height * width;
  const pixels = Uint8Array.from((data as Float32Array).subarray(i * size, (i + 1) * size), (v) =>
    Math.round(255 * Math.min(1, Math.max(0, v))),
  );
  return { channels, height, width, pixels };
}

function rowOf(images: NdArray, caption: string): Row {
  const count = images.shape[0] as number;
  return {
    pictures: Array.from({ length: count }, (_, i) => cut(images, i)),
    captions: Array.from({ length: count }, (_, i) => (i === 0 ? caption : "")),
  };
}

/** Rows of equal length. */
function sheet(rows: readonly Row[]): Promise<Uint8Array> {
  const { height = 1 } = rows[0]?.pictures[0] ?? {};
  return sheetOf(
    rows.flatMap(({ pictures }) => pictures),
    {
      columns: rows[0]?.pictures.length ?? 1,
      scale: Math.max(1, Math.round(80 / height)),
      captions: rows.flatMap(({ captions }) => captions),
    },
  );
}
