/**
 * Reading pictures: from folders, archives, IDX and Parquet files, or a named set, into one dataset of equal sizes.
 *
 * Nothing is repaired in silence: files that are no pictures, pictures of unequal sizes and labels that do not fit are errors that
 * name them; bad files are left out only when asked, and are then listed in the dataset.
 */
import { HeptagenError } from "../util/errors.ts";
import { type ImageDataset, imageDataset, type SkippedFile } from "./image-dataset.ts";
import type { MediaColumns } from "./media-table.node.ts";
import { namedImages } from "./named-images.node.ts";
import { type DecodedPicture, type Fit, type PictureSource, pictureDecoder, pictureSize } from "./picture-decoder.node.ts";
import { listPictures, type PictureList } from "./picture-sources.node.ts";
import { spread } from "./spread.ts";

export interface ImageSourceOptions extends MediaColumns {
  /**
   * Folders (subfolders are classes), .zip, .tar(.gz), .parquet, IDX files, single pictures, or a set of the catalogue by its name:
   * "digits" (used unless told), "fashion-mnist", "fashion-mnist:test"; also fetched addresses and `hf:owner/dataset`.
   */
  readonly data?: string | readonly string[] | undefined;
  /** Parquet: the column of pictures; the first that holds bytes unless told. */
  readonly column?: string | undefined;
  /** Parquet: the column of classes; `label`, `labels`, `class` or `fine_label` unless told. */
  readonly labelColumn?: string | undefined;
  /** Height and width in pixels; the pictures' own, which must then be equal, unless told. */
  readonly size?: number | undefined;
  /** 1 (grey) or 3 (RGB); 1 if every picture is grey, unless told. */
  readonly channels?: 1 | 3 | undefined;
  /** How a picture becomes square: cut to its middle (unless told), put on black, or stretched. */
  readonly fit?: Fit | undefined;
  /** Leave out files that cannot be read, instead of stopping. */
  readonly skipBad?: boolean | undefined;
  /** Most pictures to read, spread evenly over all of them. */
  readonly limit?: number | undefined;
}

/** Pictures decoded at once: sharp works on threads of its own. */
const atOnce = 16;
/** Bad files named in an error. */
const namedBad = 10;

/**
 * Reads pictures.
 *
 * @throws HeptagenError `data/not-found`, `data/no-files`, `data/kind`, `data/archive`, `data/idx`, `data/labels`, `data/column`,
 *   `data/table`, `data/library`, `data/not-fetched`, `data/bad-pictures`, `data/sizes`
 * @example const photos = await readImages({ data: "photos", size: 64 });
 */
export async function readImages(options: ImageSourceOptions = {}): Promise<ImageDataset> {
  checkNumbers(options);
  const { names, lists, all } = await listAll(options);
  const classes = classesOf(lists, all);
  const chosen = spread(all, options.limit);

  const bad: SkippedFile[] = [];
  const sized = options.size === undefined ? await equalSizes(chosen, bad, options) : chosen;
  const channels = options.channels ?? (sized.every(({ raw }) => raw) ? 1 : 3);
  const decoded = await mapGood(sized, bad, pictureDecoder({ ...options, size: options.size, channels }));
  checkBad(bad, chosen.length, options);
  const [first] = decoded;
  if (!first) throw new HeptagenError("data/no-files", `expected pictures, got none: ${names.join(", ")}`);

  const { height, width } = first.value;
  const grey = channels === 3 && options.channels === undefined && decoded.every(({ value }) => isGrey(value));
  const kept = grey ? 1 : channels;
  const size = kept * height * width;
  const pixels = new Uint8Array(decoded.length * size);
  decoded.forEach(({ value }, i) => {
    planar(value.pixels, channels, pixels.subarray(i * size, (i + 1) * size));
  });
  const numbers = new Map(classes.map((name, i) => [name, i]));
  return imageDataset({
    source: `${names.join(", ")} (${describe(decoded.length, classes)})`,
    channels: kept,
    height,
    width,
    count: decoded.length,
    pixels,
    labels: classes.length === 0 ? undefined : Int32Array.from(decoded, ({ source }) => numbers.get(source.label ?? "") ?? 0),
    classes,
    skipped: bad,
  });
}

/** How many pictures are of a size, and one of them. */
export interface SizeCount {
  readonly width: number;
  readonly height: number;
  readonly count: number;
  readonly example: string;
}

/**
 * The sizes of pictures as they lie there, the most frequent first.
 *
 * @returns also what is no picture; what is damaged further inside shows only when it is read
 * @throws HeptagenError those of `readImages` that concern the source
 */
export async function imageSizes(
  options: ImageSourceOptions = {},
): Promise<{ readonly sizes: readonly SizeCount[]; readonly bad: readonly SkippedFile[] }> {
  const bad: SkippedFile[] = [];
  const { all } = await listAll(options);
  return { sizes: countSizes(await mapGood(spread(all, options.limit), bad, pictureSize)), bad };
}

async function listAll(options: ImageSourceOptions) {
  const names = typeof options.data === "string" ? [options.data] : (options.data ?? ["digits"]);
  const lists: PictureList[] = [];
  for (const name of names) lists.push((await namedImages(name, options)) ?? (await listPictures(name, options)));
  return { names, lists, all: lists.flatMap(({ items }) => items) };
}

function countSizes(sizes: readonly Good<{ readonly width: number; readonly height: number }>[]): SizeCount[] {
  const counts = new Map<string, SizeCount>();
  for (const { source, value } of sizes) {
    const name = `${value.width}×${value.height}`;
    const { count, example } = counts.get(name) ?? { count: 0, example: source.file };
    counts.set(name, { width: value.width, height: value.height, count: count + 1, example });
  }
  return [...counts.values()].sort((a, b) => b.count - a.count); // stable: of equally many, the first met
}

