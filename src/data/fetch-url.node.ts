/**
 * Files over https: resumed where they were cut off, through a proxy if the environment names one.
 *
 * What has arrived lies in `<file>.part`, and beside it what the server said of the file (its ETag, its length), so that a part is
 * only gone on with while the file is still the same.
 */
import { createWriteStream, promises as fs } from "node:fs";
import { basename, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { HeptagenError } from "../util/errors.ts";
import { interrupted } from "./cache-folder.node.ts";
import type { FetchContext } from "./get-events.ts";

/** Tries without a byte's progress before giving up. */
const tries = 3;
/** Progress is told at most so often, in milliseconds. */
const tellEvery = 100;

/** What identifies a version of a file. */
interface Seen {
  readonly url: string;
  readonly etag: string | undefined;
  readonly total: number | undefined;
}

/** How bytes from some place on are asked for; the hub has its own way. */
export interface RangeSource {
  readonly url: string;
  /** What the part that lies here must have come from, to be gone on with; any that is known, unless told. */
  readonly etag?: string | undefined;
  /** Opens it from a byte on, if it is still what `etag` says; else from its beginning. */
  open(
    from: number,
    etag: string | undefined,
  ): Promise<{ readonly body: ReadableStream<Uint8Array>; readonly from: number; readonly seen: Seen }>;
}

/**
 * Fetches an address into the context's folder.
 *
 * @returns the file
 * @throws HeptagenError `data/address`, `data/http`, `data/offline`, `data/interrupted`
 */
export async function fetchUrl(url: string, context: FetchContext, headers: Record<string, string> = {}): Promise<string> {
  const address = checkedAddress(url);
  const file = join(context.folder, fileNameOf(address));
  const get = await fetchFunction();
  await resumable(file, context, {
    url,
    async open(from, known) {
      const range = from > 0 && known !== undefined ? { range: `bytes=${from}-`, "if-range": known } : undefined;
      const response = await get(address, { headers: { ...headers, ...range }, signal: context.signal ?? null });
      if (!response.ok || !response.body) throw httpError(url, response);
      const tag = response.headers.get("etag") ?? undefined;
      // A weak ETag does not identify bytes, so a part is not gone on with on its word (RFC 9110, 13.1.5).
      const etag = tag?.startsWith("W/") ? undefined : tag;
      const start = response.status === 206 ? from : 0;
      const length = response.headers.get("content-encoding") ? undefined : response.headers.get("content-length");
      return { body: response.body, from: start, seen: { url, etag, total: length ? start + Number(length) : undefined } };
    },
  });
  return file;
}

/** Writes what a source gives to a file, going on with the part that is there if it comes from the same. */
export async function resumable(file: string, { onEvent, signal }: FetchContext, source: RangeSource): Promise<void> {
  const part = `${file}.part`;
  const name = basename(file);
  if (await fs.stat(file).catch(() => undefined)) return; // fetched whole before
  let [failures, best] = [0, 0];
  for (;;) {
    const known = await readSeen(file);
    const same = known?.url === source.url && known.etag !== undefined && (source.etag ?? known.etag) === known.etag;
    const have = same ? ((await fs.stat(part).catch(() => undefined))?.size ?? 0) : 0;
    if (have > 0 && known?.total === have) break;
    let done = have;
    try {
      const { body, from, seen } = await source.open(have, known?.etag);
      done = from;
      await fs.writeFile(`${part}.json`, JSON.stringify(seen));
      let told = 0;
      const counted = async function* (chunks: AsyncIterable<Uint8Array>) {
        for await (const chunk of chunks) {
          done += chunk.length;
          if (Date.now() - told >= tellEvery) {
            told = Date.now();
            onEvent({ kind: "progress", file: name, done, total: seen.total });
          }
          yield chunk;
        }
      };
      const out = createWriteStream(part, from > 0 ? { flags: "r+", start: from } : {});
      await pipeline(Readable.fromWeb(body as never), counted, out, ...(signal ? [{ signal }] : []));
      if (seen.total !== undefined && done < seen.total)
        throw new TypeError(`the connection ended after ${done} of ${seen.total} bytes`);
      onEvent({ kind: "progress", file: name, done, total: done });
      break;
    } catch (error) {
      if (signal?.aborted) throw interrupted();
      if (error instanceof HeptagenError) throw error;
      failures = done > best ? 1 : failures + 1;
      best = Math.max(best, done);
      if (failures >= tries) throw offlineError(source.url, error);
      await new Promise((go) => setTimeout(go, 300 * 4 ** (failures - 1)));
    }
  }
  await fs.rename(part, file);
  await fs.rm(`${part}.json`, { force: true });
}

async function readSeen(file: string): Promise<Seen | undefined> {
  const text = await fs.readFile(`${file}.part.json`, "utf8").catch(() => undefined);
  try {
    return text === undefined ? undefined : (JSON.parse(text) as Seen);
  } catch {
    return undefined;
  }
}

/** https anywhere; plain http on this machine only. */
function checkedAddress(url: string): URL {
  const address = URL.canParse(url) ? new URL(url) : undefined;
  const local = address && ["127.0.0.1", "localhost", "[::1]"].includes(address.hostname);
  if (address && (address.protocol === "https:" || (address.protocol === "http:" && local))) return address;
  throw new HeptagenError("data/address", `expected an https address, got ${url}`, {
    next: "Plain http can be changed on its way. Fetch the file yourself if there is no other, and give its path as --data.",
  });
}

/** The last part of an address, as a file name that is safe anywhere. */
export function fileNameOf(address: URL): string {
  const last = decodeURIComponent(address.pathname.split("/").findLast(Boolean) ?? "");
  return last.replace(/[^\p{L}\p{N}._-]+/gu, "_").replace(/^[._]+/, "") || "data";
}

/** The global fetch, going through the proxy that HTTPS_PROXY or HTTP_PROXY names, but for hosts in NO_PROXY. */
export async function fetchFunction(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): Promise<typeof globalThis.fetch> {
  if (!["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"].some((name) => environment[name])) return globalThis.fetch;
  const { ProxyAgent, fetch } = await import("undici");
  const agents = new Map<string, InstanceType<typeof ProxyAgent>>();
  return ((input: string | URL, init: object) => {
    const proxy = proxyFor(new URL(input), environment);
    if (proxy === undefined) return globalThis.fetch(input, init);
    const agent = agents.get(proxy) ?? new ProxyAgent(proxy);
    agents.set(proxy, agent);
    return fetch(input, { ...init, dispatcher: agent });
  }) as unknown as typeof globalThis.fetch; // both follow the same standard, their types are different ones
}

/**
 * The proxy to reach an address by, if any: as curl and others read HTTPS_PROXY, HTTP_PROXY and NO_PROXY (hosts with all below them,
 * or "*"), in either case.
 */
export function proxyFor(
  { protocol, hostname }: URL,
  environment: Readonly<Record<string, string | undefined>>,
): string | undefined {
  const read = (name: string) => environment[name.toLowerCase()] || environment[name] || undefined;
  const direct = (read("NO_PROXY") ?? "").split(/[\s,]+/).some((entry) => {
    const host = entry.replace(/^\*?\./, "").replace(/:\d+$/, "");
    return entry === "*" || (host !== "" && (hostname === host || hostname.endsWith(`.${host}`)));
  });
  return direct ? undefined : read(protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY");
}

function httpError(url: string, { status, statusText }: Response): HeptagenError {
  const next =
    status === 401 || status === 403
      ? "It needs permission: accept its terms or sign in in a browser, fetch it there, and give the file's path as --data."
      : status === 404
        ? "Check the address: nothing is there."
        : "Try again later.";
  return new HeptagenError("data/http", `${url} answered ${status}${statusText ? ` ${statusText}` : ""}`, {
    facts: { url, status },
    next,
  });
}

/** The error for a place that cannot be reached. */
export function offlineError(place: string, cause: unknown): HeptagenError {
  const reason = reasonOf(cause);
  return new HeptagenError("data/offline", `${place} could not be reached: ${reason}`, {
    facts: { place, reason },
    next:
      "Check the connection, and HTTPS_PROXY if you are behind a proxy, then run the same command again: what has arrived is kept. " +
      "Without a network, what heptagen data list marks as here works: digits, moby-dick and percussion always do.",
    cause,
  });
}

/** The innermost cause in a few words: `fetch failed` says nothing. */
function reasonOf(error: unknown): string {
  let inner = error;
  while (inner instanceof Error && inner.cause instanceof Error) inner = inner.cause;
  if (inner instanceof Error) return inner.message || ((inner as NodeJS.ErrnoException).code ?? inner.name);
  return String(inner);
}
