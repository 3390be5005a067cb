/**
 * Retrieval: which of many passages a query asks for.
 *
 * Reading order of the task's files: options, data, search (dense, BM25, hybrid), text-encoder (vectors and their index), use
 * (evaluation, prediction, pictures), and this one, which joins them.
 */
import { buildBm25, searchBm25 } from "../../baselines/index.ts";
import type { Tensor } from "../../core/index.ts";
import type { Tokenizer } from "../../data/index.ts";
import { contrastiveLoss, type DualEncoderParams, embed, init } from "../../models/dual-encoder.ts";
import { type NdArray, ndarray } from "../../util/ndarray.ts";
import type { Tree } from "../../util/tree.ts";
import { bucketed } from "../sequence/bucketed.ts";
import { padRows } from "../sequence/in-batches.ts";
import { inputText, splitPlaced } from "../sequence/records.ts";
import type { SequenceTask } from "../sequence/sequence-task.ts";
import { specialTokens } from "../sequence/special-tokens.ts";
import { learnTokenizer } from "../sequence/text.ts";
import { readSides } from "../sequence/train.ts";
import { encodePair, type PairExample, type RawPair, readPairs } from "./data.ts";
import {
  evaluateOptions,
  inspectOptions,
  predictOptions,
  sampleOptions,
  type TrainingOptions,
  trainingOptions,
} from "./options.ts";
import { retrieveMeasureNames, useRetriever } from "./use.ts";

/** Pairs of like lengths: B queries, and their passages with the hard negatives behind, B (1 + N) in all. */
export interface PairBatch {
  readonly queries: NdArray;
  readonly queryLengths: NdArray;
  readonly passages: NdArray;
  readonly passageLengths: NdArray;
  /** Which text each passage is. */
  readonly documents: NdArray;
  /** How much each query counts, [B]. */
  readonly weights: NdArray;
}

