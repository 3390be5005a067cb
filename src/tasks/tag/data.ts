/** Sentences with their tags: read, checked, and turned into pieces, letters and numbers of tags. */
import { type DataRecord, type Tokenizer, textIn } from "../../data/index.ts";
import { HeptagenError, nearest } from "../../util/errors.ts";
import { type Placed, readPlaced } from "../sequence/records.ts";
import type { Assets } from "../sequence/sequence-task.ts";
import { cased } from "../sequence/text.ts";
import type { TrainingOptions } from "./options.ts";
import { splitWords } from "./words.ts";

/** Pieces of a word that are read, at most; of longer words the first. */
export const pieces = 4;
/** Letters of a word that are read; of longer words the first and the last half as many. */
export const letterCount = 16;

/** A sentence as it was read. */
export interface RawSentence {
  readonly words: readonly string[];
  /** undefined where they are to be predicted. */
  readonly tags: readonly string[] | undefined;
  /** Types of the same spans, set by rules or lists instead of people. */
  readonly weakTags?: readonly string[];
  /** Where there was a text: it, and where its words stand. */
  readonly text?: string;
  readonly offsets?: readonly (readonly [number, number])[];
  readonly placed: Placed;
}

/** What training learns about tags and letters. */
export interface TagFacts {
  /** O first, then in order of the alphabet; numbers of tags are places in it. */
  readonly tags: readonly string[];
  /** Weak types, in order of the alphabet. */
  readonly types: readonly string[];
  /** Letters that training has seen: number 2 is the first; 0 stands for none and 1 for any other. */
  readonly letters: readonly string[];
}

/** Number of a letter that training has not seen. */
const otherLetter = 1;

export interface TagExample {
  readonly raw: RawSentence;
  /** [T, P] and [T, L], row by row. */
  readonly tokens: Int32Array;
  readonly letters: Int32Array;
  /** [T]: numbers of tags, and of weak types (-1 outside spans). */
  readonly tags: Int32Array;
  readonly types: Int32Array;
}

/** @throws HeptagenError `data/…` with file and line */
export async function readSentences(options: TrainingOptions): Promise<RawSentence[]> {
  const { tokensColumn, tagsColumn, weakTagsColumn, repairTags } = options;
  return (await readPlaced(options)).map((record) => {
    const { place, side, group } = record;
    const words = listIn(record, tokensColumn, "--tokens-column");
    if (words.length === 0) {
      throw new HeptagenError("data/empty", `${place}: expected words, got none`, { next: "Fill them in or remove the line." });
    }
    const read = (column: string, flag: string) => checkTags(listIn(record, column, flag), words, place, repairTags);
    const tags = read(tagsColumn, "--tags-column");
    const weakTags = weakTagsColumn === undefined ? undefined : read(weakTagsColumn, "--weak-tags-column");
    return {
      words,
      tags,
      ...(weakTags && { weakTags }),
      placed: { place, ...(side && { side }), ...(group !== undefined && { group }) },
    };
  });
}

/** A column's list, or its text cut at spaces. */
function listIn(record: DataRecord, column: string, flag: string): string[] {
  const given = record.values[column];
  if (Array.isArray(given)) return given.map(String);
  return textIn(record, column, flag)
    .split(/\s+/)
    .filter((word) => word !== "");
}

/**
 * Tags that fit their words and the BIO scheme.
 *
 * @throws HeptagenError `data/tags` with file, line and word
 */
export function checkTags(tags: readonly string[], words: readonly string[], place: string, repair: boolean): string[] {
  if (tags.length !== words.length) {
    throw new HeptagenError("data/tags", `${place}: expected a tag for each of ${words.length} words, got ${tags.length}`, {
      facts: { words: words.length, tags: tags.length },
      next: "Give as many tags as words; O for those outside.",
    });
  }
  const checked: string[] = [];
  for (const [i, tag] of tags.entries()) {
    const at = `${place}: word ${i + 1} (${JSON.stringify(words[i])})`;
    const [, part, type] = /^(?:O|([BI])-(.+))$/su.exec(tag) ?? notBio(at, tag);
    const before = checked.at(-1) ?? "O";
    if (part !== "I" || (before !== "O" && before.slice(2) === type)) {
      checked.push(tag);
    } else if (repair) {
      checked.push(`B-${type}`);
    } else {
      throw new HeptagenError(
        "data/tags",
        `${at}: expected ${tag} after B-${type} or I-${type}, got it after ${i === 0 ? "nothing" : before}`,
        {
          facts: { tag, before },
          next: "Let spans begin with B-, or read such tags as B- with --repair-tags.",
        },
      );
    }
  }
  return checked;
}

function notBio(at: string, tag: string): never {
  throw new HeptagenError("data/tags", `${at}: expected a tag O, B-TYPE or I-TYPE, got ${JSON.stringify(tag)}`, {
    facts: { tag },
    next: "Convert other schemes (BILOU, IOBES) to BIO first.",
  });
}

