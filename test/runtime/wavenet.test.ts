/** What a WaveNet must be whatever its numbers are: causal, the same with queues as without, steady over chunks, able to learn. */
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../src/core/index.ts";
import {
  type Conditions,
  checkConfig,
  dilationsOf,
  forward,
  init,
  loss,
  receptiveField,
  silence,
  type WaveNetConfig,
  type WaveNetParams,
  waveNetDefaults,
} from "../../src/models/wavenet.ts";
import {
  blockSize,
  chancesPerSample,
  emptyState,
  readState,
  type WaveNetState,
  write,
} from "../../src/models/wavenet-sampler.ts";
import { sampleToken, samplingDefaults } from "../../src/nn/sampling.ts";
import { adamw } from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import type { ObjectiveState } from "../../src/train/objective.ts";
import { compileStep } from "../../src/train/step.ts";
import { type NdArray, ndarray } from "../../src/util/ndarray.ts";
import { fillNormal, fillUniform, key, randint } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";

/** Queues shorter, equal to and longer than a turn of the sampler's outer loop. */
const small: WaveNetConfig = { ...waveNetDefaults, levels: 16, stacks: 2, depth: 6, residual: 6, skip: 10, mixtures: 3, hop: 8 };
const variants: Record<string, WaveNetConfig> = {
  "mu-law": small,
  "logistic mixture": { ...small, output: "logistic-mixture", levels: 64 },
  "mu-law, labels and frames": { ...small, labels: 3, features: 4 },
};
const batch = 2;

/** Random samples of a model: [B, T] */
function randomSamples({ output, levels }: WaveNetConfig, time: number, seed: number): NdArray {
  const ids = new Int32Array(batch * time);
  randint(key(seed), 0, levels, ids);
  if (output === "mu-law") return ndarray("int32", [batch, time], ids);
  return ndarray(
    "float32",
    [batch, time],
    Float32Array.from(ids, (id) => (2 * id) / (levels - 1) - 1),
  );
}

/** Random conditions of a model for so many samples. */
function randomConditions({ labels, features, hop }: WaveNetConfig, time: number): Conditions<NdArray> {
  const frames = new Float32Array(batch * (time / hop + 2) * features);
  fillNormal(key(7), frames);
  return {
    ...(labels > 0 && { labels: ndarray("int32", [batch], [2, 0]) }),
    ...(features > 0 && { frames: ndarray("float32", [batch, time / hop + 2, features], frames) }),
  };
}

/** The frames of a part of the samples, with one more on both sides. */
function part(config: WaveNetConfig, { labels, frames }: Conditions<NdArray>, from: number, to: number): Conditions<NdArray> {
  if (!frames) return { ...(labels && { labels }) };
  const [, count, width] = frames.shape as [number, number, number];
  const [first, last] = [from / config.hop, to / config.hop + 2];
  const rows = Array.from({ length: batch }, (_, b) => [
    ...(frames.data as Float32Array).subarray((b * count + first) * width, (b * count + last) * width),
  ]);
  return { ...(labels && { labels }), frames: ndarray("float32", [batch, last - first, width], rows.flat()) };
}

/** Two tones, each with the sample after each: [B, T] twice. */
function tones({ output, levels }: WaveNetConfig, time: number): { x: NdArray; y: NdArray } {
  const values = Array.from({ length: batch * (time + 1) }, (_, i) => Math.round(((1 + Math.sin(i * 0.7)) / 2) * (levels - 1)));
  const make = (from: number) => {
    const own = Array.from({ length: batch * time }, (_, i) => values[from + i + Math.floor(i / time)] as number);
    return output === "mu-law"
      ? ndarray("int32", [batch, time], own)
      : ndarray(
          "float32",
          [batch, time],
          own.map((id) => (2 * id) / (levels - 1) - 1),
        );
  };
  return { x: make(0), y: make(1) };
}

