/**
 * Where pictures lie: folders, zip and tar archives, IDX files, Parquet tables. Each becomes a list of pictures that are read when
 * they are needed, with the names of their classes where the source has any.
 *
 * In folders and archives the first folder below the top is the class, if every picture lies in one.
 */
import { type Dirent, promises as fs } from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { gunzipSync } from "node:zlib";
import { unzipSync } from "fflate";
import { unpackTar } from "modern-tar";
import { HeptagenError, nearest } from "../util/errors.ts";
import { readIdx } from "./idx.ts";
import type { PictureSource } from "./picture-decoder.node.ts";
import { readPictureTable } from "./picture-table.node.ts";

const pictureKinds = new Set([".png", ".jpg", ".jpeg", ".webp", ".gif", ".avif", ".tif", ".tiff", ".svg"]);
const isPicture = (name: string) => pictureKinds.has(extname(name).toLowerCase());
const isIdx = (name: string) => /[-.]idx[34]/i.test(basename(name));

/** Names of columns of a table; guessed unless told. */
export interface PictureColumns {
  readonly column?: string | undefined;
  readonly labelColumn?: string | undefined;
}

/** Pictures of one source. `classes` fixes the order of class names; without it they are sorted. */
export interface PictureList {
  readonly pictures: readonly PictureSource[];
  readonly classes?: readonly string[] | undefined;
}

/**
 * Lists the pictures of a path.
 *
 * @throws HeptagenError `data/not-found`, `data/no-files`, `data/archive`, `data/idx`, `data/labels`, `data/column`, `data/table`
 */
export async function listPictures(path: string, columns: PictureColumns): Promise<PictureList> {
  const found = await fs.stat(path).catch(() => undefined);
  if (!found) {
    const near = nearest(basename(path), await fs.readdir(resolve(path, "..")).catch(() => []));
    throw new HeptagenError("data/not-found", `there is no file or folder ${path}`, {
      next: near ? `Did you mean "${near}"?` : `Paths are taken from ${process.cwd()}.`,
    });
  }
  if (found.isDirectory()) return listFolder(path, columns);
  const name = path.toLowerCase();
  if (name.endsWith(".zip")) return listArchive(path, unzip(await fs.readFile(path), path));
  if (/\.(tar|tgz|tar\.gz)$/.test(name)) return listArchive(path, await untar(await readUnpacked(path), path));
  if (name.endsWith(".parquet")) return readPictureTable(path, columns);
  if (isIdx(path)) return listIdx(path);
  if (isPicture(path)) return { pictures: [{ file: path, label: undefined, read: () => fs.readFile(path) }] };
  throw new HeptagenError("data/kind", `${path}: expected pictures, got a file of another kind`, {
    next: `Give a folder, .zip, .tar(.gz), .parquet, an IDX file (…-images-idx3-ubyte, also .gz) or a picture (${[...pictureKinds].join(" ")}).`,
  });
}

async function listFolder(folder: string, columns: PictureColumns): Promise<PictureList> {
  const files = await walk(folder);
  const pictures = files.filter(isPicture);
  if (pictures.length > 0) {
    return {
      pictures: labelled(pictures, (name) => ({ file: join(folder, name), read: () => fs.readFile(join(folder, name)) })),
    };
  }
  const tables = files.filter((name) => name.toLowerCase().endsWith(".parquet"));
  const idx = files.filter((name) => isIdx(name) && name.includes("image"));
  const parts =
    tables.length > 0 ? tables : idx.some((name) => name.includes("train")) ? idx.filter((n) => n.includes("train")) : idx;
  if (parts.length > 0) {
    const lists = await Promise.all(parts.map((name) => listPictures(join(folder, name), columns)));
    return { pictures: lists.flatMap((list) => list.pictures), classes: lists[0]?.classes };
  }
  throw new HeptagenError("data/no-files", `expected pictures in the folder ${folder}, got none`, {
    next: `It is searched for ${[...pictureKinds].join(" ")}, and for .parquet and IDX files.`,
  });
}

