/** Networks for sequences: what must hold by construction, whatever the numbers. */
import { describe, expect, it } from "vitest";
import { isTensor, type Tensor, type TracedKey, valueAndGrad } from "../../src/core/index.ts";
import { gruNetwork, lstmNetwork, rnnNetwork } from "../../src/models/recurrent-network.ts";
import type { Encoded, SequenceNetwork } from "../../src/models/sequence-network.ts";
import { transformerNetwork } from "../../src/models/transformer-network.ts";
import { beamSearch, type TokenStep } from "../../src/nn/index.ts";
import {
  add,
  arange,
  cast,
  concat,
  equal,
  full,
  gather,
  lessEqual,
  logSoftmax,
  matmul,
  mul,
  reshape,
  slice,
  split,
  stack,
  sum,
  takeAlongAxis,
} from "../../src/ops/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { isNdArray, type NdArray, ndarray, sizeOf } from "../../src/util/ndarray.ts";
import { fillNormal, fold, type Key, key } from "../../src/util/random.ts";
import { flatten, mapTree, type Tree } from "../../src/util/tree.ts";

const [B, T, U, W] = [3, 5, 4, 8];

const small = { layers: 2, width: W, dropout: 0 };
const cases: Record<string, readonly [SequenceNetwork<never>, object]> = {
  transformer: [transformerNetwork, { ...small, heads: 2, hidden: 12 }],
  rnn: [rnnNetwork, { ...small, attention: "additive", activation: "tanh" }],
  "rnn, relu, no attention": [rnnNetwork, { ...small, attention: "none", activation: "relu" }],
  gru: [gruNetwork, { ...small, attention: "additive", layers: 3 }],
  "gru, one layer": [gruNetwork, { ...small, attention: "additive", layers: 1 }],
  "gru, one layer, no attention": [gruNetwork, { ...small, attention: "none", layers: 1 }],
  lstm: [lstmNetwork, { ...small, attention: "additive" }],
  "lstm, no attention": [lstmNetwork, { ...small, attention: "none" }],
} as unknown as Record<string, readonly [SequenceNetwork<never>, object]>;

function drawn(name: string, shape: readonly number[]): NdArray {
  const data = new Float32Array(sizeOf(shape));
  fillNormal(fold(key(5), name), data);
  return { dtype: "float32", shape, data };
}

const range = (count: number): number[] => Array.from({ length: count }, (_, i) => i);

/** Runs a function of arrays once. */
async function once<Out>(fn: (...args: never[]) => Out, ...args: (Tree<NdArray> | Key)[]): Promise<Map<string, NdArray>> {
  const executable = await compile(fn as (...args: unknown[]) => Out, args as Tree<NdArray>[], { device: "cpu" });
  const out = await executable.run(...(args as Tree<NdArray>[]));
  await executable.dispose();
  return new Map(flatten(out, isNdArray).map(({ path, leaf }) => [path, leaf as NdArray]));
}

/** The largest difference of what stands under two prefixes. */
function apart(found: ReadonlyMap<string, NdArray>, one: string, other: string): number {
  let [largest, compared] = [0, 0];
  for (const [path, { data, shape }] of found) {
    if (!path.startsWith(`${one}.`) && path !== one) continue;
    const twin = found.get(other + path.slice(one.length));
    expect(twin?.shape, path).toEqual(shape);
    data.forEach((value, i) => {
      const distance = Math.abs(Number(value) - Number(twin?.data[i]));
      largest = Number.isNaN(distance) ? Number.POSITIVE_INFINITY : Math.max(largest, distance);
      compared++;
    });
  }
  expect(compared).toBeGreaterThan(0);
  return largest;
}

/** A number that every element of a tree has a say in, each a different one. */
const total = (tree: unknown): Tensor =>
  flatten(tree, isTensor)
    .filter(({ leaf }) => leaf.dtype === "float32")
    .map(({ leaf }, i) => {
      const count = sizeOf(leaf.shape);
      const weights = add(mul(arange(count, "float32"), 0.1 / count), Math.sin(i + 1));
      return sum(mul(reshape(leaf, [count]), weights));
    })
    .reduce((a, b) => add(a, b));

