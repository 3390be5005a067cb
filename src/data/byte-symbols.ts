/**
 * GPT-2's visible names for bytes.
 *
 * Byte-level BPE keeps its vocabulary as text. Bytes that are printable stand for themselves; the others (control characters,
 * space, …) are given the code points from 256 on, in order.
 */

const printable = (byte: number) => (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || (byte >= 174 && byte <= 255);

const symbols: string[] = [];
const bytes = new Map<string, number>();
let next = 256;
for (let byte = 0; byte < 256; byte++) {
  const symbol = String.fromCodePoint(printable(byte) ? byte : next++);
  symbols.push(symbol);
  bytes.set(symbol, byte);
}

/** The character that stands for a byte. */
export const symbolOfByte = (byte: number): string => symbols[byte] as string;

/** The byte a character stands for, undefined when it stands for none. */
export const byteOfSymbol = (symbol: string): number | undefined => bytes.get(symbol);
