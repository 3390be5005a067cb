/** CTC against the sum over all paths, against differences, and where numbers leave their usual range. */
import { describe, expect, test } from "vitest";
import { grad, valueAndGrad } from "../../../src/core/grad.ts";
import type { Tensor } from "../../../src/core/tensor.ts";
import { type CtcOptions, type CtcTargets, ctcLoss, ctcLosses } from "../../../src/nn/ctc.ts";
import { mul, sum } from "../../../src/ops/index.ts";
import { fillNormal, key } from "../../../src/util/random.ts";
import type { Value } from "../../ops/reference/value.ts";
import { float, numbers, vector, whole } from "../../ops/run.ts";

/** A batch whose sequences are given by their labels and frames. */
function batchOf(rows: readonly (readonly [labels: readonly number[], frames: number])[]) {
  const width = Math.max(1, ...rows.map(([labels]) => labels.length));
  const padded = rows.flatMap(([labels]) => [...labels, ...Array<number>(width - labels.length).fill(-1)]);
  return [
    whole(
      [rows.length],
      rows.map(([, frames]) => frames),
    ),
    whole([rows.length, width], padded),
    whole(
      [rows.length],
      rows.map(([labels]) => labels.length),
    ),
  ] as const;
}

const tied = (lengths: Tensor, labels: Tensor, labelLengths: Tensor): CtcTargets => ({ lengths, labels, labelLengths });

function noise(count: number, scale = 1): number[] {
  const data = new Float32Array(count);
  fillNormal(key(5), data);
  return [...data].map((x) => scale * x);
}

/** What a path says: repetitions dropped, then blanks. */
const said = (path: readonly number[], blank: number) => path.filter((v, t) => v !== path[t - 1] && v !== blank);

/** -log of the sum over every path of `frames` classes that says the labels. */
function bruteForce(logits: readonly number[][], labels: readonly number[], blank: number): number {
  const logs = logits.map((row) => {
    const total = Math.log(row.reduce((sum, x) => sum + Math.exp(x), 0));
    return row.map((x) => x - total);
  });
  let likelihood = 0;
  const visit = (path: number[], logp: number) => {
    const row = logs[path.length];
    if (!row) {
      if (said(path, blank).join() === labels.join()) likelihood += Math.exp(logp);
      return;
    }
    row.forEach((x, v) => {
      visit([...path, v], logp + x);
    });
  };
  visit([], 0);
  return -Math.log(likelihood);
}

const rowsOf = (data: readonly number[], width: number) =>
  Array.from({ length: data.length / width }, (_, i) => data.slice(i * width, (i + 1) * width));

describe.each([0, 2])("class %i is the blank", (blank) => {
  const [T, V] = [5, 4];
  const [a, b, c] = [0, 1, 2, 3].filter((v) => v !== blank) as [number, number, number];
  const rows = [
    [[a, b], 5],
    [[a, a], 5],
    [[a, a], 3],
    [[a, a], 2], // does not fit
    [[], 4],
    [[c], 1],
    [[b, c, b], 3],
    [[b, c, b, b], 5],
    [[b, b, b, a], 5], // does not fit
  ] as const;
  const logits = noise(rows.length * T * V);
  const values: [Value, ...Value[]] = [float([rows.length, T, V], logits), ...batchOf(rows)];
  const losses = (options: CtcOptions = {}) =>
    numbers((x, n, y, m) => ctcLosses(x, tied(n, y, m), { blank, ...options }), ...values)[0] as number[];

  test("the loss is the sum over all paths", () => {
    const found = losses();
    rows.forEach(([labels, frames], i) => {
      const own = rowsOf(logits, V).slice(i * T, i * T + frames);
      const expected = bruteForce(own, labels, blank);
      if (expected === Number.POSITIVE_INFINITY) expect(found[i]).toBe(expected);
      else expect(found[i]).toBeCloseTo(expected, 9);
    });
    expect(found.filter((loss) => loss === Number.POSITIVE_INFINITY)).toHaveLength(2);
    expect(losses({ zeroInfinity: true })).toEqual(found.map((loss) => (loss === Number.POSITIVE_INFINITY ? 0 : loss)));
  });

  test("the gradient is that of central differences", () => {
    const weights = vector(...noise(rows.length));
    const scalar = (x: Tensor, n: Tensor, y: Tensor, m: Tensor, w: Tensor) =>
      sum(mul(ctcLosses(x, tied(n, y, m), { blank, zeroInfinity: true }), w));
    const [gradient = []] = numbers(
      (x, n, y, m, w) => grad((own: Tensor) => scalar(own, n, y, m, w as Tensor))(x),
      ...values,
      weights,
    );
    const at = (i: number, h: number) => {
      const moved = logits.map((x, k) => (k === i ? x + h : x));
      return numbers(
        (x, n, y, m, w) => scalar(x, n, y, m, w as Tensor),
        float([rows.length, T, V], moved),
        ...values.slice(1),
        weights,
      )[0]?.[0] as number;
    };
    for (let i = 0; i < logits.length; i += 13) {
      const slope = (8 * (at(i, 1e-3) - at(i, -1e-3)) - (at(i, 2e-3) - at(i, -2e-3))) / 12e-3;
      expect(gradient[i]).toBeCloseTo(slope, 7);
    }
  });
});