const lengths = ndarray("int32", [B], [4, T, 2]);

describe.each(Object.entries(cases))("%s", (_, [network, given]) => {
  const config = given as never;
  // Twice as large as initially, so that gates open and attention has favourites.
  const larger = (tree: Tree<NdArray>): Tree<NdArray> =>
    mapTree(tree, isNdArray, (array: NdArray) => ({
      ...array,
      data: (array.data as Float32Array).map((v) => 2 * v),
    })) as Tree<NdArray>;
  const params = {
    encoder: larger(network.encoder.init(config, key(1))),
    reader: larger(network.decoder.init(config, key(2), true)),
    plain: larger(network.decoder.init(config, key(3), false)),
  };
  type Params = { encoder: Tree<Tensor>; reader: Tree<Tensor>; plain: Tree<Tensor> };
  const looks = (given as { attention?: string }).attention !== "none";
  const [x, y] = [drawn("x", [B, T, W]), drawn("y", [B, U, W])];

  it("has states of the width that goes in, and zeros where nothing counts", async () => {
    const found = await once(
      (p: Params, a: Tensor, b: Tensor, l: Tensor) => {
        const source = network.encoder.forward(config, p.encoder, a, l);
        return { source, out: network.decoder.forward(config, p.reader, b, source) };
      },
      params,
      x,
      y,
      lengths,
    );
    expect(network.width(config)).toBe(W);
    expect(found.get("source.states")?.shape).toEqual([B, T, W]);
    expect(found.get("source.summary")?.shape).toEqual([B, W]);
    expect(Array.from(found.get("source.lengths")?.data ?? [], Number)).toEqual([4, T, 2]);
    const states = found.get("source.states")?.data as Float32Array;
    for (const [b, t] of [
      [0, 4],
      [2, 2],
      [2, 3],
      [2, 4],
    ] as const) {
      expect(states.slice((b * T + t) * W, (b * T + t + 1) * W).every((value) => value === 0)).toBe(true);
    }
    expect(found.get("out.states")?.shape).toEqual([B, U, W]);
    expect(found.has("out.attention")).toBe(looks);
    if (!looks) return;
    const attention = found.get("out.attention") as NdArray;
    expect(attention.shape).toEqual([B, U, T]);
    for (let row = 0; row < B * U; row++) {
      const weights = Array.from(attention.data.slice(row * T, (row + 1) * T), Number);
      expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
      expect(weights.slice(Number(lengths.data[Math.floor(row / U)])).every((value) => value === 0)).toBe(true);
    }
  });

  it("does not see the padding of its source, nor do its gradients", async () => {
    const cut = 3;
    const one = drawn("x", [1, T, W]);
    const other = { ...one, data: (one.data as Float32Array).map((v, i) => (i < cut * W ? v : 30 * Math.cos(i))) };
    const compareAll = (p: Params, padded: Tensor, differently: Tensor, target: Tensor, l: Tensor) => {
      const way = (input: Tensor) => {
        const { grads, aux } = valueAndGrad((own: { encoder: Tree<Tensor>; reader: Tree<Tensor> }) => {
          const source = network.encoder.forward(config, own.encoder, input, l);
          const out = network.decoder.forward(config, own.reader, target, source);
          const seen = { states: slice(source.states, { 1: { stop: cut } }), summary: source.summary };
          return { loss: total({ seen, states: out.states }), aux: { seen, states: out.states } };
        })({ encoder: p.encoder, reader: p.reader });
        return { aux, grads };
      };
      return { cut: way(slice(padded, { 1: { stop: cut } })), masked: way(padded), otherwise: way(differently) };
    };
    const found = await once(compareAll, params, one, other, drawn("y", [1, U, W]), ndarray("int32", [1], [cut]));
    for (const part of ["aux", "grads"]) {
      expect(apart(found, `masked.${part}`, `otherwise.${part}`), part).toBe(0);
      expect(apart(found, `cut.${part}`, `masked.${part}`), part).toBeLessThan(2e-5);
    }
  });

  it("does not see what comes later in what it writes", async () => {
    const later = { ...y, data: (y.data as Float32Array).map((v, i) => (Math.floor(i / W) % U < 2 ? v : 30 * Math.cos(i))) };
    const found = await once(
      (p: Params, a: Tensor, b: Tensor, c: Tensor, l: Tensor) => {
        const source = network.encoder.forward(config, p.encoder, a, l);
        const way = (input: Tensor) => ({
          reader: slice(network.decoder.forward(config, p.reader, input, source).states, { 1: { stop: 2 } }),
          plain: slice(network.decoder.forward(config, p.plain, input).states, { 1: { stop: 2 } }),
          all: network.decoder.forward(config, p.reader, input, source).states,
        });
        return { one: way(b), other: way(c) };
      },
      params,
      x,
      y,
      later,
      lengths,
    );
    expect(apart(found, "one.reader", "other.reader")).toBe(0);
    expect(apart(found, "one.plain", "other.plain")).toBe(0);
    expect(apart(found, "one.all", "other.all")).toBeGreaterThan(0.01);
  });

  it("goes place by place as it goes over all at once, with and without a source, and in two ways about each source", async () => {
    const K = 2;
    const twice = drawn("two ways", [B * K, U, W]);
    const found = await once(
      (p: Params, a: Tensor, b: Tensor, l: Tensor) => {
        const source = network.encoder.forward(config, p.encoder, a, l);
        const rows = add(mul(reshape(arange(B), [B, 1]), 1), mul(arange(K), 0)); // [B, K]
        const repeated = (part: Tensor) => reshape(gather(part, reshape(rows, [B * K])), [B * K, ...part.shape.slice(1)]);
        const both: Encoded = {
          states: repeated(source.states),
          summary: repeated(source.summary),
          lengths: repeated(source.lengths),
        };
        const way = (own: Tree<Tensor>, from: Encoded | undefined) => {
          const start = network.decoder.start(config, own, { batch: B * K, places: U }, from);
          let memory = start.memory;
          const states: Tensor[] = [];
          const looked: Tensor[] = [];
          split(b, U, 1).forEach((now, n) => {
            const next = network.decoder.step(config, own, start.source, memory, reshape(now, [B * K, W]), full([], n, "int32"));
            states.push(next.state);
            if (next.attention) looked.push(next.attention);
            expect(flatten(next.memory, isTensor).map(({ path, leaf }) => [path, leaf.shape])).toEqual(
              flatten(memory, isTensor).map(({ path, leaf }) => [path, leaf.shape]),
            );
            memory = next.memory;
          });
          return { states: stack(states, 1), ...(looked.length > 0 && { attention: stack(looked, 1) }) };
        };
        return {
          steps: { reader: way(p.reader, source), plain: way(p.plain, undefined) },
          whole: {
            reader: network.decoder.forward(config, p.reader, b, both),
            plain: network.decoder.forward(config, p.plain, b),
          },
        };
      },
      params,
      x,
      twice,
      lengths,
    );
    expect(found.has("steps.reader.attention")).toBe(looks);
    expect(apart(found, "steps", "whole")).toBeLessThan(1e-5);
  });

  it("writes by beam search what it gives that probability, looking where it looked", async () => {
    const [V, K, end] = [6, 3, 1];
    const table = drawn("tokens", [V, W]);
    const step = (p: Params, vectors: Tensor, a: Tensor, l: Tensor) => {
      const source = network.encoder.forward(config, p.encoder, a, l);
      const start = network.decoder.start(config, p.reader, { batch: B * K, places: U }, source);
      // The end token is a likely one.
      const bias = cast(equal(arange(V), end), "float32");
      const scores = (states: Tensor) => logSoftmax(add(mul(matmul(states, vectors, { transposeB: true }), 0.3), bias));
      const read = (memory: Tree<Tensor>, token: Tensor, n: Tensor): TokenStep<Tree<Tensor>> => {
        const now = network.decoder.step(config, p.reader, start.source, memory, gather(vectors, token), n);
        return { logProbabilities: scores(now.state), memory: now.memory, attention: now.attention };
      };
      const written = beamSearch(read, start.memory, { batch: B, beams: K, places: U, begin: 0, end, lengthPenalty: 0 });
      // The k-th of all sentences at once, as in training: each token is read, and followed by the next.
      const again = range(K).map((k) => {
        const tokens = reshape(slice(written.tokens, { 1: { start: k, stop: k + 1 } }), [B, U]);
        const before = concat([full([B, 1], 0, "int32"), slice(tokens, { 1: { stop: U - 1 } })], 1);
        const out = network.decoder.forward(config, p.reader, gather(vectors, before), source);
        const gained = reshape(takeAlongAxis(scores(out.states), reshape(tokens, [B, U, 1])), [B, U]);
        const length = reshape(slice(written.lengths, { 1: { start: k, stop: k + 1 } }), [B, 1]);
        const counts = cast(lessEqual(arange(U), length), "float32"); // [B, U], with the end token
        return {
          scores: sum(mul(gained, counts), 1),
          ...(out.attention && { attention: mul(out.attention, reshape(counts, [B, U, 1])) }),
        };
      });
      const { scores: score, attention } = written;
      return {
        ...written,
        found: { scores: score, ...(attention && { attention }) },
        forward: {
          scores: stack(
            again.map((one) => one.scores),
            1,
          ),
          ...(attention && {
            attention: stack(
              again.map((one) => one.attention as Tensor),
              1,
            ),
          }),
        },
      };
    };
    const found = await once(step, params, table, x, lengths);
    expect(found.has("found.attention")).toBe(looks);
    expect(apart(found, "found", "forward")).toBeLessThan(2e-5);
    expect(new Set(Array.from(found.get("lengths")?.data ?? [], Number)).size).toBeGreaterThan(1);
  });

  it("drops activations in training only, by the key", async () => {
    const wet = { ...(given as object), dropout: 0.5 } as never;
    const found = await once(
      (p: Params, a: Tensor, b: Tensor, l: Tensor, one: TracedKey, two: TracedKey) => {
        const way = (random?: TracedKey) => {
          const source = network.encoder.forward(wet, p.encoder, a, l, { key: random?.fold("encoder") });
          const out = network.decoder.forward(wet, p.reader, b, source, { key: random?.fold("decoder") });
          return { source: source.states, out: out.states };
        };
        return { one: way(one), same: way(one), two: way(two), none: way(), twice: way() };
      },
      params,
      x,
      y,
      lengths,
      key(1),
      key(2),
    );
    expect(apart(found, "one", "same")).toBe(0);
    expect(apart(found, "none", "twice")).toBe(0);
    for (const part of ["source", "out"]) {
      expect(apart(found, `one.${part}`, `two.${part}`)).toBeGreaterThan(0.01);
      expect(apart(found, `one.${part}`, `none.${part}`)).toBeGreaterThan(0.01);
    }
  });

  it("says what does not fit", async () => {
    const check = (change: object) => () => network.check({ ...(given as object), ...change } as never);
    expect(check({})).not.toThrow();
    expect(check({ layers: 0 })).toThrow("expected layers to be a whole number above 0, got 0");
    expect(check({ dropout: 1 })).toThrow("expected dropout from 0 to below 1, got 1");
    expect(check({ width: 7 })).toThrow(/width.* got (width )?7/);
    const misuse = (p: Params, a: Tensor, b: Tensor, l: Tensor) => {
      const source = network.encoder.forward(config, p.encoder, a, l);
      expect(() => network.decoder.forward(config, p.reader, b)).toThrow("expected a source");
      expect(() => network.decoder.forward(config, p.plain, b, source)).toThrow("expected no source");
      expect(() => network.decoder.start(config, p.reader, { batch: B + 1, places: U }, source)).toThrow(
        "multiple of the 3 sources",
      );
      expect(() => network.encoder.forward(config, p.encoder, slice(a, { 2: { stop: 4 } }), l)).toThrow(
        `expected the encoder's input to be [B, places, ${W}], got float32[3,5,4]`,
      );
      return source.summary;
    };
    await once(misuse, params, x, y, lengths);
  });
});
