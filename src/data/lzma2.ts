/**
 * Bare LZMA2 data, which R's packages hold: given the header, index and footer that make an .xz file of it, a decoder of such
 * files reads it.
 *
 * The format: https://tukaani.org/xz/xz-file-format.txt (version 1.2.1)
 */
import * as library from "xz-decompress";

// A CommonJS module, whose exports Node does not know by their names.
const { XzReadableStream } =
  (library as { readonly default?: unknown } as { readonly default?: typeof library }).default ?? library;

/** 8 MiB: what `xz` and R use unless told. */
const dictionary = 22;

/**
 * Unpacks bare LZMA2 data.
 *
 * @param packed the chunks and the zero that ends them
 * @param size what it unpacks to, in bytes
 * @throws Error when it is damaged
 * @example const bytes = await unpackLzma2(packed, 1000);
 */
export async function unpackLzma2(packed: Uint8Array, size: number): Promise<Uint8Array> {
  const { before, after } = container(packed.length, size);
  const file = new Blob([Uint8Array.from(before), new Uint8Array(packed), Uint8Array.from(after)]);
  return new Uint8Array(await new Response(new XzReadableStream(file.stream())).arrayBuffer());
}

/** What makes an .xz file of one block, without a checksum of what is in it, around packed data. */
function container(packed: number, size: number): { readonly before: number[]; readonly after: number[] } {
  const flags = [0, 0];
  // Size in units of four bytes less one, one filter: LZMA2 (0x21) with one byte of settings; filled up to a multiple of four.
  const header = withSum([2, 0, 0x21, 1, dictionary, 0, 0, 0]);
  const index = withSum(filled([0, 1, ...variable(header.length + packed), ...variable(size)]));
  const footer = [...little(index.length / 4 - 1), ...flags];
  const padding = new Array<number>((4 - (packed % 4)) % 4).fill(0);
  return {
    before: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0, ...withSum(flags), ...header],
    after: [...padding, ...index, ...little(crc32(footer)), ...footer, 0x59, 0x5a],
  };
}

const filled = (bytes: readonly number[]): number[] => [...bytes, ...new Array<number>((4 - (bytes.length % 4)) % 4).fill(0)];
const little = (value: number): number[] => [value, value >>> 8, value >>> 16, value >>> 24].map((byte) => byte & 0xff);
const withSum = (bytes: readonly number[]): number[] => [...bytes, ...little(crc32(bytes))];

/** Seven bits a byte, the lowest first. */
const variable = (value: number): number[] =>
  value < 128 ? [value] : [(value % 128) + 128, ...variable(Math.floor(value / 128))];

function crc32(bytes: readonly number[]): number {
  let sum = -1;
  for (const byte of bytes) {
    sum ^= byte;
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (0xedb88320 & -(sum & 1));
  }
  return ~sum >>> 0;
}
