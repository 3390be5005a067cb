/** Samples of loops: what a body may carry, read, capture, return and leave unused. */
import { customVjp } from "../../../src/core/grad.ts";
import { remat } from "../../../src/core/remat.ts";
import { scan, whileLoop } from "../../../src/core/scan.ts";
import type { Tensor } from "../../../src/core/tensor.ts";
import * as ops from "../../../src/ops/index.ts";
import { distinct, exactly, integers, nonzero, normal, type SampleTable, sample, uniform } from "./make.ts";

/** One step of an Elman network: tanh(h w + x u + b). */
const cell = (h: Tensor, x: Tensor, w: Tensor, u: Tensor, b: Tensor) =>
  ops.tanh(ops.add(ops.add(ops.matmul(h, w), ops.matmul(x, u)), b));

// Legend: T = 3 steps, B = 2 rows, H = 2 hidden, I = 3 inputs.
const rnn = [normal(2, 2), normal(3, 2, 3), normal(2, 2), normal(3, 2), normal(2)];

export const loops = {
  scan: [
    sample("scan of captured matmuls and a bias", rnn, ([h0, xs, w, u, b]) =>
      scan((h: Tensor, x: Tensor) => twice(cell(h, x, w, u as Tensor, b as Tensor)), h0, xs),
    ),
    sample("scan reversed", rnn, ([h0, xs, w, u, b]) =>
      scan((h: Tensor, x: Tensor) => twice(cell(h, x, w, u as Tensor, b as Tensor)), h0, xs, { reverse: true }),
    ),
    sample(
      "scan, only the last carry used",
      rnn,
      ([h0, xs, w, u, b]) => scan((h: Tensor, x: Tensor) => twice(cell(h, x, w, u as Tensor, b as Tensor)), h0, xs)[0],
    ),
    sample(
      "scan, only the outputs used",
      rnn,
      ([h0, xs, w, u, b]) => scan((h: Tensor, x: Tensor) => twice(cell(h, x, w, u as Tensor, b as Tensor)), h0, xs)[1],
    ),
    sample("scan of one step", [normal(2), normal(1, 2)], ([h0, xs]) =>
      scan((h: Tensor, x: Tensor) => twice(ops.mul(h, x)), h0, xs),
    ),
    sample("scan of scalars", [normal(), normal(4), normal()], ([h0, xs, a]) =>
      scan((h: Tensor, x: Tensor) => twice(ops.sin(ops.add(ops.mul(h, a), x))), h0, xs),
    ),
    sample(
      "scan that only counts steps",
      [nonzero(2), normal(2)],
      ([h0, w]) => scan((h: Tensor, _: readonly Tensor[]) => [ops.mul(h, ops.sigmoid(w)), []], h0, [], { length: 4 })[0],
    ),
    sample(
      "scan without a carry",
      [normal(3, 2), normal(2, 2)],
      ([xs, w]) => scan((carry: readonly Tensor[], x: Tensor) => [carry, ops.exp(ops.matmul(x, w))], [], xs)[1],
    ),
    sample(
      "scan with a tree of carries and sequences",
      [normal(2, 2), normal(2, 2), normal(3, 2, 2), uniform(0.2, 0.8, 3, 2, 1), normal(2, 2)],
      ([h0, c0, xs, gates, w]) => {
        const [end, outputs] = scan(
          ({ h, c }: { h: Tensor; c: Tensor }, { x, gate }: { x: Tensor; gate: Tensor }) => {
            const kept = ops.add(ops.mul(c, gate), ops.mul(ops.sub(1, gate), ops.tanh(ops.add(x, ops.matmul(h, w as Tensor)))));
            const next = ops.mul(ops.tanh(kept), ops.sigmoid(x));
            return [{ h: next, c: kept }, [next, gate]];
          },
          { h: h0, c: c0 },
          { x: xs, gate: gates as Tensor },
        );
        return [end.h, end.c, ...outputs];
      },
    ),
    sample("scan with an integer carry", [normal(4, 2), normal(2)], ([table, h0]) => {
      const [end, out] = scan(
        ({ h, n }: { h: Tensor; n: Tensor }, _: readonly Tensor[]) => {
          const next = ops.mul(ops.add(h, ops.gather(table, n)), 0.7);
          return [{ h: next, n: ops.add(n, 1) }, [next, n]];
        },
        { h: h0, n: ops.full([], 0, "int32") },
        [],
        { length: 4 },
      );
      return [end.h, end.n, ...out];
    }),
    sample(
      "scan over tokens with a captured table",
      [normal(5, 2), normal(2, 2), exactly("int32", [3, 2], [4, 0, 1, 1, 0, 4])],
      ([table, h0, tokens]) =>
        scan((h: Tensor, token: Tensor) => twice(ops.tanh(ops.add(h, ops.gather(table, token)))), h0, tokens),
    ),
    sample("scan with a weight used twice", [normal(2, 2), normal(3, 2, 2), normal(2, 2)], ([h0, xs, w]) =>
      scan((h: Tensor, x: Tensor) => twice(ops.add(ops.matmul(ops.tanh(ops.matmul(h, w)), w), ops.mul(x, w))), h0, xs),
    ),
    sample("scan with a weight also used outside", [normal(2, 2), normal(2, 2)], ([h0, w]) => {
      const [end] = scan((h: Tensor, _: readonly Tensor[]) => [ops.sin(ops.matmul(h, w)), []], h0, [], { length: 2 });
      return [ops.matmul(end, w), w];
    }),
    sample(
      "scan with weights through every kind of op",
      [normal(2, 3), normal(3), normal(), normal(2, 3), nonzero(3)],
      ([h0, gain, bias, row, divisor]) =>
        scan(
          (h: Tensor, x: Tensor) => {
            const a = ops.sub(ops.mul(h, gain), bias);
            const b = ops.div(ops.add(a, ops.mul(x, row as Tensor)), divisor as Tensor);
            return twice(ops.mul(ops.softmax(ops.add(b, ops.sum(row as Tensor, 0))), ops.exp(gain)));
          },
          h0,
          ops.stack([h0, ops.neg(h0), ops.mul(h0, h0)]),
        ),
    ),
    sample("scan with batched products of a weight", [normal(2, 2, 2), normal(2, 2, 2), normal(3, 2)], ([h0, w, xs]) =>
      scan(
        (h: Tensor, x: Tensor) => twice(ops.tanh(ops.add(ops.add(ops.matmul(w, h), ops.matmul(h, w, { transposeB: true })), x))),
        h0,
        xs,
      ),
    ),
    sample("scan of a vector by a matrix", [normal(3), normal(2, 3), normal(3, 3)], ([h0, xs, w]) =>
      scan((h: Tensor, x: Tensor) => twice(ops.tanh(ops.add(ops.matmul(w, h), x))), h0, xs),
    ),
    sample("scan that returns its operands", [normal(2), normal(3, 2), normal(2)], ([h0, xs, w]) => {
      const [end, [before, element, captured, product, again]] = scan(
        (h: Tensor, x: Tensor) => {
          const next = ops.mul(h, x);
          return [next, [h, x, w, next, next]] as const;
        },
        h0,
        xs,
      );
      return [end, before, element, captured, product, again] as Tensor[];
    }),
    sample("scan with carries that swap and stay", [normal(2), normal(2), normal(2), normal(3, 2)], ([a, b, c, xs]) => {
      const [end, out] = scan(
        ([p, q, r]: readonly Tensor[], x: Tensor) => [
          [ops.mul(q as Tensor, x), p as Tensor, r as Tensor],
          ops.add(p as Tensor, r as Tensor),
        ],
        [a, b, c] as readonly Tensor[],
        xs as Tensor,
      );
      return [...end, out];
    }),
    sample("scan with unused outputs and carries", [normal(2), normal(2), normal(3, 2), normal(2, 2)], ([a, b, xs, w]) => {
      const [[p], [first]] = scan(
        ([h, k]: readonly Tensor[], x: Tensor) => {
          const next = ops.sin(ops.add(h as Tensor, x));
          return [
            [next, ops.mul(k as Tensor, next)],
            [ops.exp(next), ops.matmul(next, w as Tensor)],
          ] as const;
        },
        [a, b] as readonly Tensor[],
        xs,
      );
      return [p as Tensor, first];
    }),
    sample("scan in a scan", [normal(2), normal(3, 2, 2), normal(2, 2), normal(2)], ([h0, xs, w, b]) => {
      const inner = (h: Tensor, x: Tensor) => twice(ops.tanh(ops.add(ops.matmul(h, w), ops.mul(x, b as Tensor))));
      return scan(
        (h: Tensor, rows: Tensor) => {
          const scale = ops.sum(rows);
          const [end, steps] = scan((g: Tensor, x: Tensor) => inner(ops.mul(g, scale), x), h, rows);
          return [end, ops.add(steps, h)];
        },
        h0,
        xs,
      );
    }),
    sample("scan in a scan, other way round", [normal(2), normal(2, 2), normal(2)], ([h0, xs, w]) =>
      scan(
        (h: Tensor, x: Tensor) => {
          const [end] = scan((g: Tensor, _: readonly Tensor[]) => [ops.sin(ops.mul(g, ops.add(w, x))), []], h, [], {
            length: 2,
            reverse: true,
          });
          return twice(end);
        },
        h0,
        xs,
        { reverse: true },
      ),
    ),
    sample("scan of ops with several outputs", [normal(4), distinct(3, 4)], ([h0, xs]) =>
      scan(
        (h: Tensor, x: Tensor) => {
          const [a, b] = ops.split(h, 2);
          const { values, indices } = ops.topK(x, 2);
          const next = ops.concat([ops.mul(a, values), ops.sin(b)]);
          return [next, [ops.takeAlongAxis(next, indices), ops.layerNorm(ops.reshape(h, [2, 2]), a)]];
        },
        h0,
        xs,
      ).flat(),
    ),
    sample("scan of a convolution", [normal(1, 2, 4), normal(2, 1, 2, 4), normal(2, 2, 3)], ([h0, xs, w]) =>
      scan((h: Tensor, x: Tensor) => twice(ops.tanh(ops.add(ops.conv(h, w, { padding: 1 }), x))), h0, xs),
    ),
    sample("scan of a rematerialised step", rnn, ([h0, xs, w, u, b]) =>
      scan((h: Tensor, x: Tensor) => twice(remat(cell)(h, x, w, u as Tensor, b as Tensor)), h0, xs),
    ),
    sample("scan of a step with its own gradient", [normal(2), normal(3, 2)], ([h0, xs]) =>
      scan((h: Tensor, x: Tensor) => twice(ownGradient(ops.add(h, x))), h0, xs),
    ),
    sample(
      "scan with a stopped gradient",
      [normal(2), normal(3, 2), normal(2)],
      ([h0, xs, w]) => scan((h: Tensor, x: Tensor) => twice(ops.add(ops.mul(h, w), ops.stopGradient(ops.mul(h, x)))), h0, xs),
      { kink: "gradients are stopped" },
    ),
    sample("scan with masks", [normal(2), nonzero(3, 2)], ([h0, xs]) =>
      scan(
        ({ h, seen }: { h: Tensor; seen: Tensor }, x: Tensor) => {
          const positive = ops.less(0, x);
          return [{ h: ops.where(positive, ops.mul(h, x), h), seen: ops.or(seen, positive) }, ops.where(seen, h, x)];
        },
        { h: h0, seen: ops.full([2], 0, "bool") },
        xs,
      ).flatMap((part) => ("h" in part ? [part.h, part.seen] : [part])),
    ),
  ],
  whileLoop: [
    sample("whileLoop until a sum", [exactly("float32", [3], [0.5, 1, 2])], ([x]) => {
      const end = whileLoop(
        (s) => ops.less(ops.sum(s.total), 20),
        (s) => ({ total: ops.add(s.total, x), n: ops.add(s.n, 1) }),
        { total: x, n: ops.full([], 0, "int32") },
        { limit: 50 },
      );
      return [end.total, end.n];
    }),
    sample("whileLoop up to its limit", [normal(2, 2), normal(2, 2)], ([x, w]) =>
      whileLoop(
        (s) => ops.lessEqual(0, ops.mul(ops.max(s), 0)),
        (s) => ops.tanh(ops.matmul(s, w)),
        x,
        { limit: 3 },
      ),
    ),
    sample("whileLoop never entered", [normal(2)], ([x]) =>
      whileLoop(
        (s) => ops.less(ops.sum(ops.mul(s, s)), 0),
        (s) => ops.mul(s, 2),
        x,
        { limit: 3 },
      ),
    ),
    sample("whileLoop writing into a row", [integers(1, 5)], ([n]) => {
      const places = ops.arange(6);
      const end = whileLoop(
        (s) => ops.less(s.i, n),
        (s) => ({ i: ops.add(s.i, 1), row: ops.where(ops.equal(places, s.i), ops.mul(s.i, s.i), s.row) }),
        { i: ops.full([], 0, "int32"), row: ops.full([6], -1, "int32") },
        { limit: 6 },
      );
      return [end.row, end.i];
    }),
    sample(
      "whileLoop of a scan",
      [normal(2), normal(3, 2)],
      ([x, xs]) =>
        whileLoop(
          (s) => ops.less(s.i, 2),
          (s) => ({ i: ops.add(s.i, 1), h: scan((h: Tensor, e: Tensor) => [ops.sin(ops.add(h, e)), []], s.h, xs)[0] }),
          { i: ops.full([], 0, "int32"), h: x },
          { limit: 5 },
        ).h,
    ),
  ],
} satisfies Partial<SampleTable>;

function twice(x: Tensor): [Tensor, Tensor] {
  return [x, x];
}

/** x³ with the derivative written by hand. */
const ownGradient = customVjp(
  (x: Tensor) => ({ value: ops.mul(x, ops.mul(x, x)), residuals: { x } }),
  ({ x }, ct) => [ops.mul(ct, ops.mul(3, ops.mul(x, x)))],
);