describe("far out", () => {
  const run = (logits: readonly number[], rows: Parameters<typeof batchOf>[0], frames: number) =>
    numbers(
      (x, n, y, m) => {
        const { value, grads } = valueAndGrad((own: Tensor) => sum(ctcLosses(own, tied(n, y, m))))(x);
        return [value, grads];
      },
      float([rows.length, frames, logits.length / rows.length / frames], logits),
      ...batchOf(rows),
    ) as [number[], number[]];

  test("logits of thousands keep loss and gradient finite", () => {
    const [[loss = 0], grads] = run(
      noise(2 * 30 * 5, 3000),
      [
        [[1, 2, 2, 4], 30],
        [[3], 20],
      ],
      30,
    );
    expect(loss).toBeGreaterThan(1000);
    expect(Number.isFinite(loss)).toBe(true);
    expect(grads.every(Number.isFinite)).toBe(true);
  });

  test("classes that are ruled out (logit -Infinity) count as impossible", () => {
    const never = Number.NEGATIVE_INFINITY;
    const [[ruledOut], none] = run([0, never, 0, 0, never, 0], [[[1], 2]], 2);
    expect(ruledOut).toBe(Number.POSITIVE_INFINITY);
    expect(none).toEqual([0, 0, 0, 0, 0, 0]);
    const [[around = 0], grads] = run([0, 0, never, 0, 0, never], [[[1], 2]], 2);
    expect(around).toBeCloseTo(Math.log(4 / 3), 6);
    expect(grads.every(Number.isFinite)).toBe(true);
  });

  test("what lies behind the frames that count has no influence", () => {
    const logits = noise(6 * 4);
    const other = logits.map((x, i) => (i < 4 * 4 ? x : 100 - x));
    expect(run(logits, [[[1, 2], 4]], 6)).toEqual(run(other, [[[1, 2], 4]], 6));
  });

  test("no frames say nothing, and nothing else", () => {
    const logits = noise(2 * 3 * 4);
    const found = numbers(
      (x, n, y, m) => ctcLosses(x, tied(n, y, m)),
      float([2, 3, 4], logits),
      ...batchOf([
        [[], 0],
        [[1], 0],
      ]),
    );
    expect(found).toEqual([[0, Number.POSITIVE_INFINITY]]);
  });
});

test("the mean counts per label, and a sequence without labels as one of one", () => {
  const values: [Value, ...Value[]] = [
    float([2, 4, 3], noise(24)),
    ...batchOf([
      [[1, 2], 4],
      [[], 4],
    ]),
  ];
  const [[first = 0, second = 0] = []] = numbers((x, n, y, m) => ctcLosses(x, tied(n, y, m)), ...values);
  const [[mean] = []] = numbers((x, n, y, m) => ctcLoss(x, tied(n, y, m)), ...values);
  expect(mean).toBeCloseTo((first / 2 + second) / 2, 12);
});

test("operands that do not fit are told apart", () => {
  const values = batchOf([[[1], 3]]);
  const call = (logits: Value, options?: CtcOptions) => () =>
    numbers((x, n, y, m) => ctcLosses(x, tied(n, y, m), options), logits, ...values);
  expect(call(float([1, 3], [1, 2, 3]))).toThrow(/expected logits \[B, T, V\] and int32 labels \[B, U\]/);
  expect(call(float([2, 1, 3], [1, 2, 3, 4, 5, 6]))).toThrow(/expected logits/);
  expect(call(float([1, 1, 3], [1, 2, 3]), { blank: 3 })).toThrow(/expected the blank to be a class from 0 to 2, got 3/);
});