function chances(config: WaveNetConfig, count: number, seed = 3): NdArray {
  const draws = chancesPerSample(config);
  const data = new Float32Array(count * draws * batch);
  fillUniform(key(seed), data);
  return ndarray("float32", [count, draws, batch], data);
}

type Params = WaveNetParams<NdArray>;
type State = WaveNetState<NdArray>;

function compileForward(config: WaveNetConfig, params: Params, samples: NdArray, conditions: Conditions<NdArray>) {
  return compile<[Params, NdArray, Conditions<NdArray>], Tensor>(
    (p, x, given) => forward(config, p as unknown as WaveNetParams, x, given as Conditions),
    [params, samples, conditions],
    { device: "cpu" },
  );
}

async function runForward(config: WaveNetConfig, params: Params, samples: NdArray, conditions: Conditions<NdArray>) {
  const executable = await compileForward(config, params, samples, conditions);
  const out = await executable.run(params, samples, conditions);
  await executable.dispose();
  return out;
}

interface Written<Leaf = NdArray> {
  readonly samples: Leaf;
  readonly predictions: Leaf;
  readonly state: WaveNetState<Leaf>;
}

async function runWrite(
  config: WaveNetConfig,
  params: Params,
  state: State,
  chance: NdArray,
  { forced, temperature = 1, ...conditions }: Conditions<NdArray> & { forced?: NdArray; temperature?: number } = {},
): Promise<Written> {
  const args = { ...conditions, ...(forced && { forced }) };
  const executable = await compile<[Params, State, NdArray, typeof args], Written<Tensor>>(
    (p, s, c, given) =>
      write(config, p as unknown as WaveNetParams, s as unknown as WaveNetState, c, { ...(given as object), temperature }),
    [params, state, chance, args],
    { device: "cpu" },
  );
  const out = await executable.run(params, state, chance, args);
  await executable.dispose();
  return out as Written;
}

/** [B, T] → [T, B] */
function timeFirst({ dtype, shape, data }: NdArray): NdArray {
  const [rows, columns] = shape as [number, number];
  const values = Array.from({ length: rows * columns }, (_, i) => Number(data[(i % rows) * columns + Math.floor(i / rows)]));
  return ndarray(dtype, [columns, rows], values);
}

function largestGap(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let gap = 0;
  for (let i = 0; i < a.length; i++) gap = Math.max(gap, Math.abs((a[i] as number) - (b[i] as number)));
  return gap;
}

