/**
 * Pictures in a terminal: each character is the upper half block "▀", its foreground the upper of two pixels and its background
 * the lower, so that pixels come out nearly square.
 */

/** Colours a terminal can show: none, the 256 of xterm, or all. */
export type ColourDepth = "none" | "256" | "true";

/** What the terminal says of itself; none with NO_COLOR (https://no-color.org) or without a terminal. */
export function colourDepth(
  environment: Readonly<Record<string, string | undefined>> = process.env,
  terminal: boolean = process.stdout.isTTY === true,
): ColourDepth {
  if (environment.NO_COLOR || environment.TERM === "dumb" || (!terminal && !environment.FORCE_COLOR)) return "none";
  return /truecolor|24bit/i.test(environment.COLORTERM ?? "") || /direct|truecolor|kitty/.test(environment.TERM ?? "")
    ? "true"
    : "256";
}

export interface RgbPicture {
  readonly width: number;
  readonly height: number;
  /** [height, width, 3], 8 bits a value. */
  readonly pixels: Uint8Array;
}

/**
 * A picture as lines of text, one character a column and one line for two rows of pixels.
 *
 * @returns no lines where there are no colours
 * @example for (const line of halfBlocks(picture, colourDepth())) console.log(line);
 */
export function halfBlocks({ width, height, pixels }: RgbPicture, depth: ColourDepth): string[] {
  if (depth === "none") return [];
  const colour = (x: number, y: number, ground: 38 | 48) => {
    const at = (y * width + x) * 3;
    const [r, g, b] = [pixels[at] ?? 0, pixels[at + 1] ?? 0, pixels[at + 2] ?? 0];
    return depth === "true" ? `${ground};2;${r};${g};${b}` : `${ground};5;${nearest256(r, g, b)}`;
  };
  return Array.from({ length: Math.ceil(height / 2) }, (_, row) => {
    let line = "";
    let last = "";
    for (let x = 0; x < width; x++) {
      const style = `${colour(x, 2 * row, 38)};${2 * row + 1 < height ? colour(x, 2 * row + 1, 48) : "49"}`;
      line += style === last ? "▀" : `\u001b[${style}m▀`;
      last = style;
    }
    return `${line}\u001b[0m`;
  });
}

/** Levels of xterm's 6 × 6 × 6 cube (colours 16 to 231). */
const levels = [0, 95, 135, 175, 215, 255];

/** The nearest of xterm's 256 colours: of the cube, or of the 24 greys 8, 18, … 238 (colours 232 to 255). */
function nearest256(r: number, g: number, b: number): number {
  const level = (value: number) =>
    levels.reduce((best, v, i) => (Math.abs(v - value) < Math.abs((levels[best] ?? 0) - value) ? i : best), 0);
  const [i, j, k] = [level(r), level(g), level(b)];
  const grey = Math.max(0, Math.min(23, Math.round(((r + g + b) / 3 - 8) / 10)));
  const distance = (x: number, y: number, z: number) => (x - r) ** 2 + (y - g) ** 2 + (z - b) ** 2;
  const shade = 8 + 10 * grey;
  const cube = distance(levels[i] ?? 0, levels[j] ?? 0, levels[k] ?? 0);
  return distance(shade, shade, shade) < cube ? 232 + grey : 16 + 36 * i + 6 * j + k;
}
