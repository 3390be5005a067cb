/** The CRF against going through all sequences of tags, and its gradient against differences. */
import { describe, expect, test } from "vitest";
import { valueAndGrad } from "../../../src/core/grad.ts";
import type { Tensor } from "../../../src/core/tensor.ts";
import {
  bioRules,
  type Crf,
  constrainCrf,
  crfDecode,
  crfLogPartition,
  crfLosses,
  crfMarginals,
  crfScores,
  initCrf,
} from "../../../src/nn/crf.ts";
import { mul, sum } from "../../../src/ops/index.ts";
import { fillNormal, key } from "../../../src/util/random.ts";
import { fromArray, type Value } from "../../ops/reference/value.ts";
import { float, numbers, vector, whole } from "../../ops/run.ts";

const [B, T, K] = [4, 5, 3];
const counted = [5, 3, 1, 2];

function noise(seed: number, count: number): number[] {
  const data = new Float32Array(count);
  fillNormal(key(seed), data);
  return [...data];
}

const scores = noise(1, B * T * K);
const [start, end, transition] = [noise(2, K), noise(3, K), noise(4, K * K)];
const tags = Array.from({ length: B * T }, (_, i) => (i * 7) % K);
const values: [Value, ...Value[]] = [
  float([B, T, K], scores),
  whole([B], counted),
  vector(...start),
  vector(...end),
  float([K, K], transition),
  whole([B, T], tags),
];
/** Names for the operands in `values`. */
const named = (x: readonly Tensor[]) => ({
  batch: { scores: x[0] as Tensor, lengths: x[1] as Tensor },
  crf: { start: x[2], end: x[3], transition: x[4] } as Crf,
  tags: x[5] as Tensor,
});

/** All sequences of tags of one row with their scores. */
function everything(row: number, at = { scores, start, end, transition }): { path: number[]; score: number }[] {
  const length = counted[row] as number;
  const all: { path: number[]; score: number }[] = [];
  const visit = (path: number[], score: number) => {
    const t = path.length;
    const last = path.at(-1);
    if (t === length) {
      all.push({ path, score: score + (at.end[last as number] as number) });
      return;
    }
    for (let k = 0; k < K; k++) {
      const step = last === undefined ? at.start[k] : at.transition[last * K + k];
      visit([...path, k], score + (step as number) + (at.scores[(row * T + t) * K + k] as number));
    }
  };
  visit([], 0);
  return all;
}

const partition = (row: number) => Math.log(everything(row).reduce((total, { score }) => total + Math.exp(score), 0));
const rows = counted.map((_, row) => row);
const tagsOf = (row: number) => tags.slice(row * T, row * T + (counted[row] as number));

test("the partition is the sum over all sequences, the loss its distance from the tags' score", () => {
  const [totals = [], own = [], losses = []] = numbers(
    (...x) => {
      const { crf, batch, tags } = named(x);
      return [crfLogPartition(crf, batch), crfScores(crf, batch, tags), crfLosses(crf, batch, tags)];
    },
    ...values,
  );
  for (const row of rows) {
    const score = everything(row).find(({ path }) => path.join() === tagsOf(row).join())?.score as number;
    expect(totals[row]).toBeCloseTo(partition(row), 9);
    expect(own[row]).toBeCloseTo(score, 9);
    expect(losses[row]).toBeCloseTo(partition(row) - score, 9);
  }
});

test("marginals are shares of the sum over all sequences", () => {
  const [found = []] = numbers((...x) => crfMarginals(named(x).crf, named(x).batch), ...values);
  for (const row of rows) {
    const total = partition(row);
    for (let t = 0; t < T; t++) {
      for (let k = 0; k < K; k++) {
        const through = everything(row).filter(({ path }) => path[t] === k);
        const share = through.reduce((sum, { score }) => sum + Math.exp(score - total), 0);
        expect(found[(row * T + t) * K + k]).toBeCloseTo(share, 9);
      }
    }
  }
});

test("decoding finds the best of all sequences and its score", () => {
  const [found = [], best = []] = numbers(
    (...x) => {
      const decoded = crfDecode(named(x).crf, named(x).batch);
      return [decoded.tags, decoded.scores];
    },
    ...values,
  );
  for (const row of rows) {
    const expected = everything(row).reduce((a, b) => (b.score > a.score ? b : a));
    expect(best[row]).toBeCloseTo(expected.score, 9);
    const padding = Array<number>(T - expected.path.length).fill(-1);
    expect(found.slice(row * T, (row + 1) * T)).toEqual([...expected.path, ...padding]);
  }
});

test("one place only", () => {
  const short: [Value, ...Value[]] = [
    float([B, 1, K], scores.slice(0, B * K)),
    whole([B], [1, 1, 1, 1]),
    ...values.slice(2, 5),
    whole([B, 1], [0, 1, 2, 0]),
  ];
  const [losses = [], best = [], shares = []] = numbers(
    (...x) => {
      const { crf, batch, tags } = named(x);
      return [crfLosses(crf, batch, tags), crfDecode(crf, batch).tags, crfMarginals(crf, batch)];
    },
    ...short,
  );
  for (const row of rows) {
    const all = [0, 1, 2].map((k) => (scores[row * K + k] as number) + (start[k] as number) + (end[k] as number));
    const total = Math.log(all.reduce((sum, x) => sum + Math.exp(x), 0));
    expect(losses[row]).toBeCloseTo(total - (all[[0, 1, 2, 0][row] as number] as number), 9);
    expect(best[row]).toBe(all.indexOf(Math.max(...all)));
    expect(shares[row * K]).toBeCloseTo(Math.exp((all[0] as number) - total), 9);
  }
});

