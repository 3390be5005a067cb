/** A trained recogniser at work: scores, texts, measures with their baseline, pictures. */
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tensor } from "../../core/index.ts";
import type { Tokenizer } from "../../data/index.ts";
import { characterErrorRate, wordErrorRate } from "../../metrics/index.ts";
import type { Sounds, SpeechRecognizer, SpeechRecognizerConfig, SpeechRecognizerParams } from "../../models/speech-recognizer.ts";
import { subsampledFrames } from "../../nn/index.ts";
import { type Device, jit } from "../../runtime/index.ts";
import { type NdArray, ndarray } from "../../util/ndarray.ts";
import { fold, key, randint } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import { checkStop, type Measure, type Options } from "../recipe.ts";
import { inBatches } from "../sequence/in-batches.ts";
import type { Assets, EvaluationContext, TaskUse } from "../sequence/sequence-task.ts";
import { nearestTexts, textsComeBack } from "./baseline.ts";
import type { RawSpeech, SpeechExample, SpeechFacts } from "./data.ts";
import { decoderOf, greedyDecoder, type Heard, type Scores, timesOf } from "./decode.ts";
import type { DecodingOptions, TrainingOptions } from "./options.ts";
import { confusionPicture, soundPicture } from "./pictures.node.ts";

/** Sounds in a batch when they are heard, and most voices that are measured one by one. */
const most = 32;
const mostVoices = 40;

export interface Around {
  readonly assets: Assets<SpeechFacts>;
  readonly options: TrainingOptions;
  readonly device: Device;
}

export function useRecognizer<Network>(
  model: SpeechRecognizer<Network>,
  config: SpeechRecognizerConfig<Network>,
  { assets, options: own, device }: Around,
): TaskUse<RawSpeech, SpeechExample> {
  const tokenizer = assets.tokenizer as Tokenizer;
  const classes = config.vocabulary;
  const step = 4 * own.hop;
  const forward = jit<[Tree<NdArray>, NdArray, NdArray], Tensor>(
    (params, features, frames) => model.forward(config, params as unknown as SpeechRecognizerParams, { features, frames }).logits,
    { device },
  );

  /** Scores of each sound, in order. */
  const scoresOf = (params: Tree<NdArray>, examples: readonly SpeechExample[], look?: (done: number) => void) =>
    inBatches(
      examples,
      ({ sound }) => [sound.rows],
      async (some, { rows, lengths: [length] }): Promise<Scores[]> => {
        const { features, frames } = padSounds(some, { rows, length: length as number });
        const { data, shape } = (await forward(params, features, frames)) as NdArray;
        const size = (shape[1] as number) * classes;
        return some.map(({ sound }, b) => ({
          data: (data as Float32Array).slice(b * size, b * size + subsampledFrames(sound.rows) * classes),
          classes,
        }));
      },
      { batch: most, ...(look && { look }) },
    );

  const greedy = greedyDecoder(tokenizer);
  const decoder = (options: Options) => decoderOf(options as unknown as DecodingOptions, tokenizer, assets.facts, own.spelling);
  const first = (heard: readonly Heard[]): Heard => heard[0] as Heard;

  return {
    async validate(params, examples) {
      const heard = (await scoresOf(params, examples)).map((scores) => first(greedy(scores)).text);
      const measures = errorsOf(examples, heard);
      return { measures, score: measures.characterErrorRate };
    },

    async evaluate(params, examples, context) {
      const look = (done: number) => {
        checkStop(context);
        context.onEvent?.({ kind: "progress", what: "listening", done });
      };
      look(0);
      const scores = await scoresOf(params, examples, look);
      const decode = await decoder(context.options);
      const heard: string[] = [];
      for (const one of scores) {
        heard.push(first(decode(one)).text);
        checkStop(context);
      }
      const alone = scores.map((one) => first(greedy(one)).text);
      const measures = namedErrors(errorsOf(examples, heard));
      if (context.options.decoder !== "greedy") {
        const { wordErrorRate: value } = errorsOf(examples, alone);
        measures.push({ key: "greedyWordErrorRate", name: "WER of the likeliest path alone", value, better: "lower" });
      }
      return [
        ...measures,
        ...byVoice(examples, heard),
        ...(context.options.baseline === false ? [] : await baselineMeasures(examples, context)),
        { key: "sounds", name: "sounds", value: examples.length },
      ];
    },

    async predict(params, examples, options) {
      const scores = await scoresOf(params, examples);
      const decode = await decoder(options);
      return examples.map(({ file, seconds, note }, i) => {
        const found = decode(scores[i] as Scores);
        const { text, labels, confidence } = first(found);
        const characters = timesOf(scores[i] as Scores, labels, tokenizer, step);
        const others = found.slice(1, 1 + (options.alternatives as number));
        return {
          audio: file,
          text,
          confidence: rounded(confidence),
          seconds: rounded(seconds),
          characters: characters.map(({ character, start, end, probability }) => ({
            character,
            start: rounded(start),
            end: rounded(Math.min(end, seconds)),
            probability: rounded(probability),
          })),
          ...(others.length > 0 && {
            alternatives: others.map((other) => ({ text: other.text, confidence: rounded(other.confidence) })),
          }),
          ...(note !== undefined && { note }),
        };
      });
    },

    async show(params, examples, options) {
      const some = pick(examples, options);
      const scores = await scoresOf(params, some);
      const decode = await decoder({ decoder: "greedy", ...options });
      return some
        .map(({ text, file, speaker }, i) => {
          const { text: heard, confidence } = first(decode(scores[i] as Scores));
          const right = heard === text;
          const who = speaker === undefined ? "" : `, ${speaker}`;
          const truth = right ? "" : `\n  said:  ${text}`;
          return `${right ? "right" : "wrong"} (${Math.round(100 * confidence)} % sure${who}, ${file})\n  heard: ${heard || "nothing"}${truth}`;
        })
        .join("\n");
    },

    async inspect(params, examples, options) {
      const pictures = [];
      for (const [i, example] of pick(examples, options).entries()) {
        const [scores] = await scoresOf(params, [example]);
        const { text, labels } = first(greedy(scores as Scores));
        const file = join(options.out, `sound-${i + 1}.png`);
        const characters = timesOf(scores as Scores, labels, tokenizer, step);
        await writeFile(file, await soundPicture(example, { scores: scores as Scores, heard: text, characters, tokenizer, own }));
        pictures.push({ file, caption: `log-mel spectrogram of "${example.text}", and when "${text}" is heard in it` });
      }
      const heard = (await scoresOf(params, examples)).map((scores) => first(greedy(scores)).text);
      const confusion = await confusionPicture(
        examples.map(({ text }) => text ?? ""),
        heard,
      );
      if (confusion) {
        const file = join(options.out, "confusion.png");
        await writeFile(file, confusion);
        pictures.push({ file, caption: "words that are taken for others most often" });
      }
      return { pictures, measures: namedErrors(errorsOf(examples, heard)) };
    },

    async dispose() {},
  };

  async function baselineMeasures(examples: readonly SpeechExample[], context: EvaluationContext<RawSpeech>): Promise<Measure[]> {
    const training = await context.training();
    if (!training) {
      context.onEvent?.({ kind: "note", message: "no baseline: the run's training data is no longer as it was" });
      return [];
    }
    if (!textsComeBack(training, examples)) {
      context.onEvent?.({ kind: "note", message: "no baseline: nearest training sounds say nothing about texts that are new" });
      return [];
    }
    context.onEvent?.({ kind: "note", message: "comparing with training sounds by dynamic time warping" });
    const found: string[] = [];
    for (const text of nearestTexts(training, context.raws)) {
      found.push(text);
      checkStop(context);
      if (found.length % 16 === 0)
        context.onEvent?.({ kind: "progress", what: "comparing", done: found.length / examples.length });
      if (found.length % 16 === 0) await new Promise((resolve) => setImmediate(resolve)); // lets an interruption through
    }
    return namedErrors(errorsOf(examples, found), "baseline", " of the nearest training sound by dynamic time warping");
  }
}

