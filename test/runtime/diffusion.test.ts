/** Diffusion on ONNX Runtime: the compiled walk against single steps, given pictures, the bound, learning. */
import { afterAll, describe, expect, it } from "vitest";
import type { Tensor, TracedKey } from "../../src/core/index.ts";
import { boundOnNats, type DiffusionConfig, levelsOf, loss, predict, spreadPlaces } from "../../src/models/diffusion.ts";
import { inversionOf, type Plan, samplers, type Visit, visitsOf } from "../../src/models/diffusion-samplers.ts";
import { init, type UNetParams, unetDefaults } from "../../src/models/unet.ts";
import { adamw } from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { canvasShape, isFresh, noiseOf, openDiffusionSampler, openWalker } from "../../src/tasks/families/diffusion-sampler.ts";
import type { ObjectiveState } from "../../src/train/objective.ts";
import { flattenParameters } from "../../src/train/parameters.ts";
import { compileStep } from "../../src/train/step.ts";
import { type NdArray, ndarray } from "../../src/util/ndarray.ts";
import { fold, type Key, key } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";

const network = {
  ...unetDefaults,
  channels: 1,
  height: 4,
  width: 4,
  base: 4,
  mults: [1, 2],
  blocks: 1,
  attention: [],
  groups: 2,
};
const config: DiffusionConfig = {
  height: 3,
  width: 4,
  network: { ...network, classes: 2 },
  schedule: "cosine",
  prediction: "v",
  timesteps: 100,
  places: "uniform",
  minSnr: 0,
  unlabelled: 0.1,
};

/** Parameters none of which is 0, so that the network does something. */
function busy(own: DiffusionConfig): UNetParams<NdArray> {
  const params = init(own.network, key(1));
  let at = 0;
  for (const { data } of flattenParameters(params).values()) {
    const noise = noiseOf(fold(key(2), at++), [data.length]).data as Float32Array;
    noise.forEach((value, i) => {
      (data as Float32Array)[i] = Number(data[i]) + 0.2 * value;
    });
  }
  return params;
}
const tree = (params: UNetParams<NdArray>) => params as unknown as Tree<NdArray>;
const gap = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce(
    (most, value, i) => Math.max(most, Math.abs(value - (b[i] as number))),
    a.length === b.length ? 0 : Infinity,
  );
const numbers = ({ data }: NdArray) => data as Float32Array;