describe("gradients are those of central differences", () => {
  const weights = [0.7, -1.3, 2, 0.4];
  const loss = (x: readonly Tensor[]) => sum(mul(crfLosses(named(x).crf, named(x).batch, named(x).tags), x[6] as Tensor));
  const all: [Value, ...Value[]] = [...values, vector(...weights)];
  const gradients = numbers(
    (...x) => {
      const { grads } = valueAndGrad((own: readonly Tensor[]) =>
        loss([own[0], x[1], own[1], own[2], own[3], x[5], x[6]] as Tensor[]),
      )([x[0], x[2], x[3], x[4]] as Tensor[]);
      return grads;
    },
    ...all,
  );
  test.each([
    ["scores", 0, 0],
    ["start", 2, 1],
    ["end", 3, 2],
    ["transition", 4, 3],
  ] as const)("%s", (_, operand, place) => {
    const value = all[operand] as Value;
    for (let i = 0; i < value.data.length; i += value.data.length > 9 ? 7 : 1) {
      const at = (h: number) => {
        const moved = all.map((v, k) => (k === operand ? { ...v, data: v.data.map((x, n) => (n === i ? x + h : x)) } : v));
        return numbers((...x) => loss(x), ...(moved as [Value, ...Value[]]))[0]?.[0] as number;
      };
      const slope = (8 * (at(1e-3) - at(-1e-3)) - (at(2e-3) - at(-2e-3))) / 12e-3;
      expect(gradients[place]?.[i]).toBeCloseTo(slope, 7);
    }
  });
});

describe("BIO rules", () => {
  const names = ["O", "B-A", "I-A", "B-B", "I-B"];
  const rules = bioRules(names);

  test("an inside follows only a beginning or an inside of its kind", () => {
    expect([...rules.start.data]).toEqual([1, 1, 0, 1, 0]);
    expect([...rules.end.data]).toEqual([1, 1, 1, 1, 1]);
    const may = names.map((from, i) => names.filter((_, j) => rules.transition.data[i * 5 + j] === 1 && from));
    expect(may).toEqual([
      ["O", "B-A", "B-B"],
      ["O", "B-A", "I-A", "B-B"],
      ["O", "B-A", "I-A", "B-B"],
      ["O", "B-A", "B-B", "I-B"],
      ["O", "B-A", "B-B", "I-B"],
    ]);
    expect(() => bioRules(["O", "E-A"])).toThrow(/expected a tag "O", "B-…" or "I-…", got "E-A"/);
  });

  test("decoding keeps to them, and what is ruled out has no share", () => {
    const crf = initCrf(key(1), 5);
    const parts = [crf.start, crf.end, crf.transition, rules.start, rules.end, rules.transition].map(fromArray);
    // Each place alone would be an inside.
    const strong = Array.from({ length: 2 * 4 * 5 }, (_, i) => ([2, 4].includes(i % 5) ? 3 + (i % 3) : 0));
    const [found = [], shares = [], slopes = []] = numbers(
      (x, n, ...own) => {
        const part = (i: number): Crf => ({ start: own[i], end: own[i + 1], transition: own[i + 2] }) as Crf;
        const ruled = constrainCrf(part(0), part(3));
        const batch = { scores: x, lengths: n as Tensor };
        const { grads } = valueAndGrad((transition: Tensor) =>
          sum(crfLogPartition(constrainCrf({ ...part(0), transition }, part(3)), batch)),
        )(own[2] as Tensor);
        return [crfDecode(ruled, batch).tags, crfMarginals(ruled, batch), grads];
      },
      float([2, 4, 5], strong),
      whole([2], [4, 3]),
      ...parts,
    );
    for (const row of [found.slice(0, 4), found.slice(4, 7)]) {
      row.forEach((tag, t) => {
        const allowed = t === 0 ? rules.start.data[tag] : rules.transition.data[(row[t - 1] as number) * 5 + tag];
        expect(allowed).toBe(1);
      });
    }
    expect(found[7]).toBe(-1);
    expect([shares[2], shares[4]]).toEqual([0, 0]);
    slopes.forEach((slope, i) => {
      if (!rules.transition.data[i]) expect(slope).toBe(0);
      expect(Number.isFinite(slope)).toBe(true);
    });
  });
});

test("operands that do not fit are told apart", () => {
  const wrong = (index: number, value: Value) => () =>
    numbers(
      (...x) => crfLosses(named(x).crf, named(x).batch, named(x).tags),
      ...(values.map((v, i) => (i === index ? value : v)) as [Value]),
    );
  expect(wrong(1, vector(1, 2, 3, 4))).toThrow(/expected scores \[B, T, K\] and int32 lengths \[B\], got .* float32\[4\]/);
  expect(wrong(2, vector(1, 2))).toThrow(/expected start \[K\], end \[K\] and transition \[K, K\] for 3 tags/);
  expect(wrong(5, whole([B, 2], tags.slice(0, 8)))).toThrow(/expected tags int32\[4,5\]/);
});
