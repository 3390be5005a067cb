/** Decoding of CTC scores against the sum over all paths, and language models against counting by hand. */
import { describe, expect, test } from "vitest";
import { countNgrams } from "../../../src/data/ngram.ts";
import { bestPath, ctcBeamSearch, type LabelScorer, labelScorer, wordScorer } from "../../../src/nn/ctc-decoding.ts";
import { fillNormal, key } from "../../../src/util/random.ts";

const [T, V] = [6, 4];

function noise(seed: number, frames = T, classes = V): Float32Array {
  const data = new Float32Array(frames * classes);
  fillNormal(key(seed), data);
  return data;
}

/** Probability of everything that can be said, by going through all paths. */
function everything(scores: Float32Array, blank: number): Map<string, number> {
  const rows = Array.from({ length: T }, (_, t) => {
    const row = [...scores.subarray(t * V, (t + 1) * V)].map(Math.exp);
    const total = row.reduce((a, b) => a + b, 0);
    return row.map((x) => x / total);
  });
  const found = new Map<string, number>();
  const visit = (path: number[], probability: number) => {
    const row = rows[path.length];
    if (!row) {
      const said = path.filter((v, t) => v !== path[t - 1] && v !== blank).join();
      found.set(said, (found.get(said) ?? 0) + probability);
      return;
    }
    row.forEach((x, v) => {
      visit([...path, v], probability * x);
    });
  };
  visit([], 1);
  return found;
}

describe.each([
  [1, 0],
  [2, 0],
  [3, 3],
])("seed %i, class %i is the blank", (seed, blank) => {
  const scores = noise(seed);
  const all = everything(scores, blank);

  test("a beam as wide as everything finds the exact probability of all that can be said", () => {
    const found = ctcBeamSearch(scores, { classes: V, blank, width: 1e5, least: 0 });
    expect(found).toHaveLength(all.size);
    for (const { labels, logProbability, score } of found) {
      expect(logProbability).toBeCloseTo(Math.log(all.get(labels.join()) as number), 9);
      expect(score).toBe(logProbability);
    }
    const likeliest = [...all].reduce((a, b) => (b[1] > a[1] ? b : a));
    expect(found[0]?.labels.join()).toBe(likeliest[0]);
  });

  test("with a scorer, the best of all by likelihood and score", () => {
    // A language in which labels rather rise, and every label costs.
    const scorer: LabelScorer<number> = {
      start: -1,
      next: (last, label) => ({ score: (label > last ? 0.5 : -2) - 0.1, state: label }),
      finish: (last) => (last === 2 ? 0.7 : 0),
    };
    const value = (labels: readonly number[]) => {
      let [score, state] = [0, scorer.start];
      for (const label of labels) {
        const said = scorer.next(state, label);
        [score, state] = [score + said.score, said.state];
      }
      return score + scorer.finish(state);
    };
    const rated = [...all].map(([name, probability]) => {
      const labels = name === "" ? [] : name.split(",").map(Number);
      return { labels, score: Math.log(probability) + value(labels) };
    });
    const best = rated.reduce((a, b) => (b.score > a.score ? b : a));
    const [found] = ctcBeamSearch(scores, { classes: V, blank, width: 1e5, least: 0, scorer });
    expect(found?.labels).toEqual(best.labels);
    expect(found?.score).toBeCloseTo(best.score, 9);
  });

  test("a narrow beam never claims more than there is", () => {
    const narrow = ctcBeamSearch(scores, { classes: V, blank, width: 3 });
    expect(narrow).toHaveLength(3);
    for (const { labels, logProbability } of narrow) {
      expect(logProbability).toBeLessThanOrEqual(Math.log(all.get(labels.join()) as number) + 1e-12);
    }
  });

  test("the best path is the likeliest of all paths", () => {
    const { logProbability, labels, starts } = bestPath(scores, { classes: V, blank });
    let expected = 0;
    for (let t = 0; t < T; t++) {
      const row = [...scores.subarray(t * V, (t + 1) * V)];
      expected += Math.max(...row) - Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
    }
    expect(logProbability).toBeCloseTo(expected, 9);
    expect(starts).toHaveLength(labels.length);
  });
});

/** Scores in which each frame is nearly certain of one class. */
const certain = (path: readonly number[], classes: number) =>
  Float32Array.from({ length: path.length * classes }, (_, i) => (path[Math.floor(i / classes)] === i % classes ? 9 : 0));

test("the best path drops repetitions, then blanks", () => {
  const scores = certain([0, 1, 1, 0, 1, 2, 2, 0, 0], 3);
  expect(bestPath(scores, { classes: 3 })).toMatchObject({ labels: [1, 1, 2], starts: [1, 4, 5] });
  expect(bestPath(scores, { classes: 3, frames: 3 }).labels).toEqual([1]);
  expect(bestPath(scores, { classes: 3, blank: 1 }).labels).toEqual([0, 0, 2, 0]);
  expect(ctcBeamSearch(scores, { classes: 3 })[0]?.labels).toEqual([1, 1, 2]);
});

test("what is likeliest need not lie on the best path", () => {
  // Two frames of blank 0.6, label 0.4: the best path says nothing (0.36), but the label has 0.64.
  const frame = [Math.log(0.6), Math.log(0.4)];
  const scores = Float32Array.from([...frame, ...frame]);
  expect(bestPath(scores, { classes: 2 }).labels).toEqual([]);
  const [best] = ctcBeamSearch(scores, { classes: 2 });
  expect(best?.labels).toEqual([1]);
  expect(Math.exp(best?.logProbability as number)).toBeCloseTo(0.64, 6);
});