/** Features as rows of one length, filled up with zeros; rows beyond the last sound count one frame, so that nothing is a mean of nothing. */
export function padSounds(
  some: readonly Pick<SpeechExample, "sound">[],
  { rows, length }: { readonly rows: number; readonly length: number },
): Sounds<NdArray> {
  const width = (some[0] as (typeof some)[number]).sound.width;
  const features = new Float32Array(rows * length * width);
  const frames = new Int32Array(rows).fill(1);
  some.forEach(({ sound }, b) => {
    features.set(sound.data, b * length * width);
    frames[b] = sound.rows;
  });
  return { features: ndarray("float32", [rows, length, width], features), frames: ndarray("int32", [rows], frames) };
}

interface Errors {
  readonly [name: string]: number;
  readonly wordErrorRate: number;
  readonly characterErrorRate: number;
  readonly accuracy: number;
}

function errorsOf(examples: readonly Pick<SpeechExample, "text">[], heard: readonly string[]): Errors {
  const said = examples.map(({ text }) => text ?? "");
  return {
    wordErrorRate: wordErrorRate(said, heard).rate,
    characterErrorRate: characterErrorRate(said, heard).rate,
    accuracy: said.filter((text, i) => text === heard[i]).length / said.length,
  };
}

export const speechMeasureNames: Readonly<Record<string, string>> = {
  wordErrorRate: "WER",
  characterErrorRate: "CER",
  accuracy: "sounds without an error",
};

function namedErrors(errors: Errors, prefix = "", suffix = ""): Measure[] {
  return Object.entries(errors).map(([name, value]) => ({
    key: prefix === "" ? name : `${prefix}${name[0]?.toUpperCase()}${name.slice(1)}`,
    name: `${speechMeasureNames[name]}${suffix}`,
    value,
    better: name === "accuracy" ? ("higher" as const) : ("lower" as const),
  }));
}

/** Errors of each voice, where there are several. */
function byVoice(examples: readonly SpeechExample[], heard: readonly string[]): Measure[] {
  const places = new Map<string, number[]>();
  examples.forEach(({ speaker }, i) => {
    if (speaker !== undefined) places.set(speaker, [...(places.get(speaker) ?? []), i]);
  });
  if (places.size < 2 || places.size > mostVoices) return [];
  return [...places].sort().flatMap(([voice, own]) => {
    const errors = errorsOf(
      own.map((i) => examples[i] as SpeechExample),
      own.map((i) => heard[i] as string),
    );
    return (["wordErrorRate", "characterErrorRate"] as const).map((name) => ({
      key: `${name}.${voice}`,
      name: `${speechMeasureNames[name]} of the voice ${voice}`,
      value: errors[name],
      better: "lower" as const,
    }));
  });
}

/** A few examples, the same for the same seed. */
function pick(examples: readonly SpeechExample[], { numSamples = 4, seed = 0 }: Options): SpeechExample[] {
  const places = new Int32Array(numSamples as number);
  randint(fold(key(seed as number), "show"), 0, examples.length, places);
  return Array.from(places, (at) => examples[at] as SpeechExample);
}

const rounded = (value: number): number => Number(value.toPrecision(4));
