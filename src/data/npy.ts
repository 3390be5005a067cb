/** NumPy's files of one array (.npy; the format is numpy.lib.format): numbers, row-major, little-endian. */
import { HeptagenError } from "../util/errors.ts";

export interface NpyArray {
  readonly shape: readonly number[];
  readonly data: Float64Array | Float32Array | Uint8Array;
}

/**
 * Reads an array of float64, float32 or bytes.
 *
 * @throws HeptagenError `data/npy`
 */
export function readNpy(bytes: Uint8Array, file: string): NpyArray {
  const wrong = (what: string) => new HeptagenError("data/npy", `${file}: ${what}`, { next: "Fetch or make it again." });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 10 || bytes[0] !== 0x93 || String.fromCharCode(...bytes.subarray(1, 6)) !== "NUMPY") {
    throw wrong("expected a .npy file, got something else");
  }
  const [length, start] = bytes[6] === 1 ? [view.getUint16(8, true), 10] : [view.getUint32(8, true), 12];
  const header = new TextDecoder("latin1").decode(bytes.subarray(start, start + length));
  const [, type] = /'descr':\s*'([^']+)'/.exec(header) ?? [];
  const [, sizes] = /'shape':\s*\(([^)]*)\)/.exec(header) ?? [];
  if (type === undefined || sizes === undefined) throw wrong(`expected a header with descr and shape, got ${header.trim()}`);
  if (/'fortran_order':\s*True/.test(header)) throw wrong("expected rows first, got columns first (fortran_order)");
  const shape = sizes.split(",").flatMap((size) => (size.trim() ? [Number(size)] : []));
  const count = shape.reduce((product, size) => product * size, 1);
  const width = { "<f8": 8, "<f4": 4, "|u1": 1 }[type];
  if (!width) throw wrong(`expected numbers of type <f8, <f4 or |u1, got ${type}`);
  // A copy, so that it is aligned and has its memory to itself (a Buffer's slice has not).
  const content = new Uint8Array(bytes.subarray(start + length, start + length + count * width));
  if (content.length !== count * width) throw wrong(`expected ${count} numbers for shape [${shape.join(", ")}], got fewer`);
  const data =
    width === 8
      ? new Float64Array(content.buffer)
      : width === 4
        ? new Float32Array(content.buffer)
        : new Uint8Array(content.buffer);
  return { shape, data };
}
