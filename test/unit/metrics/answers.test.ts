/** Cases worked by hand after SQuAD's official evaluation scripts, versions 1.1 and 2.0. */
import { expect, it, test } from "vitest";
import { answerF1, answerScores, exactMatch, normalizeAnswer } from "../../../src/metrics/index.ts";

it.each([
  ["The Eiffel Tower", "eiffel tower"],
  ["  a  cat,\tan owl; the THE end. ", "cat owl end"],
  ["U.S.A.", "usa"],
  ["well-known", "wellknown"],
  ["Anna and theatre", "anna and theatre"],
  ["éa caféan", "éa caféan"],
  ["“quoted”", "“quoted”"],
  ["the", ""],
])("%j is compared as %j", (answer, expected) => {
  expect(normalizeAnswer(answer)).toBe(expected);
});

it.each<[string, string[], number, number]>([
  ["Nile", ["the Nile"], 1, 1],
  ["River Nile in Egypt", ["the Nile"], 0, 2 / 5],
  ["River Nile in Egypt", ["the Nile", "River Nile"], 0, 2 / 3],
  ["cat cat", ["cat"], 0, 2 / 3],
  ["Paris", ["Rome"], 0, 0],
  ["", ["Rome"], 0, 0],
  ["", [], 1, 1],
  ["Rome", [], 0, 0],
  ["the", ["", "a"], 1, 1],
  ["", ["a", "Rome"], 0, 0],
])("%j where %j is right: exact %d, F1 %d", (prediction, answers, exact, f1) => {
  expect(exactMatch(prediction, answers)).toBe(exact);
  expect(answerF1(prediction, answers)).toBeCloseTo(f1, 12);
});

test("questions with and without an answer apart", () => {
  const scores = answerScores(["1976", "Nile delta", "", "a guess"], [["1976"], ["Nile"], [], []]);
  expect(scores).toMatchObject({ exact: 0.5, questions: 4 });
  expect(scores.f1).toBeCloseTo((1 + 2 / 3 + 1 + 0) / 4, 12);
  expect(scores.answerable).toMatchObject({ exact: 0.5, questions: 2 });
  expect(scores.unanswerable).toEqual({ exact: 0.5, f1: 0.5, questions: 2 });
  expect(answerScores(["a"], [["b"]]).unanswerable).toEqual({ exact: 0, f1: 0, questions: 0 });
});

test("lists of different lengths are refused", () => {
  expect(() => answerScores(["a"], [])).toThrow("got 0 references and 1 predictions");
});
