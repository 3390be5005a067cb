/** Folders and archives of pictures or sounds: the first folder below the top is the class, if every file lies in one. */
import { type Dirent, promises as fs } from "node:fs";
import { dirname, join } from "node:path";
import { gunzipSync } from "node:zlib";
import { unzipSync } from "fflate";
import { unpackTar } from "modern-tar";
import { HeptagenError } from "../util/errors.ts";
import type { MediaSource } from "./media-table.node.ts";

/** All files below a folder as paths from there with "/", sorted, hidden ones left out. */
export async function walk(folder: string, prefix = ""): Promise<string[]> {
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

/** Files with the first folder of their names as labels. */
export function labelled(names: readonly string[], open: (name: string) => Pick<MediaSource, "file" | "read">): MediaSource[] {
  const classed = names.every((name) => name.includes("/"));
  return names.map((name) => ({ ...open(name), label: classed ? name.slice(0, name.indexOf("/")) : undefined }));
}

/** Whether a name is that of a zip or tar archive. */
export const isArchive = (path: string): boolean => /\.(zip|tar|tgz|tar\.gz)$/i.test(path);

/**
 * The wanted files of a zip or tar archive, labelled; folders that all of them lie in do not count.
 *
 * @param kind which files are wanted, and what they are called: "pictures"
 * @throws HeptagenError `data/archive`, `data/no-files`
 */
export async function listArchive(
  path: string,
  { wanted, what, endings }: { readonly wanted: (name: string) => boolean; readonly what: string; readonly endings: string },
): Promise<MediaSource[]> {
  const bytes = await fs.readFile(path);
  const files = /\.zip$/i.test(path) ? unzip(bytes, path, wanted) : await untar(unpacked(bytes, path), path, wanted);
  const names = [...files.keys()].filter((name) => wanted(name) && !/(^|\/)(\.|__MACOSX\/)/.test(name)).sort();
  if (names.length === 0) {
    throw new HeptagenError("data/no-files", `expected ${what} in ${path}, got none among its files`, {
      next: `It is searched for ${endings}.`,
    });
  }
  const top = sharedFolder(names);
  return labelled(
    names.map((name) => name.slice(top.length)),
    (name) => ({ file: `${path}:${top}${name}`, read: async () => files.get(top + name) as Uint8Array }),
  );
}

/** The folder, with its "/", that all names lie in. */
function sharedFolder(names: readonly string[]): string {
  let shared = `${dirname(names[0] as string)}/`;
  while (shared !== "./" && !names.every((name) => name.startsWith(shared))) shared = `${dirname(shared)}/`;
  return shared === "./" ? "" : shared;
}

function unzip(bytes: Uint8Array, path: string, wanted: (name: string) => boolean): Map<string, Uint8Array> {
  try {
    return new Map(Object.entries(unzipSync(bytes, { filter: ({ name }) => wanted(name) })));
  } catch (cause) {
    throw brokenArchive(path, cause);
  }
}

async function untar(bytes: Uint8Array, path: string, wanted: (name: string) => boolean): Promise<Map<string, Uint8Array>> {
  try {
    const entries = await unpackTar(bytes, { strict: true, filter: ({ name }) => wanted(name) });
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
export async function readUnpacked(path: string): Promise<Uint8Array> {
  return unpacked(await fs.readFile(path), path);
}

function unpacked(bytes: Uint8Array, path: string): Uint8Array {
  if (!/\.t?gz$/i.test(path)) return bytes;
  try {
    return gunzipSync(bytes);
  } catch (cause) {
    throw brokenArchive(path, cause);
  }
}

/**
 * Files of one part of a set, by their names (`test-00000-of-00001.parquet`): of the asked one; unless asked, of training if there
 * is any, else all.
 *
 * @throws HeptagenError `data/part`
 */
export function filesOfPart(files: readonly string[], part: string | undefined): readonly string[] {
  const of = (name: string) => files.filter((file) => new RegExp(`(^|[/_-])${name}([/._-]|$)`, "i").test(file));
  if (part === undefined) {
    const training = of("train");
    return training.length > 0 ? training : files;
  }
  const found = of(part.replace(/[^\w]/g, "\\$&"));
  if (found.length > 0) return found;
  throw new HeptagenError("data/part", `no file belongs to the part "${part}"`, {
    facts: { part, files },
    next: `There are: ${files.slice(0, 10).join(", ")}${files.length > 10 ? ", …" : ""}.`,
  });
}
