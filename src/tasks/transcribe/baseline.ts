/**
 * What a recogniser is measured against: dynamic time warping finds the training sound that is least unlike, and says what that one
 * says. It knows whole texts only, so where texts do not come back it says nothing of use, and is not measured.
 */
import { nearestTemplate, type VectorSequence } from "../../baselines/index.ts";
import type { Rows } from "../../util/spectrogram.ts";
import type { RawSpeech, SpeechExample } from "./data.ts";

/** Most templates of a text, spread over its sounds. */
const templatesOfText = 8;
/** Frames and bands that become one by their mean. */
const joinedFrames = 4;
const joinedBands = 4;
/** Bands are brought to mean 0 within a sound, so that voices and microphones differ less; all but this part. */
const keptMean = 0.5;

/** Whether texts come back: at least this part of the examples says what some training sound says. */
const knownPart = 0.5;

export function textsComeBack(training: readonly RawSpeech[], examples: readonly SpeechExample[]): boolean {
  const known = new Set(training.map(({ text }) => text));
  return examples.filter(({ text }) => known.has(text)).length >= knownPart * examples.length;
}

/** What the nearest training sound says, for each example. */
export function* nearestTexts(training: readonly RawSpeech[], examples: readonly RawSpeech[]): Generator<string> {
  const byText = new Map<string, RawSpeech[]>();
  for (const raw of training) byText.set(raw.text ?? "", [...(byText.get(raw.text ?? "") ?? []), raw]);
  const chosen = [...byText].flatMap(([text, raws]) => {
    const step = Math.max(1, raws.length / templatesOfText);
    const count = Math.min(raws.length, templatesOfText);
    return Array.from({ length: count }, (_, i) => ({ text, shape: outline((raws[Math.floor(i * step)] as RawSpeech).sound) }));
  });
  const templates = chosen.map(({ shape }) => shape);
  for (const { sound } of examples) yield (chosen[nearestTemplate(outline(sound), templates)] as (typeof chosen)[number]).text;
}

/** A sound in fewer numbers. */
function outline({ rows, width, data }: Rows): VectorSequence {
  const [T, F] = [Math.ceil(rows / joinedFrames), Math.ceil(width / joinedBands)];
  const sums = new Float32Array(T * F);
  const counts = new Float32Array(T * F);
  data.forEach((value, i) => {
    const at = Math.floor(Math.floor(i / width) / joinedFrames) * F + Math.floor((i % width) / joinedBands);
    sums[at] = (sums[at] as number) + value;
    counts[at] = (counts[at] as number) + 1;
  });
  const cells = sums.map((sum, i) => sum / (counts[i] as number));
  for (let f = 0; f < F; f++) {
    let mean = 0;
    for (let t = 0; t < T; t++) mean += (cells[t * F + f] as number) / T;
    for (let t = 0; t < T; t++) cells[t * F + f] = (cells[t * F + f] as number) - (1 - keptMean) * mean;
  }
  return { rows: T, width: F, data: cells };
}
