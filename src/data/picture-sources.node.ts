/**
 * Where pictures lie: folders, zip and tar archives, IDX files, Parquet tables. Each becomes a list of pictures that are read when
 * they are needed, with the names of their classes where the source has any.
 */
import { promises as fs } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { HeptagenError, nearest } from "../util/errors.ts";
import { readIdx } from "./idx.ts";
import { filesOfPart, isArchive, labelled, listArchive, readUnpacked, walk } from "./media-files.node.ts";
import { type MediaColumns, type MediaList, readMediaTable } from "./media-table.node.ts";
import type { PictureSource } from "./picture-decoder.node.ts";

const pictureKinds = new Set([".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".tif", ".tiff", ".svg"]);
const isPicture = (name: string) => pictureKinds.has(extname(name).toLowerCase());
const isIdx = (name: string) => /[-.]idx[34]/i.test(basename(name));

/** What to take of a source. */
export interface PictureChoice extends MediaColumns {
  /** Of a folder of tables or IDX files: "train" (unless told), "test" … */
  readonly part?: string | undefined;
}

export type PictureList = MediaList<PictureSource>;

/**
 * Lists the pictures of a path.
 *
 * @throws HeptagenError `data/not-found`, `data/no-files`, `data/archive`, `data/idx`, `data/labels`, `data/column`, `data/table`
 */
export async function listPictures(path: string, choice: PictureChoice = {}): Promise<PictureList> {
  const found = await fs.stat(path).catch(() => undefined);
  if (!found) {
    const near = nearest(basename(path), await fs.readdir(resolve(path, "..")).catch(() => []));
    throw new HeptagenError("data/not-found", `there is no file or folder ${path}`, {
      next: near
        ? `Did you mean "${near}"?`
        : `Paths are taken from ${process.cwd()}. Names of data sets are listed by: heptagen data list`,
    });
  }
  if (found.isDirectory()) return listFolder(path, choice);
  if (isArchive(path)) {
    return { items: await listArchive(path, { wanted: isPicture, what: "pictures", endings: [...pictureKinds].join(" ") }) };
  }
  if (path.toLowerCase().endsWith(".parquet")) return readMediaTable(path, choice, "image");
  if (isIdx(path)) return listIdx(path);
  if (isPicture(path)) return { items: [{ file: path, label: undefined, read: () => fs.readFile(path) }] };
  throw new HeptagenError("data/kind", `${path}: expected pictures, got a file of another kind`, {
    next: `Give a folder, .zip, .tar(.gz), .parquet, an IDX file (…-images-idx3-ubyte, also .gz) or a picture (${[...pictureKinds].join(" ")}).`,
  });
}

async function listFolder(folder: string, choice: PictureChoice): Promise<PictureList> {
  const files = await walk(folder);
  const pictures = files.filter(isPicture);
  if (pictures.length > 0) {
    return { items: labelled(pictures, (name) => ({ file: join(folder, name), read: () => fs.readFile(join(folder, name)) })) };
  }
  const tables = files.filter((name) => name.toLowerCase().endsWith(".parquet"));
  const idx = files.filter((name) => isIdx(name) && name.includes("image"));
  const archives = files.filter(isArchive);
  const parts = [tables, idx, archives].find((list) => list.length > 0);
  if (parts) {
    const chosen = filesOfPart(parts, choice.part);
    const lists = await Promise.all(chosen.map((name) => listPictures(join(folder, name), choice)));
    return { items: lists.flatMap(({ items }) => items), classes: lists[0]?.classes };
  }
  throw new HeptagenError("data/no-files", `expected pictures in the folder ${folder}, got none`, {
    next: `It is searched for ${[...pictureKinds].join(" ")}, and for .parquet, IDX, .zip and .tar files.`,
  });
}

/** Pictures of an IDX file, with the labels of the file beside it (`…-images-idx3-ubyte` → `…-labels-idx1-ubyte`). */
async function listIdx(path: string): Promise<PictureList> {
  const images = readIdx(await readUnpacked(path), path);
  const [count, height, width] = images.shape;
  if (images.shape.length !== 3 || !count || !height || !width) {
    throw new HeptagenError("data/idx", `${path}: expected pictures [count, height, width], got [${images.shape.join(", ")}]`);
  }
  const labels = await idxLabels(path, count);
  const size = height * width;
  const items = Array.from({ length: count }, (_, i) => ({
    file: `${path}:${i + 1}`,
    label: labels && String(labels[i]),
    raw: { height, width },
    read: async () => images.data.subarray(i * size, (i + 1) * size),
  }));
  const classes = labels && Array.from({ length: Math.max(...new Set(labels)) + 1 }, (_, i) => String(i));
  return { items, classes };
}

async function idxLabels(images: string, count: number): Promise<Uint8Array | undefined> {
  const name = basename(images).replace("images", "labels").replace(/idx3/i, "idx1");
  const bare = name.replace(/\.gz$/, "");
  for (const candidate of [name, bare, `${bare}.gz`].filter((other) => other !== basename(images))) {
    const file = join(dirname(images), candidate);
    if (!(await fs.stat(file).catch(() => undefined))) continue;
    const { shape, data } = readIdx(await readUnpacked(file), file);
    if (shape.length === 1 && shape[0] === count) return data;
    throw new HeptagenError("data/labels", `${images} holds ${count} pictures, but ${file} holds [${shape.join(", ")}] labels`, {
      next: "Both files must be of the same set: fetch them again, or move the labels away to go without.",
    });
  }
  return undefined;
}
