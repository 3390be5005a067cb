/** Learns a byte-level BPE vocabulary from text, with Hugging Face's trainer (the optional package `tokenizers`). */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
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

/**
 * All merges the text supports, most useful first.
 *
 * The library prints a progress bar of its own, which nothing turns off; so it works in a process whose output is dropped.
 */
async function learn(text: string): Promise<(readonly [string, string])[]> {
  const library = locate();
  const folder = await mkdtemp(join(tmpdir(), "heptagen-bpe-"));
  const [from, to] = [join(folder, "text.txt"), join(folder, "tokenizer.json")];
  try {
    await writeFile(from, text);
    await run(["-e", script, library, from, to]);
    const { model } = JSON.parse(await readFile(to, "utf8")) as HuggingFaceTokenizerJson;
    return (model.merges ?? []).map((merge) => (typeof merge === "string" ? merge.split(" ") : merge) as [string, string]);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const script = `
  const [library, from, to] = process.argv.slice(1);
  const { BPE, Tokenizer, byteLevelPreTokenizer } = require(library);
  const tokenizer = new Tokenizer(BPE.empty());
  tokenizer.setPreTokenizer(byteLevelPreTokenizer(false, true));
  tokenizer.train([from]);
  tokenizer.save(to, false);
`;

/** Where the library is installed. */
function locate(): string {
  try {
    return createRequire(import.meta.url).resolve("tokenizers");
  } catch (cause) {
    throw new HeptagenError(
      "tokenizer/library",
      "training a bpe tokenizer needs the package `tokenizers`, which is not installed",
      {
        next: "Install it (npm install tokenizers), or choose the character or byte tokenizer.",
        cause,
      },
    );
  }
}

/** Runs Node with its output dropped. */
function run(argv: readonly string[]): Promise<void> {
  return new Promise((done, failed) => {
    const child = spawn(process.execPath, argv, { stdio: "ignore" });
    child.on("error", failed).on("close", (code, signal) => {
      if (code === 0) return done();
      failed(
        new HeptagenError("tokenizer/library", `training a bpe tokenizer failed (exit code ${code}, signal ${signal})`, {
          next: "Reinstall the package `tokenizers`, or choose the character or byte tokenizer.",
        }),
      );
    });
  });
}
