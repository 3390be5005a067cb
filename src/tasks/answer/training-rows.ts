/** What the reader learns from: each question with its own passage, and with passages that only look right. */
import { buildBm25, searchBm25 } from "../../baselines/index.ts";
import type { Tokenizer } from "../../data/index.ts";
import type { Passage } from "../sequence/corpus.ts";
import { placedTokens, type QuestionExample, type ReaderInput, readerInput, tokenSpan, windowsOf } from "./data.ts";
import type { TrainingOptions } from "./options.ts";

export interface TrainingRow extends ReaderInput {
  /** First and last place of the answer; the place between, twice, for none. */
  readonly span: readonly [number, number];
}

/** Rows of all examples. Wrong passages are those of BM25's best that have none of the answers. */
export function trainingRows(
  examples: readonly QuestionExample[],
  tokenizer: Tokenizer,
  { window: size, negatives }: Pick<TrainingOptions, "window" | "negatives">,
): TrainingRow[] {
  const texts = [...new Set(examples.flatMap(({ raw }) => raw.passage ?? []))];
  const passages: Passage[] = texts.map((text) => ({ text, place: "a passage" }));
  const numbers = new Map(texts.map((text, i) => [text, i]));
  const tokens = passages.map(({ text, place }) => placedTokens(tokenizer, text, place));
  const index = buildBm25(texts);
  return examples.flatMap(({ raw, question }) => {
    const rows: TrainingRow[] = [];
    const windows = (number: number) => {
      const [passage, placed] = [passages[number] as Passage, tokens[number] as ReturnType<typeof placedTokens>];
      return windowsOf(passage, placed, question, size);
    };
    const none = (number: number, which: number) => {
      const all = windows(number);
      const input = readerInput(tokenizer, question, all[which % all.length] as (typeof all)[number]);
      rows.push({ ...input, span: [input.between, input.between] });
    };
    const own = numbers.get(raw.passage as string) as number;
    if (raw.span) {
      const [first, last] = tokenSpan(tokens[own] as ReturnType<typeof placedTokens>, raw.span);
      for (const window of windows(own)) {
        if (first < window.first || last >= window.first + window.ids.length) continue;
        const input = readerInput(tokenizer, question, window);
        const shift = input.between + 1 - window.first;
        rows.push({ ...input, span: [first + shift, last + shift] });
      }
    } else none(own, 0);
    const wrong = searchBm25(index, raw.question, negatives + 5)
      .map(({ document }) => document)
      .filter((other) => other !== own && !raw.answers.some((answer) => (texts[other] as string).includes(answer)));
    for (const [n, other] of wrong.slice(0, negatives).entries()) none(other, n);
    return rows;
  });
}
