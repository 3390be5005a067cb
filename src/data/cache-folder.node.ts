/**
 * Where fetched data is kept between runs, and how a set gets there: built beside its place and renamed into it, so that what is in
 * place is whole, however often fetching was interrupted or done twice at once.
 */
import { promises as fs } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { HeptagenError } from "../util/errors.ts";

/** HEPTAGEN_CACHE if set; else `heptagen` in the user's cache folder (XDG_CACHE_HOME, `~/.cache`). */
export function cacheFolder(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  if (environment.HEPTAGEN_CACHE) return environment.HEPTAGEN_CACHE;
  return join(environment.XDG_CACHE_HOME || join(homedir(), ".cache"), "heptagen");
}

/** The folder of one fetched data set. */
export const dataFolder = (name: string): string => join(cacheFolder(), "data", name);

/** The folder of classifiers that Heptagen has trained to compare pictures by. */
export const classifierFolder = (): string => join(cacheFolder(), "classifiers");

/** Where a set is while it is being fetched: what was fetched before an interruption is found here again. */
export const workFolder = (name: string): string => join(cacheFolder(), "partial", name);

/** What was fetched, and when: the last file to be written. */
export interface Receipt {
  readonly format: 1;
  readonly name: string;
  /** Where it came from, for people. */
  readonly source: string;
  readonly licence: string;
  /** Each file that was fetched. */
  readonly archives: readonly FetchedArchive[];
  /** ISO 8601 */
  readonly fetched: string;
  /** Where the content lies in the folder. */
  readonly content: string;
  /** Of the set, when it was prepared; 1 unless told. */
  readonly revision?: number;
}

export interface FetchedArchive {
  readonly name: string;
  readonly version?: string | undefined;
  readonly bytes: number;
  /** Hex. */
  readonly sha256: string;
}

const receiptFile = ".heptagen.json";

/** The receipt of a set that is here and whole; undefined otherwise. */
export async function readReceipt(name: string): Promise<Receipt | undefined> {
  const text = await fs.readFile(join(dataFolder(name), receiptFile), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return JSON.parse(text) as Receipt; // written by `install`
  } catch {
    return undefined;
  }
}

/**
 * Puts a folder into place as the set of that name, in stead of one that is there.
 *
 * @param built a folder below `workFolder(name)`, so that renaming it is one step of the file system
 */
export async function install(built: string, receipt: Receipt): Promise<string> {
  const target = dataFolder(receipt.name);
  await fs.writeFile(join(built, receiptFile), `${JSON.stringify(receipt, null, 2)}\n`);
  await fs.mkdir(dirname(target), { recursive: true });
  const old = join(workFolder(receipt.name), "old");
  await fs.rm(old, { recursive: true, force: true });
  await fs.rename(target, old).catch(ignoreMissing);
  await fs.rename(built, target);
  return target;
}

function ignoreMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}

/** Removes a set, and what is left of fetching it; false if nothing was there. */
export async function removeData(name: string): Promise<boolean> {
  let found = false;
  for (const folder of [dataFolder(name), workFolder(name)]) {
    found ||= (await fs.stat(folder).catch(() => undefined)) !== undefined;
    await fs.rm(folder, { recursive: true, force: true });
  }
  return found;
}

/** A holder of a lock touches it this often, in milliseconds; one not touched for four times as long may belong to nobody. */
const heartbeat = 2000;
/** A process of the holder's number that lives may be too busy to touch its lock; after so long it must be another. Milliseconds. */
const patience = 600_000;

/**
 * Runs something while no other process does it: the lock is a file that says whose it is and is touched while it is held, so that
 * a holder that died does not keep others waiting for long.
 *
 * @param onWait called once if another holds it
 * @throws HeptagenError `data/interrupted` when `signal` is raised while waiting
 */
export async function exclusively<T>(
  file: string,
  run: () => Promise<T>,
  { onWait, signal }: { readonly onWait?: () => void; readonly signal?: AbortSignal | undefined } = {},
): Promise<T> {
  await fs.mkdir(dirname(file), { recursive: true });
  let waited = false;
  while (!(await take(file))) {
    if (!waited) onWait?.();
    waited = true;
    if (signal?.aborted) throw interrupted();
    await new Promise((done) => setTimeout(done, 200));
  }
  const beat = setInterval(() => {
    const now = new Date();
    fs.utimes(file, now, now).catch(() => undefined);
  }, heartbeat);
  try {
    return await run();
  } finally {
    clearInterval(beat);
    await fs.rm(file, { force: true });
  }
}

async function take(file: string): Promise<boolean> {
  try {
    await fs.writeFile(file, `${process.pid}\n`, { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  const found = await fs.stat(file).catch(() => undefined);
  const idle = found ? Date.now() - found.mtimeMs : 0;
  if (idle > patience || (idle > 4 * heartbeat && !(await holderLives(file)))) {
    // Renamed before it is removed: of several that find it abandoned, one takes it away.
    const mine = `${file}.${process.pid}`;
    await fs.rename(file, mine).catch(() => undefined);
    await fs.rm(mine, { force: true });
  }
  return false;
}

/** Whether a process with the number that a lock states runs on this machine. */
async function holderLives(file: string): Promise<boolean> {
  const holder = Number(await fs.readFile(file, "utf8").catch(() => ""));
  if (!Number.isInteger(holder) || holder <= 0) return false;
  try {
    process.kill(holder, 0); // asks, and ends nothing
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM"; // another user's
  }
}

/** What is thrown when fetching was stopped by the user. */
export const interrupted = (): HeptagenError =>
  new HeptagenError("data/interrupted", "fetching was interrupted", { next: "Run the same command again to go on." });
