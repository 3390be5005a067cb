/**
 * The header of a safetensors file and all that can be wrong with it (see `safetensors.ts` for the format).
 *
 * Files come from anywhere, so every number is checked before it is used: the header's size against the file, each array's
 * bytes against its type and shape, and the arrays against each other: they must fill the data exactly.
 */
import { HeptagenError } from "../util/errors.ts";
import { type Shape, sizeOf } from "../util/ndarray.ts";

/** Where one array lies in a file. */
export interface SafetensorsEntry {
  readonly path: string;
  /** The stored type, as the format names it: `F32`, `BF16`, … */
  readonly stored: string;
  readonly shape: Shape;
  /** First byte and the one after the last, counted from the start of the file. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  readonly metadata: Readonly<Record<string, string>>;
  /** In the order of their bytes. */
  readonly entries: readonly SafetensorsEntry[];
}

/** Bytes per element of every stored type, so that sizes are checked even where the values cannot be read. */
export const storedBytes = new Map<string, number>([
  ...["BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0"].map((name) => [name, 1] as const),
  ...["U16", "I16", "F16", "BF16"].map((name) => [name, 2] as const),
  ...["U32", "I32", "F32"].map((name) => [name, 4] as const),
  ...["U64", "I64", "F64", "C64"].map((name) => [name, 8] as const),
]);

/** Largest header that the reference implementation reads. */
const maxHeaderBytes = 100_000_000;
/** Bytes before the header. */
export const prefixBytes = 8;

const reload = "The file is damaged or was not written or downloaded completely: fetch or write it again.";

/**
 * How many bytes of header follow the first eight.
 *
 * @param file name for messages
 * @throws HeptagenError `safetensors/truncated`, `safetensors/header`
 */
export function headerBytes(prefix: Uint8Array, fileBytes: number, file: string): number {
  if (prefix.length < prefixBytes) {
    throw new HeptagenError("safetensors/truncated", `${file}: expected at least 8 bytes, got ${prefix.length}`, {
      next: reload,
    });
  }
  if (new TextDecoder().decode(prefix.subarray(0, prefixBytes)) === "version ") {
    throw new HeptagenError("safetensors/header", `${file}: expected a safetensors file, got text, probably a Git LFS pointer`, {
      next: "Fetch the real file, for example with `git lfs pull`.",
    });
  }
  const size = new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true);
  if (size > maxHeaderBytes) {
    throw new HeptagenError("safetensors/header", `${file}: expected a header of at most ${maxHeaderBytes} bytes, got ${size}`, {
      facts: { file, headerBytes: size },
      next: "This is probably not a safetensors file: check its name and where it comes from.",
    });
  }
  if (prefixBytes + Number(size) > fileBytes) {
    throw new HeptagenError(
      "safetensors/truncated",
      `${file}: expected a header of ${size} bytes, got a file of ${fileBytes} bytes that ends inside it`,
      { facts: { file, headerBytes: Number(size), fileBytes }, next: reload },
    );
  }
  return Number(size);
}

/**
 * Reads a header and checks it: types known, sizes equal to shape times type, and the arrays filling the data exactly, without
 * gap or overlap.
 *
 * @param json the bytes between the first eight and the data
 * @param fileBytes size of the whole file
 * @throws HeptagenError `safetensors/header`, `safetensors/dtype`, `safetensors/offsets`, `safetensors/truncated`
 */
export function parseHeader(json: Uint8Array, fileBytes: number, file: string): SafetensorsHeader {
  const wrong = (what: string): HeptagenError => new HeptagenError("safetensors/header", `${file}: ${what}`, { next: reload });
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(json));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HeptagenError("safetensors/header", `${file}: expected a header in JSON, got something else (${reason})`, {
      next: reload,
      cause,
    });
  }
  if (!isRecord(header)) throw wrong("expected the header to be a JSON object");
  const { __metadata__: metadata = {}, ...described } = header;
  if (!isRecord(metadata) || !Object.values(metadata).every((value) => typeof value === "string")) {
    throw wrong("expected __metadata__ to map text to text");
  }
  const dataBegin = prefixBytes + json.length;
  const entries = Object.entries(described).map(([path, entry]) => {
    const { dtype, shape, data_offsets: offsets } = isRecord(entry) ? entry : {};
    if (typeof dtype !== "string") throw wrong(`expected "${path}" to have a dtype, got ${JSON.stringify(entry)}`);
    if (!isCounts(shape)) throw wrong(`expected "${path}" to have a shape of whole numbers, got ${JSON.stringify(shape)}`);
    const [begin, end] = isCounts(offsets) ? offsets : [];
    if (begin === undefined || end === undefined || begin > end) {
      throw wrong(`expected "${path}" to have data_offsets [begin, end], got ${JSON.stringify(offsets)}`);
    }
    checkSize({ path, dtype, shape, bytes: end - begin }, file);
    return { path, stored: dtype, shape, begin: dataBegin + begin, end: dataBegin + end };
  });
  entries.sort((a, b) => a.begin - b.begin || a.end - b.end);
  checkCover(entries, { dataBegin, fileBytes, file });
  return { metadata: metadata as Record<string, string>, entries };
}

function checkSize(
  { path, dtype, shape, bytes }: { path: string; dtype: string; shape: Shape; bytes: number },
  file: string,
): void {
  const width = storedBytes.get(dtype);
  if (width === undefined) {
    throw new HeptagenError("safetensors/dtype", `${file}: expected a known dtype for "${path}", got "${dtype}"`, {
      facts: { file, path, dtype },
      next: `Convert it where the file was made; known are ${[...storedBytes.keys()].join(", ")}.`,
    });
  }
  if (sizeOf(shape) * width !== bytes) {
    throw new HeptagenError(
      "safetensors/offsets",
      `${file}: expected ${sizeOf(shape) * width} bytes for "${path}" (${dtype} [${shape}]), got ${bytes}`,
      { facts: { file, path, dtype, shape, bytes }, next: reload },
    );
  }
}

function checkCover(entries: readonly SafetensorsEntry[], at: { dataBegin: number; fileBytes: number; file: string }): void {
  let end = at.dataBegin;
  let before = "the header";
  for (const entry of entries) {
    if (entry.begin !== end) {
      throw new HeptagenError(
        "safetensors/offsets",
        `${at.file}: expected "${entry.path}" right after ${before} at byte ${end}, got ${entry.begin < end ? "an overlap" : "a gap"}: it begins at ${entry.begin}`,
        { facts: { file: at.file, path: entry.path, expected: end, got: entry.begin }, next: reload },
      );
    }
    end = entry.end;
    before = `"${entry.path}"`;
  }
  if (end !== at.fileBytes) {
    const code = at.fileBytes < end ? "safetensors/truncated" : "safetensors/offsets";
    throw new HeptagenError(code, `${at.file}: expected ${end} bytes by its header, got ${at.fileBytes}`, {
      facts: { file: at.file, expected: end, got: at.fileBytes },
      next: reload,
    });
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((item) => Number.isSafeInteger(item) && item >= 0);
}
