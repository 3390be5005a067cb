/** Curves as a picture: one line a series, over a common axis. */
import sharp from "sharp";
import { text } from "./heat-map.node.ts";

export interface Series {
  readonly name: string;
  /** Points from left to right. */
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface LinePlotOptions {
  readonly title: string;
  readonly xTitle: string;
  readonly yTitle: string;
}

/** Colours that colour-blind people can tell apart (Okabe & Ito 2008). */
const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const size = { width: 760, height: 420 };
const area = { left: 84, top: 48, right: 24, bottom: 56 };
/** Below the largest value, a logarithmic axis shows at most so many powers of ten. */
const decades = 10;

/**
 * Draws curves of positive numbers over a logarithmic vertical axis, as a PNG.
 *
 * @example await drawLogPlot([{ name: "loss", points }], { title: "Loss", xTitle: "step", yTitle: "nats" });
 */
export function drawLogPlot(series: readonly Series[], { title, xTitle, yTitle }: LinePlotOptions): Promise<Uint8Array> {
  const points = series.flatMap((one) => one.points);
  const largest = Math.max(...points.map(({ y }) => y), Number.MIN_VALUE);
  const top = Math.ceil(Math.log10(largest));
  const lowest = Math.min(...points.map(({ y }) => y).filter((y) => y > 0), largest);
  const bottom = Math.max(Math.min(Math.floor(Math.log10(lowest)), top - 1), top - decades);
  const [first, last] = [Math.min(...points.map(({ x }) => x)), Math.max(...points.map(({ x }) => x))];
  const { left, right } = { left: area.left, right: size.width - area.right };
  const foot = size.height - area.bottom;
  const across = (x: number) => left + ((x - first) / Math.max(1e-9, last - first)) * (right - left);
  const up = (y: number) => foot - ((Math.log10(y) - bottom) / (top - bottom)) * (foot - area.top);

  const parts = [text(left, 26, title, 14)];
  for (let power = bottom; power <= top; power++) {
    const y = up(10 ** power);
    parts.push(`<line x1="${left}" x2="${right}" y1="${y}" y2="${y}" stroke="#ddd"/>`);
    parts.push(text(left - 8, y + 4, power === 0 ? "1" : `1e${power}`, 11, 'text-anchor="end"'));
  }
  for (const x of ticks(first, last)) {
    parts.push(`<line x1="${across(x)}" x2="${across(x)}" y1="${foot}" y2="${foot + 5}" stroke="#666"/>`);
    parts.push(text(across(x), foot + 20, String(x), 11, 'text-anchor="middle"'));
  }
  parts.push(text((left + right) / 2, size.height - 12, xTitle, 12, 'text-anchor="middle"'));
  const middle = (area.top + foot) / 2;
  parts.push(text(0, 0, yTitle, 12, `text-anchor="middle" transform="translate(24 ${middle}) rotate(-90)"`));
  series.forEach(({ name, points: own }, i) => {
    const colour = colours[i % colours.length];
    const shown = own.filter(({ y }) => y >= 10 ** bottom); // a curve ends where it leaves the picture
    const path = shown.map(({ x, y }) => `${across(x).toFixed(1)},${up(y).toFixed(1)}`).join(" ");
    parts.push(`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`);
    const y = area.top + 14 + 18 * i;
    parts.push(`<line x1="${right - 150}" x2="${right - 126}" y1="${y - 4}" y2="${y - 4}" stroke="${colour}" stroke-width="3"/>`);
    parts.push(text(right - 120, y, name, 12));
  });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${size.height}"><rect width="100%" height="100%" fill="#fff"/>${parts.join("")}</svg>`;
  return sharp(Buffer.from(svg)).png().toBuffer();
}

/** Round numbers between two ends, at most nine. */
function ticks(first: number, last: number): number[] {
  const raw = Math.max(1e-9, last - first) / 8;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= raw) as number);
  const start = Math.ceil(first / step) * step;
  return Array.from({ length: Math.floor((last - start) / step) + 1 }, (_, i) => Number((start + i * step).toPrecision(10)));
}
