/** Text for a language model: read, split, and turned into tokens. */
import { fileURLToPath } from "node:url";
import {
  byteTokenizer,
  characterTokenizer,
  readDocuments,
  sha256,
  splitTexts,
  type TokenDataset,
  type Tokenizer,
  tokenDataset,
  trainBpe,
} from "../../data/index.ts";
import type { TrainingOptions } from "./options.ts";

/** Moby Dick, which comes with the package. */
const vendored = fileURLToPath(new URL("../../../assets/moby-dick.txt", import.meta.url));

export interface PreparedText extends TokenDataset {
  readonly tokenizer: Tokenizer;
  /** The validation texts, as text. */
  readonly validationTexts: readonly string[];
  readonly characters: number;
  readonly documents: number;
  /** For people: where the text came from. */
  readonly source: string;
}

/** What decides which text is read. */
export type TextSource = Pick<TrainingOptions, "data" | "column">;

/**
 * Reads texts; Moby Dick when no source is given.
 *
 * @throws HeptagenError `data/…`
 */
export async function readTexts({ data, column }: TextSource): Promise<string[]> {
  const documents = await readDocuments(data ?? vendored, column === undefined ? {} : { column });
  return documents.map(({ text }) => text);
}

/**
 * The texts of a training, split into both sides again, and what identifies them.
 *
 * @throws HeptagenError `data/…`
 */
export async function splitSource(
  options: TextSource & Pick<TrainingOptions, "validation">,
): Promise<{ train: string[]; validation: string[]; fingerprint: string }> {
  const texts = await readTexts(options);
  return { ...(await splitTexts(texts, options.validation)), fingerprint: await sha256(texts) };
}

/**
 * Reads, splits and encodes the text of a training.
 *
 * @param known the tokenizer to use; without one it is learnt: characters from all of the text, BPE from the training text
 * @throws HeptagenError `data/…`, `tokenizer/…`
 */
export async function prepareText(options: TrainingOptions, known: Tokenizer | undefined): Promise<PreparedText> {
  const texts = await readTexts(options);
  const split = await splitTexts(texts, options.validation);
  const tokenizer = known ?? (await learnTokenizer(options, texts, split.train));
  const dataset = await tokenDataset(texts, tokenizer, { validation: options.validation, context: windowOf(options) });
  return {
    ...dataset,
    tokenizer,
    validationTexts: split.validation,
    characters: texts.reduce((sum, text) => sum + text.length, 0),
    documents: texts.length,
    source: options.data === undefined ? "Moby Dick" : [options.data].flat().join(", "),
  };
}

async function learnTokenizer(
  { tokenizer, vocabulary }: TrainingOptions,
  texts: readonly string[],
  training: readonly string[],
): Promise<Tokenizer> {
  switch (tokenizer) {
    case "character":
      return characterTokenizer(texts.join(""));
    case "byte":
      return byteTokenizer();
    case "bpe":
      return trainBpe(training.join("\n"), vocabulary);
  }
}

/** Tokens per training sequence. */
export function windowOf({ window, context }: Pick<TrainingOptions, "window" | "context">): number {
  return Math.min(window ?? context, context);
}
