/**
 * The diffusion process and its samplers, on data for which everything is known: numbers from a normal distribution N(μ, s²). There
 * the best guess of x0 and the exact way from noise to data are closed formulas.
 */
import { describe, expect, it } from "vitest";
import {
  checkConfig,
  clean,
  type DiffusionConfig,
  type Level,
  levelAt,
  levelsOf,
  pictureFrom,
  predicted,
} from "../../../src/models/diffusion.ts";
import { inversionOf, type Plan, type Sampler, tableOf, type Visit, visitsOf } from "../../../src/models/diffusion-samplers.ts";
import { init, unetDefaults } from "../../../src/models/unet.ts";
import { isNdArray } from "../../../src/util/ndarray.ts";
import { fillNormal, fold, key } from "../../../src/util/random.ts";
import { flatten } from "../../../src/util/tree.ts";

const [mu, s] = [0.3, 0.5];
const guess = (x: number, { alpha, sigma }: Level): number =>
  mu + ((alpha * s ** 2) / (alpha ** 2 * s ** 2 + sigma ** 2)) * (x - alpha * mu);
/** Where the noiseless way through x at a level ends. */
const exact = (x: number, { alpha, sigma }: Level): number =>
  mu + (s * (x - alpha * mu)) / Math.sqrt(alpha ** 2 * s ** 2 + sigma ** 2);

const linear = { schedule: "linear", timesteps: 1000 } as const;
const cosine = { schedule: "cosine", timesteps: 1000 } as const;
const flow = { schedule: "flow", timesteps: 1000 } as const;

function follow(visits: readonly Visit[], start: number, noise: (i: number) => number = () => 0): number {
  let [x, memory] = [start, 0];
  visits.forEach(({ at, x: [a, b, c, n], memory: [d, e, f] }, i) => {
    const x0 = guess(x, at);
    [x, memory] = [a * x + b * x0 + c * memory + n * noise(i), d * x + e * x0 + f * memory];
  });
  return x;
}
const errorOf = (process: typeof linear | typeof cosine | typeof flow, plan: Plan): number => {
  const start = -0.7;
  return Math.abs(follow(visitsOf(process, plan), start) - exact(start, levelAt(process, plan.from ?? 1)));
};

