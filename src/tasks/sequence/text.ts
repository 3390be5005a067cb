/** What tasks on text share: a tokenizer learnt from the training texts, texts as tokens of a limited number. */
import { byteTokenizer, characterTokenizer, type Tokenizer, trainBpe } from "../../data/index.ts";
import { HeptagenError } from "../../util/errors.ts";

export interface TextChoice {
  readonly tokenizer: "character" | "byte" | "bpe";
  readonly vocabulary: number;
}

/** A text in the case that a run reads. */
export const cased = (text: string, { lowercase }: { readonly lowercase: boolean }): string =>
  lowercase ? text.toLowerCase() : text;

/** A tokenizer learnt from texts, or the one that is known. */
export async function learnTokenizer(
  { tokenizer, vocabulary }: TextChoice,
  texts: readonly string[],
  known: Tokenizer | undefined,
): Promise<Tokenizer> {
  if (known) return known;
  switch (tokenizer) {
    case "character":
      return characterTokenizer(texts.join(""));
    case "byte":
      return byteTokenizer();
    case "bpe":
      return trainBpe(texts.join("\n"), vocabulary);
  }
}

/**
 * A text as tokens, the first `longest` of them.
 *
 * @param place for the error
 * @throws HeptagenError `data/empty` for a text of nothing
 */
export function encodeText(tokenizer: Tokenizer, text: string, longest: number, place: string): Int32Array {
  const ids = text.trim() === "" ? new Int32Array() : tokenizer.encode(text);
  if (ids.length > 0) return ids.length > longest ? ids.slice(0, longest) : ids;
  throw new HeptagenError("data/empty", `${place}: expected a text, got ${text === "" ? "none" : "nothing but space"}`, {
    next: "Fill it in or remove the line.",
  });
}
