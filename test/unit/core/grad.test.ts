/** What gradient functions promise: structure, auxiliary results, kinks, stops, custom rules, recomputation, any order. */
import { describe, expect, test } from "vitest";
import { input } from "../../../src/core/builtin.ts";
import { customVjp, grad, valueAndGrad, vjp } from "../../../src/core/grad.ts";
import { remat } from "../../../src/core/remat.ts";
import { scan, whileLoop } from "../../../src/core/scan.ts";
import { reachable, ShapeError, type Tensor } from "../../../src/core/tensor.ts";
import * as ops from "../../../src/ops/index.ts";
import { float, numbers, run, vector, whole } from "../../ops/run.ts";

const { add, mul, sum } = ops;

describe("valueAndGrad", () => {
  test("gives the value and a gradient shaped like the argument", () => {
    const fn = (p: { w: Tensor; layers: Tensor[] }) => sum(mul(p.w, mul(p.layers[0] as Tensor, p.layers[1] as Tensor)));
    const [value, w, first, second] = numbers(
      (w, a, b) => {
        const { value, grads } = valueAndGrad(fn)({ w, layers: [a, b] });
        return [value, grads.w, ...grads.layers];
      },
      vector(2, 3),
      vector(5, 7),
      vector(11, 13),
    );
    expect([value, w, first, second]).toEqual([[383], [55, 91], [22, 39], [10, 21]]);
  });

  test("passes auxiliary results through", () => {
    const [value, gradient, square, count] = numbers(
      (x) => {
        const { value, grads, aux } = valueAndGrad((y: Tensor) => {
          const square = mul(y, y);
          return { loss: sum(square), aux: { square, count: ops.full([], 2, "int32") } };
        })(x);
        return [value, grads, aux.square, aux.count];
      },
      vector(1, 2),
    );
    expect([value, gradient, square, count]).toEqual([[5], [2, 4], [1, 4], [2]]);
  });

  test("differentiates the argument asked for, and takes the others as they are", () => {
    const fn = (x: Tensor, n: Tensor, w: Tensor) => sum(mul(ops.gather(x, n), w));
    const [gradient] = numbers((x, n, w) => grad(fn, { argument: 2 })(x, n, w), vector(3, 4), whole([2], [1, 1]), vector(1, 1));
    expect(gradient).toEqual([4, 4]);
  });

  test("an argument the loss does not depend on gets zeros", () => {
    const [gradient] = numbers(
      (x, y) => valueAndGrad((p: Tensor[]) => sum(p[1] as Tensor))([x, y]).grads[0],
      vector(1, 2),
      vector(3),
    );
    expect(gradient).toEqual([0, 0]);
  });

  test("a tensor that is closed over is a constant, even the argument itself", () => {
    const [gradient] = numbers((x) => grad((y: Tensor) => sum(mul(y, x)))(x), vector(3, 4));
    expect(gradient).toEqual([3, 4]);
  });

  test("one leaf in two places gets a gradient for each place", () => {
    const fn = ([a, b]: readonly Tensor[]) => sum(mul(a as Tensor, ops.square(b as Tensor)));
    expect(numbers((x) => grad(fn)([x, x]), vector(3))).toEqual([[9], [18]]);
  });

  test("wants a float32 scalar loss and float32 leaves, and says so", () => {
    const x = input({ shape: [2], dtype: "float32" });
    const n = input({ shape: [], dtype: "int32" });
    expect(() => grad((y: Tensor) => y)(x)).toThrow("grad: expected the function to return a float32 scalar, got float32[2]");
    expect(() => valueAndGrad((p: { n: Tensor }) => p.n)({ n })).toThrow(
      'expected float32 leaves to differentiate for, got int32[] at "n"',
    );
  });
});

describe("vjp", () => {
  test("pulls back through several outputs, some without a path", () => {
    const [dx, dy] = numbers(
      (x, y) => {
        const { value, pullback } = vjp((a: Tensor, b: Tensor) => ({ product: mul(a, b), same: a }), x, y);
        return pullback({ product: ops.ones(value.product.shape), same: ops.full([2], 10) });
      },
      vector(1, 2),
      vector(3, 4),
    );
    expect([dx, dy]).toEqual([
      [13, 14],
      [1, 2],
    ]);
  });

  test("wants one cotangent per output", () => {
    const x = input({ shape: [], dtype: "float32" });
    expect(() => vjp((a: Tensor) => [a, a], x).pullback([x])).toThrow("vjp: expected 2 cotangents, one per output, got 1");
  });
});

