/** Sets of pictures that are known by name. */
import { promises as fs } from "node:fs";
import { gunzipSync } from "node:zlib";
import { findNamed } from "./named-data.node.ts";
import { listPictures, type PictureChoice, type PictureList } from "./picture-sources.node.ts";

/**
 * The pictures of a named set; undefined for what is no name.
 *
 * @throws HeptagenError those of `findNamed` and of `listPictures`
 */
export async function namedImages(name: string, choice: PictureChoice): Promise<PictureList | undefined> {
  const found = await findNamed(name, "images");
  if (!found) return undefined;
  const { set, part, path } = found;
  if (path.endsWith(".csv.gz")) return readPixelTable(path, set.name);
  const { items, classes } = await listPictures(path, { ...choice, part });
  const names = set.classes;
  if (!names) return { items, classes };
  return { classes: names, items: items.map((item) => ({ ...item, label: names[Number(item.label)] })) };
}

const digitSide = 8;

/** The digits as scikit-learn ships them: a line of 64 values from 0 (paper) to 16 (ink) and the digit for each. */
async function readPixelTable(file: string, name: string): Promise<PictureList> {
  const text = gunzipSync(await fs.readFile(file)).toString("ascii");
  const items = text
    .trim()
    .split("\n")
    .map((line, i) => {
      const values = line.split(",").map(Number);
      const pixels = Uint8Array.from(values.slice(0, digitSide ** 2), (value) => Math.round((value * 255) / 16));
      return {
        file: `${name}:${i + 1}`,
        label: String(values[digitSide ** 2]),
        raw: { height: digitSide, width: digitSide },
        read: async () => pixels,
      };
    });
  return { items };
}
