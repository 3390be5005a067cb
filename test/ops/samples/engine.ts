/** Samples of the engine's own primitives. */
import { accumulate, alias, barrier, constant, zerosLike } from "../../../src/core/builtin.ts";
import { customVjp } from "../../../src/core/grad.ts";
import { remat } from "../../../src/core/remat.ts";
import type { Tensor } from "../../../src/core/tensor.ts";
import * as ops from "../../../src/ops/index.ts";
import { loops } from "./loops.ts";
import { booleans, integers, normal, type SampleTable, sample } from "./make.ts";

export const engine = {
  ...loops,
  input: [
    sample("input given back", [normal(2, 3)], ([x]) => x),
    sample("inputs of each type given back", [normal(2), integers(0, 9, 2), booleans(2)], ([x, i, b]) => [x, x, i, b]),
    sample("input of size 0", [normal(0, 2), normal(3, 2)], ([x, y]) => [x, ops.concat([x, y])]),
  ],
  constant: [
    sample("constant", [normal(3)], ([x]) =>
      ops.mul(x, constant({ dtype: "float32", shape: [3], data: Float32Array.of(1, -2, 0.5) })),
    ),
    sample("constant of each type", [], () => [
      constant({ dtype: "int32", shape: [2], data: Int32Array.of(1, -2) }),
      constant({ dtype: "bool", shape: [2], data: Uint8Array.of(1, 0) }),
      constant({ dtype: "float32", shape: [], data: Float32Array.of(-0.5) }),
    ]),
    sample("constant of many numbers", [normal(1)], ([x]) =>
      ops.sum(
        ops.mul(
          x,
          constant({ dtype: "float32", shape: [1500], data: Float32Array.from({ length: 1500 }, (_, i) => Math.sin(i)) }),
        ),
      ),
    ),
  ],
  zeros: [
    sample("zeros of a type", [normal(2, 3)], ([x]) => ops.add(x, zerosLike(x))),
    sample("zeros of each type", [integers(1, 9, 2), booleans(3), normal()], ([i, b, x]) => [
      zerosLike(i),
      zerosLike(b),
      zerosLike(x),
    ]),
  ],
  identity: [
    sample("alias", [normal(2)], ([x]) => ops.mul(alias(x), x)),
    sample("stopGradient", [normal(2)], ([x]) => ops.mul(ops.stopGradient(ops.exp(x)), x), { kink: "gradients are stopped" }),
  ],
  accumulate: [
    sample("accumulate three", [normal(2, 3), normal(2, 3), normal(2, 3)], (xs) => accumulate(xs)),
    sample("accumulate one twice", [normal()], ([x]) => accumulate([x, ops.sin(x), x])),
  ],
  barrier: [
    sample("barrier", [normal(2, 3), normal(2), normal(), integers(0, 9, 3)], ([after, x, y, i]) =>
      barrier([ops.exp(after)], [x, ops.sin(y), i as Tensor]),
    ),
    sample("barrier behind two", [normal(3), normal(2, 2), normal(2)], ([a, b, x]) => barrier([a, ops.exp(b)], [ops.mul(x, x)])),
    sample("barrier before booleans", [normal(2), booleans(2, 3)], ([after, b]) => barrier([after], [b as Tensor])),
    sample("barrier behind a scalar", [normal(), normal(2)], ([after, x]) => barrier([after], [ops.mul(x, x)])),
  ],
  custom: [
    sample("custom gradient", [normal(2, 3)], ([x]) =>
      customVjp(
        (a: Tensor) => ({ value: ops.exp(a), residuals: { y: ops.exp(a) } }),
        ({ y }, ct) => [ops.mul(ct, y)],
      )(x),
    ),
    sample("custom gradient of two arguments", [normal(2), normal(2)], ([x, y]) =>
      customVjp(
        (a: Tensor, b: Tensor) => ({ value: ops.mul(a, b), residuals: [a, b] }),
        ([a, b], ct) => [ops.mul(ct, b as Tensor), ops.mul(ct, a as Tensor)],
      )(x, y),
    ),
    sample(
      "custom gradient that lets nothing through",
      [normal(2)],
      ([x]) =>
        customVjp(
          (a: Tensor) => ({ value: ops.exp(a), residuals: [] }),
          () => [null],
        )(x),
      {
        kink: "gradients are stopped",
      },
    ),
    sample(
      "remat",
      [normal(2, 3), normal(3, 2), integers(0, 2, 4)],
      ([x, w, i]) =>
        remat((a: Tensor, b: { w: Tensor; i: Tensor }) => ({ y: ops.gather(ops.tanh(ops.matmul(a, b.w)), b.i), z: ops.exp(a) }))(
          x,
          { w, i },
        ).y,
    ),
    sample("remat in remat", [normal(2, 2), normal(2, 2)], ([x, w]) => {
      const inner = remat((a: Tensor, b: Tensor) => ops.sin(ops.matmul(a, b)));
      return remat((a: Tensor, b: Tensor) => inner(inner(a, b), b))(x, w);
    }),
  ],
  random: [
    sample("random uniform", [normal(2, 3)], ([x], key) => ops.mul(x, ops.uniform(key.fold("u"), [2, 3]))),
    sample("random normal", [normal(5)], ([x], key) => [
      ops.mul(x, ops.normal(key.fold("n"), [5])),
      ops.normal(key.fold("n").fold(1), []),
    ]),
    sample("random bernoulli", [normal(8)], ([x], key) => ops.where(ops.bernoulli(key.fold("b"), 0.3, [8]), x, 0)),
    sample("random integers", [normal(4, 2)], ([x], key) => ops.gather(x, ops.randint(key.fold("i"), 1, 4, [6]))),
    sample("random drawn twice", [], (_, key) => ops.sub(ops.uniform(key.fold("same"), [3]), ops.uniform(key.fold("same"), [3]))),
  ],
} satisfies Partial<SampleTable>;
