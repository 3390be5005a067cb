/** What preparations share: finding files, and putting them elsewhere. */
import { promises as fs } from "node:fs";
import { basename, dirname, join, relative, sep } from "node:path";
import { HeptagenError } from "../util/errors.ts";

/** All files below a folder whose path from there matches, sorted, with "/". */
export async function filesBelow(folder: string, pattern: RegExp): Promise<string[]> {
  const entries = await fs.readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/"))
    .filter((path) => pattern.test(path))
    .sort((a, b) => (a < b ? -1 : 1));
}

/** The one file that matches, wherever a version of a package has it. */
export async function fileBelow(folders: readonly string[], pattern: RegExp): Promise<string> {
  for (const folder of folders) {
    const [found] = await filesBelow(folder, pattern);
    if (found !== undefined) return join(folder, found);
  }
  throw new HeptagenError("data/layout", `expected a file like ${pattern.source} in what was fetched, and there is none`, {
    facts: { pattern: pattern.source },
    next: "This version of the package differs from the one that Heptagen knows: please report it.",
  });
}

/** Copies, making the folder. */
export async function put(from: string, to: string): Promise<void> {
  await fs.mkdir(dirname(to), { recursive: true });
  await fs.copyFile(from, to);
}

/** Writes, making the folder. */
export async function write(to: string, content: Uint8Array | string): Promise<void> {
  await fs.mkdir(dirname(to), { recursive: true });
  await fs.writeFile(to, content);
}

/** One JSON object a line. */
export const jsonLines = (rows: readonly object[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

/** A name as that of a file without its ending. */
export const stem = (path: string): string => basename(path).replace(/\.[^.]+$/, "");
