/**
 * Answering questions: passages are found, then read, and the answer is copied out of one of them, or none is given.
 *
 * Reading order of the task's files: options, data (tokens and their places), training-rows, reading (spans), baseline, use
 * (evaluation, prediction, pictures), and this one, which joins them.
 */

import type { Tensor } from "../../core/index.ts";
import type { Tokenizer } from "../../data/index.ts";
import {
  forward,
  init,
  placeKinds,
  type QuestionWithPassage,
  type SpanReaderParams,
  spanLoss,
} from "../../models/span-reader.ts";
import { sumOf } from "../../train/index.ts";
import { type NdArray, ndarray } from "../../util/ndarray.ts";
import type { Tree } from "../../util/tree.ts";
import { bucketed } from "../sequence/bucketed.ts";
import { inputText, splitPlaced } from "../sequence/records.ts";
import type { SequenceTask } from "../sequence/sequence-task.ts";
import { specialTokens } from "../sequence/special-tokens.ts";
import { learnTokenizer } from "../sequence/text.ts";
import { readSides } from "../sequence/train.ts";
import { type QuestionExample, questionTokens, type RawQuestion, readQuestions } from "./data.ts";
import {
  evaluateOptions,
  inspectOptions,
  predictOptions,
  sampleOptions,
  type TrainingOptions,
  trainingOptions,
} from "./options.ts";
import { readerBatch } from "./reading.ts";
import { trainingRows } from "./training-rows.ts";
import { answerMeasureNames, useReader } from "./use.ts";

/** Questions with passages of one length, and where their answers are: [B, 2]. */
export interface QuestionBatch {
  readonly pairs: QuestionWithPassage<NdArray>;
  readonly spans: NdArray;
  /** How much each pair counts, [B]. */
  readonly weights: NdArray;
}

export const answerTask: SequenceTask<TrainingOptions, RawQuestion, Record<string, never>, QuestionExample, QuestionBatch> = {
  name: "answer",
  options: trainingOptions,
  abilities: { sample: sampleOptions, evaluate: evaluateOptions, inspect: inspectOptions, predict: predictOptions },
  read: readQuestions,
  identify: ({ question, answers, passage = "", span = [], placed: { side = "" } }) =>
    `${side}\n${question}\n${answers.join("\n")}\n${span.join()}\n\n${passage}`,
  split: (raws, options) =>
    splitPlaced(raws, { placedOf: ({ placed }) => placed, inputOf: ({ passage = "" }) => passage }, options),
  async learn(train, options, known) {
    const texts = [...new Set(train.flatMap(({ question, passage = "" }) => [question, passage]))];
    return { facts: {}, tokenizer: await learnTokenizer(options, texts, known) };
  },
  encode: (raw, { tokenizer }, { longestQuestion }) => ({
    raw,
    question: questionTokens(tokenizer as Tokenizer, raw.question, longestQuestion, `${raw.placed.place}: the question`),
  }),
  input: (value, place) => ({
    question: inputText(value, place, "question"),
    answers: [],
    passage: undefined,
    span: undefined,
    placed: { place },
  }),
  describe: ({ train, validation, test }, { tokenizer }) => ({
    questions: `${whole(train.length)} to learn from, ${whole(validation.length)} for validation, ${whole(test.length)} for the final evaluation`,
    tokens: `${whole(tokenizer?.vocabularySize ?? 0)} different`,
  }),
  measureNames: answerMeasureNames,
  unit: "tokens",
  model({ network, config, assets, options }) {
    const tokenizer = assets.tokenizer as Tokenizer;
    const { vocabulary } = specialTokens(tokenizer);
    const model = { network, config, vocabulary, dropout: options.headDropout };
    return {
      init: (key) => init(model, key) as unknown as Tree<NdArray>,
      loss(params, { pairs, spans, weights }, key) {
        const logs = forward(model, params as unknown as SpanReaderParams, pairs as unknown as QuestionWithPassage, { key });
        return { loss: spanLoss(logs, spans, weights) };
      },
      counts: ({ weights }) => sumOf(weights),
      batches: (examples, key) =>
        bucketed(trainingRows(examples, tokenizer, options), key, {
          ...options,
          lengthsOf: ({ tokens }) => [tokens.length],
          collate: (some, [length], counted) => ({
            pairs: readerBatch(some, { rows: some.length, length: length as number }),
            spans: ndarray(
              "int32",
              [some.length, 2],
              some.flatMap(({ span }) => span),
            ),
            weights: ndarray(
              "float32",
              [some.length],
              counted.map((one) => (one ? 1 : 0)),
            ),
          }),
          units: ({ pairs }) => (pairs.lengths.data as Int32Array).reduce((a, b) => a + b, 0),
        }),
      use: (device, folder) =>
        useReader(model, {
          tokenizer,
          options,
          device,
          folder,
          own: async () => (await readSides(answerTask, options)).sides,
        }),
      graphs: [
        {
          name: "reader",
          inputs: [
            {
              name: "tokens",
              dtype: "int32",
              shape: ["batch", "length"],
              note: "question, the mask token, passage; filled up with 0",
              below: vocabulary,
            },
            {
              name: "kinds",
              dtype: "int32",
              shape: ["batch", "length"],
              note: "0 of the question, 1 between, 2 of the passage, 3 of a word of the passage that the question has",
              below: Object.keys(placeKinds).length,
            },
            { name: "lengths", dtype: "int32", shape: ["batch"], note: "how many places of each pair count", below: "length" },
          ],
          output: { name: "logs", note: "log-probabilities of each place to begin and to end the answer" },
          apply: (params, ...[tokens, kinds, lengths]: readonly Tensor[]) =>
            forward(model, params as unknown as SpanReaderParams, {
              tokens: tokens as Tensor,
              kinds: kinds as Tensor,
              lengths: lengths as Tensor,
            }),
        },
      ],
    };
  },
};

const whole = (value: number): string => value.toLocaleString("en");
