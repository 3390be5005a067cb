/**
 * What a network that carries a state does on a text: its states and gates over time as pictures, and how far back in time
 * the loss of a prediction reaches.
 *
 * Legend: B texts, T tokens, C units.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import sharp from "sharp";
import { isTensor, type Tensor, valueAndGrad } from "../../core/index.ts";
import { crossEntropies } from "../../nn/losses.ts";
import { add, mean, reshape, slice, sqrt, square, sum } from "../../ops/index.ts";
import { compile } from "../../runtime/index.ts";
import { isNdArray, type NdArray } from "../../util/ndarray.ts";
import { flatten, mapTree, type Tree } from "../../util/tree.ts";
import { colour, text } from "../drawing/heat-map.node.ts";
import { drawCharts } from "../drawing/line-chart.node.ts";
import type { Inspection, Measure } from "../recipe.ts";
import type { LoadedLanguageModel } from "./sample.ts";

/** Pictures in a folder, and the figures that belong to them. */
export interface StatePictures {
  readonly pictures: Inspection["pictures"];
  readonly measures: readonly Measure[];
}

/** Tokens and texts that gradients are averaged over. */
const reach = { tokens: 128, texts: 16 };

/**
 * Draws states and gates on one text, and the gradient norm against the distance in time on others; nothing for a model that
 * carries no state.
 *
 * @param ids the text to draw
 * @param stream the text to measure gradients on
 */
export async function drawStates<Config>(
  loaded: LoadedLanguageModel<Config>,
  { ids, stream }: { readonly ids: Int32Array; readonly stream: Int32Array },
  folder: string,
): Promise<StatePictures> {
  if (!loaded.model.recurrence) return { pictures: [], measures: [] };
  await mkdir(folder, { recursive: true });
  const activations = await observe(loaded, ids);
  const labels = Array.from(ids, (id) => loaded.tokenizer.decode([id]));
  const layerOf = ({ name }: Activation) => name.split(".").slice(0, 2).join(".");
  const layers = [...new Set(activations.map(layerOf))];
  const pictures: { file: string; caption: string }[] = [];
  for (const layer of layers) {
    const maps = activations.filter((one) => layerOf(one) === layer);
    const file = join(folder, `${layer.replace(/\W+/g, "-")}.png`);
    await writeFile(file, await drawLayer(maps, layer, labels));
    pictures.push({ file, caption: `states and gates over ${ids.length} tokens, one row a unit` });
  }
  const curves = await gradientNorms(loaded, stream);
  if (curves.length === 0) return { pictures, measures: [] };
  const file = join(folder, "gradient-norms.png");
  const chart = {
    title: "How far back the loss of a prediction reaches",
    note: "norm of its gradient with respect to the state so many tokens before",
    curves: curves.map(({ name, norms }) => ({ name, points: norms.map((norm, i) => [i + 1, norm] as const) })),
    logarithmic: true,
  };
  await writeFile(file, await drawCharts([chart]));
  pictures.push({ file, caption: "gradient norm against distance in time, on a logarithmic scale" });
  return { pictures, measures: figuresOf((curves.at(-1) as GradientCurve).norms) };
}

interface Activation {
  /** As the model names it: `layers.0.forget gate`. */
  readonly name: string;
  /** [T, C] */
  readonly values: NdArray;
}

/** Everything with a time axis that a model shows on a text. */
async function observe<Config>(
  { model, config, params, device }: LoadedLanguageModel<Config>,
  ids: Int32Array,
): Promise<Activation[]> {
  const tokens: NdArray = { dtype: "int32", shape: [1, ids.length], data: ids };
  const names: string[] = [];
  const look = (weights: Tree<Tensor>, read: Tensor) => {
    const seen: Tensor[] = [];
    model.forward(config, weights, read, {
      probe(name, tensor) {
        names.push(name);
        seen.push(tensor);
      },
    });
    return seen;
  };
  const executable = await compile<[Tree<NdArray>, NdArray], Tensor[]>(look, [params, tokens], device ? { device } : {});
  const values: readonly NdArray[] = await executable.run(params, tokens);
  await executable.dispose();
  return values.map((value, i) => ({ name: names[i] as string, values: { ...value, shape: value.shape.slice(1) } }));
}

const margin = 16;
const panelHeight = 128;
/** Fewer pixels per token and labels would overlap. */
const labelledCell = 11;
const widest = 1100;

