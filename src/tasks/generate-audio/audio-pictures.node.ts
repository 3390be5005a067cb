/**
 * Pictures of sound and of a model that makes it: spectrograms, how far back a prediction looks, how far gates are open.
 */
import sharp from "sharp";
import type { Tensor } from "../../core/index.ts";
import { valueAndGrad } from "../../core/index.ts";
import { type Conditions, dilationsOf, forward, logProb, type WaveNetConfig, type WaveNetParams } from "../../models/wavenet.ts";
import { mean, slice, sum } from "../../ops/index.ts";
import { compile, type Device } from "../../runtime/index.ts";
import { type NdArray, ndarray } from "../../util/ndarray.ts";
import { type Rows, stft } from "../../util/spectrogram.ts";
import type { Tree } from "../../util/tree.ts";
import { colour, text } from "../drawing/heat-map.node.ts";

/** A field of numbers from 0 (dark) to 1 (bright), row 0 on top. */
interface Panel extends Rows {
  readonly title: string;
  /** What the axes mean. */
  readonly note: string;
}

const margin = 16;
const panelSize = { width: 640, height: 220 };

/** Panels below each other, as a PNG. */
async function drawPanels(panels: readonly Panel[]): Promise<Uint8Array> {
  const { width, height } = panelSize;
  const step = height + 44;
  const layers = panels.map(async ({ rows, width: columns, data }, i) => {
    const pixels = Buffer.alloc(rows * columns * 3);
    for (let at = 0; at < rows * columns; at++) pixels.set(colour(data[at] as number), at * 3);
    const input = await sharp(pixels, { raw: { width: columns, height: rows, channels: 3 } })
      .resize(width, height, { kernel: "nearest", fit: "fill" })
      .png()
      .toBuffer();
    return { input, left: margin, top: margin + i * step + 20 };
  });
  const words = panels.flatMap(({ title, note }, i) => [
    text(margin, margin + i * step + 12, title, 14),
    text(margin, margin + i * step + height + 34, note, 11),
  ]);
  return compose(width + 2 * margin, panels.length * step + 2 * margin, words, await Promise.all(layers));
}

