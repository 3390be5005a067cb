/**
 * Safetensors files on disk, read array by array and written piece by piece: a file is never in memory twice.
 */
import { type FileHandle, open } from "node:fs/promises";
import { HeptagenError } from "../util/errors.ts";
import type { NdArray } from "../util/ndarray.ts";
import { unreadable, type Written, writeFileAtomically } from "./durable.node.ts";
import { conversions, decodeTensor, type Safetensors, safetensorsPieces } from "./safetensors.ts";
import { headerBytes, parseHeader, prefixBytes, type SafetensorsHeader } from "./safetensors-header.ts";

export interface ReadOptions {
  /** Which arrays to read; all unless told. */
  readonly only?: (path: string) => boolean;
  /** Sees the file's bytes in order while they are read, for a checksum; only when all arrays are read. */
  readonly tap?: (bytes: Uint8Array) => void;
}

/**
 * Reads a file. Peak memory is the arrays themselves and, for half floats, one array more.
 *
 * @throws HeptagenError `safetensors/…` naming the file and what is wrong with it; `storage/unreadable`
 * @example const { tensors } = await readSafetensorsFile("gpt2/model.safetensors", { only: (path) => !path.endsWith(".attn.bias") });
 */
export async function readSafetensorsFile(file: string, options: ReadOptions = {}): Promise<Safetensors> {
  const { only = () => true, tap = () => {} } = options;
  return withFile(file, async (handle) => {
    const { metadata, entries } = await readHeader(handle, file, tap);
    const chosen = entries.filter(({ path }) => only(path));
    const tensors = new Map<string, NdArray>();
    for (const entry of chosen) {
      const bytes = await readRange(handle, { begin: entry.begin, end: entry.end, file }, tap);
      tensors.set(entry.path, decodeTensor(entry, bytes, file));
    }
    return { tensors, metadata, converted: conversions(chosen) };
  });
}

/**
 * Reads only what a file says about its arrays: names, types, shapes, places.
 *
 * @throws as `readSafetensorsFile`
 */
export async function readSafetensorsHeader(file: string): Promise<SafetensorsHeader> {
  return withFile(file, (handle) => readHeader(handle, file, () => {}));
}

/**
 * Writes a file atomically (see `durable.node.ts`), straight from the arrays' memory. They must not change meanwhile.
 *
 * @throws HeptagenError `storage/…`, and as `safetensorsPieces`
 * @example await writeSafetensorsFile("model.safetensors", flattenParameters(params), { format: "pt" });
 */
export async function writeSafetensorsFile(
  file: string,
  tensors: ReadonlyMap<string, NdArray>,
  metadata: Readonly<Record<string, string>> = {},
): Promise<Written> {
  return writeFileAtomically(file, safetensorsPieces(tensors, metadata));
}

type Tap = (bytes: Uint8Array) => void;

async function readHeader(handle: FileHandle, file: string, tap: Tap): Promise<SafetensorsHeader> {
  const { size } = await handle.stat();
  const prefix = await readRange(handle, { begin: 0, end: Math.min(prefixBytes, size), file }, tap);
  const end = prefixBytes + headerBytes(prefix, size, file);
  return parseHeader(await readRange(handle, { begin: prefixBytes, end, file }, tap), size, file);
}

/** Largest single read that every system allows; small enough that a checksum of it does not hold up the event loop. */
const chunkBytes = 16 << 20;

async function readRange(handle: FileHandle, range: { begin: number; end: number; file: string }, tap: Tap): Promise<Uint8Array> {
  const bytes = new Uint8Array(range.end - range.begin);
  for (let at = 0; at < bytes.length; ) {
    const { bytesRead } = await handle.read(bytes, at, Math.min(chunkBytes, bytes.length - at), range.begin + at);
    if (bytesRead === 0) {
      throw new HeptagenError(
        "safetensors/truncated",
        `${range.file}: expected ${range.end} bytes, got ${range.begin + at}: it shrank`,
      );
    }
    tap(bytes.subarray(at, at + bytesRead));
    at += bytesRead;
  }
  return bytes;
}

async function withFile<T>(file: string, use: (handle: FileHandle) => Promise<T>): Promise<T> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(file, "r");
    return await use(handle);
  } catch (error) {
    throw unreadable(error, file);
  } finally {
    await handle?.close();
  }
}
