/** What a variational autoencoder must be whatever its numbers are: bounds that hold, any size of picture, able to learn. */
import { describe, expect, it } from "vitest";
import type { Tensor, TracedKey } from "../../src/core/index.ts";
import {
  checkConfig,
  decode,
  divergence,
  draw,
  encode,
  evidenceBound,
  importanceBound,
  init,
  likelyHalvings,
  logProb,
  loss,
  type Posterior,
  picture,
  pyramid,
  reparameterise,
  type VaeBatch,
  type VaeConfig,
  type VaeParams,
  vaeDefaults,
} from "../../src/models/vae.ts";
import { complete, sample, type VaeSampling, vary } from "../../src/models/vae-sampler.ts";
import { add, exp, mean, mul, neg, normal, reshape, split, square, sub, sum } from "../../src/ops/index.ts";
import { adamw } from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import type { ObjectiveState } from "../../src/train/objective.ts";
import { compileStep } from "../../src/train/step.ts";
import { type NdArray, ndarray, scalar, sizeOf } from "../../src/util/ndarray.ts";
import { fillNormal, fillUniform, type Key, key } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";

const small: VaeConfig = { ...vaeDefaults, height: 8, width: 8, filters: 4, halvings: 1, latent: 3, hidden: 12 };
const variants: Record<string, VaeConfig> = {
  "binary, convolutions": small,
  "logistic, labels, odd sizes, RGB": { ...small, output: "logistic", channels: 3, height: 9, width: 7, classes: 3, layers: 1 },
  "gaussian, fully connected": { ...small, output: "gaussian", network: "mlp", layers: 2, height: 3, width: 5 },
};
const batch = 4;

function drawn(shape: readonly number[], seed: number, kind: "uniform" | "normal"): NdArray {
  const data = new Float32Array(sizeOf(shape));
  if (kind === "uniform") fillUniform(key(seed), data);
  else fillNormal(key(seed), data);
  return ndarray("float32", shape, data);
}

function pictures({ channels, height, width, classes }: VaeConfig, seed = 1): VaeBatch<NdArray> {
  const images = drawn([batch, channels, height, width], seed, "uniform");
  images.data.forEach((value, i) => {
    images.data[i] = Math.round(Number(value) * 255) / 255;
  });
  return {
    images,
    labels: ndarray(
      "int32",
      [batch],
      [0, 1, 2, 1].map((label) => Math.min(label, Math.max(0, classes - 1))),
    ),
  };
}

/** Runs a traced function once. */
async function run<Args extends readonly unknown[], Out>(fn: (...args: never[]) => unknown, ...args: Args): Promise<Out> {
  const executable = await compile<Args, never>(fn as never, args, { device: "cpu" });
  const out = await executable.run(...args);
  await executable.dispose();
  return out as Out;
}

const numbers = ({ data }: NdArray): number[] => [...data].map(Number);
const average = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

it("knows the KL divergence in closed form: that of a Monte Carlo estimate", async () => {
  const count = 200_000;
  const [mu, logVariance] = [
    [0.5, -1.2, 0],
    [-0.7, 0.4, -3],
  ];
  const posterior = {
    mean: ndarray("float32", [1, 3], mu as number[]),
    logVariance: ndarray("float32", [1, 3], logVariance as number[]),
  };
  const estimate = (q: Posterior, noise: Tensor) => {
    const z = reparameterise(q, noise);
    // log q(z) - log p(z), whose constants cancel
    const odds = mul(sub(square(z), add(mul(square(sub(z, q.mean)), exp(neg(q.logVariance))), q.logVariance)), 0.5);
    return { exact: divergence(q), mean: mean(odds, 0), squares: mean(square(odds), 0) };
  };
  const noise = drawn([count, 3], 5, "normal");
  const got = await run<[typeof posterior, NdArray], Record<string, NdArray>>(estimate, posterior, noise);
  const [exact, middle, squares] = [got.exact, got.mean, got.squares].map((x) => numbers(x as NdArray)) as [
    number[],
    number[],
    number[],
  ];
  exact.forEach((value, z) => {
    const error = Math.sqrt(((squares[z] as number) - (middle[z] as number) ** 2) / count);
    expect(Math.abs(value - (middle[z] as number))).toBeLessThan(4 * error);
    const [m, v] = [mu?.[z] as number, logVariance?.[z] as number];
    expect(value).toBeCloseTo(0.5 * (m * m + Math.exp(v) - 1 - v), 5);
    expect(error).toBeLessThan(0.01);
  });
});

