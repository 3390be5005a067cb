/** Text from a language model, sample by sample, as it is written. */
import type { Tokenizer } from "../../data/index.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import type { Device } from "../../runtime/index.ts";
import type { NdArray } from "../../util/ndarray.ts";
import type { Tree } from "../../util/tree.ts";
import type { SampleEvent } from "../recipe.ts";
import { type GeneratedChunk, generate } from "./generate.ts";
import type { SampleOptions } from "./options.ts";
import { type TextStream, textStream } from "./text-stream.ts";

/** A model with everything needed to use it. */
export interface LoadedLanguageModel<Config = unknown> {
  readonly model: LanguageModel<Config>;
  readonly config: Config;
  readonly params: Tree<NdArray>;
  readonly tokenizer: Tokenizer;
  /** Tokens the model reads at once. */
  readonly context: number;
  readonly device?: Device | undefined;
}

/**
 * Writes continuations of a prompt. The prompt itself is not repeated.
 *
 * @throws HeptagenError `tokenizer/unknown-character` when the prompt holds characters that the model does not know
 */
export async function* sampleText<Config>(
  { model, config, params, tokenizer, context, device }: LoadedLanguageModel<Config>,
  { prompt, maxTokens, numSamples, stop, logProbabilities, ...sampling }: SampleOptions,
): AsyncGenerator<SampleEvent> {
  const ids = promptTokens(tokenizer, prompt);
  const texts = Array.from({ length: numSamples }, () => textStream(tokenizer.tokenBytes, stop));
  const options = { ...sampling, samples: numSamples, maxTokens, logProbabilities, context, ...(device && { device }) };
  for await (const chunk of generate(model, config, params, ids, options)) {
    for (const [sample, stream] of texts.entries()) {
      if (stream.stopped) continue;
      yield* pieces(stream, tokenizer, chunk, sample);
      if (stream.stopped) yield { kind: "end", sample, reason: "stop" };
    }
    if (texts.every(({ stopped }) => stopped)) return;
  }
  for (const [sample, stream] of texts.entries()) {
    if (stream.stopped) continue;
    const text = stream.flush();
    if (text) yield { kind: "text", sample, text };
    yield { kind: "end", sample, reason: "length" };
  }
}

/**
 * The tokens that a text begins with. Without a prompt it begins as a new document: after the token that ends texts, or after
 * a line break, or after any token at all.
 */
export function promptTokens(tokenizer: Tokenizer, prompt: string | undefined): Int32Array {
  if (prompt) return tokenizer.encode(prompt);
  if (tokenizer.endOfText !== undefined) return Int32Array.of(tokenizer.endOfText);
  const lineBreak = tokenizer.tokenBytes.findIndex((bytes) => bytes.length === 1 && bytes[0] === 10);
  return Int32Array.of(Math.max(0, lineBreak));
}

/** The events of one sample's part of a chunk: one in all, or one per token when log-probabilities are wanted. */
function* pieces(
  stream: TextStream,
  tokenizer: Tokenizer,
  { tokens, logProbabilities }: GeneratedChunk,
  sample: number,
): Generator<SampleEvent> {
  const own = tokens[sample] as Int32Array;
  const logs = logProbabilities?.[sample];
  let text = "";
  const scores: { token: string; logProbability: number }[] = [];
  for (const [n, id] of own.entries()) {
    text += stream.push(id);
    if (logs) scores.push({ token: tokenizer.decode([id]), logProbability: logs[n] as number });
    if (stream.stopped) break;
  }
  if (text || scores.length > 0) yield { kind: "text", sample, text, ...(logs && { logProbabilities: scores }) };
}
