/** Beam search and sampling of sequences, on random toy models whose sequences can all be listed. */
import { describe, expect, it } from "vitest";
import type { Tensor, TracedKey } from "../../src/core/index.ts";
import {
  type BeamSearchOptions,
  beamSearch,
  type ReadToken,
  sampleSequences,
  type WrittenSequences,
} from "../../src/nn/index.ts";
import { add, arange, concat, gather, logSoftmax, mul, reshape } from "../../src/ops/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { type NdArray, ndarray, sizeOf } from "../../src/util/ndarray.ts";
import { fillNormal, fold, type Key, key } from "../../src/util/random.ts";

const [END, SOURCE, LONGEST] = [1, 3, 9];

/**
 * A model that knows its sentence, its place and its last two tokens: logits [B, U, V, V, V] and attention [B, U, V, V, T], by
 * sentence, place, token before and token.
 */
interface Toy {
  readonly vocabulary: number;
  readonly logits: NdArray;
  readonly attention: NdArray;
}

function toy(seed: number, batch: number, vocabulary: number, scale = 1.5): Toy {
  const drawn = (name: string, shape: readonly number[], by: number): NdArray => {
    const data = new Float32Array(sizeOf(shape));
    fillNormal(fold(key(seed), name), data);
    return { dtype: "float32", shape, data: data.map((value) => value * by) };
  };
  return {
    vocabulary,
    logits: drawn("logits", [batch, LONGEST, vocabulary, vocabulary, vocabulary], scale),
    attention: drawn("attention", [batch, LONGEST, vocabulary, vocabulary, SOURCE], 1),
  };
}

/** Its step in the graph; the memory is which sentence a row belongs to and the token before. */
function reader(vocabulary: number, logits: Tensor, attention?: Tensor): ReadToken<{ row: Tensor; before: Tensor }> {
  return ({ row, before }, token, n) => {
    const place = add(mul(add(mul(add(mul(row, LONGEST), n), vocabulary), before), vocabulary), token); // [R]
    const rows = (x: Tensor) => gather(reshape(x, [-1, x.shape[4] as number]), place);
    return {
      logProbabilities: logSoftmax(rows(logits)),
      memory: { row, before: token },
      ...(attention && { attention: rows(attention) }),
    };
  };
}

function memoryOf(batch: number, times: number): { row: Tensor; before: Tensor } {
  const row = reshape(add(reshape(arange(batch), [batch, 1]), mul(arange(times), 0)), [batch * times]);
  return { row, before: mul(row, 0) };
}

interface Found {
  readonly tokens: number[];
  readonly score: number;
  readonly attention: number[][];
}

/** What came out for sentence b, without what does not exist. */
function listed(out: Record<"tokens" | "lengths" | "scores", NdArray> & { attention?: NdArray }, b: number): Found[] {
  const [, beams, places] = out.tokens.shape as [number, number, number];
  return Array.from({ length: beams }, (_, k) => {
    const row = b * beams + k;
    const length = Number(out.lengths.data[row]);
    const all = Array.from(out.tokens.data.slice(row * places, (row + 1) * places), Number);
    expect(all.slice(length).every((token) => token === END)).toBe(true);
    const looked = Array.from({ length: places }, (_, n) =>
      Array.from(out.attention?.data.slice((row * places + n) * SOURCE, (row * places + n + 1) * SOURCE) ?? [], Number),
    );
    const ended = Math.min(length + 1, places);
    expect(
      looked
        .slice(ended)
        .flat()
        .every((value) => value === 0),
    ).toBe(true);
    return { tokens: all.slice(0, ended), score: Number(out.scores.data[row]), attention: looked.slice(0, ended) };
  }).filter(({ score }) => score > -1e8);
}