describe("the process", () => {
  it("has the moments of adding noise step by step", () => {
    for (const process of [linear, cosine]) {
      const levels = levelsOf(process);
      const bar = (t: number) => Math.cos(((t / 1000 + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
      let [mean, variance] = [1, 0];
      levels.forEach(({ alpha, sigma, time }, i) => {
        const beta = process === linear ? 1e-4 + (i * (0.02 - 1e-4)) / 999 : Math.min(0.999, 1 - bar(i + 1) / bar(i));
        [mean, variance] = [mean * Math.sqrt(1 - beta), variance * (1 - beta) + beta];
        expect(alpha).toBeCloseTo(mean, 10);
        expect(sigma ** 2).toBeCloseTo(variance, 10);
        expect(time).toBe(i);
      });
      expect(levels).toHaveLength(1000);
      expect(levels.at(-1)?.alpha).toBeLessThan(0.01);
    }
  });

  it("is as noisy at its end with fewer steps", () => {
    for (const timesteps of [50, 200]) expect(levelsOf({ ...linear, timesteps }).at(-1)?.alpha).toBeLessThan(0.01);
  });

  it("gives the picture back from every prediction", () => {
    const [x0, noise] = [0.4, -1.3];
    for (const level of [levelAt(linear, 0.3), levelAt(cosine, 0.8), levelAt(flow, 0.6)]) {
      for (const prediction of ["epsilon", "x0", "v", "velocity"] as const) {
        const { a, b } = predicted({ prediction }, level);
        const { ofX, ofF } = pictureFrom({ prediction }, level);
        const x = level.alpha * x0 + level.sigma * noise;
        expect(ofX * x + ofF * (a * x0 + b * noise)).toBeCloseTo(x0, 10);
      }
    }
    expect(pictureFrom({ prediction: "velocity" }, levelAt(flow, 1))).toEqual({ ofX: 1, ofF: -1 });
  });
});

describe.each([
  ["linear", linear],
  ["cosine", cosine],
  ["flow", flow],
] as const)("samplers on normal data, %s", (_, process) => {
  it("all land where the noiseless way ends, the better the more steps", () => {
    for (const sampler of ["ddim", "dpm++", "heun"] as const) {
      expect(errorOf(process, { sampler, steps: 200 }), sampler).toBeLessThan(sampler === "ddim" ? 0.02 : 0.003);
      // Ten times the steps: a tenth of the error in first order, a hundredth in second (less where times are rounded to steps).
      const gain = errorOf(process, { sampler, steps: 20 }) / errorOf(process, { sampler, steps: 200 });
      expect(gain, sampler).toBeGreaterThan(sampler === "ddim" ? 8 : 25);
    }
    expect(errorOf(process, { sampler: "heun", steps: 20 })).toBeLessThan(errorOf(process, { sampler: "ddim", steps: 40 }));
    expect(errorOf(process, { sampler: "dpm++", steps: 20 })).toBeLessThan(errorOf(process, { sampler: "ddim", steps: 20 }));
  });

  it("start anywhere on the way", () => {
    expect(errorOf(process, { sampler: "dpm++", steps: 100, from: 0.5 })).toBeLessThan(0.005);
  });

  it("the ancestral one and DDIM with η = 1 are one, and make data with the right moments, repeated steps too", () => {
    const plan = { sampler: "ancestral" as Sampler, steps: 250 };
    expect(visitsOf(process, { ...plan, sampler: "ddim", eta: 1 })).toEqual(visitsOf(process, plan));
    // Everything is linear: mean and variance follow exactly. Finite steps make the variance a little too small.
    const moments = (steps: number, repeats: number): [number, number] => {
      let [mean, variance] = [0, 1];
      for (const visit of visitsOf(process, { sampler: "ancestral", steps, repeats })) {
        const [a, b, , n] = visit.x;
        const slope = (guess(1, visit.at) - guess(0, visit.at)) * b + a;
        [mean, variance] = [slope * mean + guess(0, visit.at) * b, slope ** 2 * variance + n ** 2];
      }
      return [mean, Math.sqrt(variance)];
    };
    for (const repeats of [1, 3]) {
      expect(visitsOf(process, { ...plan, repeats })).toHaveLength(250 + 249 * (repeats - 1));
      const [few, many] = [moments(250, repeats), moments(1000, repeats)];
      expect(few[0]).toBeCloseTo(mu, 2);
      expect(few[1]).toBeCloseTo(s, 1);
      expect(Math.abs(many[1] - s)).toBeLessThan(Math.abs(few[1] - s) / 2);
    }
  });

  it("DDIM goes back to the noise that a number is made of, and again to the number", () => {
    const start = 0.9;
    const first = levelAt(process, 1e-3);
    const noise = follow(inversionOf(process, 500), first.alpha * start);
    expect(exact(noise, levelAt(process, 1))).toBeCloseTo(start, 1);
    const again = follow(visitsOf(process, { sampler: "ddim", steps: 500 }), noise);
    expect(Math.abs(again - start)).toBeLessThan(0.01);
  });
});

it("fresh noise is used where a sampler asks for it only", () => {
  const noise = new Float32Array(50);
  fillNormal(fold(key(1), "noise"), noise);
  const made = (plan: Plan) => [0, 1].map((k) => follow(visitsOf(linear, plan), 0.4, (i) => k * (noise[i] as number)));
  for (const sampler of ["ddim", "dpm++", "heun"] as const) {
    const [without, withNoise] = made({ sampler, steps: 25 });
    expect(withNoise).toBe(without);
  }
  const [without, withNoise] = made({ sampler: "ddim", steps: 25, eta: 0.5 });
  expect(withNoise).not.toBeCloseTo(without as number, 3);
});

it("a table holds what visits say, and zeros after", () => {
  const visits = visitsOf(flow, { sampler: "dpm++", steps: 3 });
  const { shape, data } = tableOf({ prediction: "velocity" }, visits, 5);
  expect(shape).toEqual([5, 12]);
  expect([...data.subarray(36)].every((value) => value === 0)).toBe(true);
  expect(Array.from({ length: 3 }, (_, i) => Math.round(Number(data[i * 12 + 11])))).toEqual([1000, 667, 333]);
  expect(data.every((value) => Number.isFinite(value as number))).toBe(true);
  expect(clean).toEqual({ alpha: 1, sigma: 0, time: 0 });
});

it("the benchmark's network has as many parameters as its counterpart in PyTorch", () => {
  const params = init({ ...unetDefaults, channels: 1, height: 32, width: 32 }, key(1));
  const counts = flatten(params, isNdArray).map(({ leaf }) => leaf.data.length);
  expect(counts.reduce((a, b) => a + b)).toBe(1_623_169);
});

it("refuses what does not fit", () => {
  expect(() => visitsOf({ ...linear, timesteps: 100 }, { sampler: "ddim", steps: 101 })).toThrow(/steps from 1 to 100, got 101/);
  const network = { ...unetDefaults, channels: 1, height: 8, width: 8 };
  const config: DiffusionConfig = {
    height: 8,
    width: 8,
    network,
    schedule: "linear",
    prediction: "v",
    timesteps: 1000,
    places: "uniform",
    minSnr: 0,
    unlabelled: 0,
  };
  expect(() => checkConfig(config)).not.toThrow();
  expect(() => checkConfig({ ...config, schedule: "flow", prediction: "epsilon" })).toThrow(
    /as the prediction of a flow, got epsilon/,
  );
  expect(() => checkConfig({ ...config, height: 9 })).toThrow(/canvas of at least 8 x 9, got 8 x 8/);
  expect(() => checkConfig({ ...config, network: { ...network, height: 10 } })).toThrow(/multiples of 4, got 8 x 10/);
  expect(() => checkConfig({ ...config, network: { ...network, base: 36 } })).toThrow(/multiple of the 8 groups, got 36/);
  expect(() => checkConfig({ ...config, network: { ...network, heads: 3 } })).toThrow(/3 heads divide, got 32/);
  expect(() => checkConfig({ ...config, unlabelled: 1 })).toThrow(/unlabelled from 0 to below 1/);
  expect(() => checkConfig({ ...config, places: "logit-normal" })).toThrow(/uniform without a flow/);
});