export const retrieveTask: SequenceTask<TrainingOptions, RawPair, Record<string, never>, PairExample, PairBatch> = {
  name: "retrieve",
  options: trainingOptions,
  abilities: { sample: sampleOptions, evaluate: evaluateOptions, inspect: inspectOptions, predict: predictOptions },
  read: readPairs,
  identify: ({ query, text = "", placed: { side = "" } }) => `${side}\n${query}\n\n${text}`,
  split: (raws, options) => splitPlaced(raws, { placedOf: ({ placed }) => placed, inputOf: ({ query }) => query }, options),
  async learn(train, options, known) {
    const texts = train.flatMap(({ query, text = "" }) => [query, text]);
    return { facts: {}, tokenizer: await learnTokenizer(options, texts, known) };
  },
  encode: (raw, { tokenizer }, options) => encodePair(raw, tokenizer as Tokenizer, options),
  input: (value, place) => ({ query: inputText(value, place, "query"), text: undefined, placed: { place } }),
  describe: ({ train, validation, test }, { tokenizer }) => ({
    pairs: `${whole(train.length)} to learn from, ${whole(validation.length)} for validation, ${whole(test.length)} for the final evaluation`,
    tokens: `${whole(tokenizer?.vocabularySize ?? 0)} different`,
  }),
  measureNames: retrieveMeasureNames,
  unit: "pairs",
  model({ network, config, assets, options }) {
    const tokenizer = assets.tokenizer as Tokenizer;
    const { vocabulary } = specialTokens(tokenizer);
    const model = { network, config, vocabulary, shared: options.encoders === "shared" };
    const graph = (kind: "query" | "passage", name: string) => ({
      name,
      inputs: [
        {
          name: "tokens",
          dtype: "int32" as const,
          shape: ["batch", "length"],
          note: "tokens of tokenizer.json, filled up with 0",
          below: vocabulary,
        },
        {
          name: "lengths",
          dtype: "int32" as const,
          shape: ["batch"],
          note: "how many tokens of each text count",
          below: "length",
        },
      ],
      output: { name: "vectors", note: "vectors of length 1, whose products are cosines" },
      apply: (params: Tree<Tensor>, ...[tokens, lengths]: readonly Tensor[]) =>
        embed(model, params as unknown as DualEncoderParams, kind, tokens as Tensor, lengths as Tensor),
    });
    return {
      init: (key) => init(model, key) as unknown as Tree<NdArray>,
      loss(tree, { queries, queryLengths, passages, passageLengths, documents, weights }, key) {
        const params = tree as unknown as DualEncoderParams;
        const asked = embed(model, params, "query", queries, queryLengths, { key });
        const read = embed(model, params, "passage", passages, passageLengths, { key });
        return { loss: contrastiveLoss(asked, read, { temperature: options.temperature, documents, weights }) };
      },
      batches(examples, key) {
        const { numbers, wrong } = negativesOf(examples, options.hardNegatives);
        const places = new Map(examples.map((example, i) => [example, i]));
        return bucketed(examples, key, {
          ...options,
          lengthsOf: ({ queryIds, textIds }) => [queryIds.length, textIds.length],
          collate(some, [queryLength, length], counted) {
            const rows = some.length;
            const behind = Array.from({ length: options.hardNegatives }, (_, n) =>
              some.map((example) => examples[wrong(places.get(example) as number)[n] as number] as PairExample),
            ).flat();
            const all = [...some, ...behind];
            const queries = padRows(
              some.map(({ queryIds }) => queryIds),
              { rows, length: queryLength as number },
            );
            const passages = padRows(
              all.map(({ textIds }) => textIds),
              { rows: all.length, length: length as number },
            );
            const documents = Int32Array.from(all, ({ text }) => numbers.get(text as string) as number);
            return {
              queries: queries.tokens,
              queryLengths: queries.lengths,
              passages: passages.tokens,
              passageLengths: passages.lengths,
              documents: ndarray("int32", [all.length], documents),
              weights: ndarray(
                "float32",
                [rows],
                counted.map((one) => (one ? 1 : 0)),
              ),
            };
          },
          units: ({ weights }) => (weights.data as Float32Array).reduce((a, b) => a + b, 0),
        });
      },
      use: (device, folder) =>
        useRetriever(model, {
          tokenizer,
          options,
          device,
          folder,
          own: async () => (await readSides(retrieveTask, options)).sides,
        }),
      graphs: model.shared
        ? [graph("passage", "encoder")]
        : [graph("query", "query-encoder"), graph("passage", "passage-encoder")],
    };
  },
};

/** A number for each text, and for an example the `count` others whose passages BM25 likes best though they are wrong. */
function negativesOf(
  examples: readonly PairExample[],
  count: number,
): { readonly numbers: ReadonlyMap<string, number>; wrong(example: number): readonly number[] } {
  const numbers = new Map<string, number>();
  for (const { text } of examples) if (!numbers.has(text as string)) numbers.set(text as string, numbers.size);
  const index = count === 0 ? undefined : buildBm25(examples.map(({ text }) => text as string));
  const right = new Map<string, Set<string>>();
  for (const { query, text } of examples) right.set(query, (right.get(query) ?? new Set()).add(text as string));
  const known = new Map<number, readonly number[]>();
  return {
    numbers,
    wrong(example) {
      const found = known.get(example);
      if (found || !index) return found ?? [];
      const { query } = examples[example] as PairExample;
      const own = right.get(query) as ReadonlySet<string>;
      const wrong = searchBm25(index, query, count + 20)
        .map(({ document }) => document)
        .filter((other) => !own.has(examples[other]?.text as string));
      // Where BM25 finds too few, the examples that follow: as wrong as those of the batch.
      for (let next = 1; wrong.length < count && next < examples.length; next++) {
        const other = (example + next) % examples.length;
        if (!own.has(examples[other]?.text as string)) wrong.push(other);
      }
      while (wrong.length < count) wrong.push(example); // nothing else is there: masked, as the same text
      const chosen = wrong.slice(0, count);
      known.set(example, chosen);
      return chosen;
    },
  };
}

const whole = (value: number): string => value.toLocaleString("en");
