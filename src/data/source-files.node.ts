/** Which files a user means by a path, a folder or a glob. */
import { type Dirent, promises as fs } from "node:fs";
import { basename, extname, join, relative, resolve, sep } from "node:path";
import { HeptagenError, nearest } from "../util/errors.ts";

/** A file, and its path from the folder (or the fixed part of the glob) it was found by, with "/". */
export interface SourceFile {
  readonly file: string;
  readonly inside: string;
}

/**
 * The files a path, folder or glob stands for, in order. A named file is taken whatever its ending; folders are searched for
 * files with the given endings, in subfolders too, hidden ones left out.
 *
 * @param what what is looked for, for messages: "text files"
 * @param endings in lower case, with the dot
 * @throws HeptagenError `data/not-found`, `data/no-files`
 * @example await sourceFiles("books/*.txt", "text files", new Set([".txt"]));
 */
export async function sourceFiles(source: string, what: string, endings: ReadonlySet<string>): Promise<SourceFile[]> {
  const found = await fs.stat(source).catch(() => undefined);
  if (found?.isFile()) return [{ file: source, inside: basename(source) }];
  const from = (folder: string) => (file: string) => ({ file, inside: relative(folder, file).split(sep).join("/") });
  if (found?.isDirectory()) {
    const files = (await walk(source)).filter((file) => endings.has(extname(file).toLowerCase()));
    if (files.length > 0) return files.map(from(source));
    throw new HeptagenError("data/no-files", `expected ${what} in the folder ${source}, got none`, {
      next: `It is searched for ${[...endings].join(" ")}; name other files one by one.`,
    });
  }
  if (/[*?{[]/.test(source)) {
    const root = source.slice(0, source.search(/[*?{[]/)).replace(/[^/\\]*$/, "") || ".";
    const pattern = globPattern(relative(resolve(root), resolve(source)).split(sep).join("/"));
    const files = (await walk(root).catch(() => [])).map(from(root)).filter(({ inside }) => pattern.test(inside));
    if (files.length > 0) return files;
    throw new HeptagenError("data/no-files", `no file matches ${source}`, {
      next: "Quote the pattern so that the shell leaves it alone, and check the folder.",
    });
  }
  const folder = resolve(source, "..");
  const near = nearest(basename(source), await fs.readdir(folder).catch(() => []));
  throw new HeptagenError("data/not-found", `there is no file or folder ${source}`, {
    next: near ? `Did you mean "${near}"?` : `Paths are taken from ${process.cwd()}.`,
  });
}

/** All files below a folder, sorted, hidden ones left out. */
async function walk(folder: string): Promise<string[]> {
  const entries: Dirent[] = await fs.readdir(folder, { withFileTypes: true });
  const lists = await Promise.all(
    entries
      .filter(({ name }) => !name.startsWith("."))
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((entry) => (entry.isDirectory() ? walk(join(folder, entry.name)) : [join(folder, entry.name)])),
  );
  return lists.flat();
}

/** A glob as a regular expression: `**` crosses folders, `*` and `?` do not, `{a,b}` is either. */
function globPattern(glob: string): RegExp {
  const source = glob.replace(/\*\*\/|\*\*|[*?{},]|[.+^$()|[\]\\]/g, (part) => {
    const parts: Record<string, string> = {
      "**/": "(?:.*/)?",
      "**": ".*",
      "*": "[^/]*",
      "?": "[^/]",
      "{": "(?:",
      "}": ")",
      ",": "|",
    };
    return parts[part] ?? `\\${part}`;
  });
  return new RegExp(`^${source}$`, "u");
}
