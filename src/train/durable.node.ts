/**
 * Writing files so that a crash, a power cut or a full disk never leaves half a file under its final name.
 *
 *   1. write to a temporary file in the same folder (`.tmp-…`), so that the rename stays on one disk
 *   2. fsync the file: its bytes are on the disk before its name is
 *   3. rename it over the final name: readers see the old file or the new one, nothing between
 *   4. fsync the folder: the rename itself survives a power cut
 *
 * When a step fails, the temporary file is removed, the previous file is as it was, and the error says what to do. A process
 * killed midway leaves a `.tmp-…` behind; whoever owns the folder removes it (`removeLeftovers`).
 */
import { createHash, randomBytes } from "node:crypto";
import { type FileHandle, mkdir, open, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { HeptagenError } from "../util/errors.ts";

/** What to write: text, bytes, or pieces in order, which are never joined in memory. */
export type Content = string | Uint8Array | Iterable<Uint8Array>;

export interface Written {
  readonly bytes: number;
  /** In hexadecimal. */
  readonly sha256: string;
}

const temporary = ".tmp-";
/** Written at a time: large enough for a disk, small enough that hashing does not hold up the event loop. */
const chunkBytes = 4 << 20;

/**
 * Writes a file completely or not at all.
 *
 * @throws HeptagenError `storage/…` (full, denied, read-only, missing, …); the previous file is then unchanged
 * @example await writeFileAtomically("run/config.json", text);
 */
export async function writeFileAtomically(path: string, content: Content): Promise<Written> {
  const draft = temporaryPath(path);
  try {
    const written = await create(draft, content);
    await renameSynced(draft, path);
    return written;
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined); // the first error is the one to report
    throw storageError(error, path);
  }
}

/**
 * Writes a new file and flushes it to the disk; for files that become visible later, with their folder.
 *
 * @param shown the path that messages name, where the file will be in the end
 * @throws HeptagenError `storage/…`, also when the file exists
 */
export async function writeFileSynced(path: string, content: Content, shown = path): Promise<Written> {
  try {
    return await create(path, content);
  } catch (error) {
    throw storageError(error, shown);
  }
}

async function create(path: string, content: Content): Promise<Written> {
  const file = await open(path, "wx");
  try {
    const written = await writeAll(file, content);
    await file.sync();
    return written;
  } finally {
    await file.close();
  }
}

async function writeAll(file: FileHandle, content: Content): Promise<Written> {
  const pieces = typeof content === "string" ? [new TextEncoder().encode(content)] : content;
  const hash = createHash("sha256");
  let bytes = 0;
  for (const piece of pieces instanceof Uint8Array ? [pieces] : pieces) {
    for (let at = 0; at < piece.length; ) {
      const { bytesWritten } = await file.write(piece, at, Math.min(chunkBytes, piece.length - at));
      hash.update(piece.subarray(at, at + bytesWritten));
      at += bytesWritten;
    }
    bytes += piece.length;
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** Renames a file or folder, replacing a file, and makes that survive a power cut. Both names must lie in one folder. */
export async function renameSynced(from: string, to: string): Promise<void> {
  await rename(from, to);
  await syncFolder(dirname(to));
}

/**
 * Makes sure that a folder exists, with those above it, and that it survives a power cut.
 *
 * @throws HeptagenError `storage/…`
 */
export async function createFolder(path: string): Promise<void> {
  // Not `recursive`: Node then reports a missing folder where the truth is a read-only disk.
  const create = async (folder: string): Promise<void> => {
    try {
      await mkdir(folder);
    } catch (error) {
      if (errno(error) === "EEXIST") return;
      if (errno(error) !== "ENOENT" || dirname(folder) === folder) throw error;
      await create(dirname(folder));
      await mkdir(folder);
    }
    await syncFolder(dirname(folder));
  };
  try {
    await create(path);
  } catch (error) {
    throw storageError(error, path);
  }
}

/** Flushes a folder's list of names to the disk, where the system can. */
export async function syncFolder(folder: string): Promise<void> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(folder, "r");
    await handle.sync();
  } catch (error) {
    // Windows cannot open a folder, and some network file systems cannot flush one; they order renames themselves.
    if (!["EISDIR", "EPERM", "EINVAL", "ENOTSUP"].includes(errno(error) ?? "")) throw error;
  } finally {
    await handle?.close();
  }
}

