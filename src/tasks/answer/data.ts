/** Questions with their answers and passages: read, checked, turned into tokens whose places in the text are known. */
import { type DataRecord, type Tokenizer, textIn, textOrNothing } from "../../data/index.ts";
import { placeKinds } from "../../models/span-reader.ts";
import { HeptagenError } from "../../util/errors.ts";
import type { Passage } from "../sequence/corpus.ts";
import { type Placed, readPlaced } from "../sequence/records.ts";
import { specialTokens } from "../sequence/special-tokens.ts";
import { encodeText } from "../sequence/text.ts";
import type { TrainingOptions } from "./options.ts";

/** A question as it was read; alone where its answer is to be found. */
export interface RawQuestion {
  readonly question: string;
  /** All that are right; none where the passage has none. */
  readonly answers: readonly string[];
  readonly passage: string | undefined;
  /** First character of the first answer in the passage, and the one behind its last. */
  readonly span: readonly [number, number] | undefined;
  readonly placed: Placed;
}

/** @throws HeptagenError `data/…` with file and line */
export async function readQuestions(options: TrainingOptions): Promise<RawQuestion[]> {
  return (await readPlaced(options)).map((record) => {
    const { place, side, group } = record;
    const passage = textIn(record, options.passageColumn, "--passage-column");
    const answer = textOrNothing(record, options.answerColumn, "--answer-column").trim();
    return {
      question: textIn(record, options.questionColumn, "--question-column"),
      answers: answer === "" ? [] : answersIn(record, answer, options.answersColumn),
      passage,
      span: answer === "" ? undefined : spanIn(record, { passage, answer, column: options.startColumn }),
      placed: { place, ...(side && { side }), ...(group !== undefined && { group }) },
    };
  });
}

function answersIn(record: DataRecord, answer: string, column: string | undefined): string[] {
  const given = column === undefined ? undefined : record.values[column];
  if (given === undefined) return [answer];
  if (Array.isArray(given) && given.every((one) => typeof one === "string")) return [...new Set([answer, ...given])];
  throw new HeptagenError(
    "data/column",
    `${record.place}: expected a list of texts in "${column}", got ${JSON.stringify(given)?.slice(0, 60)}`,
  );
}

/** @throws HeptagenError `data/answer` when the answer is not where it should be */
function spanIn(
  { values, place }: DataRecord,
  { passage, answer, column }: { readonly passage: string; readonly answer: string; readonly column: string | undefined },
): readonly [number, number] {
  const given = column === undefined ? undefined : values[column];
  const start = given === undefined ? passage.indexOf(answer) : Number(given);
  const there = Number.isInteger(start) && start >= 0 ? passage.slice(start, start + answer.length) : undefined;
  if (there === answer) return [start, start + answer.length];
  throw new HeptagenError(
    "data/answer",
    given === undefined
      ? `${place}: expected the answer in the passage, got "${answer.slice(0, 60)}", which it does not have`
      : `${place}: expected the answer "${answer.slice(0, 60)}" at character ${given} of the passage, got "${(there ?? "").slice(0, 60)}"`,
    { next: "Answers are copied out of the passage; leave the answer empty where the passage has none." },
  );
}

/** A text as tokens, with the characters that each stands for; one that is a part of a character stands for the whole of it. */
export interface PlacedTokens {
  readonly ids: Int32Array;
  /** First character of each token. */
  readonly starts: Int32Array;
  /** The character behind the last of each token. */
  readonly ends: Int32Array;
}

/** Tokens of a text, with their places: tokens are bytes, and bytes are counted. */
export function placedTokens(tokenizer: Tokenizer, text: string, place: string): PlacedTokens {
  const ids = encodeText(tokenizer, text, Number.POSITIVE_INFINITY, place);
  const from: number[] = []; // of each byte: the first character, and the one behind
  const to: number[] = [];
  let at = 0;
  for (const character of text) {
    const point = character.codePointAt(0) as number;
    const bytes = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (let b = 0; b < bytes; b++) {
      from.push(at);
      to.push(at + character.length);
    }
    at += character.length;
  }
  const starts = new Int32Array(ids.length);
  const ends = new Int32Array(ids.length);
  let byte = 0;
  ids.forEach((id, i) => {
    starts[i] = from[byte] as number;
    byte += (tokenizer.tokenBytes[id] as Uint8Array).length;
    ends[i] = to[byte - 1] as number;
  });
  return { ids, starts, ends };
}

/** First and last token of some characters of a text. */
export function tokenSpan({ starts, ends }: PlacedTokens, [from, to]: readonly [number, number]): [number, number] {
  return [ends.findIndex((end) => end > from), starts.findLastIndex((start) => start < to)];
}

/** A question as tokens, and its words. */
export interface QuestionTokens {
  readonly ids: Int32Array;
  readonly words: ReadonlySet<string>;
}

/** A stretch of a passage that is read at once. */
export interface Window {
  /** First token in the passage. */
  readonly first: number;
  readonly ids: Int32Array;
  /** Whether each token is of a word that the question has. */
  readonly matches: readonly boolean[];
}

const wordPattern = /[\p{L}\p{N}]+/gu;

export function questionTokens(tokenizer: Tokenizer, question: string, longest: number, place: string): QuestionTokens {
  return {
    ids: encodeText(tokenizer, question, longest, place),
    words: new Set(question.toLowerCase().match(wordPattern) ?? []),
  };
}

/** A passage in windows that overlap by half. */
export function windowsOf(passage: Passage, tokens: PlacedTokens, question: QuestionTokens, size: number): Window[] {
  const same = new Uint8Array(passage.text.length);
  for (const { 0: word, index } of passage.text.matchAll(wordPattern)) {
    if (question.words.has(word.toLowerCase())) same.fill(1, index, index + word.length);
  }
  const { ids, starts, ends } = tokens;
  const matches = Array.from(ids, (_, i) => same.subarray(starts[i], ends[i]).some((one) => one === 1));
  const windows: Window[] = [];
  for (let first = 0; ; first += Math.ceil(size / 2)) {
    windows.push({ first, ids: ids.subarray(first, first + size), matches: matches.slice(first, first + size) });
    if (first + size >= ids.length) return windows;
  }
}

/** A question and a window in one sequence, and what each place is. */
export interface ReaderInput {
  readonly tokens: Int32Array;
  readonly kinds: Int32Array;
  /** Place between the two: the next one is the window's first. */
  readonly between: number;
}

export function readerInput(tokenizer: Tokenizer, question: QuestionTokens, window: Window): ReaderInput {
  const between = question.ids.length;
  const tokens = Int32Array.from([...question.ids, specialTokens(tokenizer).mask, ...window.ids]);
  const kinds = new Int32Array(tokens.length).fill(placeKinds.question);
  kinds[between] = placeKinds.between;
  window.matches.forEach((match, i) => {
    kinds[between + 1 + i] = match ? placeKinds.match : placeKinds.passage;
  });
  return { tokens, kinds, between };
}

/** A question as the model is given it. */
export interface QuestionExample {
  readonly raw: RawQuestion;
  readonly question: QuestionTokens;
}