describe("gradients of gradients", () => {
  const power = (x: Tensor) => mul(mul(x, x), mul(x, x));
  const derivative = (fn: (x: Tensor) => Tensor) => (x: Tensor) => grad(fn)(x);

  test("of x^4, four times", () => {
    const orders = numbers(
      (x) => {
        const first = derivative(power);
        const second = derivative(first);
        const third = derivative(second);
        return [first(x), second(x), third(x), derivative(third)(x)];
      },
      float([], [2]),
    );
    expect(orders).toEqual([[32], [48], [48], [24]]);
  });

  test("of a penalty on a gradient's norm", () => {
    // f(w, x) = sum(w x²): the gradient for x is 2 w x, its squared norm 4 Σ w² x², whose gradient for w is 8 w x².
    const penalty = (w: Tensor, x: Tensor) => sum(ops.square(grad((y: Tensor) => sum(mul(w, mul(y, y))))(x)));
    expect(numbers((w, x) => grad(penalty)(w, x), vector(2, 3), vector(1, -2))).toEqual([[16, 96]]);
  });

  test("through a scan: the same as through its unrolled steps, to third order", () => {
    const step = (h: Tensor, x: Tensor, w: Tensor) => ops.tanh(add(mul(h, w), x));
    const xs = vector(0.3, -0.2, 0.5);
    const looped = (w: Tensor, all: Tensor) => scan((h: Tensor, x: Tensor) => [step(h, x, w), []], ops.full([], 0.1), all)[0];
    const unrolled = (w: Tensor, all: Tensor) =>
      [0, 1, 2].reduce<Tensor>(
        (h, t) => step(h, ops.reshape(ops.slice(all, { 0: { start: t, stop: t + 1 } }), []), w),
        ops.full([], 0.1),
      );
    const orders = (fn: (w: Tensor, all: Tensor) => Tensor) =>
      numbers(
        (w, all) => {
          const first = (v: Tensor) => grad((u: Tensor) => fn(u, all))(v);
          const second = derivative(first);
          return [fn(w, all), first(w), second(w), derivative(second)(w)];
        },
        float([], [0.7]),
        xs,
      ).flat();
    const [found, wanted] = [orders(looped), orders(unrolled)];
    found.forEach((value, i) => {
      expect(value).toBeCloseTo(wanted[i] as number, 10);
    });
  });
});

describe("what is not differentiated", () => {
  test("stopGradient lets values through, gradients not", () => {
    expect(numbers((x) => [grad((y: Tensor) => sum(mul(ops.stopGradient(y), y)))(x)], vector(3, 4))).toEqual([[3, 4]]);
  });

  test.each<[string, (x: Tensor) => Tensor, number, number]>([
    ["abs", ops.abs, 0, 0],
    ["relu", ops.relu, 0, 0],
    ["sign", ops.sign, 0, 0],
    ["floor", ops.floor, 1, 0],
    ["round", ops.round, 0.5, 0],
    ["maximum of equals", (x) => ops.maximum(x, 2), 2, 0.5],
    ["minimum of equals", (x) => ops.minimum(2, x), 2, 0.5],
    ["pow 0 at 0", (x) => ops.pow(x, 0), 0, 0],
    ["pow 1 at 0", (x) => ops.pow(x, 1), 0, 1],
  ])("%s at its kink", (_, fn, at, slope) => {
    expect(numbers((x) => grad(fn)(x), float([], [at]))).toEqual([[slope]]);
  });

  test("equal maxima of a reduction share the gradient", () => {
    expect(numbers((x) => grad((y: Tensor) => mul(ops.max(y), 6))(x), vector(1, 4, 4, 4))).toEqual([[0, 2, 2, 2]]);
  });

  test("ops without a gradient say so", () => {
    const x = input({ shape: [], dtype: "float32" });
    const loop = (y: Tensor) =>
      whileLoop(
        (s) => ops.less(s, 2),
        (s) => mul(s, 2),
        y,
        { limit: 3 },
      );
    expect(() => grad(loop)(x)).toThrow("whileLoop: has no gradient");
  });

  test("ops without a gradient may follow a stopped one", () => {
    const loop = (y: Tensor) =>
      whileLoop(
        (s) => ops.less(s, 20),
        (s) => mul(s, 2),
        y,
        { limit: 9 },
      );
    expect(numbers((x) => grad((y: Tensor) => mul(y, loop(ops.stopGradient(y))))(x), float([], [3]))).toEqual([[24]]);
  });

  test("integers and booleans on the way end a path", () => {
    const fn = (y: Tensor) => sum(mul(ops.cast(ops.less(0, y), "float32"), mul(ops.cast(ops.cast(y, "int32"), "float32"), y)));
    expect(numbers((x) => grad(fn)(x), vector(2.5, 0.5))).toEqual([[2, 0]]);
  });
});

