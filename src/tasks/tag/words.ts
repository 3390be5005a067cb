/**
 * Words of a text and where they stand, for taggers that were trained on words.
 *
 * Text between spaces is one word, but marks at its ends (quotes, brackets, commas, points, …) are words of their own. A point stays with
 * an initial (`J.`), with a word that has a point inside (`U.S.`) and with common abbreviations (`Mr.`), when a word follows or not.
 * Apostrophes and hyphens inside a word stay there.
 */

/** A text's words, and from where to where each stands, as JavaScript counts (UTF-16 units). */
export interface Words {
  readonly words: readonly string[];
  readonly offsets: readonly (readonly [start: number, end: number])[];
}

const abbreviations = new Set(
  "Mr Mrs Ms Dr Prof St Jr Sr Gen Col Lt Sgt Capt Rev Hon Gov Sen Rep Pres Co Corp Inc Ltd Bros No vs etc Ave Blvd Mt Ft".split(
    " ",
  ),
);

/** @example splitWords('Mr. Ahab, of "Pequod".').words // Mr. Ahab , of " Pequod " . */
export function splitWords(text: string): Words {
  const words: string[] = [];
  const offsets: [number, number][] = [];
  const put = (start: number, end: number) => {
    words.push(text.slice(start, end));
    offsets.push([start, end]);
  };
  for (const { index, 0: run } of text.matchAll(/\S+/gu)) {
    const inner = /[\p{L}\p{N}$€£%](?:.*[\p{L}\p{N}$€£%])?/su.exec(run);
    if (!inner) {
      marks(run, index, put);
      continue;
    }
    const from = inner.index;
    let to = from + inner[0].length;
    if (run[to] === "." && keepsPoint(inner[0])) to++;
    marks(run.slice(0, from), index, put);
    put(index + from, index + to);
    marks(run.slice(to), index + to, put);
  }
  return { words, offsets };
}

const keepsPoint = (word: string): boolean => /^\p{Lu}$/u.test(word) || word.includes(".") || abbreviations.has(word);

/** Each mark by itself, but the same one repeated (`--`, `...`) is one. */
function marks(text: string, at: number, put: (start: number, end: number) => void): void {
  for (const { index, 0: run } of text.matchAll(/(.)\1*/gsu)) put(at + index, at + index + run.length);
}
