/**
 * Safetensors: named arrays in one file, the format Hugging Face and PyTorch share weights in.
 *
 *   8 bytes   size of the header, little-endian unsigned
 *   header    JSON: {"__metadata__": {text: text}, NAME: {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, …},
 *             padded with spaces so that the data begin at a multiple of 8
 *   data      the arrays, row-major and little-endian, one after another without gaps; offsets count from here
 *
 * Reading order below: one array, a whole file in memory, writing. The header is in `safetensors-header.ts`, files on disk in
 * `safetensors.node.ts`.
 *
 * Source: https://github.com/huggingface/safetensors#format
 */
import { HeptagenError } from "../util/errors.ts";
import { type DType, type NdArray, type NumericArray, sizeOf } from "../util/ndarray.ts";
import { fromBfloat16, fromFloat16 } from "./half-floats.ts";
import { headerBytes, parseHeader, prefixBytes, type SafetensorsEntry, storedBytes } from "./safetensors-header.ts";

/** The content of a file. */
export interface Safetensors {
  readonly tensors: Map<string, NdArray>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Arrays stored as half floats, which became float32 here: a note for the user. The values are exact. */
  readonly converted: readonly { readonly path: string; readonly from: string }[];
}

/**
 * Turns the bytes of one array into an NdArray. It shares memory with `bytes` where alignment allows; half floats become
 * float32.
 *
 * @throws HeptagenError `safetensors/dtype` for a stored type that Heptagen has no array for, `safetensors/value` for a
 *   boolean other than 0 and 1
 */
export function decodeTensor({ path, stored, shape }: SafetensorsEntry, bytes: Uint8Array, file: string): NdArray {
  const size = sizeOf(shape);
  const width = storedBytes.get(stored) ?? 1;
  const aligned = bytes.byteOffset % width === 0 ? bytes : bytes.slice();
  const at = [aligned.buffer, aligned.byteOffset, size] as const;
  switch (stored) {
    case "F32":
      return { dtype: "float32", shape, data: new Float32Array(...at) };
    case "I32":
      return { dtype: "int32", shape, data: new Int32Array(...at) };
    case "I64":
      return { dtype: "int64", shape, data: new BigInt64Array(...at) };
    case "BOOL": {
      const other = aligned.find((value) => value > 1);
      if (other === undefined) return { dtype: "bool", shape, data: new Uint8Array(...at) };
      throw new HeptagenError("safetensors/value", `${file}: expected booleans 0 and 1 in "${path}", got ${other}`, {
        next: "The file is damaged: fetch or write it again.",
      });
    }
    case "F16":
      return { dtype: "float32", shape, data: fromFloat16(new Uint16Array(...at)) };
    case "BF16":
      return { dtype: "float32", shape, data: fromBfloat16(new Uint16Array(...at)) };
    default:
      throw new HeptagenError(
        "safetensors/dtype",
        `${file}: expected F32, F16, BF16, I32, I64 or BOOL for "${path}", got ${stored}`,
        {
          facts: { file, path, dtype: stored },
          next: "Convert it to F32 or I32 where the file was made, or leave this array out when reading.",
        },
      );
  }
}

/** The notes of `Safetensors.converted`. */
export function conversions(entries: readonly SafetensorsEntry[]): Safetensors["converted"] {
  return entries
    .filter(({ stored }) => stored === "F16" || stored === "BF16")
    .map(({ path, stored }) => ({ path, from: stored }));
}

/**
 * Reads a file held in memory. Arrays share memory with `bytes` where alignment allows.
 *
 * @param file name for messages
 * @throws HeptagenError `safetensors/…` naming the file and what is wrong with it
 * @example const { tensors } = readSafetensors(new Uint8Array(await response.arrayBuffer()), url);
 */
export function readSafetensors(bytes: Uint8Array, file = "safetensors"): Safetensors {
  const dataBegin = prefixBytes + headerBytes(bytes, bytes.length, file);
  const { metadata, entries } = parseHeader(bytes.subarray(prefixBytes, dataBegin), bytes.length, file);
  const tensors = new Map(
    entries.map((entry) => [entry.path, decodeTensor(entry, bytes.subarray(entry.begin, entry.end), file)]),
  );
  return { tensors, metadata, converted: conversions(entries) };
}

/** How each element type is stored; in this order in a file, so that wide elements stay aligned whatever follows them. */
const stored: readonly (readonly [DType, string])[] = [
  ["int64", "I64"],
  ["float32", "F32"],
  ["int32", "I32"],
  ["bool", "BOOL"],
];

/**
 * A safetensors file as pieces in order: the header, then each array's own memory, so that nothing is copied. Arrays are
 * sorted by type and name, as the reference implementation does: equal content gives equal bytes.
 *
 * @param metadata free text about the file; `{ format: "pt" }` makes Hugging Face's transformers accept it
 * @throws HeptagenError `safetensors/name`, `array/size`
 */
export function safetensorsPieces(
  tensors: ReadonlyMap<string, NdArray>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array[] {
  const rank = new Map(stored.map(([dtype], i) => [dtype, i]));
  const sorted = [...tensors].sort(([a, x], [b, y]) => (rank.get(x.dtype) ?? 0) - (rank.get(y.dtype) ?? 0) || (a < b ? -1 : 1));
  const names = new Map(stored);
  const fields = Object.keys(metadata).length > 0 ? [`"__metadata__":${JSON.stringify(metadata)}`] : [];
  let offset = 0;
  for (const [path, { dtype, shape, data }] of sorted) {
    if (path === "__metadata__") {
      throw new HeptagenError(
        "safetensors/name",
        `expected the name of an array, got "${path}", which the format keeps for itself`,
      );
    }
    if (data.length !== sizeOf(shape)) {
      throw new HeptagenError(
        "array/size",
        `"${path}": expected ${sizeOf(shape)} values for shape [${shape}], got ${data.length}`,
      );
    }
    const description = { dtype: names.get(dtype), shape, data_offsets: [offset, offset + data.byteLength] };
    fields.push(`${JSON.stringify(path)}:${JSON.stringify(description)}`); // by hand: an object would move names like "0" forward
    offset += data.byteLength;
  }
  const json = new TextEncoder().encode(`{${fields.join(",")}}`);
  const header = new Uint8Array(prefixBytes + Math.ceil(json.length / 8) * 8).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - prefixBytes), true);
  header.set(json, prefixBytes);
  return [header, ...sorted.map(([, { data }]) => bytesOf(data))];
}

/**
 * Writes a file into memory.
 *
 * @throws as `safetensorsPieces`
 * @example writeSafetensors(new Map([["bias", ndarray("float32", [2], [0, 1])]]), { format: "pt" })
 */
export function writeSafetensors(
  tensors: ReadonlyMap<string, NdArray>,
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array {
  const pieces = safetensorsPieces(tensors, metadata);
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function bytesOf(data: NumericArray): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
