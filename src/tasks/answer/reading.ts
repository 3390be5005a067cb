/** Reading passages for the answers to questions: the best span of each, and how far it is above having none. */
import type { Tensor } from "../../core/index.ts";
import type { Tokenizer } from "../../data/index.ts";
import { forward, type QuestionWithPassage, type SpanReaderConfig, type SpanReaderParams } from "../../models/span-reader.ts";
import { type Device, jit } from "../../runtime/index.ts";
import type { NdArray } from "../../util/ndarray.ts";
import type { Tree } from "../../util/tree.ts";
import type { Passage } from "../sequence/corpus.ts";
import { inBatches, padRows } from "../sequence/in-batches.ts";
import { type PlacedTokens, placedTokens, type QuestionExample, type ReaderInput, readerInput, windowsOf } from "./data.ts";

/** An answer out of a passage. */
export interface Reading {
  readonly answer: string;
  /** Log of how much likelier the answer is than none. */
  readonly score: number;
  /** Place of the passage in the list. */
  readonly passage: number;
  /** First character in the passage's text, and the one behind the last. */
  readonly start: number;
  readonly end: number;
}

export interface ReadOptions {
  readonly tokenizer: Tokenizer;
  readonly window: number;
  readonly longestAnswer: number;
}

/** Rows as the network takes them, filled up. */
export function readerBatch(
  rows: readonly ReaderInput[],
  size: { readonly rows: number; readonly length: number },
): QuestionWithPassage<NdArray> {
  const { tokens, lengths } = padRows(
    rows.map((row) => row.tokens),
    size,
  );
  const { tokens: kinds } = padRows(
    rows.map((row) => row.kinds),
    size,
  );
  return { tokens, kinds, lengths };
}

/** Log-probabilities of beginning and end for each place of each input: [places, 2] one after another. */
export type SpanScorer = (
  params: Tree<NdArray>,
  inputs: readonly ReaderInput[],
  look?: (done: number) => void,
) => Promise<Float32Array[]>;

export function spanScorer<Config>(model: SpanReaderConfig<Config>, device: Device): SpanScorer {
  const run = jit<[Tree<NdArray>, QuestionWithPassage<NdArray>], Tensor>(
    (params, pairs) => forward(model, params as unknown as SpanReaderParams, pairs as unknown as QuestionWithPassage),
    { device },
  );
  return (params, inputs, look) =>
    inBatches(
      inputs,
      ({ tokens }) => [tokens.length],
      async (some, { rows, lengths }) => {
        const length = lengths[0] as number;
        const { data } = await run(params, readerBatch(some, { rows, length }));
        return some.map(({ tokens }, b) => (data as Float32Array).slice(2 * b * length, 2 * (b * length + tokens.length)));
      },
      look ? { look } : {},
    );
}

/** The likeliest span of a window: its first and last place, and its score above that of none. */
export function bestSpan(
  logs: Float32Array,
  { between }: Pick<ReaderInput, "between">,
  longest: number,
): { readonly first: number; readonly last: number; readonly score: number } {
  const places = logs.length / 2;
  const none = (logs[2 * between] as number) + (logs[2 * between + 1] as number);
  let best = { first: between + 1, last: between + 1, score: Number.NEGATIVE_INFINITY };
  for (let first = between + 1; first < places; first++) {
    for (let last = first; last < Math.min(places, first + longest); last++) {
      const score = (logs[2 * first] as number) + (logs[2 * last + 1] as number) - none;
      if (score > best.score) best = { first, last, score };
    }
  }
  return best;
}

/** Passages with their tokens, which are made when they are first read. */
export interface ReadablePassages {
  readonly list: readonly Passage[];
  tokensOf(passage: number): PlacedTokens;
}

export function readablePassages(tokenizer: Tokenizer, list: readonly Passage[]): ReadablePassages {
  const known = new Map<number, PlacedTokens>();
  return {
    list,
    tokensOf(passage) {
      const { text, place } = list[passage] as Passage;
      const tokens = known.get(passage) ?? placedTokens(tokenizer, text, place);
      known.set(passage, tokens);
      return tokens;
    },
  };
}

/**
 * The best answer to each question out of the passages found for it; undefined where none was found.
 *
 * @param found places of passages in the list, for each question
 */
export async function readPassages(
  score: (inputs: readonly ReaderInput[]) => Promise<Float32Array[]>,
  passages: ReadablePassages,
  { examples, found }: { readonly examples: readonly QuestionExample[]; readonly found: readonly (readonly number[])[] },
  { tokenizer, window: size, longestAnswer }: ReadOptions,
): Promise<(Reading | undefined)[]> {
  const pieces = examples.flatMap(({ question }, example) =>
    (found[example] as readonly number[]).flatMap((passage) =>
      windowsOf(passages.list[passage] as Passage, passages.tokensOf(passage), question, size).map((window) => ({
        example,
        passage,
        first: window.first,
        input: readerInput(tokenizer, question, window),
      })),
    ),
  );
  const logs = await score(pieces.map(({ input }) => input));
  const best: (Reading | undefined)[] = examples.map(() => undefined);
  pieces.forEach(({ example, passage, first, input }, i) => {
    const span = bestSpan(logs[i] as Float32Array, input, longestAnswer);
    if (span.score <= (best[example]?.score ?? Number.NEGATIVE_INFINITY)) return;
    const shift = first - input.between - 1;
    const { starts, ends } = passages.tokensOf(passage);
    const { text } = passages.list[passage] as Passage;
    best[example] = {
      score: span.score,
      passage,
      ...trimmed(text, starts[span.first + shift] as number, ends[span.last + shift] as number),
    };
  });
  return best;
}

/** A stretch of a text without space around it. */
function trimmed(
  text: string,
  from: number,
  to: number,
): { readonly answer: string; readonly start: number; readonly end: number } {
  const part = text.slice(from, to);
  const answer = part.trim();
  const start = from + (part.length - part.trimStart().length);
  return { answer, start, end: start + answer.length };
}
