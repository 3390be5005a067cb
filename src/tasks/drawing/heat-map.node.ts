/**
 * Attention maps as a picture: the heads of a layer side by side, tokens on both axes where there is room for them.
 *
 * Row i shows where token i looks: dark is nowhere, bright is everything on one token.
 */
import sharp from "sharp";
import type { NdArray } from "../../util/ndarray.ts";

export interface HeatMapOptions {
  readonly title: string;
  /** One label per row and column. */
  readonly labels: readonly string[];
}

/** Fewer pixels than this per cell and labels would overlap. */
const labelledCell = 12;
const largestCell = 22;
/** Width of one map, in pixels, that a picture of several still fits a screen with. */
const mapWidth = 360;
const columns = 4;
const gap = 16;

/**
 * Draws one map per head.
 *
 * @param weights float32 [H, T, T], each row summing to 1
 * @returns a PNG
 */
export async function drawHeatMaps(weights: NdArray, { title, labels }: HeatMapOptions): Promise<Uint8Array> {
  const [heads, time] = weights.shape as [number, number, number];
  const cell = Math.max(2, Math.min(largestCell, Math.floor(mapWidth / time)));
  const side = cell * time;
  const labelled = cell >= labelledCell;
  const longest = Math.max(...labels.map((label) => visible(label).length));
  const font = Math.min(11, cell - 2);
  const margin = labelled ? Math.ceil(longest * font * 0.62) + 8 : 4;
  const across = Math.min(columns, heads);
  const panel = { width: margin + side + gap, height: 22 + margin + side + gap };
  const width = Math.max(320, across * panel.width + gap);
  const height = 32 + Math.ceil(heads / across) * panel.height;

  const corner = (head: number) => ({
    left: gap + (head % across) * panel.width + margin,
    top: 32 + Math.floor(head / across) * panel.height + 22 + margin,
  });
  const maps = Array.from({ length: heads }, async (_, head) => ({
    input: await sharp(pixels(weights, head), { raw: { width: time, height: time, channels: 3 } })
      .resize(side, side, { kernel: "nearest" })
      .png()
      .toBuffer(),
    ...corner(head),
  }));
  const texts = [text(gap, 22, title, 14)];
  for (let head = 0; head < heads; head++) {
    const { left, top } = corner(head);
    texts.push(text(left, top - margin - 6, `head ${head}`, 12));
    if (!labelled) continue;
    labels.forEach((label, i) => {
      const middle = (i + 0.5) * cell + font * 0.35;
      texts.push(text(left - 4, top + middle, visible(label), font, 'text-anchor="end"'));
      texts.push(text(0, 0, visible(label), font, `transform="translate(${left + middle} ${top - 4}) rotate(-90)"`));
    });
  }
  const overlay = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${texts.join("")}</svg>`;
  return sharp({ create: { width, height, channels: 3, background: "#ffffff" } })
    .composite([...(await Promise.all(maps)), { input: Buffer.from(overlay), left: 0, top: 0 }])
    .png()
    .toBuffer();
}

/** One head's weights as colours, row by row. */
function pixels({ data, shape }: NdArray, head: number): Buffer {
  const size = (shape[1] as number) * (shape[2] as number);
  const out = Buffer.alloc(size * 3);
  for (let i = 0; i < size; i++) out.set(colour(Number(data[head * size + i] ?? 0)), i * 3);
  return out;
}

/** Stops of a map from dark blue to yellow whose brightness rises evenly (after matplotlib's viridis). */
const stops = [
  [68, 1, 84],
  [59, 82, 139],
  [33, 145, 140],
  [94, 201, 98],
  [253, 231, 37],
] as const;

/** Colour of a weight between 0 and 1; the square root lets small weights be seen. */
export function colour(weight: number): [number, number, number] {
  const at = Math.sqrt(Math.min(1, Math.max(0, weight))) * (stops.length - 1);
  const low = Math.min(stops.length - 2, Math.floor(at));
  const [from, to] = [stops[low], stops[low + 1]] as [readonly number[], readonly number[]];
  return [0, 1, 2].map((c) => Math.round((from[c] as number) + ((to[c] as number) - (from[c] as number)) * (at - low))) as [
    number,
    number,
    number,
  ];
}

/** A label that shows spaces and line ends, at most ten letters long. */
function visible(label: string): string {
  const shown = label.replace(/\n/g, "⏎").replace(/\t/g, "⇥").replace(/ /g, "·");
  const letters = [...shown];
  return letters.length > 10 ? `${letters.slice(0, 9).join("")}…` : shown;
}

/** What XML cannot hold, whatever it is written as. */
const unwritable = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu;

/** A line of text in SVG, its left end at x, its foot at y. Control characters show as \uFFFD. */
export function text(x: number, y: number, content: string, size: number, more = ""): string {
  const safe = content.replace(unwritable, "\uFFFD").replace(/[<>&"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
  return `<text x="${x}" y="${y}" font-size="${size}" font-family="DejaVu Sans, Arial, sans-serif" fill="#222" ${more}>${safe}</text>`;
}
