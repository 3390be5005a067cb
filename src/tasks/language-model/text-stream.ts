/**
 * From tokens that arrive one by one to text that can be printed.
 *
 * A token may hold half a character, and the last letters may turn out to be the beginning of a stop string. Both are held
 * back until it is clear what they are.
 */
import { streamDecoder } from "../../data/index.ts";

export interface TextStream {
  /** Takes the next token and returns the text that became certain. */
  push(token: number): string;
  /** What was held back, when no token follows. */
  flush(): string;
  /** Whether a stop string was met; nothing comes after it. */
  readonly stopped: boolean;
}

/**
 * Opens a stream of text.
 *
 * @param tokenBytes the UTF-8 bytes of each token
 * @param stop strings before which the text ends
 * @example const stream = textStream(tokenizer.tokenBytes, ["\n\n"]); print(stream.push(17));
 */
export function textStream(tokenBytes: readonly Uint8Array[], stop: readonly string[] = []): TextStream {
  const decoder = streamDecoder(tokenBytes);
  let held = "";
  let stopped = false;

  /** Cuts at the first stop string; holds back what may become one. */
  const release = (text: string, complete: boolean): string => {
    held += text;
    const found = stop.map((string) => held.indexOf(string)).filter((at) => at >= 0);
    if (found.length > 0) {
      stopped = true;
      return held.slice(0, Math.min(...found));
    }
    const kept = complete ? 0 : Math.max(0, ...stop.map((string) => commonEnd(held, string)));
    const out = held.slice(0, held.length - kept);
    held = held.slice(held.length - kept);
    return out;
  };

  return {
    push: (token) => (stopped ? "" : release(decoder.push([token]), false)),
    flush: () => (stopped ? "" : release(decoder.end(), true)),
    get stopped() {
      return stopped;
    },
  };
}

/** Length of the longest end of `text` that begins `string`. */
function commonEnd(text: string, string: string): number {
  for (let length = Math.min(text.length, string.length - 1); length > 0; length--) {
    if (text.endsWith(string.slice(0, length))) return length;
  }
  return 0;
}