async function search(model: Toy, options: Omit<BeamSearchOptions, "batch" | "begin" | "end">): Promise<Found[][]> {
  const batch = model.logits.shape[0] as number;
  const run = (logits: Tensor, attention: Tensor): WrittenSequences =>
    beamSearch(reader(model.vocabulary, logits, attention), memoryOf(batch, options.beams), {
      batch,
      begin: 0,
      end: END,
      ...options,
    });
  const executable = await compile<[NdArray, NdArray], WrittenSequences>(run, [model.logits, model.attention], { device: "cpu" });
  const out = await executable.run(model.logits, model.attention);
  await executable.dispose();
  return Array.from({ length: batch }, (_, b) => listed(out as Parameters<typeof listed>[0], b));
}

/** Which row of a table is that after these tokens. */
function placeOf(vocabulary: number, b: number, tokens: readonly number[]): number {
  const [before, token] = [tokens.length > 1 ? tokens.at(-2) : 0, tokens.at(-1) ?? 0] as [number, number];
  return ((b * LONGEST + tokens.length) * vocabulary + before) * vocabulary + token;
}

/** The log-probabilities after these tokens, in float64. */
function logs({ vocabulary, logits }: Toy, b: number, tokens: readonly number[]): number[] {
  const from = placeOf(vocabulary, b, tokens) * vocabulary;
  const row = Array.from(logits.data.slice(from, from + vocabulary), Number);
  const total = Math.log(row.reduce((sum, value) => sum + Math.exp(value), 0));
  return row.map((value) => value - total);
}

/** Every sequence there is: those that end best first, then those that are cut off, best first. */
function exhaustive(model: Toy, b: number, places: number, alpha: number): Found[] {
  const { vocabulary } = model;
  const ended: Found[] = [];
  const cut: Found[] = [];
  const looked = (tokens: readonly number[]): number[] => {
    const from = placeOf(vocabulary, b, tokens) * SOURCE;
    return Array.from(model.attention.data.slice(from, from + SOURCE), Number);
  };
  const visit = (tokens: number[], log: number, attention: number[][]): void => {
    const steps = [...attention, looked(tokens)];
    logs(model, b, tokens).forEach((gain, next) => {
      const all = [...tokens, next];
      const score = (log + gain) / ((5 + all.length) / 6) ** alpha;
      if (next === END) ended.push({ tokens: all, score, attention: steps });
      else if (all.length === places) cut.push({ tokens: all, score, attention: steps });
      else visit(all, log + gain, steps);
    });
  };
  visit([], 0, []);
  const rank = (list: Found[]): Found[] => list.sort((one, other) => other.score - one.score);
  return [...rank(ended), ...rank(cut)];
}

/** Greedy search by hand. */
function greedy(model: Toy, b: number, places: number): number[] {
  const tokens: number[] = [];
  while (tokens.length < places && tokens.at(-1) !== END) {
    const row = logs(model, b, tokens);
    tokens.push(row.indexOf(Math.max(...row)));
  }
  return tokens;
}

function expectSame(found: Found[], expected: Found[]): void {
  expect(found.map(({ tokens }) => tokens)).toEqual(expected.map(({ tokens }) => tokens));
  found.forEach(({ score, attention }, i) => {
    expect(score).toBeCloseTo((expected[i] as Found).score, 4);
    expect(attention).toEqual((expected[i] as Found).attention);
  });
}

