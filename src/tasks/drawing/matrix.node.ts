/** A table of numbers as a picture: confusion of classes, alignment of words. Rows down, columns across, dark is nothing. */
import sharp from "sharp";
import { colour, text } from "./heat-map.node.ts";

export interface Matrix {
  readonly title: string;
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  /** Brightness of each cell, 0 to 1, row by row. */
  readonly values: readonly ArrayLike<number>[];
  /** What is written in each cell; nothing unless given. */
  readonly cells?: readonly (readonly string[])[];
  /** What rows and columns are: "true class", "predicted class". */
  readonly axes?: readonly [string, string];
}

const font = 12;
/** Width of a letter, in pixels, and longest label shown. */
const letter = font * 0.6;
const longest = 24;

/** Draws a matrix. @returns a PNG */
export async function drawMatrix({ title, rows, columns, values, cells, axes }: Matrix): Promise<Uint8Array> {
  const short = (label: string) => ([...label].length > longest ? `${[...label].slice(0, longest - 1).join("")}…` : label);
  const widest = (labels: readonly string[]) => Math.max(1, ...labels.map((label) => short(label).length)) * letter;
  const content = Math.max(0, ...(cells ?? []).flat().map((cell) => cell.length)) * letter * 0.85 + 8;
  const cell = Math.max(20, Math.ceil(content));
  const height = Math.max(20, Math.min(cell, 28));
  const left = Math.ceil(widest(rows)) + 24;
  const top = Math.ceil(widest(columns)) + 56;
  const size = { width: Math.max(left + columns.length * cell + 16, 320), height: top + rows.length * height + 28 };
  const parts = [text(12, 22, title, 14)];
  values.forEach((row, r) => {
    columns.forEach((_, c) => {
      const value = row[c] ?? 0;
      const [x, y] = [left + c * cell, top + r * height];
      parts.push(`<rect x="${x}" y="${y}" width="${cell - 1}" height="${height - 1}" fill="rgb(${colour(value).join()})"/>`);
      const content = cells?.[r]?.[c];
      if (content === undefined) return;
      const ink = Math.sqrt(value) > 0.6 ? "#222" : "#fff";
      const middle = `text-anchor="middle" style="fill:${ink}"`;
      parts.push(text(x + cell / 2, y + height / 2 + 4, content, 10, middle));
    });
  });
  for (const [r, label] of rows.entries()) {
    parts.push(text(left - 6, top + (r + 0.5) * height + 4, short(label), font, 'text-anchor="end"'));
  }
  columns.forEach((label, c) => {
    const [x, y] = [left + (c + 0.5) * cell + 4, top - 6];
    parts.push(text(0, 0, short(label), font, `transform="translate(${x} ${y}) rotate(-90)"`));
  });
  if (axes) parts.push(text(12, size.height - 8, `down: ${axes[0]}; across: ${axes[1]}`, 11));
  const overlay = `<svg xmlns="http://www.w3.org/2000/svg" width="${size.width}" height="${size.height}">${parts.join("")}</svg>`;
  return sharp({ create: { ...size, channels: 3, background: "#ffffff" } })
    .composite([{ input: Buffer.from(overlay), left: 0, top: 0 }])
    .png()
    .toBuffer();
}
