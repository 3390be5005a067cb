/** Texts for masked language models: paragraphs as tokens, and which of them are hidden. */
import { readDocuments, type Tokenizer } from "../../data/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import { fillUniform, fold, type Key, randint } from "../../util/random.ts";
import type { Placed } from "../sequence/records.ts";
import type { Assets } from "../sequence/sequence-task.ts";
import type { SpecialTokens } from "../sequence/special-tokens.ts";
import { cased, encodeText } from "../sequence/text.ts";
import type { TrainingOptions } from "./options.ts";

/** A paragraph, or the text of a record. */
export interface RawParagraph {
  readonly text: string;
  readonly placed: Placed;
}

export interface TextFacts {
  /** How many paragraphs training has. */
  readonly paragraphs: number;
}

export interface MaskedExample {
  readonly text: string;
  readonly ids: Int32Array;
  /** For errors. */
  readonly place: string;
}

/** Documents cut at empty lines; what holds nothing but space is no paragraph. @throws HeptagenError `data/…` */
export async function readParagraphs({
  data,
  textColumn,
}: Pick<TrainingOptions, "data" | "textColumn">): Promise<RawParagraph[]> {
  if (data === undefined) {
    throw new HeptagenError("options/value", "train: expected data, got none", {
      next: "Name files with --data, or choose a preset that has some.",
    });
  }
  const documents = await readDocuments(data, { column: textColumn });
  return documents.flatMap(({ text, source }) =>
    text.split(/\n\s*\n/).flatMap((part) => (part.trim() === "" ? [] : [{ text: part.trim(), placed: { place: source } }])),
  );
}

export function encodeParagraph(
  { text, placed: { place } }: RawParagraph,
  { tokenizer }: Assets<TextFacts>,
  options: Pick<TrainingOptions, "lowercase">,
): MaskedExample {
  return { text, place, ids: encodeText(tokenizer as Tokenizer, cased(text, options), Number.POSITIVE_INFINITY, place) };
}

/** Paragraphs in parts of at most so many tokens, as even as can be. */
export function tokenParts(ids: Int32Array, longest: number): Int32Array[] {
  const count = Math.ceil(ids.length / longest);
  return Array.from({ length: count }, (_, i) =>
    ids.slice(Math.floor((i * ids.length) / count), Math.floor(((i + 1) * ids.length) / count)),
  );
}

/** What is hidden in a text. */
export interface Hidden {
  /** The text as the model reads it. */
  readonly shown: Int32Array;
  /** Places to be guessed, in order. */
  readonly places: Int32Array;
}

/** How many of so many tokens are hidden: at least one. */
export const hiddenCount = (length: number, share: number): number => Math.max(1, Math.round(share * length));

/** Of the places to be guessed, the part that shows the mask; half of the others show another token, the rest what was there. */
const masked = 0.8;

/**
 * Hides tokens as BERT does: of the places to be guessed 80 % show the mask, 10 % any other token, and 10 % what was there.
 *
 * @param key the same key hides the same places
 */
export function hideTokens(ids: Int32Array, share: number, { mask, begin }: SpecialTokens, key: Key): Hidden {
  const [order, kinds] = [new Float32Array(ids.length), new Float32Array(ids.length)];
  fillUniform(fold(key, "order"), order);
  fillUniform(fold(key, "kind"), kinds);
  const others = new Int32Array(ids.length);
  randint(fold(key, "token"), 0, begin, others); // those of the tokenizer end where the special ones begin
  const places = Int32Array.from(ids.keys())
    .sort((a, b) => (order[a] as number) - (order[b] as number) || a - b)
    .slice(0, hiddenCount(ids.length, share))
    .sort();
  const shown = ids.slice();
  for (const place of places) {
    const kind = kinds[place] as number;
    if (kind < masked) shown[place] = mask;
    else if (kind < (1 + masked) / 2) shown[place] = others[place] as number;
  }
  return { shown, places };
}
