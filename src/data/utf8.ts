/** Bytes as text, or an error that says where they are not. */
import { HeptagenError } from "../util/errors.ts";

/** @throws HeptagenError `data/not-text` with the line and the offset */
export function decodeText(bytes: Uint8Array, source: string): string {
  const zero = bytes.indexOf(0);
  if (zero >= 0) throw notText(bytes, source, "a zero byte", zero);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    throw notText(bytes, source, "bytes that are not UTF-8", firstInvalid(bytes));
  }
}

function notText(bytes: Uint8Array, source: string, what: string, offset: number): HeptagenError {
  const line = bytes.subarray(0, offset).reduce((count, byte) => count + (byte === 10 ? 1 : 0), 1);
  return new HeptagenError("data/not-text", `${source}: expected UTF-8 text, got ${what} at offset ${offset} (line ${line})`, {
    next: "Is it a binary file? Text in another encoding can be converted with: iconv -f ENCODING -t UTF-8",
  });
}

/** Offset of the first byte that does not belong to valid UTF-8: halving finds where decoding stops, then its start. */
function firstInvalid(bytes: Uint8Array): number {
  const valid = (end: number, stream: boolean) => {
    try {
      new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, end), { stream });
      return true;
    } catch {
      return false;
    }
  };
  let [low, high] = [0, bytes.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (valid(middle, true)) low = middle;
    else high = middle - 1;
  }
  while (!valid(low, false)) low--;
  return low;
}
