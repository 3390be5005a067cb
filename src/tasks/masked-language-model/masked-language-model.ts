/**
 * Masked language models: tokens hidden in texts, guessed from both sides. What is learnt is where other tasks on text start from.
 *
 * Reading order of the task's files: options, data, use (evaluation, guesses, pictures), and this one, which joins them.
 */

import type { Tensor } from "../../core/index.ts";
import type { Tokenizer } from "../../data/index.ts";
import { forward, init, loss, type MaskedParams } from "../../models/masked-language-model.ts";
import { sumOf } from "../../train/index.ts";
import { type NdArray, ndarray } from "../../util/ndarray.ts";
import { fold } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import { bucketed } from "../sequence/bucketed.ts";
import { padRows } from "../sequence/in-batches.ts";
import { inputText, splitPlaced } from "../sequence/records.ts";
import type { SequenceTask } from "../sequence/sequence-task.ts";
import { specialTokens } from "../sequence/special-tokens.ts";
import { cased, learnTokenizer } from "../sequence/text.ts";
import {
  encodeParagraph,
  hiddenCount,
  hideTokens,
  type MaskedExample,
  type RawParagraph,
  readParagraphs,
  type TextFacts,
  tokenParts,
} from "./data.ts";
import {
  evaluateOptions,
  inspectOptions,
  predictOptions,
  sampleOptions,
  type TrainingOptions,
  trainingOptions,
} from "./options.ts";
import { maskedMeasureNames, useMasked } from "./use.ts";

/** Texts of one shape: tokens [B, T] as they are shown, and what is hidden at which places [B, N]. */
export interface MaskedBatch {
  readonly tokens: NdArray;
  readonly lengths: NdArray;
  /** Numbers of places in each text. */
  readonly places: NdArray;
  readonly targets: NdArray;
  /** 1 for places that count. */
  readonly weights: NdArray;
}

/** A batch before anything is hidden. */
interface OpenBatch {
  readonly rows: readonly Int32Array[];
  readonly length: number;
  readonly counted: readonly boolean[];
}

export const maskedLanguageModelTask: SequenceTask<TrainingOptions, RawParagraph, TextFacts, MaskedExample, MaskedBatch> = {
  name: "masked-language-model",
  options: trainingOptions,
  abilities: { sample: sampleOptions, evaluate: evaluateOptions, inspect: inspectOptions, predict: predictOptions },
  read: readParagraphs,
  identify: ({ text }) => text,
  split: (raws, options) => splitPlaced(raws, { placedOf: ({ placed }) => placed, inputOf: ({ text }) => text }, options),
  async learn(train, options, known) {
    const texts = train.map(({ text }) => cased(text, options));
    return { facts: { paragraphs: train.length }, tokenizer: await learnTokenizer(options, texts, known) };
  },
  encode: encodeParagraph,
  input: (value, place) => ({ text: inputText(value, place, "text"), placed: { place } }),
  describe: ({ train, validation, test }, { tokenizer }) => ({
    paragraphs: `${whole(train.length)} to learn from, ${whole(validation.length)} for validation, ${whole(test.length)} for the final evaluation`,
    tokens: `${whole(train.reduce((sum, { ids }) => sum + ids.length, 0))} to learn from, ${whole(tokenizer?.vocabularySize ?? 0)} different`,
  }),
  measureNames: maskedMeasureNames,
  unit: "tokens",
  model({ network, config, assets, options }) {
    const special = specialTokens(assets.tokenizer as Tokenizer);
    const { vocabulary } = special;
    const model = { network, config, vocabulary };
    return {
      init: (key) => init(model, key) as unknown as Tree<NdArray>,
      loss(params, { targets, weights, ...texts }, key) {
        const logits = forward(model, params as unknown as MaskedParams, texts, key);
        return { loss: loss(logits, targets, weights) };
      },
      counts: ({ weights }) => sumOf(weights),
      batches(examples, key) {
        const parts = examples.flatMap(({ ids }) => tokenParts(ids, options.longest));
        const open = bucketed<Int32Array, OpenBatch>(parts, key, {
          ...options,
          lengthsOf: (ids) => [ids.length],
          collate: (rows, [length = 0], counted) => ({ rows, length, counted }),
          units: ({ rows }) => rows.reduce((sum, ids) => sum + ids.length, 0),
        });
        return {
          padding: open.padding,
          units: ({ lengths }) => (lengths.data as Int32Array).reduce((a, b) => a + b, 0),
          // Other places are hidden each time that a text comes.
          batch(step) {
            const { rows, length, counted } = open.batch(step);
            const own = fold(fold(key, "hidden"), step);
            const hidden = rows.map((ids, b) => hideTokens(ids, options.maskRate, special, fold(own, b)));
            const count = hiddenCount(length, options.maskRate);
            const [places, targets] = [new Int32Array(rows.length * count), new Int32Array(rows.length * count)];
            const weights = new Float32Array(rows.length * count);
            hidden.forEach((one, b) => {
              one.places.forEach((place, n) => {
                places[b * count + n] = place;
                targets[b * count + n] = rows[b]?.[place] as number;
                weights[b * count + n] = counted[b] ? 1 : 0;
              });
            });
            const shape = [rows.length, count];
            const shown = hidden.map((one) => one.shown);
            return {
              ...padRows(shown, { rows: rows.length, length }),
              places: ndarray("int32", shape, places),
              targets: ndarray("int32", shape, targets),
              weights: ndarray("float32", shape, weights),
            };
          },
        };
      },
      use: (device) => useMasked(model, assets, options, device),
      graphs: [
        {
          name: "masked-language-model",
          inputs: [
            {
              name: "tokens",
              dtype: "int32",
              shape: ["batch", "length"],
              note: `tokens of tokenizer.json, ${special.mask} where one is hidden, filled up with 0`,
              below: vocabulary,
            },
            { name: "lengths", dtype: "int32", shape: ["batch"], note: "how many tokens of each text count", below: "length" },
          ],
          output: { name: "logits", note: "scores of all tokens at every place" },
          apply: (params, tokens, lengths) =>
            forward(model, params as unknown as MaskedParams, { tokens: tokens as Tensor, lengths: lengths as Tensor }),
        },
      ],
    };
  },
};

const whole = (value: number): string => value.toLocaleString("en");