/** A name beside `path` that no other writer has and that `removeLeftovers` knows. */
export function temporaryPath(path: string): string {
  return join(dirname(path), `${temporary}${basename(path)}-${process.pid}-${randomBytes(4).toString("hex")}`);
}

/** Whether a file name is one of `temporaryPath`. */
export function isTemporary(name: string): boolean {
  return name.startsWith(temporary);
}

/**
 * Removes what killed writers left in a folder. Only for whoever is the folder's sole writer.
 *
 * @returns the names removed
 */
export async function removeLeftovers(folder: string): Promise<string[]> {
  const names = (await readdir(folder)).filter(isTemporary);
  for (const name of names) await rm(join(folder, name), { recursive: true, force: true });
  return names;
}

/** The system's name of a failure (`ENOSPC`), if it is one of the system's. */
export function errno(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && "syscall" in error ? String(error.code) : undefined;
}

/** What each failure means and what to do about it. FOLDER stands for the folder. */
const failures: Readonly<Record<string, readonly [code: string, reason: string, next: string]>> = {
  ENOSPC: ["storage/full", "the disk of FOLDER is full", "Free space there or choose a folder on another disk, then try again."],
  EDQUOT: ["storage/full", "your quota on the disk of FOLDER is used up", "Remove files of yours or choose another disk."],
  EFBIG: ["storage/full", "the file would exceed the size limit", "Raise the limit (`ulimit -f`) or choose another disk."],
  EROFS: ["storage/read-only", "the disk of FOLDER is read-only", "Choose a folder on a writable disk."],
  EACCES: ["storage/denied", "you may not write in FOLDER", "Give yourself write permission there or choose another folder."],
  EPERM: ["storage/denied", "the system forbids it in FOLDER", "Check permissions and locks there or choose another folder."],
  ENOENT: ["storage/missing", "there is no folder FOLDER", "Create it, or choose a folder that exists."],
  ENOTDIR: ["storage/missing", "FOLDER is not a folder", "Choose another folder."],
  EEXIST: ["storage/exists", "there is a file or folder of that name", "Choose another name."],
  EISDIR: ["storage/exists", "there is a folder of that name", "Choose another name."],
  ENAMETOOLONG: ["storage/name", "the name is too long", "Choose a shorter name."],
  EMFILE: ["storage/handles", "this process has too many open files", "Raise the limit (`ulimit -n`)."],
  EIO: ["storage/failed", "the disk reported a failure", "Check the disk; choose another one."],
};

/**
 * A system's failure to write `path` as an error that says what to do. Errors of Heptagen's own pass unchanged.
 *
 * @example catch (error) { throw storageError(error, path); }
 */
export function storageError(error: unknown, path: string): unknown {
  const name = errno(error);
  if (name === undefined) return error;
  const [code, reason, next] = failures[name] ?? ["storage/failed", `the system says ${name}`, "Check the disk of FOLDER."];
  const fill = (text: string) => text.replace("FOLDER", dirname(path));
  return new HeptagenError(code, `cannot write ${path}: ${fill(reason)}`, {
    facts: { path, errno: name },
    next: fill(next),
    cause: error,
  });
}

/** A system's failure to read `path` as an error that says what to do. Errors of Heptagen's own pass unchanged. */
export function unreadable(error: unknown, path: string): unknown {
  const name = errno(error);
  if (name === undefined) return error;
  const known: Record<string, string> = {
    ENOENT: "there is no such file",
    EACCES: "you may not read it",
    EISDIR: "it is a folder",
  };
  return new HeptagenError("storage/unreadable", `cannot read ${path}: ${known[name] ?? `the system says ${name}`}`, {
    facts: { path, errno: name },
    next: "Check the path and its permissions.",
    cause: error,
  });
}
