/**
 * Shapes, as properties: what is inferred is what the reference computes, for any shapes; broadcasting and slicing follow
 * NumPy; and operands that do not fit raise errors with a code, the real shapes and the caller's line.
 *
 * The interpreter itself compares every node's inferred types with its results, so running a graph is the check.
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { input } from "../../../src/core/builtin.ts";
import type { Tensor } from "../../../src/core/tensor.ts";
import * as ops from "../../../src/ops/index.ts";
import { HeptagenError } from "../../../src/util/errors.ts";
import { sizeOf } from "../../../src/util/ndarray.ts";
import type { Value } from "../../ops/reference/value.ts";
import { float, run, whole } from "../../ops/run.ts";

/** 0, 1, 2, … so that every element tells where it came from. */
const counting = (shape: readonly number[]): Value =>
  float(
    shape,
    Array.from({ length: sizeOf(shape) }, (_, i) => i),
  );
const first = (values: readonly Value[]): Value => values[0] as Value;

const dims = (max = 4, maxLength = 4) => fc.array(fc.integer({ min: 1, max }), { maxLength });
const someDims = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 4 });
/** A shape with one of its axes, counted from either end. */
const shapeAndAxis = someDims.chain((shape) =>
  fc.tuple(fc.constant(shape), fc.integer({ min: -shape.length, max: shape.length - 1 })),
);

/** NumPy's rule in its own words: pad the shorter shape with ones; each pair must be equal, or one of them 1. */
function numpyBroadcast(a: readonly number[], b: readonly number[]): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const [x, y] = [a, b].map((s) => [...Array(rank - s.length).fill(1), ...s] as number[]) as [number[], number[]];
  const fits = x.every((d, i) => d === y[i] || d === 1 || y[i] === 1);
  return fits ? x.map((d, i) => (d === 1 ? (y[i] as number) : d)) : undefined;
}

/** What `call` throws, which must be one of ours. */
function errorOf(call: () => unknown): HeptagenError {
  try {
    call();
  } catch (error) {
    if (error instanceof HeptagenError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}

const tensor = (shape: readonly number[], dtype: "float32" | "int32" | "bool" = "float32"): Tensor => input({ shape, dtype });

describe("broadcasting", () => {
  test("follows NumPy's rule", () => {
    fc.assert(
      fc.property(dims(3), dims(3), (a, b) => {
        const expected = numpyBroadcast(a, b);
        if (expected) expect(ops.broadcastShapes("add", a, b)).toEqual(expected);
        else expect(errorOf(() => ops.add(tensor(a), tensor(b))).code).toBe("shape/add");
      }),
    );
  });

  test("pairs the elements NumPy pairs", () => {
    fc.assert(
      fc.property(someDims, fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }), fc.nat(3), (shape, stretched, drop) => {
        const other = shape.map((d, i) => (stretched[i] ? 1 : d)).slice(Math.min(drop, shape.length));
        const [sum] = run((x, y) => ops.add(ops.mul(x, 1000), y), counting(shape), counting(other));
        expect(sum?.shape).toEqual(shape);
        sum?.data.forEach((value, place) => {
          const left = Math.floor(value / 1000);
          expect(left).toBe(place);
          expect(value % 1000).toBe(placeIn(other, shape, place));
        });
      }),
    );
  });

  test("of three operands", () => {
    expect(ops.broadcastShapes("where", [2, 1, 1], [3, 1], [4])).toEqual([2, 3, 4]);
    expect(ops.where(tensor([2, 1], "bool"), tensor([3]), tensor([])).shape).toEqual([2, 3]);
    expect(ops.broadcastShapes("add", [], [])).toEqual([]);
    expect(ops.broadcastShapes("add", [0], [1])).toEqual([0]);
  });

  test("broadcastTo only stretches", () => {
    expect(errorOf(() => ops.broadcastTo(tensor([3]), [2])).code).toBe("shape/broadcastTo");
    expect(errorOf(() => ops.broadcastTo(tensor([2, 3]), [3])).code).toBe("shape/broadcastTo");
  });
});