/** @throws HeptagenError `data/one-class` when no word is inside a span */
export function tagFacts(train: readonly RawSentence[]): TagFacts {
  const types = new Set<string>();
  const weak = new Set<string>();
  const letters = new Map<string, number>();
  for (const { words, tags = [], weakTags = [] } of train) {
    for (const tag of tags) if (tag !== "O") types.add(tag.slice(2));
    for (const tag of weakTags) if (tag !== "O") weak.add(tag.slice(2));
    for (const word of words) for (const letter of word) letters.set(letter, (letters.get(letter) ?? 0) + 1);
  }
  if (types.size === 0) {
    throw new HeptagenError("data/one-class", "expected words inside spans, got only O", {
      next: "Name the column that holds the tags with --tags-column.",
    });
  }
  return {
    tags: ["O", ...[...types].sort().flatMap((type) => [`B-${type}`, `I-${type}`])],
    types: [...weak].sort(),
    // A letter that occurs once teaches nothing, and leaves its number to those that training has not seen.
    letters: [...letters].flatMap(([letter, count]) => (count > 1 ? [letter] : [])).sort(),
  };
}

/** Numbers of letters, with those for none and for any other. */
export const letterNumbers = ({ letters }: TagFacts): number => letters.length + otherLetter + 1;

/** @throws HeptagenError `data/label` for a tag that training has not seen */
export function encodeSentence(
  raw: RawSentence,
  { tokenizer, facts }: Assets<TagFacts>,
  options: Pick<TrainingOptions, "lowercase">,
): TagExample {
  const { words, tags, weakTags, placed } = raw;
  const tokens = new Int32Array(words.length * pieces).fill(-1);
  const letters = new Int32Array(words.length * letterCount);
  const numbers = letterMap(facts);
  for (const [t, word] of words.entries()) {
    tokens.set((tokenizer as Tokenizer).encode(pieceText(word, options)).subarray(0, pieces), t * pieces);
    let own = [...word];
    if (own.length > letterCount) own = [...own.slice(0, letterCount / 2), ...own.slice(-letterCount / 2)];
    own.forEach((letter, i) => {
      letters[t * letterCount + i] = numbers.get(letter) ?? otherLetter;
    });
  }
  const numberOf = (tag: string, t: number): number => {
    const at = facts.tags.indexOf(tag);
    if (at >= 0) return at;
    const near = nearest(tag, facts.tags);
    throw new HeptagenError("data/label", `${placed.place}: word ${t + 1}: expected a tag that the run knows, got "${tag}"`, {
      facts: { tag, known: facts.tags },
      next: near ? `Did it mean "${near}"?` : `It knows: ${facts.tags.join(", ")}.`,
    });
  };
  return {
    raw,
    tokens,
    letters,
    tags: Int32Array.from(tags ?? words.map(() => "O"), numberOf),
    types: Int32Array.from(words, (_, t) => facts.types.indexOf(weakTags?.[t]?.slice(2) ?? "")),
  };
}

const known = new WeakMap<TagFacts, ReadonlyMap<string, number>>();

function letterMap(facts: TagFacts): ReadonlyMap<string, number> {
  const map = known.get(facts) ?? new Map(facts.letters.map((letter, i) => [letter, i + otherLetter + 1]));
  known.set(facts, map);
  return map;
}

/** A word as a tokenizer of running text sees it: after a space. */
export const pieceText = (word: string, options: { readonly lowercase: boolean }): string => cased(` ${word}`, options);

/** A text, or a record with `tokens` or `text`, to be tagged. @throws HeptagenError `data/…` */
export function sentenceInput(value: unknown, place: string): RawSentence {
  const { tokens, text } = (typeof value === "object" && value !== null ? value : { text: value }) as Record<string, unknown>;
  if (Array.isArray(tokens) && tokens.length > 0) return { words: tokens.map(String), tags: undefined, placed: { place } };
  if (typeof text !== "string") {
    throw new HeptagenError(
      "data/json",
      `${place}: expected a text, or an object with "text" or "tokens", got ${JSON.stringify(value)?.slice(0, 60)}`,
    );
  }
  const { words, offsets } = splitWords(text);
  if (words.length > 0) return { words, tags: undefined, text, offsets, placed: { place } };
  throw new HeptagenError("data/empty", `${place}: expected a text, got ${text === "" ? "none" : "nothing but space"}`, {
    next: "Fill it in or remove the line.",
  });
}

/** A sentence in parts of at most so many words. A span that is cut becomes two. */
export function partsOf(example: TagExample, { tags }: TagFacts, longest: number): TagExample[] {
  const count = example.raw.words.length;
  if (count <= longest) return [example];
  return Array.from({ length: Math.ceil(count / longest) }, (_, part) => {
    const start = part * longest;
    const cut = (array: Int32Array, width: number) => array.slice(start * width, (start + longest) * width);
    const own = cut(example.tags, 1);
    const first = own[0] as number;
    if (tags[first]?.startsWith("I-")) own[0] = first - 1; // the B- of its type
    return {
      raw: { ...example.raw, words: example.raw.words.slice(start, start + longest) },
      tokens: cut(example.tokens, pieces),
      letters: cut(example.letters, letterCount),
      tags: own,
      types: cut(example.types, 1),
    };
  });
}
