/**
 * Sets of pictures that are known by name: the digits that come with Heptagen, and what `heptagen data get` has fetched.
 */
import { promises as fs } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { HeptagenError } from "../util/errors.ts";
import { dataFolder } from "./cache-folder.node.ts";
import { listPictures, type PictureList } from "./picture-sources.node.ts";

const digitsFile = fileURLToPath(new URL("../../assets/digits.csv.gz", import.meta.url));
const digitSide = 8;

/** How to list each; undefined for what is no name. Write `./digits` for a folder of such a name. */
export function namedImages(name: string): (() => Promise<PictureList>) | undefined {
  if (name === "digits") return digits;
  if (name === "fashion-mnist") return () => fashion("train-images-idx3-ubyte.gz");
  if (name === "fashion-mnist:test") return () => fashion("t10k-images-idx3-ubyte.gz");
  return undefined;
}

/**
 * 1,797 handwritten digits, 8 × 8 (Alpaydin and Kaynak 1998, as scikit-learn ships them): a line of 64 values from 0 (paper) to
 * 16 (ink) and the digit for each.
 */
async function digits(): Promise<PictureList> {
  const text = gunzipSync(await fs.readFile(digitsFile)).toString("ascii");
  const pictures = text
    .trim()
    .split("\n")
    .map((line, i) => {
      const values = line.split(",").map(Number);
      const pixels = Uint8Array.from(values.slice(0, digitSide ** 2), (value) => Math.round((value * 255) / 16));
      return {
        file: `digits:${i + 1}`,
        label: String(values[digitSide ** 2]),
        raw: { height: digitSide, width: digitSide },
        read: async () => pixels,
      };
    });
  return { pictures };
}

/** In the order of their numbers (Xiao, Rasul and Vollgraf 2017, arXiv:1708.07747, table 2). */
const garments = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];

async function fashion(file: string): Promise<PictureList> {
  const path = join(dataFolder("fashion-mnist"), "usr/share/datasets/fashion-mnist", file);
  if (!(await fs.stat(path).catch(() => undefined))) {
    throw new HeptagenError("data/not-fetched", "the data set fashion-mnist is not on this machine yet", {
      facts: { path },
      next: "Fetch it once with: heptagen data get fashion-mnist",
    });
  }
  const { pictures } = await listPictures(path, {});
  return { classes: garments, pictures: pictures.map((picture) => ({ ...picture, label: garments[Number(picture.label)] })) };
}