describe("beam search", () => {
  it.each([
    { seed: 1, vocabulary: 3, places: 4, alpha: 0 },
    { seed: 2, vocabulary: 4, places: 3, alpha: 0.6 },
    { seed: 3, vocabulary: 2, places: 5, alpha: 1 },
    { seed: 4, vocabulary: 4, places: 4, alpha: 2 },
    { seed: 5, vocabulary: 5, places: 1, alpha: 0.6 },
  ])("wide enough, finds all sequences in order (toy $seed)", async ({ seed, vocabulary, places, alpha }) => {
    const model = toy(seed, 2, vocabulary);
    const beams = vocabulary ** places;
    const found = await search(model, { beams, places, lengthPenalty: alpha });
    found.forEach((list, b) => {
      expectSame(list, exhaustive(model, b, places, alpha));
    });
  });

  it.each([1, 2, 3, 4, 5, 6, 7, 8])("with one beam is greedy search (toy %i)", async (seed) => {
    const model = toy(seed, 4, 6, 3);
    const found = await search(model, { beams: 1, places: 7 });
    found.forEach((list, b) => {
      expect(list.map(({ tokens }) => tokens)).toEqual([greedy(model, b, 7)]);
    });
  });

  it.each([1, 2, 3])("with few beams gives some sequences, best first, and where they looked (toy %i)", async (seed) => {
    const model = toy(seed, 3, 4);
    const found = await search(model, { beams: 3, places: 5, lengthPenalty: 0.6 });
    found.forEach((list, b) => {
      const all = exhaustive(model, b, 5, 0.6);
      expect(list).toHaveLength(3);
      const same = list.map(({ tokens }) => all.findIndex((other) => other.tokens.join() === tokens.join()));
      expect(new Set(same).size).toBe(3);
      expectSame(
        list,
        same.sort((x, y) => x - y).map((i) => all[i] as Found),
      );
    });
  });

  it("writes of each sentence what it would alone, however long the others go on", async () => {
    const batch = 4;
    const model = toy(9, batch, 6, 3);
    const together = await search(model, { beams: 2, places: 9 });
    expect(new Set(together.map((list) => list[0]?.tokens.length)).size).toBeGreaterThan(1);
    for (let b = 0; b < batch; b++) {
      const cut = (array: NdArray): NdArray => {
        const size = sizeOf(array.shape) / batch;
        return { ...array, shape: [1, ...array.shape.slice(1)], data: array.data.slice(b * size, (b + 1) * size) };
      };
      const alone = await search(
        { ...model, logits: cut(model.logits), attention: cut(model.attention) },
        { beams: 2, places: 9 },
      );
      expect(together[b]).toEqual(alone[0]);
    }
  });

  it("stops as soon as all sentences are done", async () => {
    // The end is nearly certain: with two beams, both have ended after two tokens.
    const model = toy(1, 1, 3, 0.1);
    for (let i = END; i < model.logits.data.length; i += 3) (model.logits.data as Float32Array)[i] = 10;
    const run = (logits: Tensor): { lengths: Tensor; steps: Tensor } => {
      const count = reader(3, logits);
      const read: ReadToken<{ row: Tensor; before: Tensor; steps: Tensor }> = ({ steps, ...memory }, token, n) => {
        const step = count(memory, token, n);
        return { ...step, memory: { ...step.memory, steps: add(steps, 1) }, attention: reshape(concat([steps], 0), [2, 1]) };
      };
      const memory = { ...memoryOf(1, 2), steps: mul(arange(2, "float32"), 0) };
      const out = beamSearch(read, memory, { batch: 1, beams: 2, places: LONGEST, begin: 0, end: END });
      return { lengths: out.lengths, steps: out.attention as Tensor };
    };
    const executable = await compile<[NdArray], ReturnType<typeof run>>(run, [model.logits], { device: "cpu" });
    const out = await executable.run(model.logits);
    await executable.dispose();
    expect(Array.from(out.lengths.data, Number)).toEqual([0, 1]);
    expect(Math.max(...Array.from(out.steps.data, Number))).toBe(1); // the second step was the last
  });

  it("starts each sentence with its own token", async () => {
    const model = toy(5, 1, 4);
    const twice = {
      ...model.logits,
      shape: [2, LONGEST, 4, 4, 4],
      data: Float32Array.from([...model.logits.data, ...model.logits.data] as number[]),
    };
    const run = (logits: Tensor, begin: Tensor): { tokens: Tensor } => ({
      tokens: beamSearch(reader(4, logits), memoryOf(2, 2), { batch: 2, beams: 2, places: 4, begin, end: END }).tokens,
    });
    const executable = await compile<[NdArray, NdArray], { tokens: Tensor }>(run, [twice, ndarray("int32", [2], [0, 0])], {
      device: "cpu",
    });
    const rows = async (begin: number[]): Promise<number[][]> => {
      const { tokens } = await executable.run(twice, ndarray("int32", [2], begin));
      return [Array.from(tokens.data.slice(0, 8), Number), Array.from(tokens.data.slice(8), Number)];
    };
    const [a, b] = [await rows([2, 3]), await rows([3, 2])];
    await executable.dispose();
    expect(a[0]).toEqual(b[1]);
    expect(a[1]).toEqual(b[0]);
    expect(a[0]).not.toEqual(a[1]);
  });

  it("says what does not fit", () => {
    const logits = mul(arange(3, "float32"), 1);
    const read: ReadToken<{ row: Tensor }> = (memory) => ({ logProbabilities: reshape(logits, [1, 3]), memory });
    const options = { batch: 1, beams: 2, places: 2, begin: 0, end: END };
    expect(() => beamSearch(read, { row: arange(2) }, options)).toThrow(
      "beamSearch: expected log-probabilities [2, V], got float32[1,3]",
    );
  });
});