/** All files below a folder as paths from there with "/", sorted, hidden ones left out. */
async function walk(folder: string, prefix = ""): Promise<string[]> {
  const entries: Dirent[] = await fs.readdir(join(folder, prefix), { withFileTypes: true });
  const visible = entries.filter(({ name }) => !name.startsWith(".")).sort((a, b) => (a.name < b.name ? -1 : 1));
  const lists = visible.map(async (entry) => {
    const path = prefix === "" ? entry.name : `${prefix}/${entry.name}`;
    const folderLike =
      entry.isDirectory() ||
      (entry.isSymbolicLink() && (await fs.stat(join(folder, path)).catch(() => undefined))?.isDirectory());
    return folderLike ? walk(folder, path) : [path];
  });
  return (await Promise.all(lists)).flat();
}

function labelled(names: readonly string[], open: (name: string) => Pick<PictureSource, "file" | "read">): PictureSource[] {
  const classed = names.every((name) => name.includes("/"));
  return names.map((name) => ({ ...open(name), label: classed ? name.slice(0, name.indexOf("/")) : undefined }));
}

function listArchive(path: string, files: ReadonlyMap<string, Uint8Array>): PictureList {
  const names = [...files.keys()].filter((name) => isPicture(name) && !/(^|\/)(\.|__MACOSX\/)/.test(name)).sort();
  if (names.length === 0) {
    throw new HeptagenError("data/no-files", `expected pictures in ${path}, got none among ${files.size} files`, {
      next: `It is searched for ${[...pictureKinds].join(" ")}.`,
    });
  }
  const top = sharedFolder(names);
  const pictures = labelled(
    names.map((name) => name.slice(top.length)),
    (name) => ({ file: `${path}:${top}${name}`, read: async () => files.get(top + name) as Uint8Array }),
  );
  return { pictures };
}

/** The folder, with its "/", that all names lie in. */
function sharedFolder(names: readonly string[]): string {
  let shared = `${dirname(names[0] as string)}/`;
  while (shared !== "./" && !names.every((name) => name.startsWith(shared))) shared = `${dirname(shared)}/`;
  return shared === "./" ? "" : shared;
}

function unzip(bytes: Uint8Array, path: string): Map<string, Uint8Array> {
  try {
    const files = unzipSync(bytes, { filter: ({ name }) => isPicture(name) });
    return new Map(Object.entries(files));
  } catch (cause) {
    throw brokenArchive(path, cause);
  }
}

async function untar(bytes: Uint8Array, path: string): Promise<Map<string, Uint8Array>> {
  try {
    const entries = await unpackTar(bytes, { strict: true, filter: ({ name }) => isPicture(name) });
    return new Map(entries.flatMap(({ header, data }) => (data ? [[header.name.replace(/^\.\//, ""), data]] : [])));
  } catch (cause) {
    throw brokenArchive(path, cause);
  }
}

function brokenArchive(path: string, cause: unknown): HeptagenError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new HeptagenError("data/archive", `${path} could not be unpacked: ${reason}`, {
    next: "It may be cut short or damaged: fetch or make it again.",
    cause,
  });
}

/** A file's content, unpacked if its name ends in gz. */
async function readUnpacked(path: string): Promise<Uint8Array> {
  const bytes = await fs.readFile(path);
  if (!/\.t?gz$/i.test(path)) return bytes;
  try {
    return gunzipSync(bytes);
  } catch (cause) {
    throw brokenArchive(path, cause);
  }
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
  const pictures = Array.from({ length: count }, (_, i) => ({
    file: `${path}:${i + 1}`,
    label: labels && String(labels[i]),
    raw: { height, width },
    read: async () => images.data.subarray(i * size, (i + 1) * size),
  }));
  const classes = labels && Array.from({ length: Math.max(...new Set(labels)) + 1 }, (_, i) => String(i));
  return { pictures, classes };
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