/** A model of one pixel, to look at its distribution; with one latent, whose integral can be computed. */
const pixel: VaeConfig = { ...small, network: "mlp", layers: 1, height: 1, width: 1, latent: 1 };

it.each(["binary", "logistic"] as const)("gives all values of a pixel a probability of 1 in all: %s", async (output) => {
  const config: VaeConfig = { ...pixel, output };
  const values = output === "binary" ? [0, 1] : Array.from({ length: 256 }, (_, i) => i / 255);
  const images = ndarray("float32", [values.length, 1, 1, 1], values);
  for (const numbersOfPixel of [
    [0.3, -2],
    [-1.4, -4],
    [0.99, -6.5],
    [0, 1],
  ]) {
    const one = numbersOfPixel.slice(0, output === "binary" ? 1 : 2);
    const decoded = ndarray(
      "float32",
      [values.length, one.length, 1, 1],
      values.flatMap(() => one),
    );
    const logs = await run<[VaeParams<NdArray>, NdArray, NdArray], NdArray>(
      (p: VaeParams, d: Tensor, x: Tensor) => logProb(config, p, d, x),
      init(config, key(1)),
      decoded,
      images,
    );
    expect(numbers(logs).reduce((total, log) => total + Math.exp(log), 0)).toBeCloseTo(1, 4);
  }
});

it.each(["binary", "logistic", "gaussian"] as const)("draws pixels whose mean is the picture it shows: %s", async (output) => {
  const config: VaeConfig = { ...small, output };
  const start = init(config, key(1));
  const decoded = ndarray(
    "float32",
    [1, output === "logistic" ? 2 : 1, 100, 200],
    Array.from({ length: (output === "logistic" ? 2 : 1) * 20_000 }, (_, i) => (i < 20_000 ? 0.4 : -3)),
  );
  const { shown, made } = await run<[typeof start, NdArray, Key], { shown: NdArray; made: NdArray }>(
    (p: VaeParams, d: Tensor, k: TracedKey) => ({ shown: picture(config, d), made: draw(config, p, d, k) }),
    start,
    decoded,
    key(3),
  );
  expect(average(numbers(made))).toBeCloseTo(Number(shown.data[0]), 1.9);
  if (output === "binary") expect(new Set(numbers(made))).toEqual(new Set([0, 1]));
  expect(Math.min(...numbers(made))).toBeGreaterThanOrEqual(0);
  expect(Math.max(...numbers(made))).toBeLessThanOrEqual(1);
});

