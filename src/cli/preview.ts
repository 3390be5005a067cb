/** A picture as far as a terminal can show it. */
import sharp from "sharp";
import { colourDepth, halfBlocks } from "./half-blocks.ts";
import type { Terminal } from "./terminal.ts";

/** Lines a picture may take. */
const mostLines = 24;

/**
 * Prints a picture, where a person watches a terminal with colours; nothing elsewhere.
 *
 * @param picture a file, of which only PNGs are shown, or the bytes of one
 */
export async function preview(terminal: Terminal, picture: string | Uint8Array): Promise<void> {
  if (!terminal.interactive || colourDepth() === "none") return;
  if (typeof picture === "string" && !picture.endsWith(".png")) return;
  const { data, info } = await sharp(picture)
    .resize({ width: terminal.columns - 1, height: 2 * mostLines, fit: "inside", withoutEnlargement: true })
    .removeAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  for (const line of halfBlocks({ ...info, pixels: data }, colourDepth())) terminal.say(line);
}
