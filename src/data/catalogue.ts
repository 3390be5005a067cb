/**
 * The catalogue: data sets that Heptagen can fetch by name, where from, under which licence, and how to tell that they are whole.
 *
 * Only `digits`, `moby-dick` and `percussion` come with Heptagen. The others are fetched when they are asked for, by the tools that
 * a machine has for it, and lie in the cache from then on.
 */
import { HeptagenError, nearest } from "../util/errors.ts";
import { audioSets } from "./catalogue-audio.ts";
import { imageSets } from "./catalogue-images.ts";
import { recordSets } from "./catalogue-records.ts";
import { textSets } from "./catalogue-text.ts";

/** What is in a set. */
export const dataKinds = ["images", "audio", "text", "table", "music", "files"] as const;
export type DataKind = (typeof dataKinds)[number];

/** A file with its size in bytes and its SHA-256 in hex. */
export interface KnownArchive {
  readonly bytes: number;
  readonly sha256: string;
}

/** A package of the npm registry. */
export interface NpmPackage extends KnownArchive {
  readonly name: string;
  readonly version: string;
}

/**
 * A Debian package. Which version a machine gets, its own Debian decides; the size and the SHA-256 are those of the version given
 * here, and other versions are held against what Debian's signed index says of them.
 */
export interface DebianPackage extends KnownArchive {
  readonly name: string;
  readonly version: string;
  /** What the size and the SHA-256 are of; "all" unless told. */
  readonly architecture?: string;
}

/** Where a set comes from. */
export type DataSource =
  | ({ readonly from: "heptagen" /** Its path in `assets/`. */; readonly file: string } & Partial<KnownArchive>)
  | { readonly from: "npm"; readonly packages: readonly NpmPackage[] }
  | { readonly from: "debian"; readonly packages: readonly DebianPackage[] }
  | {
      readonly from: "debian-index" /** Languages of descriptions, as Debian writes them. */;
      readonly languages: readonly string[];
    }
  | ({ readonly from: "url"; readonly url: string } & Partial<KnownArchive>)
  | { readonly from: "set" /** Another set of the catalogue, which it is made from. */; readonly set: string }
  | { readonly from: "hugging-face"; readonly dataset: string; readonly revision?: string };

/** Work to be done once after fetching, so that ordinary readers understand what lies in the cache; see `prepare.node.ts`. */
export type Preparation =
  | "emoji"
  | "pixel-faces"
  | "lfw-subset"
  | "paintings"
  | "cat-frames"
  | "synth-samples"
  | "spoken-words"
  | "fish-speech"
  | "fish-dialogues"
  | "chinese-fortunes"
  | "brown-corpus"
  | "debian-faq"
  | "food-reviews"
  | "chicago-ridership"
  | "debian-en-fr"
  | "debian-en-de"
  | "debian-en-zh"
  | "debian-sections"
  | "debian-summaries"
  | "debian-passages"
  | "debian-reference-en-zh"
  | "brown-names"
  | "fish-replies"
  | "quiz-questions"
  | "debian-faq-questions"
  | "synthetic-speech";

export interface DataSet {
  /** What it is called in `--data` and `heptagen data get`. */
  readonly name: string;
  readonly kind: DataKind;
  /** What it holds, in a line. */
  readonly summary: string;
  readonly source: DataSource;
  /** Files and folders of the source that are kept, as they are. */
  readonly keep?: readonly string[];
  readonly preparation?: Preparation;
  /** Raised when what is done after fetching changes: what an earlier one left in a cache is then made anew. 1 unless told. */
  readonly revision?: number;
  /** Where the content lies in its folder: what `--data <name>` reads. */
  readonly content: string;
  /** Further parts: what `--data <name>:<part>` reads. */
  readonly parts?: Readonly<Record<string, string>>;
  /** Names of classes that are numbers in the files. */
  readonly classes?: readonly string[];
  /** What labels a sound: its folder (unless told) or its own name. */
  readonly label?: "folder" | "file";
  /** SPDX name where there is one. */
  readonly licence: string;
  /** What a user should know before using it. */
  readonly licenceNote?: string;
  readonly citation?: string;
}

/** Every set there is, by kind and name. */
export const catalogue: readonly DataSet[] = [...imageSets, ...audioSets, ...textSets, ...recordSets];

/** The set of that name, if there is one. */
export function findDataSet(name: string): DataSet | undefined {
  return catalogue.find((set) => set.name === name);
}

/** The set that another is made from. */
function baseSet(name: string): DataSet {
  const set = findDataSet(name);
  if (set) return set;
  throw unknownDataSet(name);
}

/** A name or `name:part` taken apart, if it is one of the catalogue's. */
export function parseDataName(text: string): { readonly set: DataSet; readonly part: string | undefined } | undefined {
  const colon = text.indexOf(":");
  const set = findDataSet(colon < 0 ? text : text.slice(0, colon));
  return set && { set, part: colon < 0 ? undefined : text.slice(colon + 1) };
}

/**
 * Where the wanted part of a set lies in its folder.
 *
 * @throws HeptagenError `data/part` naming the parts there are
 */
export function contentOf({ name, content, parts = {} }: DataSet, part: string | undefined): string {
  if (part === undefined) return content;
  const path = Object.hasOwn(parts, part) ? parts[part] : undefined;
  if (path !== undefined) return path;
  const known = Object.keys(parts);
  throw new HeptagenError("data/part", `the data set ${name} has no part "${part}"`, {
    facts: { name, part, known },
    next: known.length > 0 ? `There is: ${known.map((other) => `${name}:${other}`).join(", ")}.` : `Use it as a whole: ${name}.`,
  });
}

/** The error for a name that is not in the catalogue. */
export function unknownDataSet(name: string): HeptagenError {
  const near = nearest(
    name,
    catalogue.map((set) => set.name),
  );
  return new HeptagenError("data/unknown", `there is no data set "${name}"`, {
    facts: { name, known: catalogue.map((set) => set.name) },
    next: near
      ? `Did you mean "${near}"?`
      : "See what there is: heptagen data list. Others are fetched by an https address or as hf:owner/dataset.",
  });
}

/** What is fetched, in bytes; undefined where it is not known beforehand. */
export function fetchedBytes({ source }: DataSet): number | undefined {
  switch (source.from) {
    case "set":
      return fetchedBytes(baseSet(source.set));
    case "npm":
    case "debian":
      return source.packages.reduce((sum, { bytes }) => sum + bytes, 0);
    case "heptagen":
    case "url":
      return source.bytes;
    case "debian-index":
    case "hugging-face":
      return undefined;
  }
}

/** Where a set comes from, for people. */
export function sourceText(source: DataSource): string {
  switch (source.from) {
    case "heptagen":
      return "comes with Heptagen";
    case "npm":
      return `npm ${source.packages.map(({ name, version }) => `${name}@${version}`).join(" + ")}`;
    case "debian":
      return `Debian ${source.packages.map(({ name, version }) => `${name} ${version}`).join(" + ")}`;
    case "debian-index":
      return `Debian's package lists in ${source.languages.join(", ")}`;
    case "url":
      return source.url;
    case "set":
      return `${sourceText(baseSet(source.set).source)} (the set ${source.set})`;
    case "hugging-face":
      return `Hugging Face ${source.dataset}`;
  }
}
