/**
 * IDX, the format of MNIST and its relatives (LeCun, Cortes and Burges 1998): two zero bytes, the type (8: unsigned byte), the
 * number of dimensions, each dimension as a big-endian 32-bit number, then the values.
 */
import { HeptagenError } from "../util/errors.ts";

export interface IdxArray {
  readonly shape: readonly number[];
  /** Row-major, as stored. */
  readonly data: Uint8Array;
}

/**
 * Reads an IDX file of bytes.
 *
 * @param bytes the file's content, unpacked
 * @param file its name, for errors
 * @throws HeptagenError `data/idx` when the header or the length is wrong
 */
export function readIdx(bytes: Uint8Array, file: string): IdxArray {
  const wrong = (what: string) =>
    new HeptagenError("data/idx", `${file}: ${what}`, { next: "Is the file whole, and of the MNIST kind? Fetch it again." });
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4 || view.getUint16(0) !== 0) throw wrong("expected an IDX file (first two bytes 0), got something else");
  if (bytes[2] !== 8) throw wrong(`expected IDX type 8 (unsigned bytes), got type ${bytes[2]}`);
  const rank = bytes[3] as number;
  const start = 4 + 4 * rank;
  if (bytes.length < start) throw wrong(`expected a header of ${start} bytes, the file has ${bytes.length}`);
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const size = shape.reduce((product, dim) => product * dim, 1);
  if (bytes.length - start !== size) {
    throw wrong(`expected ${size} values for shape [${shape.join(", ")}], got ${bytes.length - start}`);
  }
  return { shape, data: bytes.subarray(start) };
}
