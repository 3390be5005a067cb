/**
 * Scores of answers to questions as SQuAD's official evaluation gives them (Rajpurkar et al. 2016 and 2018, arXiv:1606.05250 and
 * arXiv:1806.03822): exact match and F1 of words, after case, punctuation, English articles and white space are levelled. An empty
 * answer says that there is none.
 */
import { checkPairs, countCommon, countNgrams, overlap, splitWords } from "./overlap.ts";

/** Means over questions, 0 to 1 (SQuAD prints them times 100). */
export interface AnswerMeans {
  readonly exact: number;
  readonly f1: number;
  readonly questions: number;
}

export interface AnswerScores extends AnswerMeans {
  /** Questions that have an answer. */
  readonly answerable: AnswerMeans;
  /** Questions that have none: both scores are the share for which none was given. */
  readonly unanswerable: AnswerMeans;
}

/**
 * An answer as it is compared: lower case, without ASCII punctuation, without a, an, the, words a space apart.
 *
 * @example normalizeAnswer("The  Eiffel-Tower!") // "eiffeltower"
 */
export function normalizeAnswer(answer: string): string {
  const words = answer
    .toLowerCase()
    .replace(/[!-/:-@[-`{-~]/g, "")
    .replace(/(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu, " ");
  return splitWords(words).join(" ");
}

/**
 * Whether an answer is one of those wanted: 1 or 0. No answers wanted, or only ones of which nothing is left, means that none is right.
 *
 * @example exactMatch("the Nile", ["Nile", "River Nile"]) // 1
 */
export function exactMatch(prediction: string, answers: readonly string[]): 0 | 1 {
  const given = normalizeAnswer(prediction);
  return wanted(answers).some((answer) => answer === given) ? 1 : 0;
}

/**
 * F1 of the words of an answer with those of the wanted one it is nearest to. If either is empty, 1 where both are and else 0.
 *
 * @example answerF1("River Nile in Egypt", ["the Nile"]) // 0.4
 */
export function answerF1(prediction: string, answers: readonly string[]): number {
  const given = splitWords(normalizeAnswer(prediction));
  return Math.max(
    ...wanted(answers).map((answer) => {
      const words = splitWords(answer);
      if (given.length === 0 || words.length === 0) return given.length === words.length ? 1 : 0;
      return overlap(countCommon(countNgrams(given, 1), countNgrams(words, 1)), given.length, words.length).f1;
    }),
  );
}

/**
 * Scores of answers to many questions, those with and without an answer apart.
 *
 * @param predictions for each question the answer given, empty for none
 * @param answers for each question the answers that are right, none where it has no answer
 * @throws HeptagenError `metrics/length` when the lists differ in length or are empty
 * @example answerScores(["the Nile", ""], [["Nile"], []]).exact // 1
 */
export function answerScores(predictions: readonly string[], answers: readonly (readonly string[])[]): AnswerScores {
  checkPairs("answerScores", answers, predictions);
  const scored = answers.map((right, i) => ({
    exact: exactMatch(predictions[i] as string, right),
    f1: answerF1(predictions[i] as string, right),
    answerable: wanted(right)[0] !== "",
  }));
  const mean = (questions: typeof scored): AnswerMeans => ({
    exact: questions.reduce((sum, { exact }) => sum + exact, 0) / Math.max(1, questions.length),
    f1: questions.reduce((sum, { f1 }) => sum + f1, 0) / Math.max(1, questions.length),
    questions: questions.length,
  });
  return {
    ...mean(scored),
    answerable: mean(scored.filter(({ answerable }) => answerable)),
    unanswerable: mean(scored.filter(({ answerable }) => !answerable)),
  };
}

/** The wanted answers of which something is left, or the empty one. */
function wanted(answers: readonly string[]): readonly string[] {
  const left = answers.map(normalizeAnswer).filter((answer) => answer !== "");
  return left.length > 0 ? left : [""];
}