describe.each(Object.entries(variants))("%s", (_, config) => {
  const params = init(config, key(1));
  const time = 96;
  const samples = randomSamples(config, time, 1);
  const conditions = randomConditions(config, time);

  it("sees no future: whichever sample changes, all predictions before it stay alike, bit for bit", async () => {
    const length = 40;
    const clip = randomSamples(config, length, 2);
    const given = randomConditions(config, length);
    const model = await compileForward(config, params, clip, given);
    const before = (await model.run(params, clip, given)).data.slice();
    const width = before.length / (batch * length);
    for (let from = 0; from < length; from++) {
      const changed = { ...clip, data: clip.data.slice() };
      for (let b = 0; b < batch; b++) {
        const at = b * length + from;
        const value = Number(clip.data[at]);
        changed.data[at] = (config.output === "mu-law" ? (value + 5) % config.levels : -value) as never;
      }
      const after = (await model.run(params, changed, given)).data;
      for (let b = 0; b < batch; b++) {
        const cut = (b * length + from) * width;
        expect(after.subarray(b * length * width, cut)).toEqual(before.subarray(b * length * width, cut));
        expect(after.subarray(cut, cut + width)).not.toEqual(before.subarray(cut, cut + width));
      }
    }
    await model.dispose();
  });

  it("predicts with queues what it predicts without, at every position", async () => {
    const all = await runForward(config, params, samples, conditions);
    const width = all.shape[2] as number;
    // The sampler first reads silence, then sample after sample: its prediction t + 1 is the forward pass's prediction t.
    const forced = timeFirst(samples);
    const { predictions, samples: taken } = await runWrite(config, params, emptyState(config, batch), chances(config, time), {
      ...conditions,
      forced,
    });
    expect(taken.data).toEqual(forced.data);
    for (let b = 0; b < batch; b++) {
      const silent = config.output === "mu-law" ? "int32" : "float32";
      const shifted = [silence(config), ...(samples.data as Int32Array).subarray(b * time, (b + 1) * time - 1)];
      const both = ndarray(silent, [batch, time], [...shifted, ...shifted]);
      const same = {
        ...conditions,
        ...(conditions.labels && { labels: ndarray("int32", [batch], Array(batch).fill(conditions.labels.data[b])) }),
      };
      const expected = await runForward(config, params, both, same);
      for (let t = 0; t < time; t++) {
        const own = predictions.data.slice((t * batch + b) * width, (t * batch + b + 1) * width) as Float32Array;
        const row = (conditions.frames ? b : 0) * time + t;
        expect(largestGap(own, expected.data.slice(row * width, (row + 1) * width) as Float32Array)).toBeLessThan(1e-4);
      }
    }
  });

  it("goes on from a chunk, and from a clip that was read, as if it had never stopped", async () => {
    const chance = chances(config, time);
    const draws = chance.shape[1] as number;
    const cut = 32;
    const early = ndarray("float32", [cut, draws, batch], chance.data.slice(0, cut * draws * batch));
    const late = ndarray("float32", [time - cut, draws, batch], chance.data.slice(cut * draws * batch));
    const whole = await runWrite(config, params, emptyState(config, batch), chance, conditions);
    const first = await runWrite(config, params, emptyState(config, batch), early, part(config, conditions, 0, cut));
    const second = await runWrite(config, params, first.state, late, part(config, conditions, cut, time));
    expect([...first.samples.data, ...second.samples.data].map(Number)).toEqual([...whole.samples.data].map(Number));

    const clip = timeFirst(first.samples); // [T, B] → [B, T]
    const reader = await compile<[Params, NdArray, Conditions<NdArray>], WaveNetState>(
      (p, x, given) => readState(config, p as unknown as WaveNetParams, x, given as Conditions),
      [params, clip, part(config, conditions, 0, cut)],
      { device: "cpu" },
    );
    const read = (await reader.run(params, clip, part(config, conditions, 0, cut))) as State;
    await reader.dispose();
    expect(largestGap(read.near.data as Float32Array, first.state.near.data as Float32Array)).toBeLessThan(1e-4);
    read.far.forEach((queue, i) => {
      expect(largestGap(queue.data as Float32Array, first.state.far[i]?.data as Float32Array)).toBeLessThan(1e-4);
    });
    const continued = await runWrite(config, params, read, late, part(config, conditions, cut, time));
    expect([...continued.samples.data].map(Number)).toEqual([...second.samples.data].map(Number));
  });

  it("learns two tones by heart", async () => {
    const given = randomConditions(config, 48);
    const optimizer = adamw({ beta1: 0.9, beta2: 0.99, weightDecay: 0 });
    const start = init(config, key(2)) as unknown as Tree<NdArray>;
    let state: ObjectiveState = { params: start, optimizer: optimizer.init(start) };
    const data = { ...tones(config, 48), given };
    const step = await compileStep(
      {
        name: "model",
        loss: (p, { x, y, given: conditionsOf }) => ({
          loss: loss(config, p as unknown as WaveNetParams, x, y, conditionsOf as Conditions),
        }),
        optimizer,
        learningRate: () => 1e-2,
      },
      state,
      {},
      data,
      { accumulate: 1, averaging: 0, compile: { device: "cpu" } },
    );
    const losses: number[] = [];
    for (let i = 1; i <= 120; i++) {
      const { state: next, report } = await step.run(state, {}, data, { step: i, key: key(0) });
      state = next;
      losses.push(report.loss);
    }
    await step.dispose();
    expect(losses.at(-1)).toBeLessThan((losses[0] as number) * 0.5);
  });
});

