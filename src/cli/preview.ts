/** A picture file as far as a terminal can show it. */
import sharp from "sharp";
import { colourDepth, halfBlocks } from "./half-blocks.ts";
import type { Terminal } from "./terminal.ts";

/** Lines a picture may take. */
const mostLines = 24;

/** Prints a picture below the file's name, where a person watches a terminal with colours; nothing elsewhere. */
export async function preview(terminal: Terminal, file: string): Promise<void> {
  if (!terminal.interactive || colourDepth() === "none" || !file.endsWith(".png")) return;
  const { data, info } = await sharp(file)
    .resize({ width: terminal.columns - 1, height: 2 * mostLines, fit: "inside", withoutEnlargement: true })
    .removeAlpha()
    .toColourspace("srgb")
    .raw()
    .toBuffer({ resolveWithObject: true });
  for (const line of halfBlocks({ ...info, pixels: data }, colourDepth())) terminal.say(line);
}