it("has bounds that rise with the number of latents to the likelihood itself", async () => {
  const config: VaeConfig = { ...pixel, output: "binary", height: 3, width: 3, classes: 2 };
  const start = init(config, key(4));
  // A decoder that says something, and an encoder that knows little of it.
  for (const { weight } of start.decoder.layers) weight.data.set(numbers(weight).map((value) => 4 * value) as never);
  const data = pictures(config);
  const bounds = async (latents: number, repeats: number) => {
    const sums = Array<number>(batch).fill(0);
    const executable = await compile<[typeof start, VaeBatch<NdArray>, NdArray], Record<string, Tensor>>(
      ((p: VaeParams, x: VaeBatch, noise: Tensor) => {
        const [first] = split(noise, latents, 0) as readonly Tensor[];
        const { reconstruction, divergence: kl } = evidenceBound(config, p, x, reshape(first as Tensor, [batch, 1]));
        return { elbo: sub(reconstruction, sum(kl, 1)), weighted: importanceBound(config, p, x, noise) };
      }) as never,
      [start, data, drawn([latents, batch, 1], 0, "normal")],
      { device: "cpu" },
    );
    const elbo = Array<number>(batch).fill(0);
    for (let i = 0; i < repeats; i++) {
      const got = (await executable.run(start, data, drawn([latents, batch, 1], i, "normal"))) as unknown as Record<
        string,
        NdArray
      >;
      for (let b = 0; b < batch; b++) {
        sums[b] = (sums[b] as number) + Number(got.weighted?.data[b]) / repeats;
        elbo[b] = (elbo[b] as number) + Number(got.elbo?.data[b]) / repeats;
      }
    }
    await executable.dispose();
    return { elbo, weighted: sums };
  };
  // log p(x) by summing p(x|z) p(z) over a fine grid of z.
  const grid = Array.from({ length: 4001 }, (_, i) => -8 + i * 0.004);
  const exact = await Promise.all(
    [0, 1, 2, 3].map(async (b) => {
      const [image, label] = [numbers(data.images).slice(9 * b, 9 * b + 9), Number(data.labels.data[b])];
      const logs = await run<[typeof start, NdArray, NdArray, NdArray], NdArray>(
        (p: VaeParams, z: Tensor, of: Tensor, x: Tensor) => logProb(config, p, decode(config, p, z, of), x),
        start,
        ndarray("float32", [grid.length, 1], grid),
        ndarray(
          "int32",
          [grid.length],
          grid.map(() => label),
        ),
        ndarray(
          "float32",
          [grid.length, 1, 3, 3],
          grid.flatMap(() => image),
        ),
      );
      const densities = numbers(logs).map((log, i) => Math.exp(log - (grid[i] as number) ** 2 / 2) / Math.sqrt(2 * Math.PI));
      return Math.log(densities.reduce((a, c) => a + c, 0) * 0.004);
    }),
  );
  const [one, few, many] = [await bounds(1, 400), await bounds(8, 400), await bounds(2000, 4)];
  exact.forEach((value, b) => {
    expect(one.weighted[b]).toBeCloseTo(one.elbo[b] as number, 0.7); // the same in expectation
    expect(few.weighted[b]).toBeGreaterThan(one.elbo[b] as number);
    expect(many.weighted[b]).toBeGreaterThan((few.weighted[b] as number) - 0.01);
    expect(many.weighted[b]).toBeCloseTo(value, 1.5);
    expect(one.elbo[b]).toBeLessThan(value);
  });
});

