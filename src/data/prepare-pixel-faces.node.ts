/**
 * Faces put together from drawn parts: the fetched packages describe each as SVG, and one pixel of the drawing becomes one of the
 * picture. The same faces come out everywhere: what is drawn follows from a number alone.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import sharp from "sharp";
import { jsonLines, write } from "./prepare-files.node.ts";

/** Faces of each class. */
const perClass = 1000;
const side = 16;
/** No class leaves it to chance whether these are worn. */
const worn = ["glasses", "beard", "hat"] as const;
const classes = ["plain", ...worn] as const;
const backgrounds = ["b6e3f4", "c0aede", "d1d4f9", "ffd5dc", "ffdfbf"];
/** Parts that are kept as attributes. */
const attributes = ["eyes", "mouth", "hair", "hairColor", "skinColor", "clothing", "clothingColor", "glasses", "beard", "hat"];

/** What is used of `@dicebear/core`. */
interface Core {
  createAvatar(style: unknown, options: object): { toJson(): { svg: string; extra: Readonly<Record<string, unknown>> } };
}

export async function preparePixelFaces([core, style]: readonly string[], to: string): Promise<void> {
  const { createAvatar } = (await load(core as string)) as Core;
  const drawings = await load(style as string);
  const rows: object[] = [];
  const seen = new Set<string>();
  for (const label of classes) {
    const chances = Object.fromEntries(worn.map((part) => [`${part}Probability`, part === label ? 100 : 0]));
    for (let [count, number] = [0, 0]; count < perClass; number++) {
      const seed = `${label} ${number}`;
      const { svg, extra } = createAvatar(drawings, { seed, size: side, backgroundColor: backgrounds, ...chances }).toJson();
      const image = sharp(Buffer.from(svg)).flatten({ background: "#fff" }).toColourspace("srgb");
      const { data, info } = await image.raw({ depth: "uchar" }).toBuffer({ resolveWithObject: true });
      const pixels = data.toString("latin1");
      if (seen.has(pixels)) continue; // each face once
      seen.add(pixels);
      const name = `${label}/${String(count++).padStart(4, "0")}.png`;
      const { width, height, channels } = info;
      await write(join(to, "pictures", name), await sharp(data, { raw: { width, height, channels } }).png().toBuffer());
      rows.push({ file: name, ...Object.fromEntries(attributes.map((part) => [part, extra[part] ?? null])) });
    }
  }
  await write(join(to, "attributes.jsonl"), jsonLines(rows));
}

const load = (folder: string): Promise<unknown> => import(pathToFileURL(join(folder, "lib/index.js")).href);
