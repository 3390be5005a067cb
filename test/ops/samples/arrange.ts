/** Samples of primitives that make or move elements. */
import * as ops from "../../../src/ops/index.ts";
import { booleans, integers, normal, type SampleTable, sample } from "./make.ts";

export const arrange = {
  reshape: [
    sample("reshape", [normal(2, 6)], ([x]) => ops.reshape(x, [3, 4])),
    sample("reshape with -1", [normal(2, 6)], ([x]) => ops.reshape(x, [-1, 2, 2])),
    sample("reshape scalar up", [normal()], ([x]) => ops.reshape(x, [1, 1])),
    sample("reshape down to scalar", [normal(1, 1)], ([x]) => ops.reshape(x, [])),
    sample("reshape of reshape", [normal(2, 6)], ([x]) => ops.reshape(ops.reshape(x, [12]), [4, 3])),
    sample("reshape int32 and bool", [integers(0, 9, 4), booleans(4)], ([x, y]) => [
      ops.reshape(x, [2, 2]),
      ops.reshape(y, [2, 2]),
    ]),
  ],
  transpose: [
    sample("transpose last two", [normal(2, 3)], ([x]) => ops.transpose(x)),
    sample("transpose last two of four", [normal(2, 1, 3, 2)], ([x]) => ops.transpose(x)),
    sample("transpose cycle", [normal(2, 3, 4)], ([x]) => ops.transpose(x, [2, 0, 1])),
    sample("transpose negative axes", [normal(2, 3, 4)], ([x]) => ops.transpose(x, [-1, 0, -2])),
    sample("transpose int32 and bool", [integers(0, 9, 2, 3), booleans(2, 3)], ([x, y]) => [ops.transpose(x), ops.transpose(y)]),
  ],
  broadcast: [
    sample("broadcast new axis", [normal(3)], ([x]) => ops.broadcastTo(x, [2, 3])),
    sample("broadcast column", [normal(2, 1)], ([x]) => ops.broadcastTo(x, [2, 3])),
    sample("broadcast scalar", [normal()], ([x]) => ops.broadcastTo(x, [2])),
    sample("broadcast ones", [normal(1, 1)], ([x]) => ops.broadcastTo(x, [3, 2, 4])),
    sample("broadcast to size 1", [normal(2)], ([x]) => ops.broadcastTo(x, [1, 2])),
    sample("broadcast int32 and bool", [integers(0, 9, 2, 1), booleans(3)], ([x, y]) => [
      ops.broadcastTo(x, [2, 3]),
      ops.broadcastTo(y, [2, 3]),
    ]),
  ],
  concat: [
    sample("concat rows", [normal(1, 3), normal(2, 3)], ([x, y]) => ops.concat([x, y])),
    sample("concat last axis", [normal(2, 1), normal(2, 3), normal(2, 2)], ([x, y, z]) => ops.concat([x, y, z], -1)),
    sample("concat with itself", [normal(2, 2)], ([x]) => ops.concat([x, x, x], 1)),
    sample("concat int32 and bool", [integers(0, 9, 2), booleans(3)], ([x, y]) => [ops.concat([x, x]), ops.concat([y, y])]),
    sample("stack", [normal(2, 3), normal(2, 3)], ([x, y]) => [ops.stack([x, y]), ops.stack([x, y], 1), ops.stack([x, y], -1)]),
    sample("pad edge", [normal(2, 3)], ([x]) =>
      ops.pad(
        x,
        [
          [0, 1],
          [2, 1],
        ],
        { mode: "edge" },
      ),
    ),
    sample("pad reflect", [normal(3, 4)], ([x]) =>
      ops.pad(
        x,
        [
          [2, 0],
          [3, 1],
        ],
        { mode: "reflect" },
      ),
    ),
  ],
  split: [
    sample("split in equal parts", [normal(4, 3)], ([x]) => ops.split(x, 2)),
    sample("split last axis", [normal(2, 6)], ([x]) => ops.split(x, [1, 3, 2], -1)),
    sample("split with an unused part", [normal(2, 6)], ([x]) => [ops.split(x, 3, 1)[1]]),
    sample("split int32 and bool", [integers(0, 9, 4), booleans(4)], ([x, y]) => [ops.split(x, 2)[1], ops.split(y, [3, 1])[0]]),
  ],
  slice: [
    sample("slice range", [normal(4, 5)], ([x]) => ops.slice(x, { 0: { start: 1, stop: 3 }, 1: { stop: 4 } })),
    sample("slice from the end", [normal(4, 5)], ([x]) => ops.slice(x, { "-1": { start: -3, stop: -1 } })),
    sample("slice steps", [normal(5, 6)], ([x]) => ops.slice(x, { 0: { step: 2 }, 1: { start: 1, step: 3 } })),
    sample("slice backwards", [normal(5)], ([x]) => ops.slice(x, { 0: { step: -1 } })),
    sample("slice backwards by two", [normal(6, 2)], ([x]) => ops.slice(x, { 0: { start: 4, stop: 0, step: -2 } })),
    sample("slice backwards to the first", [normal(6)], ([x]) => ops.slice(x, { 0: { start: 4, step: -3 } })),
    sample("slice one element", [normal(3, 2)], ([x]) => ops.slice(x, { 0: { start: 2 }, 1: { start: 0, stop: 1 } })),
    sample("slice overlaps", [normal(5)], ([x]) => [ops.slice(x, { 0: { stop: 4 } }), ops.slice(x, { 0: { start: 1 } })]),
    sample("slice int32 and bool", [integers(0, 9, 5), booleans(5)], ([x, y]) => [
      ops.slice(x, { 0: { start: 2 } }),
      ops.slice(y, { 0: { step: -2 } }),
    ]),
    sample("flip", [normal(2, 3, 2)], ([x]) => ops.flip(x, [0, -1])),
  ],
  pad: [
    sample("pad both sides", [normal(2, 3)], ([x]) =>
      ops.pad(x, [
        [1, 2],
        [0, 3],
      ]),
    ),
    sample("pad with a number", [normal(2)], ([x]) => ops.pad(x, [[1, 1]], { value: -1.5 })),
    sample(
      "pad with infinity",
      [normal(2)],
      ([x]) => [
        ops.pad(x, [[1, 0]], { value: Number.NEGATIVE_INFINITY }),
        ops.pad(x, [[1, 0]], { value: Number.POSITIVE_INFINITY }),
      ],
      { kink: "infinite" },
    ),
    sample("pad int32", [integers(0, 9, 2, 2)], ([x]) =>
      ops.pad(
        x,
        [
          [0, 1],
          [1, 0],
        ],
        { value: 7 },
      ),
    ),
    sample("pad bool", [booleans(2, 2)], ([x]) => [
      ops.pad(x, [
        [0, 1],
        [1, 0],
      ]),
      ops.pad(
        x,
        [
          [0, 1],
          [1, 0],
        ],
        { value: 1 },
      ),
    ]),
  ],
  iota: [
    sample("iota", [], () => ops.arange(5)),
    sample("iota of one", [], () => ops.arange(1)),
    sample("iota float32", [normal(4)], ([x]) => ops.mul(x, ops.arange(4, "float32"))),
  ],
  full: [
    sample("full", [normal(2, 3)], ([x]) => ops.mul(x, ops.full([2, 3], 0.5))),
    sample("full scalars", [], () => [ops.full([], 2.5), ops.full([], -3, "int32"), ops.full([], 1, "bool")]),
    sample("full of each type", [], () => [ops.full([2], -1.5), ops.full([1, 2], 4, "int32"), ops.full([2, 2], 1, "bool")]),
    sample("full infinities", [], () => [ops.full([2], Number.NEGATIVE_INFINITY), ops.full([2], Number.POSITIVE_INFINITY)]),
    sample("zeros and ones", [normal(3)], ([x]) => [ops.mul(x, ops.zeros([3])), ops.add(x, ops.ones([2, 1]))]),
  ],
} satisfies Partial<SampleTable>;
