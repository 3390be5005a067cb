/**
 * Where sounds lie: files, folders, globs, zip and tar archives, Parquet tables, or a named set. Each becomes a list of sounds that
 * are read when they are needed; the first folder below the source is the label of what lies in it.
 */
import { promises as fs } from "node:fs";
import { basename, extname, join } from "node:path";
import { filesOfPart, isArchive, listArchive, walk } from "./media-files.node.ts";
import { type MediaColumns, type MediaSource, readMediaTable } from "./media-table.node.ts";
import { findNamed } from "./named-data.node.ts";
import { sourceFiles } from "./source-files.node.ts";

const endings = new Set([".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3"]);
const isSound = (name: string) => endings.has(extname(name).toLowerCase());

/**
 * Lists the sounds of a path or a named set.
 *
 * @throws HeptagenError `data/not-found`, `data/no-files`, `data/archive`, `data/column`, `data/table`, `data/kind`,
 *   `data/not-fetched`, `data/part`
 */
export async function listSounds(source: string, columns: MediaColumns): Promise<readonly MediaSource[]> {
  const named = await findNamed(source, "audio");
  if (!named) return listPath(source, columns);
  const sounds = await listPath(named.path, columns, named.part);
  if (named.set.label !== "file") return sounds;
  return sounds.map((sound) => ({ ...sound, label: basename(sound.file).replace(/\.[^.]+$/, "") }));
}

async function listPath(path: string, columns: MediaColumns, part?: string): Promise<readonly MediaSource[]> {
  const found = await fs.stat(path).catch(() => undefined);
  if (found?.isFile() && isArchive(path)) {
    return listArchive(path, { wanted: isSound, what: "sound files", endings: [...endings].join(" ") });
  }
  if (found?.isFile() && path.toLowerCase().endsWith(".parquet")) return (await readMediaTable(path, columns, "audio")).items;
  if (found?.isDirectory()) {
    const files = await walk(path);
    const packed = [files.filter((name) => name.toLowerCase().endsWith(".parquet")), files.filter(isArchive)];
    const parts = packed.find((list) => list.length > 0);
    if (parts && !files.some(isSound)) {
      const lists = filesOfPart(parts, part).map((name) => listPath(join(path, name), columns));
      return (await Promise.all(lists)).flat();
    }
  }
  const files = await sourceFiles(path, "sound files", endings);
  return files.map(({ file, inside }) => ({
    file,
    label: inside.includes("/") ? inside.slice(0, inside.indexOf("/")) : undefined,
    read: () => fs.readFile(file),
  }));
}
