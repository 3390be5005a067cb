/** Learns a byte-level BPE vocabulary from text, with Hugging Face's trainer (the optional package `tokenizers`). */
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { HeptagenError } from "../util/errors.ts";
import { symbolOfByte } from "./byte-symbols.ts";
import { byteLevelJson, endOfTextName, type HuggingFaceTokenizerJson, type Tokenizer, tokenizerFromJSON } from "./tokenizer.ts";

/**
 * Trains a tokenizer.
 *
 * The library learns as many merges as the text supports (up to 30,000) and ranks them; the first ones that fit the size asked
 * for are kept, which is the same as having stopped there. All 256 bytes are in the vocabulary, so any text can be encoded.
 *
 * @param vocabularySize 257 or more: the bytes, the end-of-text token, and a token per merge
 * @throws HeptagenError `tokenizer/size`, `tokenizer/library`
 */
export async function trainBpe(text: string, vocabularySize: number): Promise<Tokenizer> {
  if (!Number.isInteger(vocabularySize) || vocabularySize < 257) {
    throw new HeptagenError(
      "tokenizer/size",
      `trainBpe: expected a vocabulary of 257 tokens or more (256 bytes and one between documents), got ${vocabularySize}`,
    );
  }
  const merges = (await learn(text)).slice(0, vocabularySize - 257);
  const vocab: Record<string, number> = {};
  for (let byte = 0; byte < 256; byte++) vocab[symbolOfByte(byte)] = byte;
  for (const [left, right] of merges) vocab[left + right] ??= Object.keys(vocab).length;
  const endOfText = Object.keys(vocab).length;
  vocab[endOfTextName] = endOfText;
  return tokenizerFromJSON(byteLevelJson(vocab, merges, { split: true, endOfText }));
}

/** All merges the text supports, most useful first. */
async function learn(text: string): Promise<(readonly [string, string])[]> {
  const library = await import("tokenizers").catch((cause: unknown) => {
    throw new HeptagenError(
      "tokenizer/library",
      "training a bpe tokenizer needs the package `tokenizers`, which is not installed",
      {
        next: "Install it (npm install tokenizers), or choose the character or byte tokenizer.",
        cause,
      },
    );
  });
  const { BPE, Tokenizer, byteLevelPreTokenizer } = library.default ?? library;
  const tokenizer = new Tokenizer(BPE.empty());
  tokenizer.setPreTokenizer(byteLevelPreTokenizer(false, true));
  const folder = await mkdtemp(join(tmpdir(), "heptagen-bpe-"));
  try {
    await writeFile(join(folder, "text.txt"), text);
    tokenizer.train([join(folder, "text.txt")]);
    tokenizer.save(join(folder, "tokenizer.json"), false);
    const { model } = JSON.parse(await readFile(join(folder, "tokenizer.json"), "utf8")) as HuggingFaceTokenizerJson;
    return (model.merges ?? []).map((merge) => (typeof merge === "string" ? merge.split(" ") : merge) as [string, string]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
