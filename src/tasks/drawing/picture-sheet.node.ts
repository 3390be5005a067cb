/**
 * A sheet of pictures: many small ones in rows, enlarged without blur, each with a caption if wanted, as one PNG.
 */
import sharp from "sharp";

/** 8 bits a value, channel after channel: [channels, height, width]. */
export interface SheetPicture {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  readonly pixels: Uint8Array;
}

export interface SheetOptions {
  /** Pictures in a row; as square a sheet as can be unless told. */
  readonly columns?: number;
  /** How many pixels wide a pixel becomes (whole number); 1 unless told. */
  readonly scale?: number;
  /** One line below each picture. */
  readonly captions?: readonly string[];
  /** Pixels between pictures; 2 unless told. */
  readonly gap?: number;
}

const captionHeight = 14;
const fontSize = 11;

/**
 * Draws a sheet; pictures may differ in size and are set to the upper left of equal cells.
 *
 * @returns a PNG
 * @example await writeFile("sheet.png", await sheetOf(pictures, { columns: 8, scale: 4 }));
 */
export async function sheetOf(
  pictures: readonly SheetPicture[],
  { columns = Math.max(1, Math.ceil(Math.sqrt(pictures.length))), scale = 1, captions, gap = 2 }: SheetOptions = {},
): Promise<Uint8Array> {
  const cell = {
    width: Math.max(1, ...pictures.map(({ width }) => width)) * scale,
    height: Math.max(1, ...pictures.map(({ height }) => height)) * scale,
  };
  const step = { x: cell.width + gap, y: cell.height + gap + (captions ? captionHeight : 0) };
  const width = gap + Math.max(1, Math.min(columns, pictures.length)) * step.x;
  const height = gap + Math.max(1, Math.ceil(pictures.length / columns)) * step.y;
  const sheet = Buffer.alloc(width * height * 3, 255);
  const corner = (i: number) => ({ left: gap + (i % columns) * step.x, top: gap + Math.floor(i / columns) * step.y });
  pictures.forEach((picture, i) => {
    const { left, top } = corner(i);
    const area = picture.height * picture.width;
    for (let y = 0; y < picture.height * scale; y++) {
      for (let x = 0; x < picture.width * scale; x++) {
        const from = Math.floor(y / scale) * picture.width + Math.floor(x / scale);
        const to = ((top + y) * width + left + x) * 3;
        for (let c = 0; c < 3; c++) sheet[to + c] = picture.pixels[from + (picture.channels >= 3 ? c * area : 0)] as number;
      }
    }
  });
  const image = sharp(sheet, { raw: { width, height, channels: 3 } });
  if (captions) {
    const room = Math.max(1, Math.floor(cell.width / (fontSize * 0.6)));
    const texts = pictures.map((_, i) => {
      const { left, top } = corner(i);
      return text(left, top + cell.height + captionHeight - 3, shorten(captions[i] ?? "", room));
    });
    image.composite([
      {
        input: Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">${texts.join("")}</svg>`),
      },
    ]);
  }
  return image.png().toBuffer();
}

function shorten(caption: string, letters: number): string {
  const all = [...caption];
  return all.length <= letters ? caption : `${all.slice(0, Math.max(0, letters - 1)).join("")}…`;
}

function text(x: number, y: number, content: string): string {
  const safe = content.replace(/[<>&"]/g, (letter) => `&#${letter.charCodeAt(0)};`);
  return `<text x="${x}" y="${y}" font-size="${fontSize}" font-family="DejaVu Sans, Arial, sans-serif" fill="#222">${safe}</text>`;
}
