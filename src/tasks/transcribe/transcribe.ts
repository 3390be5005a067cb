/**
 * Speech recognition: what is said in recordings, as text.
 *
 * Reading order of the task's files: options, data, decode, baseline, pictures, use (evaluation, prediction), and this one, which joins
 * them.
 */

import type { Tensor } from "../../core/index.ts";
import { type Said, type Sounds, type SpeechRecognizerParams, speechRecognizer } from "../../models/speech-recognizer.ts";
import { subsampledFrames } from "../../nn/index.ts";
import { reshape } from "../../ops/index.ts";
import { rowsOf, sumOf } from "../../train/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import { type NdArray, ndarray } from "../../util/ndarray.ts";
import type { Tree } from "../../util/tree.ts";
import { bucketed } from "../sequence/bucketed.ts";
import { splitPlaced } from "../sequence/records.ts";
import type { SequenceTask } from "../sequence/sequence-task.ts";
import {
  encodeSpeech,
  identityOf,
  inputSound,
  learnSpeech,
  type RawSpeech,
  readSounds,
  type SpeechExample,
  type SpeechFacts,
} from "./data.ts";
import {
  evaluateOptions,
  inspectOptions,
  predictOptions,
  sampleOptions,
  type TrainingOptions,
  trainingOptions,
} from "./options.ts";
import { padSounds, speechMeasureNames, useRecognizer } from "./use.ts";

/** Sounds of one shape and what is said in them. */
export type SpeechBatch = { readonly sounds: Sounds<NdArray>; readonly said: Required<Said<NdArray>> };

export const transcribeTask: SequenceTask<TrainingOptions, RawSpeech, SpeechFacts, SpeechExample, SpeechBatch> = {
  name: "transcribe",
  options: trainingOptions,
  abilities: { sample: sampleOptions, evaluate: evaluateOptions, inspect: inspectOptions, predict: predictOptions },
  read: readSounds,
  identify: identityOf,
  split: (raws, options) => splitPlaced(raws, { placedOf: ({ placed }) => placed, inputOf: ({ file }) => file }, options),
  async learn(train, _options, known) {
    return learnSpeech(train, known);
  },
  encode: encodeSpeech,
  input: inputSound,
  describe({ train, validation, test }, { tokenizer, facts }) {
    const of = (side: readonly SpeechExample[]) => {
      const voices = new Set(side.flatMap(({ speaker }) => speaker ?? [])).size;
      const minutes = side.reduce((sum, { seconds }) => sum + seconds, 0) / 60;
      return `${whole(side.length)} sounds, ${minutes.toFixed(1)} minutes${voices > 0 ? ` by ${voices} voice${voices > 1 ? "s" : ""}` : ""}`;
    };
    return {
      learns: `from ${of(train)}`,
      "held out": `${of(validation)} for validation; ${of(test)} for the final evaluation`,
      texts: `${whole(Object.keys(facts.texts).length)} different`,
      characters: `${tokenizer?.vocabularySize} (${shown(tokenizer?.decode(Array.from({ length: tokenizer.vocabularySize }, (_, id) => id)) ?? "")})`,
    };
  },
  measureNames: speechMeasureNames,
  unit: "frames",
  model({ network, config, assets, options }) {
    const model = speechRecognizer(network);
    const { frequencyMasks, maskedBands: bands, timeMasks, maskedFrames: frames, maskedPart: fraction, warp } = options;
    const whole = {
      bands: options.bands,
      vocabulary: (assets.tokenizer?.vocabularySize as number) + 1, // and the blank
      network: config,
      augment: { frequencyMasks, bands, timeMasks, frames, fraction, warp },
    };
    return {
      init: (key) => model.init(whole, key) as unknown as Tree<NdArray>,
      loss: (params, { sounds, said }, key) => ({
        loss: model.loss(whole, params as unknown as SpeechRecognizerParams, sounds, said, { key }),
      }),
      counts: ({ sounds, said }) => (said.weights ? sumOf(said.weights) : rowsOf(sounds.frames)),
      batches(examples, key) {
        const spelt = examples.map((example) => ({ ...example, labels: knownLabels(example) }));
        /** Most characters of a sound of at most so many frames: every batch of a shape has room for them. */
        const charactersIn = (frames: number) =>
          spelt.reduce((most, { sound, labels }) => (sound.rows <= frames ? Math.max(most, labels.length) : most), 1);
        return bucketed(spelt, key, {
          ...options,
          lengthsOf: ({ sound }) => [sound.rows],
          collate(some, [length], counted) {
            const rows = some.length;
            const longest = charactersIn(length as number);
            const labels = new Int32Array(rows * longest);
            some.forEach((one, b) => {
              labels.set(one.labels, b * longest);
            });
            return {
              sounds: padSounds(some, { rows, length: length as number }),
              said: {
                labels: ndarray("int32", [rows, longest], labels),
                labelLengths: ndarray(
                  "int32",
                  [rows],
                  some.map((one) => one.labels.length),
                ),
                weights: ndarray(
                  "float32",
                  [rows],
                  counted.map((counts) => (counts ? 1 : 0)),
                ),
              },
            };
          },
          units: ({ sounds }) => (sounds.frames.data as Int32Array).reduce((a, b) => a + b, 0),
        });
      },
      use: (device) => useRecognizer(model, whole, { assets, options, device }),
      graphs: [
        {
          name: "acoustic-model",
          inputs: [
            {
              name: "features",
              dtype: "float32",
              shape: ["batch", "steps", 4 * options.bands],
              note: `log-mel features every ${options.hop} s, each band of mean 0 and variance 1 (normalization: ${options.normalization}); four frames in a row, filled up with 0`,
            },
            { name: "frames", dtype: "int32", shape: ["batch"], note: "how many frames of each sound count", below: "steps" },
          ],
          output: { name: "logits", note: "scores of each row: the blank, then the characters of tokenizer.json" },
          apply(params, features, frames) {
            const [batch, steps] = (features as Tensor).shape as [number, number];
            const sounds = { features: reshape(features as Tensor, [batch, 4 * steps, options.bands]), frames: frames as Tensor };
            return model.forward(whole, params as unknown as SpeechRecognizerParams, sounds).logits;
          },
        },
      ],
    };
  },
};

/**
 * The classes of what is said in a sound to learn from.
 *
 * @throws HeptagenError `data/symbol`, `data/bad-speech`
 */
function knownLabels({ labels, place, text, sound }: SpeechExample): Int32Array {
  if (!labels) {
    throw new HeptagenError("data/symbol", `${place}: "${text}" holds a character that the run's characters lack`, {
      next: "Characters come from the run that training starts from: spell alike, or train from the beginning.",
    });
  }
  const needed = labels.reduce((sum, label, i) => sum + (label === labels[i - 1] ? 2 : 1), 0);
  if (needed <= subsampledFrames(sound.rows)) return labels;
  throw new HeptagenError(
    "data/bad-speech",
    `${place}: "${text}" needs ${needed} frames, its sound has ${subsampledFrames(sound.rows)}`,
    {
      next: "Remove it, or choose a shorter hop.",
    },
  );
}

const whole = (value: number): string => value.toLocaleString("en");
const shown = (characters: string): string => {
  const all = [...characters];
  return all.length > 60 ? `${all.slice(0, 60).join("")}…` : characters;
};
