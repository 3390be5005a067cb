/**
 * One writer per run: an advisory lock that a killed process cannot leave locked.
 *
 * A writer creates the empty file `.lock-PID-START-HOST`, START being when the process started, so that a number that the
 * system gave to another process later is not taken for the same. The name says everything and is nobody else's; therefore
 *
 *   - creating it is atomic, and there is no content to be torn by a crash;
 *   - a lock whose process is gone may be removed by anyone at any time, without a race;
 *   - whoever creates its own file first and looks for others afterwards can never overlook another writer. Two that start at
 *     the same moment may both see each other: both withdraw and try again, each after a pause of its own.
 *
 * A lock of another computer cannot be checked, so it counts as held; the error names the file to remove.
 */
import { open, readdir, readFile, rm } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { HeptagenError } from "../util/errors.ts";
import { errno, storageError } from "./durable.node.ts";

const prefix = ".lock-";
const attempts = 3;

/** A held lock. */
export interface RunLock {
  /** Gives it back. */
  release(): Promise<void>;
}

/**
 * Makes this process the only writer of a folder.
 *
 * @throws HeptagenError `run/locked` naming the process that holds it; `storage/…` when the folder cannot be written
 */
export async function lockRun(folder: string): Promise<RunLock> {
  const name = `${prefix}${process.pid}-${(await startOf(process.pid)) ?? 0}-${host()}`;
  const file = join(folder, name);
  for (let attempt = 1; ; attempt++) {
    await createOwn(file, folder);
    const holder = await findHolder(folder, name);
    if (holder === undefined) return { release: () => rm(file, { force: true }) };
    await rm(file, { force: true });
    if (attempt === attempts) throw locked(folder, holder);
    await pause(20 + (process.pid % 10) * 20);
  }
}

/** Whether a file name is a lock. */
export function isLock(name: string): boolean {
  return name.startsWith(prefix);
}

interface Holder {
  readonly name: string;
  readonly pid: number;
  readonly host: string;
}

async function createOwn(file: string, folder: string): Promise<void> {
  try {
    await (await open(file, "wx")).close();
  } catch (error) {
    if (errno(error) === "EEXIST") throw locked(folder, { name: file, pid: process.pid, host: host() });
    throw storageError(error, file);
  }
}

/** The first other writer that is alive or cannot be checked; locks of the dead are removed. */
async function findHolder(folder: string, own: string): Promise<Holder | undefined> {
  for (const name of (await readdir(folder)).filter((other) => isLock(other) && other !== own)) {
    const [pid = "", start = "", ...rest] = name.slice(prefix.length).split("-");
    const holder = { name: join(folder, name), pid: Number(pid), host: rest.join("-") };
    if (holder.host !== host() || (await isAlive(holder.pid, Number(start)))) return holder;
    await rm(join(folder, name), { force: true });
  }
  return undefined;
}

/** Whether the process that was given number `pid` at `start` still runs. */
async function isAlive(pid: number, start: number): Promise<boolean> {
  if (!Number.isSafeInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0); // signal 0 only asks
  } catch (error) {
    return errno(error) === "EPERM"; // it runs, as another user
  }
  const now = await startOf(pid);
  return now === undefined || now === start;
}

/**
 * When a process started, in clock ticks since boot: field 22 of Linux's `/proc/PID/stat`. Minus one for a process that has
 * ended but not been collected; undefined where there is no `/proc`.
 */
async function startOf(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (stat === undefined) return undefined;
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" "); // field 2, the name, may contain anything; field 3 is first here
  return fields[0] === "Z" || fields[0] === "X" ? -1 : Number(fields[19]);
}

function host(): string {
  return hostname().replace(/[^A-Za-z0-9.-]/g, "_");
}

function locked(folder: string, holder: Holder): HeptagenError {
  const elsewhere = holder.host === host() ? "" : ` on ${holder.host}`;
  return new HeptagenError("run/locked", `${folder}: process ${holder.pid}${elsewhere} is writing this run`, {
    facts: { folder, pid: holder.pid, host: holder.host, lock: holder.name },
    next: elsewhere
      ? `Wait until it ends. If it no longer runs, remove ${holder.name}.`
      : "Wait until it ends, stop it, or choose another folder (--out).",
  });
}