function checkNumbers({ size, limit, channels }: ImageSourceOptions): void {
  for (const [name, value] of Object.entries({ size, limit })) {
    if (value === undefined || (Number.isInteger(value) && value > 0)) continue;
    throw new HeptagenError("options/value", `${name}: expected a whole number above 0, got ${value}`);
  }
  if (channels !== undefined && channels !== 1 && channels !== 3) {
    throw new HeptagenError("options/value", `channels: expected 1 (grey) or 3 (RGB), got ${channels}`);
  }
}

/** Names of all classes: in the order a source gives, else sorted, numbers by value; none if no picture has one. */
function classesOf(lists: readonly PictureList[], pictures: readonly PictureSource[]): string[] {
  const unlabelled = pictures.filter(({ label }) => label === undefined);
  if (unlabelled.length === pictures.length) return [];
  if (unlabelled.length > 0) {
    throw new HeptagenError(
      "data/labels",
      `${unlabelled.length} of ${pictures.length} pictures have no label: ${unlabelled[0]?.file}${unlabelled.length > 1 ? ", …" : ""}`,
      { next: "Give every picture a label, or none: sources with and without labels cannot be joined." },
    );
  }
  const given = lists.flatMap(({ classes }) => classes ?? []);
  const found = pictures.map(({ label }) => label as string);
  const sorted = [...new Set(found)].sort((a, b) => Number(a) - Number(b) || (a < b ? -1 : Number(a > b)));
  return [...new Set([...given, ...sorted])];
}

interface Good<T> {
  readonly source: PictureSource;
  readonly value: T;
}

/** Maps each picture; those that fail go to `bad`, in order. */
async function mapGood<T>(sources: readonly PictureSource[], bad: SkippedFile[], map: (source: PictureSource) => Promise<T>) {
  const good: Good<T>[] = [];
  for (let first = 0; first < sources.length; first += atOnce) {
    const part = sources.slice(first, first + atOnce);
    const results = await Promise.allSettled(part.map(map));
    part.forEach((source, i) => {
      const result = results[i] as PromiseSettledResult<T>;
      if (result.status === "fulfilled") good.push({ source, value: result.value });
      else bad.push({ file: source.file, reason: reasonOf(result.reason) });
    });
  }
  return good;
}

/** Why a picture could not be read, in a few words. */
function reasonOf(error: unknown): string {
  const message = (error instanceof Error ? error.message : String(error)).split("\n")[0] ?? "";
  if (/unsupported image format/i.test(message)) return "not a picture, or of an unknown kind";
  if (/buffer is empty|empty/i.test(message)) return "empty";
  if (/corrupt header/i.test(message)) return "damaged: its header is cut short or wrong";
  return message;
}

function checkBad(bad: readonly SkippedFile[], count: number, { skipBad }: ImageSourceOptions): void {
  if (bad.length === 0 || (skipBad && bad.length < count)) return;
  const lines = bad.slice(0, namedBad).map(({ file, reason }) => `  ${file}: ${reason}`);
  if (bad.length > namedBad) lines.push(`  … and ${bad.length - namedBad} more`);
  throw new HeptagenError(
    "data/bad-pictures",
    `${bad.length} of ${count} ${count === 1 ? "picture" : "pictures"} cannot be read:\n${lines.join("\n")}`,
    {
      facts: { count: bad.length, files: bad.map(({ file }) => file) },
      next:
        bad.length < count
          ? "Remove or replace them, or leave them out with skipBad (--skip-bad)."
          : "Give files that hold pictures.",
    },
  );
}

/** The pictures that can be read, if all are of one size. */
async function equalSizes(
  sources: readonly PictureSource[],
  bad: SkippedFile[],
  options: ImageSourceOptions,
): Promise<readonly PictureSource[]> {
  const sizes = await mapGood(sources, bad, pictureSize);
  checkBad(bad, sources.length, options);
  const counts = countSizes(sizes);
  if (counts.length > 1) {
    const first = counts.slice(0, 5).map(({ width, height, example }) => `${width}×${height} (${example})`);
    throw new HeptagenError(
      "data/sizes",
      `expected pictures of one size, got ${counts.length} sizes: ${first.join(", ")}${counts.length > 5 ? ", …" : ""}`,
      {
        facts: { sizes: counts.map(({ width, height }) => `${width}×${height}`) },
        next: "Set size (--size 64) to bring all to one square; fit (crop, pad, stretch) says how.",
      },
    );
  }
  return sizes.map(({ source }) => source);
}

function isGrey({ pixels }: DecodedPicture): boolean {
  for (let i = 0; i < pixels.length; i += 3) if (pixels[i] !== pixels[i + 1] || pixels[i] !== pixels[i + 2]) return false;
  return true;
}

/** [H, W, channels] → as many planes [C, H, W] as `out` has room for. */
function planar(pixels: Uint8Array, channels: number, out: Uint8Array): void {
  const area = pixels.length / channels;
  for (let i = 0; i < out.length; i++) out[i] = pixels[(i % area) * channels + Math.floor(i / area)] as number;
}

function describe(count: number, classes: readonly string[]): string {
  const pictures = `${count.toLocaleString("en")} ${count === 1 ? "picture" : "pictures"}`;
  if (classes.length === 0) return pictures;
  return classes.length === 1 ? `${pictures}, all labelled ${classes[0]}` : `${pictures}, ${classes.length} classes`;
}
