/** Sets of pictures, put into folders named after their classes. */
import { promises as fs } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { HeptagenError } from "../util/errors.ts";
import { readNpy } from "./npy.ts";
import { fileBelow, put, write } from "./prepare-files.node.ts";
import { readQtResources } from "./qt-resources.ts";

interface Emoji {
  readonly image: string;
  readonly short_name: string;
  readonly category: string;
  readonly has_img_twitter: boolean;
  readonly skin_variations?: Readonly<Record<string, Pick<Emoji, "image" | "has_img_twitter">>>;
}

/** `emoji.json` says the category of each picture, and of its variations in skin tone. */
export async function prepareEmoji([from]: readonly string[], to: string): Promise<void> {
  const source = join(from as string, "img/twitter/64");
  const table = JSON.parse(await fs.readFile(join(from as string, "emoji.json"), "utf8")) as Emoji[];
  for (const { image, short_name, category, has_img_twitter, skin_variations = {} } of table) {
    const tones = Object.entries(skin_variations).map(([tone, variation]) => ({ name: `${short_name}-${tone}`, ...variation }));
    for (const each of [{ name: short_name, image, has_img_twitter }, ...tones]) {
      if (each.has_img_twitter) await put(join(source, each.image), join(to, "pictures", category, `${each.name}.png`));
    }
  }
}

/** An array [200, 25, 25] of grey levels from 0 to 1: the first half are faces. */
export async function prepareLfwSubset(from: readonly string[], to: string): Promise<void> {
  const file = await fileBelow(from, /(^|\/)lfw_subset\.npy$/);
  const { shape, data } = readNpy(await fs.readFile(file), file);
  const [count, height, width] = shape;
  if (shape.length !== 3 || !count || !height || !width) {
    throw new HeptagenError("data/layout", `${file}: expected pictures [count, height, width], got [${shape.join(", ")}]`);
  }
  for (let i = 0; i < count; i++) {
    const levels = data.subarray(i * height * width, (i + 1) * height * width);
    const raw = Uint8Array.from(levels, (level) => Math.round(255 * Math.min(1, Math.max(0, level))));
    const png = await sharp(raw, { raw: { height, width, channels: 1 } })
      .toColourspace("b-w")
      .png()
      .toBuffer();
    const label = i < count / 2 ? "face" : "other";
    await write(join(to, "pictures", label, `${String(i % (count / 2)).padStart(3, "0")}.png`), png);
  }
}

/** The backgrounds of GCompris' activity “details”; paintings are those by Van Gogh. */
export async function preparePaintings(from: readonly string[], to: string): Promise<void> {
  const file = await fileBelow(from, /(^|\/)rcc\/details\.rcc$/);
  for (const [path, content] of readQtResources(await fs.readFile(file), file)) {
    if (/(^|\/)image\/README$/.test(path)) await write(join(to, "licences/README"), content);
    const [, name] = /(?:^|\/)image\/(.+)_background\.webp$/.exec(path) ?? [];
    if (name === undefined) continue;
    const painting = /gogh|PereTanguy|Eglise_dAuvers/i.test(name);
    await write(join(to, "pictures", painting ? "painting" : "landmark", `${name}.webp`), content);
  }
}

/** Where the frames lie on the plate (1024 × 510 pixels): tops of the four rows, the left edge of the first of six columns. */
const plate = { tops: [12, 137, 261, 392], left: 10, columns: 6, step: 167.7, width: 162, height: 108 } as const;

/** One photo of a plate with 24 frames: cut apart, in the order of time. */
export async function prepareCatFrames(from: readonly string[], to: string): Promise<void> {
  const file = await fileBelow(from, /(^|\/)data\/image\.jpg$/);
  const { width, height } = plate;
  for (const [row, top] of plate.tops.entries()) {
    for (let column = 0; column < plate.columns; column++) {
      const left = Math.round(plate.left + column * plate.step);
      const frame = await sharp(file).extract({ left, top, width, height }).toColourspace("b-w").png().toBuffer();
      await write(join(to, "pictures", `frame-${String(row * plate.columns + column + 1).padStart(2, "0")}.png`), frame);
    }
  }
}