describe("customVjp", () => {
  test("uses its own rule, with residuals in any tree, and null for none", () => {
    const scaled = customVjp(
      (x: Tensor, y: Tensor) => ({ value: mul(x, y), residuals: { kept: [y] } }),
      ({ kept }, ct) => [mul(mul(ct, kept[0] as Tensor), 100), null],
    );
    const found = numbers(
      (x, y) => valueAndGrad(([a, b]: readonly Tensor[]) => sum(scaled(a as Tensor, b as Tensor)))([x, y]).grads,
      vector(2),
      vector(3),
    );
    expect(found).toEqual([[300], [0]]);
  });

  test("its rule is differentiated for second order", () => {
    const cube = customVjp(
      (x: Tensor) => ({ value: mul(x, mul(x, x)), residuals: x }),
      (x, ct) => [mul(ct, mul(3, mul(x, x)))],
    );
    expect(numbers((x) => grad((y: Tensor) => grad(cube)(y))(x), float([], [2]))).toEqual([[12]]);
  });
});

describe("remat", () => {
  const block = (x: Tensor, w: Tensor) => ops.tanh(ops.matmul(ops.exp(x), w));
  const x = float([2, 2], [0.1, -0.2, 0.3, 0.4]);
  const w = float([2, 2], [0.5, -0.4, 0.3, 0.2]);
  const twice = (f: typeof block) => (p: readonly Tensor[]) =>
    sum(ops.square(f(f(p[0] as Tensor, p[1] as Tensor), p[1] as Tensor)));

  test("gives the same values, gradients and gradients of gradients", () => {
    const all = (f: typeof block) =>
      numbers(
        (a, b) => {
          const { value, grads } = valueAndGrad(twice(f))([a, b]);
          const norm = (p: readonly Tensor[]) =>
            valueAndGrad(twice(f))(p).grads.reduce<Tensor>((n, g) => add(n, sum(ops.square(g))), ops.full([], 0));
          return [value, ...grads, ...valueAndGrad(norm)([a, b]).grads];
        },
        x,
        w,
      ).flat();
    const [plain, again] = [all(block), all(remat(block))];
    again.forEach((value, i) => {
      expect(value).toBeCloseTo(plain[i] as number, 12);
    });
  });

  test("computes the inside again in the backward pass", () => {
    const count = (f: typeof block) => {
      const [a, b] = [input(x), input(w)];
      const { value, grads } = valueAndGrad(twice(f))([a, b]);
      return reachable([value, ...grads]).filter((node) => node.primitive.name === "exp").length;
    };
    expect([count(block), count(remat(block))]).toEqual([2, 4]);
  });

  test("takes integer arguments and trees", () => {
    const pick = remat((p: { x: Tensor; n: Tensor }) => ({ y: mul(ops.gather(p.x, p.n), 2), n: p.n }));
    expect(numbers((a, n) => grad((y: Tensor) => sum(pick({ x: y, n }).y))(a), vector(1, 2), whole([3], [0, 0, 1]))).toEqual([
      [4, 2],
    ]);
  });
});

describe("scan", () => {
  test("refuses sequences of different lengths and carries that change", () => {
    const [a, b] = [input({ shape: [3], dtype: "float32" }), input({ shape: [2], dtype: "float32" })];
    expect(() => scan((h: Tensor, e: readonly Tensor[]) => [h, e], a, [a, b])).toThrow(
      "scan: expected every sequence to have 3 steps, got float32[2]",
    );
    expect(() =>
      scan((h: Tensor, x: Tensor) => [mul(h, ops.reshape(x, [1])), []], ops.reshape(ops.slice(b, { 0: { stop: 1 } }), []), a),
    ).toThrow("scan: expected the carry to stay float32[], got float32[1]");
    expect(() => scan((h: Tensor, _: readonly Tensor[]) => [h, []], a, [])).toThrow(ShapeError);
  });

  test("computes what does not depend on the step once, outside", () => {
    const [h0, w] = [input({ shape: [2], dtype: "float32" }), input({ shape: [2], dtype: "float32" })];
    const [end] = scan((h: Tensor, _: readonly Tensor[]) => [mul(h, ops.exp(w)), []], h0, [], { length: 3 });
    expect(reachable([end]).map((node) => node.primitive.name)).toContain("exp");
  });

  test("outputs keep the order of the inputs in reverse", () => {
    const [end, sums] = run(
      (xs) => scan((s: Tensor, x: Tensor) => [add(s, x), add(s, x)], ops.full([], 0), xs, { reverse: true }),
      vector(1, 2, 4),
    );
    expect([end?.data, sums?.data]).toEqual([Float64Array.of(7), Float64Array.of(7, 6, 4)]);
  });
});

describe("whileLoop", () => {
  test("wants a bool scalar", () => {
    const x = input({ shape: [2], dtype: "float32" });
    expect(() =>
      whileLoop(
        (s) => ops.less(s, 2),
        (s) => s,
        x,
        { limit: 3 },
      ),
    ).toThrow("whileLoop: expected the condition to be a bool scalar, got bool[2]");
  });
});
