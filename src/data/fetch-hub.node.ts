/**
 * Data sets of the Hugging Face hub: their Parquet files where there are any, else all their files.
 *
 * HF_ENDPOINT names another hub, HF_TOKEN signs in to sets that ask for it, both as in Hugging Face's own tools.
 */
import { promises as fs } from "node:fs";
import { dirname, join, relative } from "node:path";
import { HeptagenError } from "../util/errors.ts";
import { type FetchedArchive, interrupted } from "./cache-folder.node.ts";
import { verify } from "./checksum.node.ts";
import { fetchFunction, offlineError, resumable } from "./fetch-url.node.ts";
import type { FetchContext } from "./get-events.ts";

export interface HubSet {
  /** `owner/name` */
  readonly dataset: string;
  /** A branch, tag or commit; main unless told. */
  readonly revision?: string | undefined;
}

export interface HubFile {
  readonly path: string;
  readonly size: number;
  /** SHA-256 in hex, where the hub states it (large files). */
  readonly sha256: string | undefined;
  /** What tells versions of it apart. */
  readonly oid: string | undefined;
}

export interface HubListing {
  readonly files: readonly HubFile[];
  /** As the set's card says. */
  readonly licence: string;
}

/** Files that are about the data, or make it, and are no data. */
const about = /(^|\/)\.|\.(py|md|json\.lock)$/i;

/**
 * What is to be fetched of a set, and its licence.
 *
 * @throws HeptagenError `data/hub`, `data/offline`
 */
export async function listHubSet(set: HubSet): Promise<HubListing> {
  const { listFiles } = await import("@huggingface/hub");
  const all: HubFile[] = [];
  try {
    for await (const { type, path, size, oid, lfs } of listFiles({ ...(await place(set)), recursive: true })) {
      if (type === "file") all.push({ path, size: lfs?.size ?? size, sha256: lfs?.oid, oid: lfs?.oid ?? oid });
    }
  } catch (error) {
    throw hubError(set, error);
  }
  const data = all.filter(({ path }) => !about.test(path));
  const tables = data.filter(({ path }) => path.endsWith(".parquet"));
  const files = tables.length > 0 ? tables : data;
  if (files.length === 0) {
    throw new HeptagenError(
      "data/hub",
      `the data set ${set.dataset} holds no files of data, but ${all.map(({ path }) => path).join(", ") || "none"}`,
      {
        next: "Sets that a script makes cannot be read; look for a version in Parquet (revision refs/convert/parquet).",
      },
    );
  }
  const card = all.find(({ path }) => path === "README.md");
  const bytes = card && (await open(set, card, 0));
  return { files, licence: licenceOf(bytes ? await new Response(bytes).text() : "") };
}

/** `license: mit` of a card's front matter, or the first of its list. */
function licenceOf(card: string): string {
  const front = /^---\r?\n([\s\S]*?)\r?\n---/.exec(card)?.[1] ?? "";
  const [, name] = /^licen[sc]e:[ \t]*(?:\r?\n[ \t]*-[ \t]*)?["']?([\w.+-]+)/m.exec(front) ?? [];
  return name ?? "none stated";
}

/**
 * Fetches files into the context's folder under their own paths.
 *
 * @throws HeptagenError `data/hub`, `data/offline`, `data/checksum`, `data/interrupted`
 */
export async function fetchHub(set: HubSet, files: readonly HubFile[], context: FetchContext): Promise<FetchedArchive[]> {
  const fetched: FetchedArchive[] = [];
  for (const hubFile of files) {
    const target = join(context.folder, hubFile.path);
    if (relative(context.folder, target).startsWith("..")) {
      throw new HeptagenError("data/hub", `${set.dataset}: a file's path leads out of the set: ${hubFile.path}`);
    }
    await fs.mkdir(dirname(target), { recursive: true });
    const seen = { url: `${set.dataset}/${hubFile.path}`, etag: hubFile.oid, total: hubFile.size };
    await resumable(target, context, {
      url: seen.url,
      etag: seen.etag,
      open: async (from) => ({ body: await open(set, hubFile, from), from, seen }),
    });
    fetched.push({ ...(await verify(target, hubFile.sha256)), name: hubFile.path });
    if (context.signal?.aborted) throw interrupted();
  }
  return fetched;
}

/** What a file holds from some byte on. */
async function open(set: HubSet, { path }: HubFile, from: number): Promise<ReadableStream<Uint8Array>> {
  const { downloadFile } = await import("@huggingface/hub");
  let blob: Blob | null;
  try {
    blob = await downloadFile({ ...(await place(set)), path, xet: false }); // plain https, so that it can be resumed anywhere
  } catch (error) {
    throw hubError(set, error);
  }
  if (!blob) throw new HeptagenError("data/hub", `${set.dataset} has no file ${path}`);
  return (from > 0 ? blob.slice(from) : blob).stream() as ReadableStream<Uint8Array>;
}

async function place({ dataset, revision }: HubSet) {
  const { HF_ENDPOINT, HF_TOKEN } = process.env;
  return {
    repo: { type: "dataset", name: dataset } as const,
    fetch: await fetchFunction(),
    ...(revision !== undefined && { revision }),
    ...(HF_ENDPOINT && { hubUrl: HF_ENDPOINT.replace(/\/$/, "") }),
    ...(HF_TOKEN && { accessToken: HF_TOKEN }),
  };
}

/** An answer of the hub that says no is no matter of the network; anything else is. */
function hubError({ dataset, revision }: HubSet, error: unknown): unknown {
  if (error instanceof HeptagenError) return error;
  const status = error instanceof Error && "statusCode" in error ? Number(error.statusCode) : undefined;
  const place = `Hugging Face (for ${dataset})`;
  if (status === undefined) return offlineError(place, error);
  const next =
    status === 401 || status === 403 || status === 404
      ? `Is it spelt right (hf:owner/dataset${revision ? "@revision" : ""})? If it asks for permission, get it in a browser and set HF_TOKEN.`
      : "Try again later.";
  const message = (error as Error).message.split("\n")[0];
  return new HeptagenError("data/hub", `${place} answered ${status}: ${message}`, {
    facts: { dataset, status },
    next,
    cause: error,
  });
}