describe("language models", () => {
  const letters = " abcdeht";
  const spell = (label: number) => letters[label - 1] as string;
  const classes = letters.length + 1;
  const path = (text: string) => [...text].flatMap((letter) => [letters.indexOf(letter) + 1, 0]);
  const text = (labels: readonly number[] | undefined) => labels?.map(spell).join("");

  test("a model over words decides between words that sound alike", () => {
    const model = countNgrams(
      ["the bed", "the bed", "a bee"].map((line) => line.split(" ")),
      { order: 2 },
    );
    const scores = certain(path("the bee"), classes);
    // The last letter is heard as e, d being nearly as likely.
    const last = 12 * classes;
    scores[last + letters.indexOf("d") + 1] = 8.5;
    expect(text(ctcBeamSearch(scores, { classes })[0]?.labels)).toBe("the bee");
    const scorer = wordScorer(model.logProbability, { spell, space: 1 });
    const [best] = ctcBeamSearch(scores, { classes, scorer });
    expect(text(best?.labels)).toBe("the bed");
    const added =
      model.logProbability([], "the") + model.logProbability(["the"], "bed") + model.logProbability(["the", "bed"], undefined);
    expect((best?.score as number) - (best?.logProbability as number)).toBeCloseTo(added, 9);
    const off = wordScorer(model.logProbability, { spell, space: 1, weight: 0 });
    expect(text(ctcBeamSearch(scores, { classes, scorer: off })[0]?.labels)).toBe("the bee");
  });

  test("with a lexicon nothing but its words is heard, and it is the likeliest of them", () => {
    const lexicon = new Set(["bed", "the", "tea"]);
    const scorer = wordScorer(() => 0, { spell, space: 1, lexicon });
    const heard = (scores: Float32Array, width: number) =>
      text(ctcBeamSearch(scores, { classes, width, least: 0, scorer })[0]?.labels) ?? "";
    /** Probability that labels are said, by going through all hypotheses of a beam that is wide enough for any. */
    const probability = (scores: Float32Array, word: string) => {
      const all = ctcBeamSearch(scores, { classes, width: 100_000, least: 0 });
      return all.find(({ labels }) => text(labels) === word)?.logProbability ?? -1e9;
    };
    for (let seed = 0; seed < 10; seed++) {
      const scores = noise(seed, 4, classes);
      for (let t = 0; t < 4; t++) scores[t * classes + 1] = -99; // one word, without spaces
      const best = ["", ...lexicon].reduce((a, b) => (probability(scores, b) > probability(scores, a) ? b : a));
      expect(heard(scores, 100)).toBe(best);
    }
    expect(heard(certain(path("bee"), classes), 8)).toBe("bed");
    expect(heard(certain(path("the bee"), classes), 8)).toBe("the bed");
    // Too short for any word, so that only silence is left.
    expect(heard(certain(path("d"), classes), 8).trim()).toBe("");
  });

  test("a model over characters, and the bonus for each of them", () => {
    const model = countNgrams(
      ["cab", "cab", "tab"].map((word) => [...word]),
      { order: 3 },
    );
    const scores = certain(path("cad"), classes);
    scores[4 * classes + letters.indexOf("b") + 1] = 8.5;
    const options = { classes, width: 16 };
    expect(text(ctcBeamSearch(scores, options)[0]?.labels)).toBe("cad");
    expect(text(ctcBeamSearch(scores, { ...options, scorer: labelScorer(model.logProbability, { spell }) })[0]?.labels)).toBe(
      "cab",
    );
    const [best] = ctcBeamSearch(scores, { ...options, scorer: labelScorer(() => 0, { spell, bonus: 2 }) });
    expect((best?.score as number) - (best?.logProbability as number)).toBeCloseTo(2 * (best?.labels.length as number), 9);
  });
});

test("n-grams: probabilities add up to one, with the end and one for all that is unknown", () => {
  const model = countNgrams([["a", "b", "a"], ["a", "c"], ["b"]], { order: 3 });
  expect(model.vocabulary).toEqual(["a", "b", "c"]);
  for (const before of [[], ["a"], ["a", "b"], ["c", "c"], ["x"], ["b", "a", "b"]]) {
    const total = ["a", "b", "c", undefined, "never seen"].reduce((sum, t) => sum + Math.exp(model.logProbability(before, t)), 0);
    expect(total).toBeCloseTo(1, 12);
  }
  // By hand, at the beginning of a text: seen were a, a, b; alone, a 3 times of 9 with 4 kinds; evenly 1 of 5.
  const alone = (3 + 4 / 5) / (9 + 4);
  const afterOne = (2 + 2 * alone) / (3 + 2);
  expect(Math.exp(model.logProbability([], "a"))).toBeCloseTo((2 + 2 * afterOne) / (3 + 2), 12);
  expect(Math.exp(countNgrams([["a"]], { order: 1 }).logProbability(["a"], "a"))).toBeCloseTo((1 + 2 / 3) / 4, 12);
});

test("bad input is told", () => {
  const scores = noise(1);
  expect(() => bestPath(scores, { classes: 5 })).toThrow(/expected rows of 5 scores with a blank among them, got 24 numbers/);
  expect(() => bestPath(scores, { classes: 4, frames: 7 })).toThrow(/7 frames/);
  expect(() => ctcBeamSearch(scores, { classes: 4, width: 0 })).toThrow(/expected a width from 1, got 0/);
  expect(() => bestPath(Float32Array.of(Number.NaN, 1), { classes: 2 })).toThrow(
    /expected scores of frame 0 to be numbers, got \[NaN,1/,
  );
  expect(() => countNgrams([], { order: 2 })).toThrow(/expected texts, got none/);
  expect(() => countNgrams([["a"]], { order: 0 })).toThrow(/expected an order from 1, got 0/);
});