describe("the compiled walk", async () => {
  const count = 3;
  const params = busy(config);
  const shape = canvasShape(config, count);
  const start = noiseOf(fold(key(3), "start"), shape);
  const labels = ndarray("int32", [count], [0, 1, 0]);
  const asked = await compile<[UNetParams<NdArray>, NdArray, NdArray, NdArray], Tensor>(
    ((own: UNetParams, x: Tensor, times: Tensor, known: Tensor) => predict(config, own, x, times, known)) as never,
    [params, start, ndarray("float32", [count], [0, 0, 0]), labels],
    { device: "cpu" },
  );
  afterAll(() => asked.dispose());

  /** The same step by step, in JavaScript, with the network alone compiled. */
  async function stepped(visits: readonly Visit[], guidance: number, noise: Key): Promise<Float32Array> {
    const ask = async (x: Float32Array, time: number, known: NdArray) =>
      numbers(await asked.run(params, ndarray("float32", shape, x), ndarray("float32", [count], Array(count).fill(time)), known));
    const none = ndarray("int32", [count], Array(count).fill(config.network.classes));
    let [x, memory] = [Float32Array.from(numbers(start)), new Float32Array(start.data.length)];
    for (const [
      n,
      {
        at,
        x: [a, b, c, z],
        memory: [d, e, f],
      },
    ] of visits.entries()) {
      const told = await ask(x, at.time, labels);
      const untold = guidance === 1 ? told : await ask(x, at.time, none);
      const fresh = numbers(noiseOf(fold(noise, n), shape));
      const v = told.map((value, i) => (untold[i] as number) + guidance * (value - (untold[i] as number)));
      const x0 = x.map((value, i) => Math.max(-1, Math.min(1, at.alpha * value - at.sigma * (v[i] as number))));
      const next = x.map((value, i) => a * value + b * (x0[i] as number) + c * (memory[i] as number) + z * (fresh[i] as number));
      [x, memory] = [next, memory.map((value, i) => d * (x[i] as number) + e * (x0[i] as number) + f * value)];
    }
    return x;
  }

  it.each(samplers.flatMap((sampler) => [[sampler, 1] as const, [sampler, 2.5] as const]))(
    "is what single steps are: %s, guidance %s",
    async (sampler, guidance) => {
      const plan: Plan = { sampler, steps: 13 };
      const options = { count, given: false, fresh: isFresh(plan), guided: guidance !== 1, clip: true, device: "cpu" } as const;
      const walker = await openWalker(config, tree(params), options);
      const visits = visitsOf(config, plan);
      const journey = { params: tree(params), visits, start, labels, guidance, noise: fold(key(3), "fresh") };
      let whole = new Float32Array();
      for await (const { state } of walker.run(journey)) whole = Float32Array.from(numbers(state.x));
      expect(gap(whole, await stepped(visits, guidance, journey.noise))).toBeLessThan(2e-5);
      // Where chunks begin changes nothing at all.
      let parts = new Float32Array();
      for await (const { state } of walker.run(journey, [1, 2, 5, 11])) parts = Float32Array.from(numbers(state.x));
      expect(parts).toEqual(whole);
      await walker.dispose();
    },
  );

  it("makes the same pictures for the same seed, tells how far it is, and stops when asked", async () => {
    const settings = { sampler: "ddim", steps: 25, guidance: 1, strength: undefined, clip: true } as const;
    const sampler = await openDiffusionSampler(config, tree(params), settings, { count, given: false, device: "cpu" });
    const seen: number[] = [];
    const made = await sampler.run(tree(params), { seed: 5, labels, onProgress: (done) => seen.push(done) });
    expect(seen).toEqual([0.4, 0.8, 1]);
    expect(made.shape).toEqual([count, 1, 3, 4]);
    expect(numbers(made).every((value) => value >= 0 && value <= 1)).toBe(true);
    expect(await sampler.run(tree(params), { seed: 5, labels })).toEqual(made);
    expect(await sampler.run(tree(params), { seed: 6, labels })).not.toEqual(made);
    const stop = new AbortController();
    const stopped = sampler.run(tree(params), { seed: 5, labels, signal: stop.signal, onProgress: () => stop.abort() });
    await expect(stopped).rejects.toMatchObject({ name: "AbortError" });
    await sampler.dispose();
  });

  it("goes from pictures to noise and back by DDIM, the nearer the more steps", async () => {
    const own = { ...config, timesteps: 1000 };
    const options = { count, given: false, fresh: false, guided: false, clip: false, device: "cpu" } as const;
    const walker = await openWalker(own, tree(params), options);
    const end = async (visits: readonly Visit[], from: NdArray): Promise<NdArray> => {
      let x = from;
      const journey = { params: tree(params), visits, start: from, labels, guidance: 1, noise: key(0) };
      for await (const { state } of walker.run(journey)) x = state.x;
      return x;
    };
    const picture = ndarray(
      "float32",
      shape,
      Float32Array.from(numbers(start), (value) => Math.tanh(value)),
    );
    const error = async (steps: number): Promise<number> => {
      const noise = await end(inversionOf(own, steps), picture);
      expect(gap(numbers(noise), numbers(picture))).toBeGreaterThan(0.3);
      return gap(numbers(await end(visitsOf(own, { sampler: "ddim", steps }), noise)), numbers(picture));
    };
    const [few, many] = [await error(50), await error(500)];
    expect(many).toBeLessThan(few / 4);
    expect(many).toBeLessThan(0.03);
    await walker.dispose();
  });

  it("keeps what a mask does not cover, and changes a whole picture the more the stronger", async () => {
    const images = ndarray(
      "float32",
      [count, 1, 3, 4],
      Float32Array.from({ length: count * 12 }, (_, i) => (i % 5) / 5),
    );
    const mask = ndarray(
      "float32",
      [count, 1, 3, 4],
      Float32Array.from({ length: count * 12 }, (_, i) => (i % 4 < 2 ? 1 : 0)),
    );
    const ones = ndarray("float32", [count, 1, 3, 4], new Float32Array(count * 12).fill(1));
    const made = async (strength: number | undefined, own: NdArray, repeats = 1) => {
      const settings = { sampler: "ddim", steps: 12, guidance: 1, strength, clip: true, repeats } as const;
      const sampler = await openDiffusionSampler(config, tree(params), settings, { count, given: true, device: "cpu" });
      const out = await sampler.run(tree(params), { seed: 1, labels, given: { images, mask: own } });
      await sampler.dispose();
      return numbers(out);
    };
    for (const repeats of [1, 3]) {
      const filled = await made(undefined, mask, repeats);
      filled.forEach((value, i) => {
        if (i % 4 >= 2) expect(value).toBeCloseTo(numbers(images)[i] as number, 6);
      });
      expect(gap(filled, numbers(images))).toBeGreaterThan(0.05);
    }
    const distance = async (strength: number) =>
      (await made(strength, ones)).reduce((sum, value, i) => sum + Math.abs(value - (numbers(images)[i] as number)), 0);
    expect(await distance(0.05)).toBeLessThan(await distance(0.9));
  });

  it("says what cannot be guided", async () => {
    const settings = { sampler: "ddim", steps: 2, guidance: 2, strength: undefined, clip: true } as const;
    const opened = openDiffusionSampler({ ...config, unlabelled: 0 }, tree(params), settings, {
      count,
      given: false,
      device: "cpu",
    });
    await expect(opened).rejects.toThrow(/expected guidance 1 for this model, got 2/);
  });
});

