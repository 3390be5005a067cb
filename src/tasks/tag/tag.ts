/**
 * Tagging of words: spans in sentences, such as names, with their types.
 *
 * Reading order of the task's files: options, words (of plain text), data, baseline, use (evaluation, prediction, pictures), and this one,
 * which joins them.
 */
import type { Tensor } from "../../core/index.ts";
import { type Answers, forward, init, loss, type Sentences, type TaggerParams } from "../../models/sequence-tagger.ts";
import { type NdArray, ndarray } from "../../util/ndarray.ts";
import type { Tree } from "../../util/tree.ts";
import { bucketed } from "../sequence/bucketed.ts";
import { splitPlaced } from "../sequence/records.ts";
import type { SequenceTask } from "../sequence/sequence-task.ts";
import { specialTokens } from "../sequence/special-tokens.ts";
import { learnTokenizer } from "../sequence/text.ts";
import {
  encodeSentence,
  letterCount,
  letterNumbers,
  partsOf,
  pieces,
  pieceText,
  type RawSentence,
  readSentences,
  sentenceInput,
  type TagExample,
  type TagFacts,
  tagFacts,
} from "./data.ts";
import {
  evaluateOptions,
  inspectOptions,
  predictOptions,
  sampleOptions,
  type TrainingOptions,
  trainingOptions,
} from "./options.ts";
import { padSentences, tagMeasureNames, useTagger } from "./use.ts";

/** Sentences of one shape with their tags. */
export interface TagBatch extends Sentences<NdArray>, Answers<NdArray> {}

export const tagTask: SequenceTask<TrainingOptions, RawSentence, TagFacts, TagExample, TagBatch> = {
  name: "tag",
  options: trainingOptions,
  abilities: { sample: sampleOptions, evaluate: evaluateOptions, inspect: inspectOptions, predict: predictOptions },
  read: readSentences,
  identify: ({ words, tags = [], weakTags = [], placed: { side = "" } }) =>
    [side, words.join(" "), tags.join(" "), weakTags.join(" ")].join("\n"),
  split: (raws, options) =>
    splitPlaced(raws, { placedOf: ({ placed }) => placed, inputOf: ({ words }) => words.join(" ") }, options),
  async learn(train, options, known) {
    const texts = train.map(({ words }) => words.map((word) => pieceText(word, options)).join(""));
    return { facts: tagFacts(train), tokenizer: await learnTokenizer(options, texts, known) };
  },
  encode: encodeSentence,
  input: sentenceInput,
  describe: ({ train, validation, test }, { facts, tokenizer }) => ({
    sentences: `${whole(train.length)} to learn from, ${whole(validation.length)} for validation, ${whole(test.length)} for the final evaluation`,
    tags: `${facts.tags.length} (${facts.tags.slice(0, 9).join(", ")}${facts.tags.length > 9 ? ", …" : ""})`,
    ...(facts.types.length > 0 && { "weak types": facts.types.join(", ") }),
    pieces: `${whole(tokenizer?.vocabularySize ?? 0)} different, and ${facts.letters.length} letters`,
  }),
  measureNames: tagMeasureNames,
  dataOptions: ["weakTagsColumn"],
  unit: "words",
  model({ network, config, assets, options }) {
    const { facts } = assets;
    const { vocabulary, mask } = specialTokens(assets.tokenizer as NonNullable<typeof assets.tokenizer>);
    const model = {
      network,
      config,
      vocabulary,
      mask,
      letters: options.letterFeatures > 0 ? letterNumbers(facts) : 0,
      letterFeatures: options.letterFeatures,
      tags: facts.tags,
      types: facts.types.length,
      crf: options.crf,
      dropout: options.wordDropout,
      tokenDropout: options.tokenDropout,
    };
    return {
      init: (key) => init(model, key) as unknown as Tree<NdArray>,
      loss: (params, { tokens, letters, lengths, ...answers }, key) => ({
        loss: loss(model, params as unknown as TaggerParams, { tokens, letters, lengths }, answers, key),
      }),
      // Words of the sentences that count.
      counts: ({ lengths, weights }) =>
        (lengths.data as Int32Array).reduce((sum, length, b) => sum + length * (weights.data[b] as number), 0),
      batches: (examples, key) =>
        bucketed(
          examples.flatMap((example) => partsOf(example, facts, options.longest)),
          key,
          {
            ...options,
            lengthsOf: ({ raw }) => [raw.words.length],
            collate(some, [length = 0], counted) {
              const rows = some.length;
              const answer = (of: "tags" | "types", none: number) => {
                const data = new Int32Array(rows * length).fill(none);
                for (const [b, example] of some.entries()) data.set(example[of], b * length);
                return ndarray("int32", [rows, length], data);
              };
              const weights = Float32Array.from(counted, (own) => (own ? 1 : 0));
              return {
                ...padSentences(some, { rows, length }),
                tags: answer("tags", 0),
                types: answer("types", -1),
                weights: ndarray("float32", [rows], weights),
              };
            },
            units: ({ lengths }) => (lengths.data as Int32Array).reduce((a, b) => a + b, 0),
          },
        ),
      use: (device) => useTagger(model, assets, options.longest, device),
      graphs: [
        {
          name: "tagger",
          inputs: [
            {
              name: "tokens",
              dtype: "int32",
              shape: ["batch", "length", pieces],
              note: "pieces of each word in tokenizer.json, filled up with -1",
              below: vocabulary,
            },
            {
              name: "letters",
              dtype: "int32",
              shape: ["batch", "length", letterCount],
              note: "letters of each word by their numbers in config.json (the first is 2; 1 for others), filled up with 0",
              below: Math.max(2, model.letters),
            },
            { name: "lengths", dtype: "int32", shape: ["batch"], note: "how many words of each sentence count", below: "length" },
          ],
          output: {
            name: "scores",
            note: `of ${facts.tags.join(", ")}; how they follow each other: crf.* of model.safetensors`,
          },
          apply: (params, tokens, letters, lengths) =>
            forward(model, params as unknown as TaggerParams, {
              tokens: tokens as Tensor,
              letters: letters as Tensor,
              lengths: lengths as Tensor,
            }).scores,
        },
      ],
    };
  },
};

const whole = (value: number): string => value.toLocaleString("en");
