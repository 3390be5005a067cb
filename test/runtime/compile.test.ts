/** Compiled functions: signatures, donated state, randomness, caching, on every device that works anywhere. */
import { describe, expect, it } from "vitest";
import { grad, type Tensor, type TracedKey } from "../../src/core/index.ts";
import { add, bernoulli, matmul, mean, mul, normal, randint, square, sub, sum, uniform } from "../../src/ops/index.ts";
import { compile, jit } from "../../src/runtime/index.ts";
import { type NdArray, ndarray } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";

const vector = (...values: number[]) => ndarray("float32", [values.length], values);

describe.each(["cpu", "wasm"] as const)("on %s", (device) => {
  it("trains: donated state is replaced at every step", async () => {
    const x = ndarray("float32", [4, 2], [1, 2, 3, 4, 5, 6, 7, 9]);
    const y = ndarray("float32", [4, 1], [5, 11, 17, 25]); // y = x · [1, 2]
    const loss = (w: Tensor, x: Tensor, y: Tensor) => mean(square(sub(matmul(x, w), y)));
    let w = ndarray("float32", [2, 1], [0, 0]);
    const step = await compile<[NdArray, NdArray, NdArray], [Tensor, Tensor]>(
      (w, x, y) => [sub(w, mul(grad(loss)(w, x, y), 0.01)), loss(w, x, y)],
      [w, x, y],
      { device, donate: [0] },
    );
    const losses: number[] = [];
    for (let i = 0; i < 200; i++) {
      const [next, value] = await step.run(w, x, y);
      w = next;
      losses.push(value.data[0] as number);
    }
    expect(losses[0]).toBeCloseTo((25 + 121 + 289 + 625) / 4);
    expect(losses.at(-1)).toBeLessThan(0.05);
    await step.dispose();
  });

  it("keeps two buffers where writing over the old state would be wrong", async () => {
    // The new state mixes elements of the old one.
    let state = ndarray("float32", [2, 2], [1, 2, 3, 4]);
    const step = await compile<[NdArray], [Tensor]>((s) => [matmul(s, s)], [state], { device, donate: [0] });
    for (let i = 0; i < 2; i++) [state] = await step.run(state);
    expect([...state.data]).toEqual([199, 290, 435, 634]); // the fourth power
    await step.dispose();
  });

  it("draws the same numbers for the same key, and others for another", async () => {
    const draws = await compile(
      (k: TracedKey) => ({
        a: normal(k.fold("a"), [64]),
        b: normal(k.fold("b"), [64]),
        again: normal(k.fold("a"), [64]),
        u: uniform(k, [64]),
        coin: bernoulli(k, 0.3, [64]),
        die: randint(k, 1, 7, [64]),
      }),
      [key(5)],
      { device },
    );
    const one = await draws.run(key(5));
    const same = await draws.run(key(5));
    const other = await draws.run(key(6));
    // Noise buffers are used again: results must not be views of them.
    expect([...one.a.data]).toEqual([...same.a.data]);
    expect([...one.a.data]).toEqual([...one.again.data]);
    expect([...one.a.data]).not.toEqual([...one.b.data]);
    expect([...one.a.data]).not.toEqual([...other.a.data]);
    expect([...one.die.data].every((v) => Number(v) >= 1 && Number(v) <= 6)).toBe(true);
    await draws.dispose();
  });
});

it("refuses arrays it was not compiled for, saying which", async () => {
  const f = await compile((t: { x: Tensor }) => sum(t.x), [{ x: vector(1, 2) }], { device: "cpu" });
  await expect(f.run({ x: vector(1, 2, 3) })).rejects.toMatchObject({
    code: "runtime/input",
    message: expect.stringContaining('expected float32[2] at "0.x", got float32[3]'),
  });
});

it("refuses an array that was given up to an earlier run", async () => {
  const old = vector(1, 2);
  const f = await compile<[NdArray], [Tensor]>((x) => [add(x, 1)], [old], { device: "cpu", donate: [0] });
  const [fresh] = await f.run(old);
  await expect(f.run(old)).rejects.toMatchObject({ code: "runtime/donated" });
  expect([...(await f.run(fresh))[0].data]).toEqual([3, 4]);
});

it("explains a donated argument without an output to replace it", async () => {
  await expect(compile((x: Tensor) => [sum(x)], [vector(1, 2)], { device: "cpu", donate: [0] })).rejects.toMatchObject({
    code: "compile/donate",
  });
});

it("compiles once per signature", async () => {
  let traced = 0;
  const f = jit<[NdArray], Tensor>(
    (x) => {
      traced++;
      return mul(x, 2);
    },
    { device: "cpu" },
  );
  expect([...(await f(vector(1))).data]).toEqual([2]);
  expect([...(await f(vector(3))).data]).toEqual([6]);
  expect([...(await f(vector(1, 2))).data]).toEqual([2, 4]);
  expect(traced).toBe(2);
});

it("names the device's problem", async () => {
  await expect(compile((x: Tensor) => x, [vector(1)], { device: "cuda" })).rejects.toMatchObject({ code: "runtime/load" });
});
