/**
 * Draws have the moments of their distributions; a forecaster finds the process that made its series: its deviation, how fast the past
 * is forgotten, and so how the uncertainty grows.
 */
import { describe, expect, test } from "vitest";
import type { Tensor, TracedKey } from "../../src/core/index.ts";
import {
  type ForecasterConfig,
  type ForecasterParams,
  init,
  loss,
  samplePaths,
  type Windows,
} from "../../src/models/forecaster.ts";
import { gruNetwork, type RecurrentNetworkConfig } from "../../src/models/recurrent-network.ts";
import type { SequenceNetwork } from "../../src/models/sequence-network.ts";
import { type TransformerNetworkConfig, transformerNetwork } from "../../src/models/transformer-network.ts";
import { drawNegativeBinomial, drawNormal, drawStudentT, negativeBinomialNoise } from "../../src/nn/index.ts";
import { full, uniform } from "../../src/ops/index.ts";
import { adamw } from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import type { ObjectiveState } from "../../src/train/objective.ts";
import { compileStep } from "../../src/train/step.ts";
import { type NdArray, ndarray } from "../../src/util/ndarray.ts";
import { fillNormal, fillUniform, fold, type Key, key } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";

const count = 200_000;

async function drawn(numbers: number, draw: (noise: Tensor) => Tensor): Promise<Float32Array> {
  const executable = await compile<[Key], Tensor>((k) => draw(uniform(k as TracedKey, [count, numbers])), [key(5)], {
    device: "cpu",
  });
  const { data } = (await executable.run(key(5))) as NdArray;
  await executable.dispose();
  return data as Float32Array;
}

function moments(values: Float32Array): { mean: number; variance: number } {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return { mean, variance: values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length };
}

/** Standard errors that an estimate may be off by. */
const far = 4.5;

describe("draws", () => {
  test("normal", async () => {
    const { mean, variance } = moments(await drawn(2, drawNormal));
    expect(Math.abs(mean)).toBeLessThan(far / Math.sqrt(count));
    expect(Math.abs(variance - 1)).toBeLessThan(far * Math.sqrt(2 / count));
  });

  test("Student's t: median, quartiles and variance", async () => {
    const at = (value: number) => full([count], value);
    const values = (await drawn(2, (noise) => drawStudentT({ mean: at(3), scale: at(2), degrees: at(5) }, noise))).sort();
    const { variance } = moments(values);
    const quantile = (level: number) => values[Math.floor(level * count)] as number;
    expect(quantile(0.5)).toBeCloseTo(3, 1);
    expect(quantile(0.75)).toBeCloseTo(3 + 2 * 0.7267, 1); // scipy.stats.t(5).ppf(0.75)
    expect(quantile(0.99)).toBeCloseTo(3 + 2 * 3.3649, 0);
    expect(variance / (4 * (5 / 3))).toBeGreaterThan(0.94);
    expect(variance / (4 * (5 / 3))).toBeLessThan(1.06);
  });

  test.each([
    [0.3, 2],
    [3, 0.5],
    [11, 0.01],
    [60, 0.2],
    [4000, 0.001],
  ])("negative binomial of mean %d and dispersion %d", async (mean, dispersion) => {
    const at = (value: number) => full([count], value);
    const values = await drawn(negativeBinomialNoise, (noise) =>
      drawNegativeBinomial({ mean: at(mean), dispersion: at(dispersion) }, noise),
    );
    expect(values.every((value) => value >= 0 && Number.isInteger(value))).toBe(true);
    const variance = mean + dispersion * mean * mean;
    const got = moments(values);
    expect(Math.abs(got.mean - mean)).toBeLessThan(far * Math.sqrt(variance / count));
    expect(got.variance / variance).toBeGreaterThan(0.95);
    expect(got.variance / variance).toBeLessThan(1.05);
    const none = values.filter((value) => value === 0).length / count;
    const expected = (1 + dispersion * mean) ** (-1 / dispersion);
    expect(Math.abs(none - expected)).toBeLessThan(far * Math.sqrt((expected * (1 - expected)) / count) + 1e-9);
  });
});

/** x(t) = a x(t - 1) + e(t), e standard normal: each row its own series, long forgotten how it began. */
function autoregression(from: Key, rows: number, length: number, a: number): Float32Array {
  const noise = new Float32Array(rows * (length + 30));
  fillNormal(from, noise);
  const out = new Float32Array(rows * length);
  for (let r = 0; r < rows; r++) {
    let x = 0;
    for (let t = -30; t < length; t++) {
      x = a * x + (noise[r * (length + 30) + t + 30] as number);
      if (t >= 0) out[r * length + t] = x;
    }
  }
  return out;
}

type Batch = { readonly [Name in keyof Windows]: NdArray };

/** Trains on batches that `make` gives for each step. */
async function train<Config>(
  model: ForecasterConfig<Config>,
  steps: number,
  make: (step: number) => Batch,
): Promise<ForecasterParams<NdArray>> {
  const params = init(model, key(1)) as unknown as Tree<NdArray>;
  const optimizer = adamw({ weightDecay: 0 });
  let state: ObjectiveState = { params, optimizer: optimizer.init(params) };
  const step = await compileStep<Batch>(
    {
      name: "model",
      loss: (own, batch) => ({ loss: loss(model, own as never, batch as never) }),
      optimizer,
      learningRate: () => 5e-3,
      clip: 1,
    },
    state,
    {},
    make(0),
    { accumulate: 1, averaging: 0, compile: { device: "cpu" } },
  );
  for (let i = 1; i <= steps; i++) state = (await step.run(state, {}, make(i), { step: i, key: key(i) })).state;
  const copy = structuredClone(state.params) as unknown as ForecasterParams<NdArray>;
  await step.dispose();
  return copy;
}

