/** From a network's scores to text: the likeliest path, or a beam search that may listen to a language model. */
import { countNgrams, readDocuments, type Tokenizer } from "../../data/index.ts";
import { bestPath, ctcAlign, ctcBeamSearch, type LabelScorer, labelScorer, wordScorer } from "../../nn/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import { type SpeechFacts, spelt } from "./data.ts";
import type { DecodingOptions, TrainingOptions } from "./options.ts";

/** Scores of one sound: [N, V], row by row. */
export interface Scores {
  readonly data: Float32Array;
  /** V */
  readonly classes: number;
}

/** What was heard in a sound. */
export interface Heard {
  readonly text: string;
  readonly labels: readonly number[];
  /** Probability of the text, the geometric mean over its characters: from 0 to 1. */
  readonly confidence: number;
}

/** What is heard, likeliest first. */
export type Decoder = (scores: Scores) => readonly Heard[];

/** What the network says without any help: for looks while training. */
export function greedyDecoder(tokenizer: Tokenizer): Decoder {
  return ({ data, classes }) => {
    const { labels, logProbability } = bestPath(data, { classes });
    return [heardOf(tokenizer, labels, logProbability)];
  };
}

/**
 * A decoder as options ask for it.
 *
 * @throws HeptagenError `data/…` for texts of a language model that cannot be read
 */
export async function decoderOf(
  options: DecodingOptions,
  tokenizer: Tokenizer,
  facts: SpeechFacts,
  spelling: TrainingOptions["spelling"],
): Promise<Decoder> {
  if (options.decoder === "greedy") return greedyDecoder(tokenizer);
  const scorer = await scorerOf(options, tokenizer, facts, spelling);
  return ({ data, classes }) =>
    ctcBeamSearch(data, { classes, width: options.beamWidth, scorer }).map(({ labels, logProbability }) =>
      heardOf(tokenizer, labels, logProbability),
    );
}

async function scorerOf(
  {
    languageModel,
    lexicon,
    languageModelText,
    languageModelOrder: order,
    languageModelWeight: weight,
    tokenBonus: bonus,
  }: DecodingOptions,
  tokenizer: Tokenizer,
  facts: SpeechFacts,
  spelling: TrainingOptions["spelling"],
): Promise<LabelScorer | undefined> {
  if (lexicon && languageModel !== "words") {
    throw new HeptagenError("options/value", `expected a language model of words beside --lexicon, got ${languageModel}`, {
      next: "Add --language-model words.",
    });
  }
  if (languageModel === "none") return undefined;
  const texts =
    languageModelText === undefined
      ? Object.entries(facts.texts).flatMap(([text, times]) => new Array<string>(times).fill(text))
      : (await readDocuments(languageModelText)).flatMap(({ text }) => text.split("\n").map((line) => spelt(line, spelling)));
  const said = texts.filter((text) => text !== "");
  const spell = (label: number) => tokenizer.decode([label - 1]);
  if (languageModel === "characters") {
    const model = countNgrams(
      said.map((text) => [...text]),
      { order },
    );
    return labelScorer(model.logProbability, { spell, weight, bonus }) as LabelScorer;
  }
  const lines = said.map((text) => text.split(/\s+/));
  const model = countNgrams(lines, { order });
  const space = Array.from({ length: tokenizer.vocabularySize }, (_, id) => id + 1).find((label) => spell(label) === " ") ?? -1;
  const known = lexicon ? new Set(lines.flat()) : undefined;
  return wordScorer(model.logProbability, { spell, weight, bonus, space, lexicon: known }) as LabelScorer;
}

function heardOf(tokenizer: Tokenizer, labels: readonly number[], logProbability: number): Heard {
  const text = tokenizer.decode(labels.map((label) => label - 1));
  return { text: text.trim(), labels, confidence: Math.exp(logProbability / Math.max(1, labels.length)) };
}

/** A character, and when it is said. */
export interface TimedCharacter {
  readonly character: string;
  /** In seconds. */
  readonly start: number;
  readonly end: number;
  readonly probability: number;
}

/** When each character of a text is said; `step` is how long a row of scores lasts, in seconds. */
export function timesOf(
  { data, classes }: Scores,
  labels: readonly number[],
  tokenizer: Tokenizer,
  step: number,
): TimedCharacter[] {
  return ctcAlign(data, labels, { classes }).map(({ label, start, end, probability }) => ({
    character: tokenizer.decode([label - 1]),
    start: start * step,
    end: end * step,
    probability,
  }));
}
