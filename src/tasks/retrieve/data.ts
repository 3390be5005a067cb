/** Queries with the passage that each should find: read, checked, turned into tokens; and all passages there are to search. */
import { type Tokenizer, textIn } from "../../data/index.ts";
import type { Passage } from "../sequence/corpus.ts";
import { type Placed, readPlaced } from "../sequence/records.ts";
import { encodeText } from "../sequence/text.ts";
import type { LengthOptions, TrainingOptions } from "./options.ts";

/** A pair as it was read; a query alone where its passage is to be found. */
export interface RawPair {
  readonly query: string;
  readonly text: string | undefined;
  readonly placed: Placed;
}

export interface PairExample {
  readonly query: string;
  readonly text: string | undefined;
  readonly queryIds: Int32Array;
  /** Nothing where there is no passage. */
  readonly textIds: Int32Array;
}

/** @throws HeptagenError `data/…` with file and line */
export async function readPairs(options: TrainingOptions): Promise<RawPair[]> {
  return (await readPlaced(options)).map((record) => {
    const { place, side, group } = record;
    return {
      query: textIn(record, options.queryColumn, "--query-column"),
      text: textIn(record, options.textColumn, "--text-column"),
      placed: { place, ...(side && { side }), ...(group !== undefined && { group }) },
    };
  });
}

/** @throws HeptagenError `data/empty` with file and line */
export function encodePair(
  { query, text, placed: { place } }: RawPair,
  tokenizer: Tokenizer,
  { longestQuery, longest }: LengthOptions,
): PairExample {
  return {
    query,
    text,
    queryIds: encodeText(tokenizer, query, longestQuery, `${place}: the query`),
    textIds: text === undefined ? new Int32Array() : encodeText(tokenizer, text, longest, `${place}: the passage`),
  };
}

/** What there is to search, and which of it is right for which query. */
export interface Collection {
  /** Each text once. */
  readonly passages: readonly Passage[];
  /** Numbers of the passages that a query stands beside somewhere in the data. */
  readonly relevant: ReadonlyMap<string, ReadonlySet<number>>;
}

export function collectionOf(pairs: readonly RawPair[]): Collection {
  const numbers = new Map<string, number>();
  const passages: Passage[] = [];
  const relevant = new Map<string, Set<number>>();
  for (const { query, text, placed } of pairs) {
    if (text === undefined) continue;
    let number = numbers.get(text);
    if (number === undefined) {
      number = passages.push({ text, place: placed.place }) - 1;
      numbers.set(text, number);
    }
    const right = relevant.get(query) ?? new Set();
    relevant.set(query, right.add(number));
  }
  return { passages, relevant };
}
