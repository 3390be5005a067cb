/**
 * Classification of texts: which of some classes a text belongs to, or which of them.
 *
 * Reading order of the task's files: options, data, baseline, use (evaluation, prediction, explanation), and this one, which joins
 * them.
 */

import type { Tensor } from "../../core/index.ts";
import {
  type ClassifierParams,
  forward,
  init,
  labelLoss,
  labelSetLoss,
  pairTable,
  readers,
} from "../../models/sequence-classifier.ts";
import { add, mul } from "../../ops/index.ts";
import { sumOf } from "../../train/index.ts";
import type { NdArray } from "../../util/ndarray.ts";
import { ndarray } from "../../util/ndarray.ts";
import type { Tree } from "../../util/tree.ts";
import { bucketed } from "../sequence/bucketed.ts";
import { padRows } from "../sequence/in-batches.ts";
import { inputText, splitPlaced } from "../sequence/records.ts";
import type { SequenceTask } from "../sequence/sequence-task.ts";
import { specialTokens } from "../sequence/special-tokens.ts";
import { cased, learnTokenizer } from "../sequence/text.ts";
import { type ClassFacts, classFacts, encodeExample, learnPairs, type RawText, readTexts, type TextExample } from "./data.ts";
import {
  evaluateOptions,
  inspectOptions,
  predictOptions,
  sampleOptions,
  type TrainingOptions,
  trainingOptions,
} from "./options.ts";
import { classMeasureNames, useClassifier } from "./use.ts";

/** Texts of one shape, with their classes: labels [B], or 1 and 0 for each class [B, C] where there may be several. */
export interface ClassBatch {
  readonly tokens: NdArray;
  readonly lengths: NdArray;
  readonly labels: NdArray;
  /** How much each example counts, [B]. */
  readonly weights: NdArray;
}

/** The task under a name: `classify`, or `sentiment`, whose classes are how people feel. */
export function classifyTask(name: string): SequenceTask<TrainingOptions, RawText, ClassFacts, TextExample, ClassBatch> {
  return {
    name,
    options: trainingOptions,
    abilities: { sample: sampleOptions, evaluate: evaluateOptions, inspect: inspectOptions, predict: predictOptions },
    read: readTexts,
    identify: ({ text, labels = [], placed: { side = "" } }) => `${side}\n${labels.join("\n")}\n\n${text}`,
    split: (raws, options) => splitPlaced(raws, { placedOf: ({ placed }) => placed, inputOf: ({ text }) => text }, options),
    async learn(train, options, known) {
      const facts = classFacts(train);
      const texts = train.map(({ text }) => cased(text, options));
      const tokenizer = await learnTokenizer(options, texts, known);
      const read = () => texts.map((text) => tokenizer.encode(text).subarray(0, options.longest));
      const pairs = options.bag > 0 ? learnPairs(read(), tokenizer.vocabularySize) : [];
      return { facts: { ...facts, pairs: pairs.map((pair) => pair.join(" ")).join() }, tokenizer };
    },
    encode: encodeExample,
    input: (value, place) => ({ text: inputText(value, place, "text"), labels: undefined, placed: { place } }),
    describe: ({ train, validation, test }, { facts, tokenizer }) => ({
      texts: `${whole(train.length)} to learn from, ${whole(validation.length)} for validation, ${whole(test.length)} for the final evaluation`,
      classes: `${facts.labels.length} (${facts.labels.slice(0, 8).join(", ")}${facts.labels.length > 8 ? ", …" : ""})${facts.several ? ", any number an example" : ""}`,
      tokens: `${whole(tokenizer?.vocabularySize ?? 0)} different`,
    }),
    measureNames: classMeasureNames,
    unit: "tokens",
    model({ network, config, assets, options }) {
      const { labels, several, counts, pairs } = assets.facts;
      const { vocabulary, mask } = specialTokens(assets.tokenizer as NonNullable<typeof assets.tokenizer>);
      const { headDropout: dropout, tokenDropout, pooling, bag } = options;
      const sizes = { vocabulary, mask, classes: labels.length, pairs: pairTable(pairsIn(pairs)) };
      const model = { network, config, ...sizes, dropout, tokenDropout, pooling, bag };
      const total = counts.reduce((a, b) => a + b, 0);
      const classWeight = (c: number): number =>
        options.balance === "weights" ? total / (labels.length * (counts[c] as number)) : 1;
      return {
        init: (key) => init(model, key) as unknown as Tree<NdArray>,
        loss(params, { tokens, lengths, labels: wanted, weights }, key) {
          const each = readers(model, params as unknown as ClassifierParams, tokens, lengths, { key }).map((logits) =>
            several ? labelSetLoss(logits, wanted, weights) : labelLoss(logits, wanted, weights, options.labelSmoothing),
          );
          return {
            loss: mul(
              each.reduce((a, b) => add(a, b)),
              1 / each.length,
            ),
          };
        },
        counts: ({ weights }) => sumOf(weights),
        batches: (examples, key) =>
          bucketed(examples, key, {
            ...options,
            lengthsOf: ({ ids }) => [ids.length],
            collate(some, [length], counted) {
              const rows = some.length;
              const weights = Float32Array.from(some, ({ classes }, b) =>
                counted[b] ? (several ? 1 : classWeight(classes[0] as number)) : 0,
              );
              const wanted = several
                ? ndarray(
                    "int32",
                    [rows, labels.length],
                    some.flatMap(({ classes }) => labels.map((_, c) => (classes.includes(c) ? 1 : 0))),
                  )
                : ndarray(
                    "int32",
                    [rows],
                    some.map(({ classes }) => classes[0] as number),
                  );
              const padded = padRows(
                some.map(({ ids }) => ids),
                { rows, length: length as number },
              );
              return { ...padded, labels: wanted, weights: ndarray("float32", [rows], weights) };
            },
            units: ({ lengths }) => (lengths.data as Int32Array).reduce((a, b) => a + b, 0),
          }),
        use: (device) => useClassifier(model, assets, device),
        graphs: [
          {
            name: "classifier",
            inputs: [
              {
                name: "tokens",
                dtype: "int32",
                shape: ["batch", "length"],
                note: "tokens of tokenizer.json, filled up with 0",
                below: vocabulary,
              },
              { name: "lengths", dtype: "int32", shape: ["batch"], note: "how many tokens of each text count", below: "length" },
            ],
            output: { name: "logits", note: `scores of ${labels.join(", ")}` },
            apply: (params, tokens, lengths) =>
              forward(model, params as unknown as ClassifierParams, tokens as Tensor, lengths as Tensor),
          },
        ],
      };
    },
  };
}

/** Pairs as facts hold them. */
const pairsIn = (text: string): [number, number][] =>
  text === "" ? [] : text.split(",").map((pair) => pair.split(" ").map(Number) as [number, number]);

const whole = (value: number): string => value.toLocaleString("en");
