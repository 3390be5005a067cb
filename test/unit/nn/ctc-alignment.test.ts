/** Forced alignment against a search through all paths. */
import { describe, expect, test } from "vitest";
import { ctcAlign } from "../../../src/nn/ctc-alignment.ts";
import { fillNormal, key } from "../../../src/util/random.ts";

const [T, V] = [6, 4];

function noise(seed: number): Float32Array {
  const data = new Float32Array(T * V);
  fillNormal(key(seed), data);
  return data;
}

/** The likeliest of all paths that say the labels. */
function bestOfAll(scores: Float32Array, labels: readonly number[], blank: number): number[] {
  let best: { score: number; path: number[] } = { score: Number.NEGATIVE_INFINITY, path: [] };
  const visit = (path: number[], score: number) => {
    if (path.length === T) {
      const said = path.filter((v, t) => v !== path[t - 1] && v !== blank);
      if (said.join() === labels.join() && score > best.score) best = { score, path };
      return;
    }
    for (let v = 0; v < V; v++) visit([...path, v], score + (scores[path.length * V + v] as number));
  };
  visit([], 0);
  return best.path;
}

describe.each([
  [1, 0, [1, 2, 2]],
  [2, 0, [3]],
  [3, 3, [0, 1, 0, 2]],
  [4, 0, [1, 1, 1]],
  [5, 0, [1, 2, 3, 1, 2, 3]],
  [6, 0, []],
] as const)("seed %i, class %i is the blank, labels %j", (seed, blank, labels) => {
  test("the frames of each label are those of the likeliest path", () => {
    const scores = noise(seed);
    const path = bestOfAll(scores, labels, blank);
    const aligned = ctcAlign(scores, labels, { classes: V, blank });
    const rebuilt = new Array<number>(T).fill(blank);
    for (const { label, start, end, probability } of aligned) {
      rebuilt.fill(label, start, end);
      let mean = 0;
      for (let t = start; t < end; t++) {
        const row = [...scores.subarray(t * V, (t + 1) * V)].map(Math.exp);
        mean += (row[label] as number) / row.reduce((a, b) => a + b, 0) / (end - start);
      }
      expect(probability).toBeCloseTo(mean, 6);
    }
    expect(rebuilt).toEqual(path);
    expect(aligned.map(({ label }) => label)).toEqual(labels);
  });
});

test("labels that do not fit into the frames are an error", () => {
  expect(() => ctcAlign(noise(1), [1, 1, 1, 1], { classes: V })).toThrowError(/4 labels cannot be said in 6 frames/);
  expect(() => ctcAlign(new Float32Array(0), [1], { classes: V })).toThrowError(/1 labels cannot be said in 0 frames/);
  expect(ctcAlign(new Float32Array(0), [], { classes: V })).toEqual([]);
});
