/** Charts of a latent space: points of a plane coloured by class, and bars per latent. */
import sharp from "sharp";
import { text } from "../drawing/heat-map.node.ts";

/** Colours that are told apart (Tableau's ten); further classes go round again. */
const palette = ["#4e79a7", "#f28e2b", "#e15759", "#76b7b2", "#59a14f", "#edc948", "#b07aa1", "#ff9da7", "#9c755f", "#808080"];
const margin = 24;

export interface ScatterOptions {
  readonly title: string;
  /** Names of the classes; a legend is drawn where there are several. */
  readonly classes: readonly string[];
}

/**
 * Draws points.
 *
 * @param labels the class of each point
 * @returns a PNG
 */
export function drawScatter(
  points: readonly (readonly number[])[],
  labels: readonly number[],
  { title, classes }: ScatterOptions,
): Promise<Uint8Array> {
  const side = 640;
  const top = 40;
  const axis = (which: 0 | 1) => {
    const values = points.map((point) => point[which] as number);
    const [low, high] = [values.reduce((a, b) => Math.min(a, b)), values.reduce((a, b) => Math.max(a, b))];
    return (value: number) => (value - low) / (high - low || 1);
  };
  const [across, up] = [axis(0), axis(1)];
  const colour = (label: number) => palette[label % palette.length] as string;
  const dots = points.map(([x, y], i) => {
    const [left, below] = [margin + across(x as number) * side, top + (1 - up(y as number)) * side];
    return `<circle cx="${left.toFixed(1)}" cy="${below.toFixed(1)}" r="3" fill="${colour(labels[i] as number)}" fill-opacity="0.75"/>`;
  });
  const legend = classes.length > 1 ? classes : [];
  const names = legend.map((name, i) => {
    const y = top + 10 + 20 * i;
    return `<circle cx="${side + 2 * margin + 6}" cy="${y - 4}" r="6" fill="${colour(i)}"/>${text(side + 2 * margin + 18, y, name, 12)}`;
  });
  const room = legend.length > 0 ? 30 + 8 * Math.max(...legend.map(({ length }) => length)) : 0;
  return render(side + 2 * margin + room, side + top + margin, [text(margin, 24, title, 14), ...dots, ...names]);
}

export interface BarPanel {
  readonly title: string;
  readonly values: readonly number[];
  /** A height to draw a line at. */
  readonly mark?: number;
}

/**
 * Draws panels of bars below each other, one bar per name.
 *
 * @returns a PNG
 */
export function drawBars(panels: readonly BarPanel[], names: readonly string[]): Promise<Uint8Array> {
  const [height, left] = [160, 60];
  const step = Math.max(8, Math.min(28, 900 / names.length));
  const width = left + step * names.length + margin;
  const parts = panels.flatMap(({ title, values, mark }, panel) => {
    const top = 40 + panel * (height + 70);
    const largest = Math.max(1e-9, ...values);
    const y = (value: number) => top + height * (1 - value / largest);
    const bars = values.map((value, i) => {
      const x = left + i * step;
      return `<rect x="${x + 1}" y="${y(value).toFixed(1)}" width="${step - 2}" height="${((height * value) / largest).toFixed(1)}" fill="#4e79a7"/>`;
    });
    const size = Math.min(11, step - 1);
    const under = names.map((name, i) => text(left + (i + 0.5) * step, top + height + 14, name, size, 'text-anchor="middle"'));
    const line = mark === undefined ? [] : [rule(left, y(mark), width - margin, "#e15759")];
    const scale = [largest, largest / 2].map((value) =>
      text(left - 6, y(value) + 4, value.toPrecision(2), 11, 'text-anchor="end"'),
    );
    return [
      text(margin / 2, top - 16, title, 14),
      ...bars,
      ...under,
      ...scale,
      ...line,
      rule(left, y(0), width - margin, "#222"),
    ];
  });
  return render(Math.max(360, width), panels.length * (height + 70) + 20, parts);
}

const rule = (from: number, y: number, to: number, colour: string) =>
  `<line x1="${from}" y1="${y.toFixed(1)}" x2="${to}" y2="${y.toFixed(1)}" stroke="${colour}"/>`;

function render(width: number, height: number, parts: readonly string[]): Promise<Uint8Array> {
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${Math.ceil(width)}" height="${height}">${parts.join("")}</svg>`;
  return sharp(Buffer.from(svg)).flatten({ background: "#ffffff" }).png().toBuffer();
}
