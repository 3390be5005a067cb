/**
 * Debian packages, by `apt-get download`: it knows the mirrors and proxies that the machine is set up with, and holds every package
 * against Debian's signed index. The lists of packages are kept in the cache, so that nobody has to be root.
 */
import { promises as fs } from "node:fs";
import { join, resolve } from "node:path";
import { HeptagenError } from "../util/errors.ts";
import { cacheFolder, exclusively } from "./cache-folder.node.ts";
import type { DebianPackage } from "./catalogue.ts";
import { isWhole } from "./checksum.node.ts";
import { runTool, type ToolResult } from "./child-process.node.ts";
import { offlineError } from "./fetch-url.node.ts";
import type { FetchContext } from "./get-events.ts";

/** A fetched package: which version this machine's Debian has, and the SHA-256 that its index states. */
export interface FetchedPackage {
  readonly file: string;
  readonly version: string;
  readonly architecture: string;
  readonly sha256: string | undefined;
}

/** Lists of packages are fetched again after a day, in milliseconds. */
const freshFor = 24 * 3600 * 1000;

/**
 * Fetches the version of a package that this machine's Debian has.
 *
 * @throws HeptagenError `data/tool` where there is no apt, `data/offline`, `data/debian`
 */
export async function fetchDebian(wanted: DebianPackage, context: FetchContext): Promise<FetchedPackage> {
  const run = await aptGet(wanted, context);
  let said = await run(["download", "--print-uris", wanted.name]);
  if (said.code !== 0 || !parseUri(said.stdout)) {
    await refreshLists(run, true);
    said = await run(["download", "--print-uris", wanted.name]);
  }
  let offered = parseUri(said.stdout);
  if (!offered) throw debianError(wanted, said);
  if (!(await isWhole(join(context.folder, offered.name), offered.sha256 ?? ""))) {
    let result = await download(wanted.name, offered, run, context);
    if (result.code !== 0) {
      // A mirror keeps one version: the lists here may name the one before.
      await refreshLists(run, true);
      offered = parseUri((await run(["download", "--print-uris", wanted.name])).stdout) ?? offered;
      result = await download(wanted.name, offered, run, context);
      if (result.code !== 0) throw debianError(wanted, result);
    }
  }
  context.onEvent({ kind: "progress", file: offered.name, done: offered.bytes, total: offered.bytes });
  return { file: join(context.folder, offered.name), ...partsOfName(offered.name), sha256: offered.sha256 };
}

interface Offered {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string | undefined;
}

/** `'http://…/x.deb' x_1.0_all.deb 1234 SHA256:…` */
function parseUri(text: string): Offered | undefined {
  const [, name = "", bytes, sha256] = /^'[^']+' (\S+\.deb) (\d+)(?: SHA256:([0-9a-f]{64}))?/m.exec(text) ?? [];
  if (!name) return undefined;
  return { name, bytes: Number(bytes), sha256 };
}

/** What the name of a .deb says: `name_version_architecture.deb`, colons of the version as %3a. */
export function partsOfName(file: string): { readonly version: string; readonly architecture: string } {
  const [, version = "", architecture = ""] = file.replace(/\.deb$/, "").split("_");
  return { version: decodeURIComponent(version), architecture };
}

type AptGet = (
  argv: readonly string[],
  more?: { readonly cwd: string; readonly onTick: () => Promise<void> },
) => Promise<ToolResult>;

/** `apt-get` with its state in the cache and its lists up to date. */
async function aptGet({ name }: DebianPackage, { signal }: FetchContext): Promise<AptGet> {
  const state = resolve(cacheFolder(), "apt");
  for (const part of ["lists/partial", "archives/partial"]) await fs.mkdir(join(state, part), { recursive: true });
  const config = join(state, "apt.conf");
  const user = process.getuid?.() === 0 ? 'APT::Sandbox::User "root";\n' : ""; // else root's apt could not write here
  const lines = [`Dir::State::Lists "${state}/lists";`, `Dir::Cache "${state}";`, 'Acquire::Languages "none";', user];
  await fs.writeFile(`${config}.${process.pid}`, lines.join("\n"));
  await fs.rename(`${config}.${process.pid}`, config);
  const run: AptGet = async (argv, more) => {
    const environment = { APT_CONFIG: config, LC_ALL: "C", DEBIAN_FRONTEND: "noninteractive" };
    const result = await runTool("apt-get", ["-q", "-o", "Acquire::Retries=2", ...argv], { environment, signal, ...more });
    if (result) return result;
    throw new HeptagenError("data/tool", `${name} is a Debian package, and this machine has no apt-get to fetch it with`, {
      next:
        `On any Debian or Ubuntu (a container will do) run: apt-get download ${name}. Bring the .deb here and give it with ` +
        "--from: heptagen data get <name> --from FILE.deb",
    });
  };
  await refreshLists(run, false);
  return run;
}

/** Fetches the lists of packages anew if they are old, or if told to. */
async function refreshLists(run: AptGet, now: boolean): Promise<void> {
  const state = resolve(cacheFolder(), "apt");
  await exclusively(join(state, "update.lock"), async () => {
    const stamp = join(state, "updated");
    const last = await fs.stat(stamp).catch(() => undefined);
    if (last && Date.now() - last.mtimeMs < (now ? 60_000 : freshFor)) return;
    const { code, stderr, stdout } = await run(["update"]);
    const failed = /^(?:E|W): (Failed to fetch .*|Some index files failed.*)$/m.exec(`${stderr}\n${stdout}`);
    if (code === 0 && !failed) await fs.writeFile(stamp, "");
    else if (!last) throw offlineError("Debian's package lists", new Error(failed?.[1] ?? stderr.trim()));
  });
}

function download(
  name: string,
  { name: file, bytes }: Offered,
  run: AptGet,
  { folder, onEvent }: FetchContext,
): Promise<ToolResult> {
  const onTick = async () => {
    const found = await fs.stat(join(folder, file)).catch(() => undefined);
    onEvent({ kind: "progress", file, done: Math.min(bytes, found?.size ?? 0), total: bytes });
  };
  return run(["download", name], { cwd: folder, onTick });
}

function debianError({ name }: DebianPackage, { stdout, stderr }: ToolResult): HeptagenError {
  const output = `${stdout}\n${stderr}`;
  const reason = /^E: (.+)$/m.exec(output)?.[1] ?? "apt-get failed";
  if (/Could not (resolve|connect)|Temporary failure|Network is unreachable|timed out|Failed to fetch/i.test(output)) {
    return offlineError(`Debian's mirror (for ${name})`, new Error(reason));
  }
  return new HeptagenError("data/debian", `apt-get download ${name}: ${reason}`, {
    facts: { name, output: output.trim().slice(-2000) },
    next: `Does this machine's Debian (or Ubuntu) have it? See: apt-cache policy ${name}`,
  });
}