describe("sampling of sequences", () => {
  async function draw(model: Toy, samples: number, sampling: object, seed = 0): Promise<Found[][]> {
    const batch = model.logits.shape[0] as number;
    const run = (logits: Tensor, attention: Tensor, random: TracedKey): WrittenSequences =>
      sampleSequences(reader(model.vocabulary, logits, attention), memoryOf(batch, samples), {
        batch,
        samples,
        places: 4,
        begin: 0,
        end: END,
        sampling,
        key: random,
      });
    const executable = await compile<[NdArray, NdArray, Key], WrittenSequences>(run, [model.logits, model.attention, key(0)], {
      device: "cpu",
    });
    const out = await executable.run(model.logits, model.attention, key(seed));
    await executable.dispose();
    return Array.from({ length: batch }, (_, b) => listed(out as Parameters<typeof listed>[0], b));
  }

  it("is greedy search at temperature 0", async () => {
    const model = toy(3, 3, 5, 3);
    const found = await draw(model, 2, { temperature: 0 });
    found.forEach((list, b) => {
      for (const { tokens } of list) expect(tokens).toEqual(greedy(model, b, 4));
    });
  });

  it("draws each sequence as often as it is likely, with its log-probability and where it looked", async () => {
    const model = toy(4, 2, 3);
    const samples = 4000;
    const found = await draw(model, samples, {});
    found.forEach((list, b) => {
      const all = new Map(exhaustive(model, b, 4, 0).map((one) => [one.tokens.join(), one]));
      const counts = new Map<string, number>();
      for (const one of list) {
        const name = one.tokens.join();
        counts.set(name, (counts.get(name) ?? 0) + 1);
        expect(one.score).toBeCloseTo(all.get(name)?.score as number, 4);
        expect(one.attention).toEqual(all.get(name)?.attention);
      }
      for (const [name, { score }] of all) {
        const chance = Math.exp(score);
        const deviation = Math.sqrt((chance * (1 - chance)) / samples);
        expect(Math.abs((counts.get(name) ?? 0) / samples - chance), name).toBeLessThan(4.5 * deviation);
      }
    });
  });

  it("keeps to the likeliest tokens where told, and to the seed", async () => {
    const model = toy(6, 1, 5, 1);
    const [one] = await draw(model, 50, { topK: 2 });
    for (const { tokens } of one as Found[]) {
      tokens.forEach((token, i) => {
        const row = logs(model, 0, tokens.slice(0, i));
        expect(row.filter((value) => value > (row[token] as number)).length).toBeLessThan(2);
      });
    }
    const [again] = await draw(model, 50, { topK: 2 });
    const [other] = await draw(model, 50, { topK: 2 }, 1);
    expect(again).toEqual(one);
    expect(other).not.toEqual(one);
  });
});
