/** Forecasts as a picture: the past, and the future as bands that hold it with some probability. */
import sharp from "sharp";
import { text } from "./heat-map.node.ts";
import { shortNumber, ticks } from "./line-chart.ts";

export interface Fan {
  readonly title: string;
  /** Values before the forecast; NaN where missing. */
  readonly history: ArrayLike<number>;
  /** [H], what came; NaN where it is not known. */
  readonly truth?: ArrayLike<number>;
  /** [H] */
  readonly median: ArrayLike<number>;
  /** From wide to narrow, each with its bounds [H]. */
  readonly bands: readonly { readonly name: string; readonly low: ArrayLike<number>; readonly high: ArrayLike<number> }[];
  /** Of the first step drawn, of the first that is forecast, and of the last. */
  readonly times: readonly [string, string, string];
}

const panel = { width: 520, height: 240 };
const margin = { left: 56, right: 14, top: 34, bottom: 30 };
const legendHeight = 26;
const shades = ["#cfe3f3", "#9cc6e6", "#5da3d3"];
const [medianColour, historyColour, truthColour] = ["#0b4f86", "#666666", "#d55e00"];

/**
 * Draws forecasts in two columns.
 *
 * @returns a PNG
 */
export async function drawFans(fans: readonly Fan[]): Promise<Uint8Array> {
  const columns = fans.length === 1 ? 1 : 2;
  const cell = { width: margin.left + panel.width + margin.right, height: margin.top + panel.height + margin.bottom };
  const width = columns * cell.width;
  const height = Math.ceil(fans.length / columns) * cell.height + legendHeight;
  const parts = fans.flatMap((fan, i) =>
    drawFan(fan, (i % columns) * cell.width + margin.left, Math.floor(i / columns) * cell.height + margin.top),
  );
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${parts.join("")}${legend(fans[0], height - 10)}</svg>`;
  return sharp({ create: { width, height, channels: 3, background: "#ffffff" } })
    .composite([{ input: Buffer.from(svg) }])
    .png()
    .toBuffer();
}

function legend(fan: Fan | undefined, y: number): string {
  const items: [string, string][] = [
    ["history", historyColour],
    ["truth", truthColour],
    ["median", medianColour],
    ...(fan?.bands ?? []).map(({ name }, i): [string, string] => [name, shades[i % shades.length] as string]),
  ];
  return items
    .map(([name, colour], i) => {
      const x = margin.left + i * 90;
      return `<rect x="${x}" y="${y - 9}" width="10" height="10" fill="${colour}"/>${text(x + 14, y, name, 11)}`;
    })
    .join("");
}

function drawFan({ title, history, truth, median, bands, times }: Fan, left: number, top: number): string[] {
  const [past, ahead] = [history.length, median.length];
  const all = [history, truth ?? [], median, ...bands.slice(0, 1).flatMap(({ low, high }) => [low, high])]
    .flatMap((values) => Array.from(values))
    .filter(Number.isFinite);
  const [least, most] = [Math.min(...all), Math.max(...all)];
  const room = most > least ? (most - least) * 0.04 : 0.5;
  const [y0, y1] = [least - room, most + room];
  const across = (t: number) => left + (t / Math.max(1, past + ahead - 1)) * panel.width;
  const up = (y: number) => top + (1 - (Math.min(y1, Math.max(y0, y)) - y0) / (y1 - y0)) * panel.height;
  const bottom = top + panel.height;
  const at = (t: number, y: number) => `${across(t).toFixed(1)},${up(y).toFixed(1)}`;
  const out = [
    text(left, top - 12, title, 13),
    `<rect x="${left}" y="${top}" width="${panel.width}" height="${panel.height}" fill="none" stroke="#bbb"/>`,
  ];
  for (const y of ticks(y0, y1)) {
    out.push(`<line x1="${left}" x2="${left + panel.width}" y1="${up(y)}" y2="${up(y)}" stroke="#eee"/>`);
    out.push(text(left - 5, up(y) + 4, shortNumber(y), 10, 'text-anchor="end"'));
  }
  bands.forEach(({ low, high }, i) => {
    const upper = Array.from(high, (y, h) => at(past + h, y));
    const lower = Array.from(low, (y, h) => at(past + h, y)).reverse();
    out.push(`<polygon points="${[...upper, ...lower].join(" ")}" fill="${shades[i % shades.length]}"/>`);
  });
  out.push(
    `<line x1="${across(past - 0.5)}" x2="${across(past - 0.5)}" y1="${top}" y2="${bottom}" stroke="#bbb" stroke-dasharray="3 3"/>`,
  );
  const line = (values: ArrayLike<number>, from: number, colour: string, width: number) => {
    // A line ends where a value is missing, and begins again after it.
    const pieces: string[][] = [[]];
    Array.from(values).forEach((y, i) => {
      if (Number.isFinite(y)) pieces.at(-1)?.push(at(from + i, y));
      else pieces.push([]);
    });
    for (const piece of pieces) {
      if (piece.length === 0) continue;
      const [x, y] = (piece[0] as string).split(",");
      out.push(
        piece.length === 1
          ? `<circle cx="${x}" cy="${y}" r="1.5" fill="${colour}"/>`
          : `<polyline points="${piece.join(" ")}" fill="none" stroke="${colour}" stroke-width="${width}"/>`,
      );
    }
  };
  line(history, 0, historyColour, 1.3);
  const last = past > 0 ? [history[past - 1] as number] : [];
  line([...last, ...Array.from(median)], past - last.length, medianColour, 2);
  if (truth) line([...last, ...Array.from(truth)], past - last.length, truthColour, 1.6);
  const places = [0, past, past + ahead - 1] as const;
  const anchors = ["start", "middle", "end"];
  for (const [i, time] of times.entries())
    out.push(text(across(places[i] as number), bottom + 15, time, 10, `text-anchor="${anchors[i]}"`));
  return out;
}