describe.each(Object.entries(variants))("%s", (_, config) => {
  const params = init(config, key(1));
  const data = pictures(config);
  const noise = drawn([batch, config.latent], 2, "normal");

  it("reads and writes pictures of its size", async () => {
    const { posterior, shown } = await run<
      [typeof params, typeof data, NdArray],
      { posterior: Posterior<NdArray>; shown: NdArray }
    >(
      (p: VaeParams, x: VaeBatch, z: Tensor) => ({
        posterior: encode(config, p, x),
        shown: picture(config, decode(config, p, z, x.labels)),
      }),
      params,
      data,
      noise,
    );
    expect([posterior.mean.shape, posterior.logVariance.shape]).toEqual([noise.shape, noise.shape]);
    expect(shown.shape).toEqual(data.images.shape);
  });

  it("learns four pictures by heart", async () => {
    const optimizer = adamw({ beta1: 0.9, beta2: 0.99, weightDecay: 0 });
    const start = init(config, key(2)) as unknown as Tree<NdArray>;
    let state: ObjectiveState = { params: start, optimizer: optimizer.init(start) };
    const step = await compileStep<VaeBatch<NdArray>>(
      {
        name: "model",
        loss: (p, x, k, at) => {
          const given = x as unknown as VaeBatch;
          const { loss: value, reconstruction, kl } = loss(config, p as unknown as VaeParams, given, normal(k, noise.shape), at);
          return { loss: value, metrics: { reconstruction, kl } };
        },
        optimizer,
        learningRate: () => 1e-2,
      },
      state,
      {},
      data,
      { accumulate: 1, averaging: 0, compile: { device: "cpu" } },
    );
    const seenLosses: number[] = [];
    for (let i = 1; i <= 150; i++) {
      const { state: next, report } = await step.run(state, {}, data, { step: i, key: key(i) });
      state = next;
      seenLosses.push(report.metrics.reconstruction as number);
    }
    await step.dispose();
    const [first, last] = [average(seenLosses.slice(0, 5)), average(seenLosses.slice(-5))];
    expect(last).toBeLessThan(first - 0.15 * Math.abs(first));
  });

  const at = (temperature: number): VaeSampling => ({ temperature });
  type Given = [typeof params, typeof data, NdArray, NdArray];
  const mask = ndarray(
    "float32",
    [batch, 1, config.height, config.width],
    Array.from({ length: batch * config.height * config.width }, (_unused, i) =>
      i % (config.height * config.width) < 2 * config.width ? 0 : 1,
    ),
  );

  it("varies pictures around their reconstructions, and makes parts anew without a look at what was there", async () => {
    const rounds = drawn([4, batch, config.latent], 9, "normal");
    const ways = (p: VaeParams, x: VaeBatch, part: Tensor, z: Tensor) => {
      const [first] = split(z, 4, 0) as readonly Tensor[];
      const one = reshape(first as Tensor, noise.shape);
      return {
        prior: sample(config, p, x.labels, one, at(1)),
        typical: sample(config, p, x.labels, one, at(0)),
        wild: vary(config, p, x, one, at(1)),
        same: vary(config, p, x, one, at(0)),
        remade: picture(config, decode(config, p, encode(config, p, x).mean, x.labels)),
        part: complete(config, p, x, part, z, at(1)),
      };
    };
    const got = await run<Given, Record<string, NdArray>>(ways, params, data, mask, rounds);
    const of = (name: string) => numbers(got[name] as NdArray);
    expect(of("same")).toEqual(of("remade"));
    expect(of("wild")).not.toEqual(of("same"));
    expect(of("prior")).not.toEqual(of("typical"));
    const covered = (i: number) => i % (config.height * config.width) >= 2 * config.width;
    const images = numbers(data.images);
    of("part").forEach((value, i) => {
      if (!covered(i)) expect(value).toBeCloseTo(images[i] as number, 6);
    });
    const other = { ...data, images: { ...data.images, data: data.images.data.slice() } };
    images.forEach((value, i) => {
      if (covered(i)) other.images.data[i] = 1 - value;
    });
    const again = await run<Given, Record<string, NdArray>>(ways, params, other, mask, rounds);
    expect(numbers(again.part as NdArray)).toEqual(of("part"));
    expect(numbers(again.wild as NdArray)).not.toEqual(of("wild"));
  });

  it("charges the divergence as told: beta, its warm-up, free bits", async () => {
    const parts = (own: Partial<VaeConfig>, step: number) =>
      run<[typeof params, typeof data, NdArray, NdArray], Record<string, NdArray>>(
        (p: VaeParams, x: VaeBatch, z: Tensor, s: Tensor) => loss({ ...config, ...own }, p, x, z, s),
        params,
        data,
        noise,
        scalar(step),
      );
    const value = (got: Record<string, NdArray>, name: string) => Number(got[name]?.data[0]);
    const charge = async (own: Partial<VaeConfig>, step = 1) => {
      const got = await parts(own, step);
      return { charged: value(got, "loss") - value(got, "reconstruction"), kl: value(got, "kl") };
    };
    const { kl, charged } = await charge({});
    const digits = -Math.log10(1e-6 * 1000); // differences of losses of hundreds
    expect(charged).toBeCloseTo(kl, digits);
    expect((await charge({ beta: 4 })).charged).toBeCloseTo(4 * kl, digits);
    expect((await charge({ beta: 4, betaWarmup: 8 }, 2)).charged).toBeCloseTo(kl, digits);
    expect((await charge({ beta: 4, betaWarmup: 8 }, 80)).charged).toBeCloseTo(4 * kl, digits);
    expect((await charge({ freeBits: 50 })).charged).toBeCloseTo(50 * config.latent, digits);
  });
});

it("knows its sizes, and says what does not fit", () => {
  expect(pyramid({ network: "conv", height: 28, width: 25, halvings: 3 })).toEqual([
    [28, 25],
    [14, 12],
    [7, 6],
    [3, 3],
  ]);
  expect([likelyHalvings(8, 8), likelyHalvings(28, 28), likelyHalvings(32, 32), likelyHalvings(3, 3)]).toEqual([1, 2, 3, 1]);
  expect(() => checkConfig({ ...small, latent: 0 })).toThrow("expected latent to be a whole number from 1, got 0");
  expect(() => checkConfig({ ...small, halvings: 4 })).toThrow(
    "expected halvings to be from 1 to 3 for pictures of 8 × 8, got 4",
  );
  expect(() => checkConfig({ ...small, height: 1 })).toThrow("expected network to be mlp for pictures of 8 × 1, got conv");
  expect(() => checkConfig({ ...small, network: "mlp" })).toThrow("expected layers to be a whole number from 1, got 0");
  expect(() => checkConfig({ ...small, beta: -1 })).toThrow("expected beta to be a number from 0, got -1");
});
