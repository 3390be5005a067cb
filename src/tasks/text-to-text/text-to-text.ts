/**
 * Tasks that make a text of a text: what translation and summarisation share.
 *
 * Reading order: options, data, use (evaluation, prediction, alignment), and this one, which joins them. What makes a task of it
 * (its measures, its baselines, how long its texts get) is given as a `TextToText`.
 */

import type { z } from "zod";
import type { Tensor } from "../../core/index.ts";
import { forward, init, meanLoss, type SequenceToSequenceParams } from "../../models/sequence-to-sequence.ts";
import { targetsOf } from "../../train/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import type { NdArray } from "../../util/ndarray.ts";
import type { Tree } from "../../util/tree.ts";
import type { Measure } from "../recipe.ts";
import { bucketed } from "../sequence/bucketed.ts";
import { inputText, splitPlaced } from "../sequence/records.ts";
import type { SequenceTask } from "../sequence/sequence-task.ts";
import { learnTokenizer } from "../sequence/text.ts";
import {
  collatePairs,
  countTokens,
  encodePair,
  fits,
  type PairBatch,
  type PairExample,
  placesOf,
  type RawPair,
  readPairs,
  spaced,
  specialOf,
} from "./data.ts";
import { evaluateOptions, inspectOptions, predictOptions, sampleOptions, type TrainingOptions } from "./options.ts";
import { measureNames, useTextToText } from "./use.ts";

/** A simple method's texts for the same sources. */
export interface Baseline {
  /** Stands before its measures' keys: "copy". */
  readonly key: string;
  readonly name: string;
  readonly texts: readonly string[];
}

/** What makes a task of it. */
export interface TextToText<Given extends TrainingOptions> {
  readonly name: string;
  readonly options: z.ZodObject;
  /** What an answer is called: "translation". */
  readonly answer: string;
  /** Whether only the beginning of a long source is read; else examples with one are left out of training. */
  readonly cuts: boolean;
  /** How many tokens may be written about a source of so many. */
  places(source: number, options: Given): number;
  /** What the field measures of texts, against the true ones; `notes` say how. */
  measure(
    texts: readonly string[],
    references: readonly string[],
    options: Given,
  ): { readonly measures: readonly Measure[]; readonly notes: readonly string[] };
  baselines(training: readonly RawPair[] | undefined, sources: readonly string[]): readonly Baseline[];
}

const whole = (value: number): string => value.toLocaleString("en");

export function textToTextTask<Given extends TrainingOptions>(
  kind: TextToText<Given>,
): SequenceTask<Given, RawPair, Record<string, never>, PairExample, PairBatch> {
  return {
    name: kind.name,
    options: kind.options,
    reads: true,
    abilities: { sample: sampleOptions, evaluate: evaluateOptions, inspect: inspectOptions, predict: predictOptions },
    read: readPairs,
    identify: ({ source, target = "", placed: { side = "" } }) => `${side}\n${source}\n\n${target}`,
    split: (raws, options) => splitPlaced(raws, { placedOf: ({ placed }) => placed, inputOf: ({ source }) => source }, options),
    async learn(train, options, known) {
      const texts = train.flatMap(({ source, target }) => [spaced(source), spaced(target as string)]);
      return { facts: {}, tokenizer: await learnTokenizer(options, texts, known) };
    },
    encode: (raw, assets, options) => encodePair(raw, assets, options, kind),
    input: (value, place, { sourceColumn }) => ({
      source: inputText(value, place, sourceColumn),
      target: undefined,
      placed: { place },
    }),
    describe({ train, validation, test }, { tokenizer }, options) {
      const out = train.filter((example) => !fits(example, options)).length;
      const cut = train.filter((example) => example.cut > 0).length;
      const limits = `${options.longestSource} tokens of source${kind.cuts ? " (cut)" : ""}, ${options.longestTarget} of target`;
      return {
        pairs: `${whole(train.length)} to learn from, ${whole(validation.length)} for validation, ${whole(test.length)} for the final evaluation`,
        lengths: `at most ${limits}: ${whole(out)} pairs are left out of training as too long${cut > 0 ? `, ${whole(cut)} sources are cut` : ""}`,
        tokens: `${whole(tokenizer?.vocabularySize ?? 0)} different, shared by both sides${tokenizer?.kind === "character" ? "" : "; made of bytes, so that no word is unknown"}`,
      };
    },
    measureNames,
    unit: "tokens",
    model({ network, config, assets, options }) {
      const special = specialOf(assets);
      const { copy, labelSmoothing } = options;
      if (copy && !network.attends(config)) {
        throw new HeptagenError(
          "options/value",
          `${kind.name}: expected a network that looks at its source, since tokens are to be copied`,
          {
            facts: { copy, network: network.name },
            next: "Choose --attention additive, or --no-copy.",
          },
        );
      }
      const model = { network, config, ...special, copy };
      return {
        init: (key) => init(model, key) as unknown as Tree<NdArray>,
        loss: (params, { targets, ...teaching }, key) => ({
          loss: meanLoss(model, params as unknown as SequenceToSequenceParams, teaching, targets, { key, labelSmoothing }),
        }),
        counts: ({ targets }) => targetsOf(targets),
        batches(examples, key) {
          const some = examples.filter((example) => fits(example, options));
          if (some.length === 0) {
            throw new HeptagenError(
              "data/empty",
              `expected pairs of at most ${options.longestSource} and ${options.longestTarget} tokens, got none of ${examples.length}`,
              {
                next: "Raise --longest-source and --longest-target.",
              },
            );
          }
          return bucketed(some, key, {
            ...options,
            lengthsOf: placesOf,
            collate: (chosen, lengths, counted) => collatePairs(chosen, special, { rows: chosen.length, lengths, counted }),
            units: countTokens,
          });
        },
        use: (device) => useTextToText(kind, model, assets, { options, device }),
        graphs: [
          {
            name: "model",
            inputs: [
              {
                name: "source",
                dtype: "int32",
                shape: ["batch", "length"],
                note: "tokens of tokenizer.json, filled up with 0",
                below: special.vocabulary,
              },
              {
                name: "lengths",
                dtype: "int32",
                shape: ["batch"],
                note: "how many tokens of each source count",
                below: "length",
              },
              {
                name: "written",
                dtype: "int32",
                shape: ["batch", "places"],
                note: `${special.begin}, then the tokens written so far; ${special.end} ends them`,
                below: special.vocabulary,
              },
            ],
            output: { name: "log_probabilities", note: "of the token to come next, at each place: [batch, places, vocabulary]" },
            apply: (params, source, lengths, written) =>
              forward(model, params as unknown as SequenceToSequenceParams, {
                source: source as Tensor,
                lengths: lengths as Tensor,
                written: written as Tensor,
              }),
          },
        ],
      };
    },
  };
}
