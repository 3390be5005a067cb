/** What surrounds an update: clipping, averages, accumulation, options that do not fit. */
import { describe, expect, test } from "vitest";
import { input } from "../../../src/core/builtin.ts";
import { type Tensor, TracedKey, valueAndGrad } from "../../../src/core/index.ts";
import { add, cast, matmul, mean, mul, normal, reshape, square, sub, sum } from "../../../src/ops/index.ts";
import {
  accumulateGradients,
  adamw,
  clipByGlobalNorm,
  clipFactor,
  globalNorm,
  lion,
  sgd,
  updateAverage,
} from "../../../src/optim/index.ts";
import { float, numbers, vector } from "../../ops/run.ts";

describe("clipping", () => {
  const grads = [vector(3, 0), float([1, 1], [-4])];

  test("long gradients come to the norm asked for, short ones stay", () => {
    const clip = (maxNorm: number) =>
      numbers(
        (a, b) => {
          const { grads, norm, factor } = clipByGlobalNorm({ a, b }, maxNorm);
          return [grads.a, grads.b, norm, factor];
        },
        ...grads,
      );
    const [a = [], b = [], [norm] = [], [factor] = []] = clip(1);
    expect([...a, ...b].map((x) => Math.round(x * 1e5) / 1e5)).toEqual([0.6, 0, -0.8]);
    expect(norm).toBe(5);
    expect(factor).toBeCloseTo(0.2, 6);
    expect(clip(10).slice(0, 2)).toEqual([[3, 0], [-4]]);
    expect(clip(Number.POSITIVE_INFINITY)[3]).toEqual([1]);
  });

  test("an update with the factor equals an update with clipped gradients", () => {
    for (const optimizer of [adamw(), lion(), sgd(), sgd({ momentum: 0.9, nesterov: true, weightDecay: 0.1 })]) {
      const [[folded, scaled]] = [
        numbers(
          (a, b, rate, step) => {
            const [params, learningRate] = [{ a: mul(b, 2), b: a }, reshape(rate, [])];
            const options = { learningRate, step: reshape(step as Tensor, []) };
            const own = { a: b, b: mul(a, 0.5) };
            const slots = { m: own, v: { a: square(b), b: a }, momentum: own };
            const clipped = clipByGlobalNorm(own, 1);
            const gradientScale = clipFactor(globalNorm(own), 1);
            const one = optimizer.update(params, own, slots, { ...options, gradientScale }).params;
            const other = optimizer.update(params, clipped.grads, slots, options).params;
            return [add(one.a, sum(one.b)), add(other.a, sum(other.b))];
          },
          ...grads,
          vector(0.1),
          vector(3),
        ),
      ];
      expect(folded?.[0]).toBeCloseTo(scaled?.[0] as number, 12);
    }
  });

  test("a norm of nothing and a bound of 0 are refused", () => {
    expect(() => globalNorm({})).toThrowError(/expected a tree with at least one tensor/);
    expect(() => numbers((a) => clipFactor(globalNorm([a]), 0), vector(1))).toThrowError(/expected maxNorm above 0, got 0/);
  });
});

test("an average moves by 1 - decay, faster while it warms up", () => {
  const moved = (step?: number) =>
    numbers(
      (old, now, t) => updateAverage([old], [now], { decay: 0.9, ...(step && { warmup: sum(t) }) }),
      vector(0),
      vector(1),
      vector(step ?? 0),
    )[0]?.[0];
  expect(moved()).toBeCloseTo(0.1, 7);
  expect(moved(1)).toBeCloseTo(1 - 2 / 11, 7);
  expect(moved(1000)).toBeCloseTo(0.1, 7);
});

