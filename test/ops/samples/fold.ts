/** Samples of primitives that fold or normalise axes. */
import type { Tensor } from "../../../src/core/tensor.ts";
import * as ops from "../../../src/ops/index.ts";
import {
  distinct,
  exactly,
  integers,
  type Make,
  nonzero,
  normal,
  type Sample,
  type SampleTable,
  sample,
  uniform,
} from "./make.ts";

type Fold = (x: Tensor, axes?: number | readonly number[], options?: ops.ReduceOptions) => Tensor;

function folds(op: string, fn: Fold, make: (...shape: number[]) => Make): Sample[] {
  return [
    sample(`${op} everything`, [make(2, 3)], ([x]) => fn(x)),
    sample(`${op} one axis`, [make(2, 3, 2)], ([x]) => fn(x, 1)),
    sample(`${op} negative axis kept`, [make(2, 3)], ([x]) => fn(x, -1, { keepDims: true })),
    sample(`${op} two axes`, [make(2, 3, 2)], ([x]) => fn(x, [2, 0])),
    sample(`${op} two axes kept`, [make(2, 3, 2)], ([x]) => fn(x, [0, -1], { keepDims: true })),
    sample(`${op} size-1 dims`, [make(1, 3, 1)], ([x]) => [fn(x, 1), fn(x, [0, 1])]),
    sample(`${op} int32`, [integers(-9, 10, 2, 3)], ([x]) => [fn(x), fn(x, 0), fn(x, 1, { keepDims: true })]),
  ];
}

export const foldSamples = {
  sum: [
    ...folds("sum", ops.sum, normal),
    sample("mean", [normal(2, 3)], ([x]) => [ops.mean(x), ops.mean(x, 0), ops.mean(x, -1, { keepDims: true })]),
  ],
  reduceMax: [
    ...folds("max", ops.max, distinct),
    sample("max of a scalar", [normal()], ([x]) => ops.max(x)),
    sample("max along size 1", [normal(2, 1)], ([x]) => ops.max(x, 1)),
    sample("max with equal rows", [exactly("float32", [2, 3], [1, 5, 2, 1, 4, 3])], ([x]) => ops.max(x, 1)),
  ],
  reduceMin: [...folds("min", ops.min, distinct), sample("min of a scalar", [normal()], ([x]) => ops.min(x))],
  argmax: [
    sample("argmax last", [distinct(2, 3)], ([x]) => ops.argmax(x)),
    sample("argmax first axis", [distinct(3, 2, 2)], ([x]) => ops.argmax(x, 0)),
    sample("argmax of a vector", [distinct(5)], ([x]) => ops.argmax(x)),
    sample("argmax takes the first of equals", [exactly("float32", [2, 4], [1, 3, 3, 2, 0, 0, 0, 0])], ([x]) => ops.argmax(x)),
    sample("argmax int32", [exactly("int32", [4], [1, 3, 3, 2])], ([x]) => ops.argmax(x)),
  ],
  cumsum: [
    sample("cumsum last", [normal(2, 4)], ([x]) => ops.cumsum(x)),
    sample("cumsum first axis reversed", [normal(3, 2)], ([x]) => ops.cumsum(x, 0, { reverse: true })),
    sample("cumsum middle axis", [normal(2, 3, 2)], ([x]) => ops.cumsum(x, -2)),
    sample("cumsum size 1", [normal(1)], ([x]) => ops.cumsum(x)),
    sample("cumsum int32", [integers(-9, 10, 5)], ([x]) => [ops.cumsum(x), ops.cumsum(x, 0, { reverse: true })]),
  ],
  softmax: [
    sample("softmax last", [normal(2, 4)], ([x]) => ops.softmax(x)),
    sample("softmax first axis", [normal(3, 2)], ([x]) => ops.softmax(x, 0)),
    sample("softmax middle axis", [normal(2, 3, 2)], ([x]) => ops.softmax(x, 1)),
    sample("softmax large", [uniform(60, 90, 2, 3)], ([x]) => ops.softmax(x)),
    sample("softmax of one", [normal(2, 1)], ([x]) => ops.softmax(x)),
  ],
  logSoftmax: [
    sample("logSoftmax last", [normal(2, 4)], ([x]) => ops.logSoftmax(x)),
    sample("logSoftmax first axis", [normal(3, 2)], ([x]) => ops.logSoftmax(x, 0)),
    sample("logSoftmax middle axis", [normal(2, 3, 2)], ([x]) => ops.logSoftmax(x, -2)),
    sample("logSoftmax large", [uniform(-40, 40, 2, 3)], ([x]) => ops.logSoftmax(x)),
    sample("logSoftmax of one", [normal(2, 1)], ([x]) => ops.logSoftmax(x)),
  ],
  layerNorm: [
    sample("layerNorm", [normal(3, 4), nonzero(4), normal(4)], ([x, scale, bias]) => ops.layerNorm(x, scale, bias)),
    sample("layerNorm without bias", [normal(3, 4), nonzero(4)], ([x, scale]) => ops.layerNorm(x, scale)),
    sample("layerNorm of a vector", [normal(5), nonzero(5), normal(5)], ([x, scale, bias]) => ops.layerNorm(x, scale, bias)),
    sample("layerNorm rank 4, epsilon", [normal(2, 1, 2, 3), nonzero(3), normal(3)], ([x, scale, bias]) =>
      ops.layerNorm(x, scale, bias, { epsilon: 0.1 }),
    ),
    sample("layerNorm far from zero", [uniform(9, 11, 2, 6), nonzero(6)], ([x, scale]) => ops.layerNorm(x, scale)),
  ],
} satisfies Partial<SampleTable>;