it("draws what drawing from a full forward pass per sample draws", async () => {
  const params = init(small, key(1));
  const count = 2 * blockSize;
  const chance = chances(small, count, 9);
  const { samples } = await runWrite(small, params, emptyState(small, batch), chance);
  const clip = ndarray("int32", [batch, count], new Int32Array(batch * count).fill(silence(small)));
  const slow = await compileForward(small, params, clip, {});
  const pick = await compile<[NdArray, NdArray], Tensor>(
    (logits, c) => sampleToken(logits, c, undefined, samplingDefaults),
    [ndarray("float32", [batch, small.levels], new Float32Array(batch * small.levels)), ndarray("float32", [batch], [0, 0])],
    { device: "cpu" },
  );
  const written: number[] = [];
  for (let t = 0; t < count; t++) {
    const all = await slow.run(params, clip, {});
    const logits = Array.from({ length: batch }, (_, b) => [
      ...(all.data as Float32Array).subarray((b * count + t) * small.levels, (b * count + t + 1) * small.levels),
    ]).flat();
    const own = ndarray("float32", [batch], [...(chance.data as Float32Array).subarray(t * batch, (t + 1) * batch)]);
    const next = await pick.run(ndarray("float32", [batch, small.levels], logits), own);
    for (let b = 0; b < batch; b++) {
      written.push(Number(next.data[b]));
      if (t + 1 < count) clip.data[b * count + t + 1] = Number(next.data[b]);
    }
  }
  await slow.dispose();
  await pick.dispose();
  expect([...samples.data].map(Number)).toEqual(written);
});

it("writes samples on the grid of values, and the same ones at temperature 0 whatever the chances", async () => {
  const config = variants["logistic mixture"] as WaveNetConfig;
  const params = init(config, key(1));
  const drawn = await runWrite(config, params, emptyState(config, batch), chances(config, blockSize));
  for (const value of drawn.samples.data) {
    const step = ((Number(value) + 1) / 2) * (config.levels - 1);
    expect(Math.abs(step - Math.round(step))).toBeLessThan(1e-4);
  }
  const [a, b] = await Promise.all(
    [1, 2].map((seed) =>
      runWrite(config, params, emptyState(config, batch), chances(config, blockSize, seed), { temperature: 0 }),
    ),
  );
  expect(a?.samples.data).toEqual(b?.samples.data);
});

it("knows its dilations and how far it sees", () => {
  expect(dilationsOf({ stacks: 2, depth: 3 })).toEqual([1, 2, 4, 1, 2, 4]);
  expect(receptiveField({ stacks: 2, depth: 10 })).toBe(2047);
});

it("says what does not fit", () => {
  expect(() => checkConfig({ ...small, depth: 0 })).toThrow("expected depth to be a whole number from 1, got 0");
  expect(() => checkConfig({ ...small, depth: 30 })).toThrow("expected a depth up to 20, got 30");
  const labelled = variants["mu-law, labels and frames"] as WaveNetConfig;
  const params = init(labelled, key(1));
  const fails = (config: WaveNetConfig, time: number, given: Conditions<NdArray>) =>
    expect(compileForward(config, params, randomSamples(config, time, 1), given)).rejects;
  return Promise.all([
    fails(labelled, 16, {}).toThrow("expected labels from 0 to 2, got none"),
    fails(small, 16, randomConditions(labelled, 16)).toThrow("expected no labels"),
    fails(labelled, 17, randomConditions(labelled, 16)).toThrow("expected samples in whole frames of 8, got 17 samples"),
    fails(labelled, 24, randomConditions(labelled, 16)).toThrow(
      "expected frames [B, 5, 4] (one more before and after), got [2,4,4]",
    ),
  ]);
});