describe("accumulated gradients", () => {
  const w = float([2, 1], [0.5, -1]);
  const x = float([3, 2, 2], [1, 2, 3, 4, -1, 0, 2, 5, 0.5, 1, -2, 3]);
  const y = float([3, 2, 1], [1, 0, 2, -1, 0, 1]);
  type Batch = { readonly x: Tensor; readonly y: Tensor };
  const loss = ({ w }: { w: Tensor }, batch: Batch) => mean(square(sub(matmul(batch.x, w), batch.y)));
  const [[whole], wholeGrad] = numbers(
    (w, x, y) => {
      const flat = { x: reshape(x, [6, 2]), y: reshape(y, [6, 1]) };
      const { value, grads } = valueAndGrad((p: { w: Tensor }) => loss(p, flat))({ w });
      return [value, grads.w];
    },
    w,
    x,
    y,
  ) as [number[], number[]];

  test.each([
    ["in a loop", undefined],
    ["one after the other, with a key", new TracedKey(0)],
  ] as const)("%s equal those of the whole batch", (_, key) => {
    const [value = [], grads = []] = numbers(
      (w, x, y) => {
        const { value, grads } = accumulateGradients(loss, { w }, { x, y }, { key });
        return [value, grads.w];
      },
      w,
      x,
      y,
    );
    expect(value[0]).toBeCloseTo(whole as number, 6);
    grads.forEach((g, i) => {
      expect(g).toBeCloseTo(wholeGrad[i] as number, 6);
    });
  });

  test("where random numbers are drawn, each micro-batch has a key of its own", () => {
    const names: unknown[] = [];
    const noisy = (p: { w: Tensor }, batch: Batch, key: TracedKey | undefined) => {
      names.push(key?.names);
      return add(loss(p, batch), sum(mul(p.w, normal(key as TracedKey, [2, 1]))));
    };
    const inputs = [w, x, y].map(({ shape }) => input({ shape, dtype: "float32" })) as [Tensor, Tensor, Tensor];
    accumulateGradients(noisy, { w: inputs[0] }, { x: inputs[1], y: inputs[2] }, { key: new TracedKey(0) });
    expect(names).toEqual([[0], [1], [2]]);
  });

  test.each([
    ["in a loop", undefined],
    ["one after the other", new TracedKey(0)],
  ] as const)("what comes along is averaged as well, %s", (_, key) => {
    const [mine = [], all = []] = numbers(
      (w, x, y) => {
        const both = (p: { w: Tensor }, batch: Batch) => ({ loss: loss(p, batch), aux: { score: mean(matmul(batch.x, p.w)) } });
        const { aux } = accumulateGradients(both, { w }, { x, y }, { key });
        return [aux.score, mean(matmul(x, w))];
      },
      w,
      x,
      y,
    );
    expect(mine[0]).toBeCloseTo(all[0] as number, 6);
  });

  test("whole numbers cannot be averaged", () => {
    const counted = (p: { w: Tensor }, batch: Batch) => ({ loss: loss(p, batch), aux: { hits: cast(p.w, "int32") } });
    expect(() => numbers((w, x, y) => accumulateGradients(counted, { w }, { x, y }).value, w, x, y)).toThrowError(
      /expected float32 to average, got int32\[2,1\] at "hits"/,
    );
  });

  test("leading axes that differ are refused", () => {
    expect(() => numbers((w, x) => accumulateGradients(loss, { w }, { x, y: w }).value, w, x)).toThrowError(
      /expected tensors with one leading axis of micro-batches, got float32\[3,2,2\], float32\[2,1\]/,
    );
  });
});

test.each([
  ["beta1", () => adamw({ beta1: 1 })],
  ["epsilon", () => adamw({ epsilon: -1 })],
  ["beta1", () => lion({ beta1: 0 })],
  ["momentum", () => sgd({ nesterov: true })],
  ["weightDecay", () => sgd({ weightDecay: Number.NaN })],
])("%s out of range is refused", (name, build) => {
  expect(build).toThrowError(new RegExp(`expected .*${name}|${name}`));
});

test("the bias corrections of AdamW are exact in the first steps", () => {
  // A gradient of 1 and no decay: the first step is the learning rate, whatever the betas.
  const stepped = (t: number, m: number, v: number) =>
    numbers(
      (p, g, m, v) =>
        adamw({ weightDecay: 0, beta2: 0.9999 }).update(
          p,
          g,
          { m, v: v as Tensor },
          { learningRate: mul(sum(g), 0.1), step: mul(sum(g), t) },
        ).params,
      vector(1),
      vector(1),
      vector(m),
      vector(v),
    )[0]?.[0];
  expect(stepped(1, 0, 0)).toBeCloseTo(0.9, 8);
  expect(stepped(2, 0.1, 1e-4)).toBeCloseTo(0.9, 8);
});