describe("the bound", () => {
  it.each(["linear", "flow"] as const)("is the closed formula where the network always guesses grey: %s", async (schedule) => {
    const own: DiffusionConfig = { ...config, network, schedule, prediction: "x0", timesteps: 1000 };
    const count = 2000;
    const x0 = [0.2, -1, 1, -0.6, 0, 0, 0, 0, 0.8, 0.4, 0, 0, 0, 0, 0, 0].map(
      (value) => Math.round((value + 1) * 127.5) / 127.5 - 1,
    );
    const pictures = ndarray(
      "float32",
      [count, 1, 4, 4],
      Float32Array.from({ length: count * 16 }, (_, i) => x0[i % 16] as number),
    );
    const params = init(network, key(1)); // its last layer is 0, so F = x̂0 = 0
    const labels = ndarray("int32", [count], new Int32Array(count));
    const bound = (p: UNetParams, x: Tensor, l: Tensor, k: TracedKey) => boundOnNats(own, p, x, l, k);
    const args = [params, pictures, labels, key(4)] as const;
    const executable = await compile<typeof args, Tensor>(bound as never, args, { device: "cpu" });
    const nats = numbers(await executable.run(...args)).reduce((a, b) => a + b, 0) / count;
    await executable.dispose();

    const levels = levelsOf(own);
    const ratio = (i: number) => ((levels.at(i)?.alpha as number) / (levels.at(i)?.sigma as number)) ** 2;
    const squares = x0.reduce((sum, value) => sum + value ** 2, 0);
    const deviation = 1 / Math.sqrt(ratio(0));
    const density = (x: number) => Math.log(2 / 255 / (deviation * Math.sqrt(2 * Math.PI))) - x ** 2 / (2 * deviation ** 2);
    // Values next to 0 are within half a bin: their mass is the error function's; all others are so far out that density counts.
    const near = Math.log(
      0.5 *
        (erf((1 / 255 + (x0[4] as number)) / deviation / Math.SQRT2) -
          erf(((x0[4] as number) - 1 / 255) / deviation / Math.SQRT2)),
    );
    const told = x0.reduce((sum, x) => sum + (Math.abs(x) < 0.01 ? near : density(x)), 0);
    const { alpha, sigma } = levels.at(-1) as { alpha: number; sigma: number };
    const end = 0.5 * (alpha ** 2 * squares + 16 * (sigma ** 2 - 1 - 2 * Math.log(sigma)));
    const expected = 0.5 * (ratio(0) - ratio(-1)) * squares - told + end;
    expect(Math.abs(nats / expected - 1)).toBeLessThan(0.01);
  });
});

/** The error function by its series. */
function erf(x: number): number {
  let [term, sum] = [x, x];
  for (let n = 1; n < 60; n++) {
    term *= -(x * x) / n;
    sum += term / (2 * n + 1);
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

it("places are spread over the schedule, those of the first few too", async () => {
  const executable = await compile<[Key], Tensor>((k: TracedKey) => spreadPlaces(k, 128), [key(0)], { device: "cpu" });
  for (const seed of [1, 2]) {
    const places = [...numbers(await executable.run(key(seed)))];
    for (const count of [16, 51, 128]) {
      const tenths = Array.from({ length: 10 }, (_, i) => places.slice(0, count).filter((p) => Math.floor(10 * p) === i).length);
      expect(Math.min(...tenths)).toBeGreaterThanOrEqual(Math.floor(count / 10) - 1);
      expect(Math.max(...tenths)).toBeLessThanOrEqual(Math.ceil(count / 10) + 1);
    }
  }
  await executable.dispose();
});

it("learns a picture by heart", async () => {
  const own: DiffusionConfig = { ...config, network: { ...network, base: 8 }, height: 4, schedule: "flow", prediction: "x0" };
  const images = ndarray(
    "float32",
    [8, 1, 4, 4],
    Float32Array.from({ length: 128 }, (_, i) => ((i % 16) % 3) / 2),
  );
  const batch = { images, labels: ndarray("int32", [8], new Int32Array(8)) };
  const optimizer = adamw({ beta1: 0.9, beta2: 0.99, weightDecay: 0 });
  const params = tree(init(own.network, key(1)));
  const step = await compileStep<typeof batch>(
    {
      name: "model",
      loss: (p, b, k) => ({ loss: loss(own, p as unknown as UNetParams, b.images, b.labels, k) }),
      optimizer,
      learningRate: () => 1e-2,
    },
    { params, optimizer: optimizer.init(params) },
    {},
    batch,
    { accumulate: 1, averaging: 0, compile: { device: "cpu" } },
  );
  let state: ObjectiveState = { params, optimizer: optimizer.init(params) };
  const seen: number[] = [];
  for (let i = 1; i <= 60; i++) {
    const { state: next, report } = await step.run(state, {}, batch, { step: i, key: key(i) });
    state = next;
    seen.push(report.loss);
  }
  await step.dispose();
  expect(seen.at(-1)).toBeLessThan((seen[0] as number) / 50);
});