/** All that one layer shows, below each other over one axis of tokens. */
async function drawLayer(maps: readonly Activation[], layer: string, labels: readonly string[]): Promise<Uint8Array> {
  const cell = Math.max(2, Math.min(22, Math.floor(widest / labels.length)));
  const labelled = cell >= labelledCell;
  const shown = labels.map((label) => label.replace(/\n/g, "⏎").replace(/ /g, "·").slice(0, 8));
  const foot = labelled ? 20 + 7 * Math.max(1, ...shown.map((label) => label.length)) : 16;
  const width = Math.max(420, cell * labels.length + 2 * margin);
  const step = panelHeight + 24;
  const words = [text(margin, 22, `${layer}: time from left to right, one row a unit`, 14)];
  const panels = maps.map(async ({ name, values }, i) => {
    const top = 32 + i * step + 18;
    const { pixels, range } = colours(values);
    words.push(text(margin, top - 5, `${name.split(".").slice(2).join(".")} (${range})`, 12));
    const [time, units] = values.shape as [number, number];
    const input = await sharp(pixels, { raw: { width: time, height: units, channels: 3 } })
      .resize(cell * time, panelHeight, { kernel: "nearest", fit: "fill" })
      .png()
      .toBuffer();
    return { input, left: margin, top };
  });
  const bottom = 32 + maps.length * step;
  if (labelled) {
    shown.forEach((label, t) => {
      const x = margin + (t + 0.5) * cell + 3;
      words.push(text(0, 0, label, 10, `text-anchor="end" transform="translate(${x} ${bottom + 2}) rotate(-90)"`));
    });
  }
  const height = bottom + foot;
  const overlay = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${words.join("")}</svg>`;
  return sharp({ create: { width, height, channels: 3, background: "#ffffff" } })
    .composite([...(await Promise.all(panels)), { input: Buffer.from(overlay), left: 0, top: 0 }])
    .png()
    .toBuffer();
}

/** Units as rows: gates from dark (shut) to bright (open), signed values from blue over white (0) to red. */
function colours({ shape, data }: NdArray): { pixels: Buffer; range: string } {
  const [time, units] = shape as [number, number];
  const values = Array.from(data, Number);
  const signed = values.some((value) => value < 0);
  const largest = values.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-9);
  const pixels = Buffer.alloc(time * units * 3);
  for (let c = 0; c < units; c++) {
    for (let t = 0; t < time; t++) {
      const value = values[t * units + c] as number;
      pixels.set(signed ? diverging(value / largest) : colour(value ** 2), (c * time + t) * 3);
    }
  }
  return {
    pixels,
    range: signed ? `blue -${largest.toPrecision(2)}, white 0, red ${largest.toPrecision(2)}` : "dark 0, bright 1",
  };
}

/** From -1 (blue) over 0 (white) to 1 (red). */
function diverging(value: number): [number, number, number] {
  const [r, g, b] = value < 0 ? [33, 102, 172] : [178, 24, 43];
  const part = Math.sqrt(Math.min(1, Math.abs(value)));
  return [r, g, b].map((c) => Math.round(255 + (c - 255) * part)) as [number, number, number];
}

interface GradientCurve {
  readonly name: string;
  /** Entry d - 1 belongs to the state d tokens before the one whose reading gives the prediction. */
  readonly norms: readonly number[];
}

/**
 * Norms of the gradient of one prediction's loss with respect to earlier states, averaged over texts: a curve for each part of
 * the state, and last one for the whole where there are several.
 */
async function gradientNorms<Config>(
  { model, config, params, device }: LoadedLanguageModel<Config>,
  stream: Int32Array,
): Promise<GradientCurve[]> {
  const { recurrence } = model;
  const time = Math.min(reach.tokens, stream.length - 1);
  if (!recurrence || time < 2) return [];
  const texts = Math.min(reach.texts, Math.floor((stream.length - 1) / time));
  const apart = Math.floor((stream.length - 1 - time) / Math.max(1, texts - 1));
  const tokens = new Int32Array(texts * time);
  const targets = new Int32Array(texts);
  for (let b = 0; b < texts; b++) {
    tokens.set(stream.subarray(b * apart, b * apart + time), b * time);
    targets[b] = stream[b * apart + time] as number;
  }
  const nudges = mapTree(recurrence.blank(config, texts), isNdArray, ({ dtype, shape, data }: NdArray) => {
    return { dtype, shape: [time, ...shape], data: new Float32Array(time * data.length) };
  }) as Tree<NdArray>;
  const names = flatten(nudges, isNdArray).map(({ path }) => path);
  const measure = (weights: Tree<Tensor>, read: Tensor, next: Tensor, blank: Tree<Tensor>) => {
    const { grads } = valueAndGrad((own: Tree<Tensor>) => {
      const { logits } = recurrence.forward(config, weights, read, { nudges: own });
      const last = reshape(slice(logits, { 1: { start: -1 } }), [texts, -1]); // [B, V]
      return sum(crossEntropies(last, next).losses);
    })(blank);
    const squares = flatten(grads, isTensor).map(({ leaf }) => sum(square(leaf as Tensor), -1)); // [T, B] each
    const whole = squares.reduce((a, b) => add(a, b));
    return [...squares, ...(squares.length > 1 ? [whole] : [])].map((one) => mean(sqrt(one), 1)); // [T]
  };
  const inputs = [
    params,
    { dtype: "int32", shape: [texts, time], data: tokens },
    { dtype: "int32", shape: [texts], data: targets },
    nudges,
  ] as const;
  const executable = await compile<[Tree<NdArray>, NdArray, NdArray, Tree<NdArray>], Tensor[]>(
    measure as never, // the mapped argument types follow the tree's structure
    [...inputs],
    device ? { device } : {},
  );
  const found: readonly NdArray[] = await executable.run(...inputs);
  await executable.dispose();
  return found.map(({ data }, i) => ({
    name: i < names.length ? `layer ${(names[i] as string).replace(".", " ")}` : "whole state",
    // Without the state before the first token: it is all zeros, where layer normalisation has a slope that no later state has.
    norms: Array.from(data, Number).slice(1).reverse(),
  }));
}

/** Figures of a curve: where it has halved, and what is left far back. */
function figuresOf(norms: readonly number[]): Measure[] {
  const first = norms[0] as number;
  const half = norms.findIndex((norm) => norm <= first / 2);
  const at = (distance: number): Measure[] => {
    const norm = norms[distance - 1];
    if (norm === undefined) return [];
    const name = `gradient norm ${distance} tokens back, relative to 1 back`;
    return [{ key: `gradientAt${distance}`, name, value: norm / first }];
  };
  return [
    ...(half < 0 ? [] : [{ key: "gradientHalfDistance", name: "tokens back to half the gradient norm", value: half + 1 }]),
    ...at(16),
    ...at(64),
  ];
}
