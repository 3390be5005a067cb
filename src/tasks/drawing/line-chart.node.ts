/** Curves as a picture: several charts beside each other, each with its own axes. */
import sharp from "sharp";
import { text } from "./heat-map.node.ts";
import { shortNumber, ticks } from "./line-chart.ts";

export interface Curve {
  readonly name: string;
  readonly points: readonly (readonly [x: number, y: number])[];
}

export interface Chart {
  readonly title: string;
  /** What the axes mean. */
  readonly note: string;
  readonly curves: readonly Curve[];
  /** Whether values are spaced by their powers of ten, the ten highest powers at most; what is not above 0 is left out. */
  readonly logarithmic?: boolean;
}

const height = 260;
/** Width of a chart beside others, and alone. */
const [narrow, wide] = [420, 660];
const margin = { left: 60, right: 16, top: 40, bottom: 56 };
const mostPowers = 10;
/** Told apart by those who do not see some colours, too (Okabe and Ito 2008). */
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/**
 * Draws charts.
 *
 * @returns a PNG
 * @example await drawCharts([{ title: "Loss", note: "nats over steps", curves: [{ name: "validation", points: [[0, 4], [100, 2]] }] }]);
 */
export async function drawCharts(charts: readonly Chart[]): Promise<Uint8Array> {
  const width = charts.length === 1 ? wide : narrow;
  const step = margin.left + width + margin.right;
  const all = { width: charts.length * step, height: margin.top + height + margin.bottom };
  const parts = charts.flatMap((chart, i) => drawChart(chart, { left: i * step + margin.left, width }));
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${all.width}" height="${all.height}">${parts.join("")}</svg>`;
  return sharp({ create: { ...all, channels: 3, background: "#ffffff" } })
    .composite([{ input: Buffer.from(svg) }])
    .png()
    .toBuffer();
}

function drawChart(
  { title, note, curves, logarithmic = false }: Chart,
  { left, width }: { left: number; width: number },
): string[] {
  const lines = curves.map(({ name, points }) => ({ name, points: logarithmic ? powers(points) : points.filter(finite) }));
  const all = lines.flatMap(({ points }) => points);
  const [x0, x1] = rangeOf(all.map(([x]) => x));
  const [low, y1] = rangeOf(all.map(([, y]) => y));
  const y0 = logarithmic ? Math.max(low, y1 - mostPowers) : low;
  const across = (x: number) => left + ((x - x0) / (x1 - x0)) * width;
  const up = (y: number) => margin.top + (1 - (y - y0) / (y1 - y0)) * height;
  const bottom = margin.top + height;
  const out = [
    text(left, 22, title, 14),
    `<rect x="${left}" y="${margin.top}" width="${width}" height="${height}" fill="none" stroke="#bbb"/>`,
    text(left, bottom + 48, note, 11),
  ];
  for (const x of ticks(x0, x1)) out.push(text(across(x), bottom + 14, shortNumber(x), 10, 'text-anchor="middle"'));
  for (const y of logarithmic ? integers(y0, y1) : ticks(y0, y1)) {
    out.push(text(left - 5, up(y) + 4, logarithmic ? `1e${y}` : shortNumber(y), 10, 'text-anchor="end"'));
    out.push(`<line x1="${left}" x2="${left + width}" y1="${up(y)}" y2="${up(y)}" stroke="#eee"/>`);
  }
  lines.forEach(({ name, points }, i) => {
    const colour = colours[i % colours.length] as string;
    // A curve ends where it leaves the picture.
    const line = points.filter(([, y]) => y >= y0).map(([x, y]) => `${across(x).toFixed(1)},${up(y).toFixed(1)}`);
    out.push(`<polyline points="${line.join(" ")}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    const at = left + i * (width / lines.length);
    out.push(`<rect x="${at}" y="${bottom + 22}" width="10" height="10" fill="${colour}"/>`);
    out.push(text(at + 14, bottom + 31, name, 11));
  });
  return out;
}

type Point = Curve["points"][number];

const finite = (point: Point): boolean => point.every(Number.isFinite);

/** Points with the logarithms of their values. */
const powers = (points: readonly Point[]): Point[] => points.map(([x, y]): Point => [x, Math.log10(y)]).filter(finite);

const integers = (low: number, high: number): number[] =>
  Array.from({ length: Math.floor(high) - Math.ceil(low) + 1 }, (_, i) => Math.ceil(low) + i);

function rangeOf(values: readonly number[]): [low: number, high: number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return high > low ? [low, high] : [low - 0.5, low + 0.5];
}
