/** Curves as a picture: several charts beside each other, each with its own axes. */
import sharp from "sharp";
import { text } from "./heat-map.node.ts";

export interface Curve {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Chart {
  readonly title: string;
  /** What the axes mean. */
  readonly note: string;
  readonly curves: readonly Curve[];
}

const size = { width: 420, height: 260 };
const margin = { left: 56, right: 16, top: 40, bottom: 56 };
/** Told apart by those who do not see some colours, too (Okabe and Ito 2008). */
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/**
 * Draws charts.
 *
 * @returns a PNG
 */
export async function drawCharts(charts: readonly Chart[]): Promise<Uint8Array> {
  const step = margin.left + size.width + margin.right;
  const [width, height] = [charts.length * step, margin.top + size.height + margin.bottom];
  const parts = charts.flatMap((chart, i) => drawChart(chart, i * step + margin.left));
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${parts.join("")}</svg>`;
  return sharp({ create: { width, height, channels: 3, background: "#ffffff" } })
    .composite([{ input: Buffer.from(svg) }])
    .png()
    .toBuffer();
}

function drawChart({ title, note, curves }: Chart, left: number): string[] {
  const points = curves.flatMap(({ points: own }) => own).filter((point) => point.every(Number.isFinite));
  const range = (axis: 0 | 1): [number, number] => {
    const values = points.map((point) => point[axis]);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return high > low ? [low, high] : [low - 0.5, low + 0.5];
  };
  const [[x0, x1], [y0, y1]] = [range(0), range(1)];
  const place = ([x, y]: readonly [number, number]): [number, number] => [
    left + ((x - x0) / (x1 - x0)) * size.width,
    margin.top + (1 - (y - y0) / (y1 - y0)) * size.height,
  ];
  const bottom = margin.top + size.height;
  const out = [
    text(left, 22, title, 14),
    `<rect x="${left}" y="${margin.top}" width="${size.width}" height="${size.height}" fill="none" stroke="#bbb"/>`,
    text(left, bottom + 48, note, 11),
  ];
  for (const part of [0, 0.25, 0.5, 0.75, 1]) {
    const [x, y] = place([x0 + part * (x1 - x0), y0 + part * (y1 - y0)]);
    out.push(text(x, bottom + 14, short(x0 + part * (x1 - x0)), 10, 'text-anchor="middle"'));
    out.push(text(left - 5, y + 4, short(y0 + part * (y1 - y0)), 10, 'text-anchor="end"'));
    out.push(`<line x1="${left}" x2="${left + size.width}" y1="${y}" y2="${y}" stroke="#eee"/>`);
  }
  curves.forEach(({ name, points: own }, i) => {
    const colour = colours[i % colours.length] as string;
    const line = own
      .filter((point) => point.every(Number.isFinite))
      .map((point) =>
        place(point)
          .map((value) => value.toFixed(1))
          .join(","),
      );
    out.push(`<polyline points="${line.join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    const at = left + i * (size.width / curves.length);
    out.push(
      `<rect x="${at}" y="${bottom + 22}" width="10" height="10" fill="${colour}"/>`,
      text(at + 14, bottom + 31, name, 11),
    );
  });
  return out;
}

const short = (value: number): string => String(Number(value.toPrecision(3)));