function compose(
  width: number,
  height: number,
  svg: readonly string[],
  layers: readonly { input: Buffer; left: number; top: number }[] = [],
): Promise<Uint8Array> {
  const overlay = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${svg.join("")}</svg>`;
  return sharp({ create: { width, height, channels: 3, background: "#ffffff" } })
    .composite([...layers, { input: Buffer.from(overlay), left: 0, top: 0 }])
    .png()
    .toBuffer();
}

/** Levels from 80 dB below the loudest of all sounds (dark) up to it (bright): low frequencies at the bottom. */
export function drawSpectrograms(sounds: readonly { title: string; samples: Float32Array }[], rate: number): Promise<Uint8Array> {
  const window = rate <= 12_000 ? 256 : 512;
  const spectra = sounds.map(({ samples }) => stft(samples, { window, hop: window / 4 }));
  const loudest = Math.max(1e-6, ...spectra.map(({ data }) => data.reduce((a, b) => Math.max(a, b), 0)));
  return drawPanels(
    spectra.map(({ rows: frames, width: bins, data }, i) => {
      const sound = sounds[i] as { title: string; samples: Float32Array };
      const levels = new Float32Array(frames * bins);
      for (let k = 0; k < bins; k++) {
        for (let t = 0; t < frames; t++) {
          const decibels = 20 * Math.log10(Math.max(1e-9, (data[t * bins + k] as number) / loudest));
          levels[(bins - 1 - k) * frames + t] = Math.max(0, 1 + decibels / 80) ** 2; // the map takes the square root
        }
      }
      const seconds = (sound.samples.length / rate).toFixed(2);
      const note = `${seconds} s from left to right, 0 to ${rate / 2} Hz from bottom to top, 80 dB from dark to bright`;
      return { title: sound.title, note, rows: bins, width: frames, data: levels };
    }),
  );
}

export interface Inspected {
  readonly config: WaveNetConfig;
  readonly params: Tree<NdArray>;
  readonly device: Device | undefined;
  /** One window of real sound [1, T], and what it is made under. */
  readonly samples: NdArray;
  readonly targets: NdArray;
  readonly conditions: Conditions<NdArray>;
}

/**
 * How strongly the log-probability of a window's last sample depends on each sample read: the norm of its gradient for what the
 * first block reads there.
 *
 * @returns [T], the sample before the predicted one last
 */
export async function influences({ config, params, device, samples, targets, conditions }: Inspected): Promise<Float32Array> {
  const time = samples.shape[1] as number;
  // Every position gets a vector of its own, so that the gradient of the table of vectors tells positions apart.
  const whole = samples.dtype === "int32";
  const { input } = params as unknown as WaveNetParams<NdArray>;
  const vectors = whole ? rowsOf(input.weight, samples.data as Int32Array) : samples;
  const places = ndarray(
    "int32",
    [1, time],
    Int32Array.from({ length: time }, (_, t) => t),
  );
  const traced = (own: WaveNetParams, read: Tensor, place: Tensor, next: Tensor, given: Conditions): Tensor => {
    const last = (x: Tensor) => slice(x, { 1: { start: -1 } });
    const score = (varied: Tensor): Tensor => {
      const prediction = whole
        ? forward(config, { ...own, input: { weight: varied } }, place, given)
        : forward(config, own, varied, given);
      return sum(logProb(config, last(prediction), last(next)));
    };
    return valueAndGrad(score)(read).grads;
  };
  const args = [params, vectors, places, targets, conditions] as const;
  const executable = await compile<typeof args, Tensor>(traced as never, args, device ? { device } : {});
  const { data } = await executable.run(...args);
  await executable.dispose();
  const width = data.length / time;
  return Float32Array.from({ length: time }, (_, t) => {
    let squares = 0;
    for (let r = 0; r < width; r++) squares += Number(data[t * width + r]) ** 2;
    return Math.sqrt(squares);
  });
}

function rowsOf({ shape, data }: NdArray, ids: Int32Array): NdArray {
  const width = shape[1] as number;
  const out = new Float32Array(ids.length * width);
  ids.forEach((id, t) => {
    out.set((data as Float32Array).subarray(id * width, (id + 1) * width), t * width);
  });
  return ndarray("float32", [ids.length, width], out);
}

/** Draws influences against the distance in samples, both on logarithmic scales; the dilations are marked. */
export function drawReceptiveField(norms: Float32Array, config: WaveNetConfig, seen: number): Promise<Uint8Array> {
  const { width, height } = panelSize;
  const [left, top] = [56, 40];
  const count = norms.length;
  const points = Array.from({ length: count }, (_, ago) => [ago + 1, norms[count - 1 - ago] as number] as const);
  const strongest = Math.max(1e-12, ...norms);
  const floor = strongest * 1e-6;
  const x = (ago: number) => left + (Math.log2(ago) / Math.log2(Math.max(2, count))) * width;
  const y = (norm: number) => top + (Math.log10(strongest / Math.max(floor, norm)) / 6) * height;
  const line = points.map(([ago, norm]) => `${x(ago).toFixed(1)},${y(norm).toFixed(1)}`).join(" ");
  const svg = [
    text(left, 24, "How strongly a prediction depends on each sample before it (norm of the gradient)", 14),
    `<rect x="${left}" y="${top}" width="${width}" height="${height}" fill="none" stroke="#888"/>`,
    ...[0, 2, 4, 6].map((power) => text(8, top + (power / 6) * height + 4, power === 0 ? "1" : `10^-${power}`, 11)),
    ...[...new Set(dilationsOf(config))]
      .filter((dilation) => dilation <= count)
      .flatMap((dilation) => [
        `<line x1="${x(dilation)}" x2="${x(dilation)}" y1="${top}" y2="${top + height}" stroke="#ddd"/>`,
        text(x(dilation) - 6, top + height + 14, `${dilation}`, 10),
      ]),
    ...(seen <= count ? [`<line x1="${x(seen)}" x2="${x(seen)}" y1="${top}" y2="${top + height}" stroke="#c33"/>`] : []),
    `<polyline points="${line}" fill="none" stroke="#3b528b" stroke-width="1"/>`,
    text(left, top + height + 34, `samples ago; the network sees ${seen} (red)`, 11),
  ];
  return compose(left + width + margin, top + height + 48, svg);
}

/** How far each gate is open on average over a window: blocks from top to bottom, channels from left to right. */
export async function drawGates({ config, params, device, samples, conditions }: Inspected): Promise<Uint8Array> {
  const look = (own: WaveNetParams, read: Tensor, given: Conditions): Tensor[] => {
    const gates: Tensor[] = [];
    forward(config, own, read, { ...given, probe: (name, tensor) => name.endsWith(".gate") && gates.push(mean(tensor, [0, 2])) });
    return gates;
  };
  const args = [params, samples, conditions] as const;
  const executable = await compile<typeof args, Tensor[]>(look as never, args, device ? { device } : {});
  const gates = (await executable.run(...args)) as readonly NdArray[];
  await executable.dispose();
  const data = Float32Array.from(gates.flatMap((gate) => Array.from(gate.data as Float32Array, (value) => value ** 2)));
  const title = "How far gates are open: blocks from top to bottom, their channels from left to right";
  const note = `dilations ${dilationsOf(config).join(", ")}; dark is shut, bright is open`;
  return drawPanels([{ title, note, rows: gates.length, width: config.residual, data }]);
}
