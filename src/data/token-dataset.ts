/**
 * Text as token streams for training and validation.
 *
 * Documents are split first and encoded then, so that nothing of the validation text is ever trained on. Many documents are
 * split by document, one or few by cutting off the end. Documents of one side are joined with the end-of-text token where the
 * tokenizer has one.
 */
import { HeptagenError } from "../util/errors.ts";
import type { Tokenizer } from "./tokenizer.ts";

export interface TokenDataset {
  readonly train: Int32Array;
  readonly validation: Int32Array;
  /** SHA-256 of the texts, as hex: tells whether two runs saw the same data. */
  readonly fingerprint: string;
}

/** From so many documents on, whole documents are held out. */
const manyDocuments = 20;

/**
 * Splits texts into training and validation texts.
 *
 * With 20 or more documents each goes to one side by a hash of its text, so that equal documents stay together and the split
 * does not change when others are added; otherwise the end of each text is cut off.
 *
 * @param fraction part to hold out, 0 to below 1
 */
export async function splitTexts(texts: readonly string[], fraction: number): Promise<{ train: string[]; validation: string[] }> {
  if (fraction === 0) return { train: [...texts], validation: [] };
  const split = { train: [] as string[], validation: [] as string[] };
  if (texts.length < manyDocuments) {
    for (const text of texts) {
      const cut = wholeCharacter(text, Math.floor(text.length * (1 - fraction)));
      split.train.push(text.slice(0, cut));
      split.validation.push(text.slice(cut));
    }
    return split;
  }
  for (const text of texts) {
    const first = Number.parseInt((await sha256([text])).slice(0, 8), 16);
    split[first / 2 ** 32 < fraction ? "validation" : "train"].push(text);
  }
  return split;
}

/** A place in a text that does not cut a surrogate pair. */
function wholeCharacter(text: string, at: number): number {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff ? at + 1 : at;
}

/** Texts as one stream of tokens, each text followed by the end-of-text token if there is one. */
export function encodeTexts(texts: readonly string[], tokenizer: Tokenizer): Int32Array {
  const end = tokenizer.endOfText;
  const parts = texts.filter((text) => text.length > 0).map((text) => tokenizer.encode(text));
  const separators = end === undefined || texts.length < 2 ? 0 : 1;
  const stream = new Int32Array(parts.reduce((n, part) => n + part.length + separators, 0));
  let at = 0;
  for (const part of parts) {
    stream.set(part, at);
    at += part.length;
    if (separators === 1) stream[at++] = end as number;
  }
  return stream;
}

/**
 * Splits and encodes texts.
 *
 * @param context tokens in a training window; every side must hold at least one window and the token after it
 * @throws HeptagenError `data/too-short` with the lengths
 */
export async function tokenDataset(
  texts: readonly string[],
  tokenizer: Tokenizer,
  { validation, context }: { readonly validation: number; readonly context: number },
): Promise<TokenDataset> {
  const split = await splitTexts(texts, validation);
  const streams = { train: encodeTexts(split.train, tokenizer), validation: encodeTexts(split.validation, tokenizer) };
  for (const [side, stream] of Object.entries(streams)) {
    if (stream.length > context || (side === "validation" && validation === 0)) continue;
    throw new HeptagenError(
      "data/too-short",
      `the ${side} text has ${stream.length} tokens; a context of ${context} needs at least ${context + 1}`,
      {
        facts: { side, tokens: stream.length, context },
        next:
          side === "train"
            ? "Add text, or choose a smaller context."
            : "Add text, hold out a larger fraction (validation), or choose a smaller context.",
      },
    );
  }
  return { ...streams, fingerprint: await sha256(texts) };
}

/** SHA-256 of texts (their lengths included, so that where one ends matters), as hex. */
export async function sha256(texts: readonly string[]): Promise<string> {
  const encoder = new TextEncoder();
  const pieces = texts.flatMap((text) => {
    const bytes = encoder.encode(text);
    return [encoder.encode(`${bytes.length}:`), bytes];
  });
  const joined = new Uint8Array(pieces.reduce((n, piece) => n + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    joined.set(piece, at);
    at += piece.length;
  }
  const digest = await crypto.subtle.digest("SHA-256", joined);
  return [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