const ones = (...shape: number[]) => ndarray("float32", shape, new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1));

describe("an autoregressive process is found again", () => {
  const [rows, read, ahead, a] = [32, 12, 6, 0.8];
  const batchOf = (values: Float32Array, width: number): Batch => {
    const batch = values.length / width;
    return {
      values: ndarray("float32", [batch, width], values),
      observed: ones(batch, width),
      features: ones(batch, read + ahead, 1),
      series: ndarray("int32", [batch], new Int32Array(batch)),
      scale: ones(batch),
    };
  };
  const recurrent: RecurrentNetworkConfig = { layers: 1, width: 16, attention: "none", dropout: 0 };
  const attending: TransformerNetworkConfig = { layers: 1, heads: 2, width: 16, hidden: 32, dropout: 0 };

  test.each([
    ["a GRU, gaussian", gruNetwork, recurrent, "gaussian"],
    ["a GRU, quantiles", gruNetwork, recurrent, "quantiles"],
    ["a Transformer, student-t", transformerNetwork, attending, "student-t"],
  ] as const)("by %s", async (_, network, config, distribution) => {
    const model: ForecasterConfig<unknown> = {
      network: network as unknown as SequenceNetwork<unknown>,
      config,
      distribution,
      series: 0,
      lags: [1, 2],
      features: 1,
    };
    const width = 2 + read + ahead;
    const params = await train(model, 300, (step) => batchOf(autoregression(fold(key(2), step), rows, width, a), width));
    const samples = 400;
    const past = autoregression(key(9), rows, 2 + read, a);
    const windows = batchOf(past, 2 + read);
    const sampler = await compile<[ForecasterParams<NdArray>, Batch, Key], Tensor>(
      ((own: ForecasterParams, given: Windows, k: TracedKey) => samplePaths(model, own, given, { key: k, samples })) as never,
      [params, windows, key(3)],
      { device: "cpu" },
    );
    const { shape, data } = (await sampler.run(params, windows, key(3))) as NdArray;
    await sampler.dispose();
    expect(shape).toEqual([rows, samples, ahead]);
    for (const h of [1, 3, 6]) {
      let error = 0;
      let spread = 0;
      for (let b = 0; b < rows; b++) {
        const values = Float32Array.from({ length: samples }, (__, s) => Number(data[(b * samples + s) * ahead + h - 1]));
        const { mean, variance } = moments(values);
        error += Math.abs(mean - a ** h * (past[(b + 1) * (2 + read) - 1] as number)) / rows;
        spread += variance / rows;
      }
      expect(error, `mean ${h} ahead`).toBeLessThan(0.25);
      const expected = (1 - a ** (2 * h)) / (1 - a * a);
      expect(spread / expected, `variance ${h} ahead`).toBeGreaterThan(0.8);
      expect(spread / expected, `variance ${h} ahead`).toBeLessThan(1.25);
    }
  });

  test("a wave is continued, values that are missing included", async () => {
    const model: ForecasterConfig<RecurrentNetworkConfig> = {
      network: gruNetwork,
      config: recurrent,
      distribution: "gaussian",
      series: 0,
      lags: [1, 2],
      features: 1,
    };
    const wave = (from: Key, count: number, length: number): Batch => {
      const phases = new Float32Array(count);
      fillUniform(from, phases);
      const values = new Float32Array(count * length);
      for (let b = 0; b < count; b++)
        for (let t = 0; t < length; t++) values[b * length + t] = Math.sin(2 * Math.PI * ((phases[b] as number) + t / 8));
      const batch = batchOf(values, length);
      for (let b = 0; b < count; b++) {
        (batch.observed.data as Float32Array)[b * length + 5] = 0;
        values[b * length + 5] = 0;
      }
      return { ...batch, values: ndarray("float32", [count, length], values) };
    };
    const width = 2 + read + ahead;
    const params = await train(model, 400, (step) => wave(fold(key(4), step), rows, width));
    const whole = wave(key(8), 4, width);
    const cut = new Float32Array(4 * (2 + read));
    for (let b = 0; b < 4; b++)
      cut.set((whole.values.data as Float32Array).subarray(b * width, b * width + 2 + read), b * (2 + read));
    const windows: Batch = { ...batchOf(cut, 2 + read), features: ones(4, read + ahead, 1) };
    const sampler = await compile<[ForecasterParams<NdArray>, Batch, Key], Tensor>(
      ((own: ForecasterParams, given: Windows, k: TracedKey) => samplePaths(model, own, given, { key: k, samples: 50 })) as never,
      [params, windows, key(3)],
      { device: "cpu" },
    );
    const { data } = (await sampler.run(params, windows, key(3))) as NdArray;
    await sampler.dispose();
    for (let b = 0; b < 4; b++)
      for (let h = 0; h < ahead; h++) {
        let mean = 0;
        for (let s = 0; s < 50; s++) mean += Number(data[(b * 50 + s) * ahead + h]) / 50;
        expect(Math.abs(mean - Number(whole.values.data[b * width + 2 + read + h]))).toBeLessThan(0.2);
      }
  });
});
