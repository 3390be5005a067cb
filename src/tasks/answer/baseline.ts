/** Two ways to answer without reading: the sentence that is most like the question, and the answer to the training question that is. */
import { buildBm25, searchBm25 } from "../../baselines/index.ts";
import type { Passage } from "../sequence/corpus.ts";
import type { RawQuestion } from "./data.ts";

/** The sentence of all passages that BM25 likes best for each question; empty where it likes none. */
export function sentenceAnswers(questions: readonly string[], passages: readonly Passage[]): string[] {
  const sentences = passages.flatMap(({ text }) => text.split(/(?<=[.!?…”])\s+|\n+/).filter((part) => part.trim() !== ""));
  const index = buildBm25(sentences);
  return questions.map((question) => sentences[searchBm25(index, question, 1)[0]?.document ?? -1] ?? "");
}

/** The answer to the training question that BM25 likes best for each question. */
export function neighbourAnswers(questions: readonly string[], training: readonly RawQuestion[]): string[] {
  const index = buildBm25(training.map(({ question }) => question));
  return questions.map((question) => training[searchBm25(index, question, 1)[0]?.document ?? -1]?.answers[0] ?? "");
}