/** Where the element that pairs with place `place` of `shape` stands in the stretched operand `other`. */
function placeIn(other: readonly number[], shape: readonly number[], place: number): number {
  let [rest, at, pitch] = [place, 0, 1];
  for (let i = 1; i <= other.length; i++) {
    const size = shape[shape.length - i] as number;
    const own = other[other.length - i] as number;
    at += (own === 1 ? 0 : rest % size) * pitch;
    pitch *= own;
    rest = Math.floor(rest / size);
  }
  return at;
}

describe("inferred shapes are the reference's", () => {
  test("reshape, with and without -1", () => {
    fc.assert(
      fc.property(someDims, fc.nat(3), (shape, unknown) => {
        const reversed = [...shape].reverse();
        const asked = reversed.map((d, i) => (i === unknown ? -1 : d));
        const y = first(run((x) => ops.reshape(x, asked), counting(shape)));
        expect(y.shape).toEqual(reversed);
        expect(y.data).toEqual(counting(shape).data);
      }),
    );
  });

  test("transpose and back", () => {
    fc.assert(
      fc.property(
        someDims,
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 4, maxLength: 4 }),
        (shape, draws) => {
          const perm = shape.map((_, i) => i).sort((a, b) => (draws[a] as number) - (draws[b] as number) || a - b);
          const back = perm.map((_, i) => perm.indexOf(i));
          const [turned, again] = run(
            (x) => [ops.transpose(x, perm), ops.transpose(ops.transpose(x, perm), back)],
            counting(shape),
          );
          expect(turned?.shape).toEqual(perm.map((p) => shape[p]));
          expect(again).toEqual(counting(shape));
        },
      ),
    );
  });

  test("reductions", () => {
    const reductions = [ops.sum, ops.mean, ops.max, ops.min, ops.logsumexp, ops.variance] as const;
    fc.assert(
      fc.property(
        someDims,
        fc.array(fc.nat(3), { maxLength: 4 }),
        fc.boolean(),
        fc.boolean(),
        (shape, picks, keepDims, negative) => {
          const axes = [...new Set(picks.map((p) => p % shape.length))].map((axis) => (negative ? axis - shape.length : axis));
          const folded = axes.map((axis) => (axis < 0 ? axis + shape.length : axis));
          const kept = shape.map((d, i) => (folded.includes(i) ? 1 : d));
          const expected = keepDims ? kept : shape.filter((_, i) => !folded.includes(i));
          for (const y of run((x) => reductions.map((reduce) => reduce(x, axes, { keepDims })), counting(shape)))
            expect(y.shape).toEqual(expected);
        },
      ),
    );
  });

  test("argmax, cumsum, softmax, topK, flip along any axis", () => {
    fc.assert(
      fc.property(shapeAndAxis, ([shape, axis]) => {
        const at = axis < 0 ? axis + shape.length : axis;
        const size = shape[at] as number;
        const [best, running, soft, top, reversed] = run(
          (x) => [
            ops.argmax(x, axis),
            ops.cumsum(x, axis),
            ops.softmax(x, axis),
            ops.topK(x, 1, axis).indices,
            ops.flip(x, [axis]),
          ],
          counting(shape),
        );
        expect(best?.shape).toEqual(shape.filter((_, i) => i !== at));
        expect(running?.shape).toEqual(shape);
        expect(soft?.shape).toEqual(shape);
        expect(reversed?.shape).toEqual(shape);
        // The numbers grow along every axis.
        expect([...(best?.data ?? [])].every((i) => i === size - 1)).toBe(true);
        expect(top?.data).toEqual(best?.data);
      }),
    );
  });

  test("concat and split undo each other", () => {
    fc.assert(
      fc.property(
        shapeAndAxis,
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 4 }),
        ([shape, axis], sizes) => {
          const at = axis < 0 ? axis + shape.length : axis;
          const total = sizes.reduce((a, b) => a + b, 0);
          fc.pre(total > 0);
          const whole = shape.map((d, i) => (i === at ? total : d));
          const [joined, ...parts] = run(
            (x) => [ops.concat(ops.split(x, sizes, axis), axis), ...ops.split(x, sizes, axis)],
            counting(whole),
          );
          expect(joined).toEqual(counting(whole));
          expect(parts.map((p) => p.shape[at])).toEqual(sizes);
        },
      ),
    );
  });

  test("slice is Python's x[start:stop:step]", () => {
    const bound = fc.option(fc.integer({ min: -7, max: 7 }), { nil: undefined });
    const stepSize = fc.integer({ min: -3, max: 3 }).filter((s) => s !== 0);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 6 }), bound, bound, stepSize, (size, start, stop, step) => {
        const expected = pythonSlice(size, start, stop, step);
        const range = { ...(start !== undefined && { start }), ...(stop !== undefined && { stop }), step };
        if (expected.length === 0) expect(errorOf(() => ops.slice(tensor([size]), { 0: range })).code).toBe("shape/slice");
        else expect([...first(run((x) => ops.slice(x, { 0: range }), counting([size]))).data]).toEqual(expected);
      }),
      { numRuns: 300 },
    );
  });

  test("pad, in every mode", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.nat(6), fc.nat(6), (size, low, high) => {
        const padded = (mode: "constant" | "edge" | "reflect") => [
          ...first(run((x) => ops.pad(x, [[low, high]], { mode, value: -1 }), counting([size]))).data,
        ];
        const places = Array.from({ length: size + low + high }, (_, i) => i - low);
        expect(padded("constant")).toEqual(places.map((i) => (i < 0 || i >= size ? -1 : i)));
        expect(padded("edge")).toEqual(places.map((i) => Math.min(Math.max(i, 0), size - 1)));
        if (Math.max(low, high) < size)
          expect(padded("reflect")).toEqual(places.map((i) => (i < 0 ? -i : i >= size ? 2 * (size - 1) - i : i)));
        else expect(errorOf(() => ops.pad(tensor([size]), [[low, high]], { mode: "reflect" })).code).toBe("shape/pad");
      }),
    );
  });

  test("matmul, batched, transposed and with vectors", () => {
    const small = fc.integer({ min: 1, max: 3 });
    fc.assert(
      fc.property(
        dims(3, 2),
        fc.tuple(small, small, small),
        fc.boolean(),
        fc.boolean(),
        fc.array(fc.boolean(), { minLength: 2, maxLength: 2 }),
        (batch, [m, k, n], transposeA, transposeB, stretched) => {
          const a = [...batch, ...(transposeA ? [k, m] : [m, k])];
          const b = [...batch.map((d, i) => (stretched[i] ? 1 : d)), ...(transposeB ? [n, k] : [k, n])];
          const [matrices, row, column] = run(
            (x, y, v) => [
              ops.matmul(x, y, { transposeA, transposeB }),
              ops.matmul(v, y, { transposeB }),
              ops.matmul(x, v, { transposeA }),
            ],
            counting(a),
            counting(b),
            counting([k]),
          );
          expect(matrices?.shape).toEqual([...batch, m, n]);
          expect(row?.shape).toEqual([...b.slice(0, -2), n]);
          expect(column?.shape).toEqual([...batch, m]);
        },
      ),
    );
  });

  test("gather and scatterAdd at any axis", () => {
    fc.assert(
      fc.property(shapeAndAxis, dims(3, 2), ([shape, axis], places) => {
        const at = axis < 0 ? axis + shape.length : axis;
        const size = shape[at] as number;
        const indices = whole(
          places,
          Array.from({ length: sizeOf(places) }, (_, i) => (i * 7) % size),
        );
        const [taken, back] = run(
          (x, i) => {
            const got = ops.gather(x, i, axis);
            return [got, ops.scatterAdd(got, i, { axis: at, size })];
          },
          counting(shape),
          indices,
        );
        expect(taken?.shape).toEqual([...shape.slice(0, at), ...places, ...shape.slice(at + 1)]);
        expect(back?.shape).toEqual(shape);
      }),
    );
  });

  test("convolutions, and transposed convolutions back", () => {
    const axis = fc.record({
      kernel: fc.integer({ min: 1, max: 3 }),
      stride: fc.integer({ min: 1, max: 3 }),
      dilation: fc.integer({ min: 1, max: 2 }),
      low: fc.nat(2),
      high: fc.nat(2),
      more: fc.nat(4),
    });
    fc.assert(
      fc.property(fc.array(axis, { minLength: 1, maxLength: 3 }), fc.integer({ min: 1, max: 2 }), (axes, groups) => {
        const reach = axes.map((a) => (a.kernel - 1) * a.dilation + 1);
        const image = axes.map((a, i) => Math.max(1, (reach[i] as number) - a.low - a.high) + a.more);
        const options = {
          stride: axes.map((a) => a.stride),
          dilation: axes.map((a) => a.dilation),
          padding: axes.map((a) => [a.low, a.high] as const),
          groups,
        };
        const x = [1, groups, ...image];
        const w = [groups * 2, 1, ...axes.map((a) => a.kernel)];
        const [y] = run((im, k) => ops.conv(im, k, options), counting(x), counting(w));
        const dims = axes.map(
          (a, i) => Math.floor(((image[i] as number) + a.low + a.high - (reach[i] as number)) / a.stride) + 1,
        );
        expect(y?.shape).toEqual([1, groups * 2, ...dims]);
        const outputPadding = axes.map((a, i) => ((image[i] as number) + a.low + a.high - (reach[i] as number)) % a.stride);
        const [back] = run(
          (g, k) => ops.convTranspose(g, k, { ...options, outputPadding }),
          counting([1, groups * 2, ...dims]),
          counting(w),
        );
        expect(back?.shape).toEqual(x);
      }),
      { numRuns: 60 },
    );
  });

  test("pooling", () => {
    const axis = fc.record({
      kernel: fc.integer({ min: 1, max: 3 }),
      stride: fc.integer({ min: 1, max: 3 }),
      more: fc.nat(3),
      padded: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(axis, { minLength: 1, maxLength: 3 }), (axes) => {
        const padding = axes.map((a) => (a.padded ? Math.floor(a.kernel / 2) : 0));
        const image = axes.map((a) => a.kernel + a.more);
        const options = { stride: axes.map((a) => a.stride), padding };
        const kernel = axes.map((a) => a.kernel);
        const dims = axes.map(
          (a, i) => Math.floor(((image[i] as number) + 2 * (padding[i] as number) - a.kernel) / a.stride) + 1,
        );
        for (const y of run(
          (x) => [ops.maxPool(x, kernel, options), ops.avgPool(x, kernel, options)],
          counting([2, 1, ...image]),
        )) {
          expect(y.shape).toEqual([2, 1, ...dims]);
        }
      }),
      { numRuns: 60 },
    );
  });
});

/** The elements of range(size)[start:stop:step], by Python's own definition. */
function pythonSlice(size: number, start: number | undefined, stop: number | undefined, step: number): number[] {
  const [low, high] = step > 0 ? [0, size] : [-1, size - 1];
  const clamp = (value: number) => Math.min(Math.max(value < 0 ? value + size : value, low), high);
  const from = start === undefined ? (step > 0 ? low : high) : clamp(start);
  const to = stop === undefined ? (step > 0 ? high : low) : clamp(stop);
  const out: number[] = [];
  for (let i = from; step > 0 ? i < to : i > to; i += step) out.push(i);
  return out;
}
