/** What a PixelCNN must be whatever its numbers are: causal, a distribution, the same row by row as at once, able to learn. */
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../src/core/index.ts";
import {
  checkConfig,
  forward,
  init,
  logProb,
  loss,
  nats,
  outputsOf,
  type PixelCnnConfig,
  type PixelCnnParams,
  pixelCnnDefaults,
} from "../../src/models/pixelcnn.ts";
import { drawRows, drawsPerPixel, emptyState, type PixelCnnState } from "../../src/models/pixelcnn-sampler.ts";
import { adamw } from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import type { ObjectiveState } from "../../src/train/objective.ts";
import { compileStep } from "../../src/train/step.ts";
import { type NdArray, ndarray } from "../../src/util/ndarray.ts";
import { fillUniform, key, randint } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";

const small: PixelCnnConfig = {
  ...pixelCnnDefaults,
  channels: 1,
  height: 6,
  width: 5,
  classes: 0,
  firstKernel: 5,
  depth: 2,
  features: 6,
  inner: 5,
  hidden: 8,
  mixtures: 3,
};
const variants: Record<string, PixelCnnConfig> = {
  "plain, binary": { ...small, stacks: "plain", output: "binary", levels: 2 },
  "plain, levels, RGB, wide kernels, classes": {
    ...small,
    stacks: "plain",
    levels: 5,
    channels: 3,
    kernel: 5,
    classes: 3,
    places: true,
  },
  "gated, binary, RGB": { ...small, output: "binary", levels: 2, channels: 3 },
  "gated, levels, wide kernels, classes": { ...small, levels: 7, kernel: 5, classes: 3, places: true },
  "gated, mixture, RGB, classes": { ...small, output: "logistic-mixture", levels: 256, channels: 3, classes: 3 },
};
const batch = 2;
type Params = PixelCnnParams<NdArray>;

/** Random pictures of a model's levels: [B, C, H, W] */
function randomPictures({ channels, height, width, levels }: PixelCnnConfig, seed: number): NdArray {
  const ids = new Int32Array(batch * channels * height * width);
  randint(key(seed), 0, levels, ids);
  const data = Float32Array.from(ids, (id) => id / (levels - 1));
  return ndarray("float32", [batch, channels, height, width], data);
}

const labelsOf = ({ classes }: PixelCnnConfig): { labels?: NdArray } =>
  classes > 0 ? { labels: ndarray("int32", [batch], [2, 0]) } : {};

function compileOn<Out>(
  fn: (params: PixelCnnParams, pictures: Tensor, given: { labels?: Tensor }) => Out,
  config: PixelCnnConfig,
  params: Params,
  pictures: NdArray,
) {
  return compile<[Params, NdArray, { labels?: NdArray }], Out>(
    (p, x, given) => fn(p as unknown as PixelCnnParams, x, given as { labels?: Tensor }),
    [params, pictures, labelsOf(config)],
    { device: "cpu" },
  );
}

async function run<Out>(
  fn: (params: PixelCnnParams, pictures: Tensor, given: { labels?: Tensor }) => Out,
  config: PixelCnnConfig,
  params: Params,
  pictures: NdArray,
) {
  const executable = await compileOn(fn, config, params, pictures);
  const out = await executable.run(params, pictures, labelsOf(config));
  await executable.dispose();
  return out;
}

const predict = (config: PixelCnnConfig, params: Params, pictures: NdArray) =>
  run((p, x, given) => forward(config, p, x, given), config, params, pictures);

/** [B, C, H, W] → [H, W, B, C] */
function pixelFirst({ shape, data }: NdArray): NdArray {
  const [B, C, H, W] = shape as [number, number, number, number];
  const out = new Float32Array(data.length);
  for (let b = 0; b < B; b++)
    for (let c = 0; c < C; c++)
      for (let at = 0; at < H * W; at++) out[(at * B + b) * C + c] = Number(data[(b * C + c) * H * W + at]);
  return ndarray("float32", [H, W, B, C], out);
}

function chances(config: PixelCnnConfig, seed = 3): NdArray {
  const shape = [config.height, config.width, drawsPerPixel(config), batch];
  const data = new Float32Array(shape.reduce((a, b) => a * b));
  fillUniform(key(seed), data);
  return ndarray("float32", shape, data);
}

/** Rows [from, to) of what lies row after row. */
function rows({ shape, data }: NdArray, from: number, to: number): NdArray {
  const size = data.length / (shape[0] as number);
  return ndarray("float32", [to - from, ...shape.slice(1)], data.slice(from * size, to * size) as Float32Array);
}

interface Drawn<Leaf = NdArray> {
  readonly pixels: Leaf;
  readonly predictions: Leaf;
  readonly state: PixelCnnState<Leaf>;
}

async function draw(
  config: PixelCnnConfig,
  params: Params,
  chance: NdArray,
  {
    state = emptyState(config, batch),
    given,
    temperature = 1,
  }: { state?: PixelCnnState<NdArray>; given?: { pixels: NdArray; anew: NdArray }; temperature?: number } = {},
): Promise<Drawn> {
  const args = { ...labelsOf(config), ...(given && { given }) };
  const executable = await compile<[Params, PixelCnnState<NdArray>, NdArray, typeof args], Drawn<Tensor>>(
    (p, s, c, more) =>
      drawRows(config, p as unknown as PixelCnnParams, s as unknown as PixelCnnState, c, { ...(more as object), temperature }),
    [params, state, chance, args],
    { device: "cpu" },
  );
  const out = await executable.run(params, state, chance, args);
  await executable.dispose();
  return out as Drawn;
}

const kept = (pixels: NdArray, anew: (y: number, x: number) => boolean): { pixels: NdArray; anew: NdArray } => {
  const [H, W, B] = pixels.shape as [number, number, number, number];
  const data = Float32Array.from({ length: H * W * B }, (_, i) => {
    const at = Math.floor(i / B);
    return anew(Math.floor(at / W), at % W) ? 1 : 0;
  });
  return { pixels, anew: ndarray("float32", [H, W, B, 1], data) };
};

function largestGap(a: ArrayLike<number>, b: ArrayLike<number>): number {
  expect(a.length).toBe(b.length);
  let gap = 0;
  for (let i = 0; i < a.length; i++) gap = Math.max(gap, Math.abs((a[i] as number) - (b[i] as number)));
  return gap;
}

describe.each(Object.entries(variants))("%s", (_, config) => {
  const params = init(config, key(1));
  const { channels: C, height: H, width: W, levels } = config;
  const pictures = randomPictures(config, 1);

  it("sees nothing that comes later: whichever colour of whichever pixel changes", async () => {
    const model = await compileOn((p, x, given) => forward(config, p, x, given), config, params, pictures);
    const before = await model.run(params, pictures, labelsOf(config));
    const outputs = before.shape[1] as number;
    const numbers = outputsOf(config);
    // Which numbers of a prediction concern the colours up to c: all of them where they are predicted together.
    const upTo = (c: number) => (numbers.length === 1 ? outputs : (c + 1) * (numbers[0] as number));
    for (let at = 0; at < C * H * W; at++) {
      const [c, place] = [Math.floor(at / (H * W)), at % (H * W)];
      const changed = { ...pictures, data: pictures.data.slice() };
      for (let b = 0; b < batch; b++) {
        const i = b * C * H * W + at;
        changed.data[i] = Number(pictures.data[i]) > 0.5 ? 0 : 1;
      }
      const after = await model.run(params, changed, labelsOf(config));
      let moved = false;
      for (let b = 0; b < batch; b++) {
        for (let o = 0; o < outputs; o++) {
          for (let other = 0; other < H * W; other++) {
            const i = (b * outputs + o) * H * W + other;
            const same = before.data[i] === after.data[i];
            if (other < place || (other === place && o < upTo(c))) expect(same).toBe(true);
            else if (!same) moved = true;
          }
        }
      }
      const last = place === H * W - 1 && (c === C - 1 || numbers.length === 1);
      expect(moved).toBe(!last);
    }
    await model.dispose();
  });

  it("predicts row by row what it predicts at once, at every pixel", async () => {
    const all = await predict(config, params, pictures);
    const outputs = all.shape[1] as number;
    const { pixels } = kept(pixelFirst(pictures), () => false);
    const { predictions, pixels: taken } = await draw(config, params, chances(config), {
      given: kept(pixels, () => false),
    });
    expect(taken.data).toEqual(pixels.data);
    const expected = pixelFirst(all);
    expect(expected.shape).toEqual([H, W, batch, outputs]);
    expect(largestGap(predictions.data as Float32Array, expected.data as Float32Array)).toBeLessThan(1e-5);
  });

  it("goes on from a chunk of rows as if it had never stopped, in the levels of the model", async () => {
    const chance = chances(config);
    const whole = await draw(config, params, chance);
    const early = await draw(config, params, rows(chance, 0, 2));
    const late = await draw(config, params, rows(chance, 2, H), { state: early.state });
    expect([...early.pixels.data, ...late.pixels.data].map(Number)).toEqual([...whole.pixels.data].map(Number));
    for (const value of whole.pixels.data) {
      expect(Number(value) * (levels - 1)).toBeCloseTo(Math.round(Number(value) * (levels - 1)), 4);
      expect(Number(value)).toBeGreaterThanOrEqual(0);
      expect(Number(value)).toBeLessThanOrEqual(1);
    }
    expect(new Set(Array.from(whole.pixels.data, Number)).size).toBeGreaterThan(1);
  });

  it("keeps given pixels, and draws those before them as if they were not there", async () => {
    const chance = chances(config);
    const given = pixelFirst(pictures);
    const free = await draw(config, params, chance);
    const middle = (y: number, x: number) => y !== 3 || x < 2;
    const { pixels } = await draw(config, params, chance, { given: kept(given, middle) });
    const from = (3 * W + 2) * batch * C;
    const to = 4 * W * batch * C;
    expect(pixels.data.slice(from, to)).toEqual(given.data.slice(from, to));
    expect(pixels.data.slice(0, from)).toEqual(free.pixels.data.slice(0, from));
  });

  it("takes the likeliest at temperature 0 whatever the chances", async () => {
    const made = await Promise.all([1, 2].map((seed) => draw(config, params, chances(config, seed), { temperature: 0 })));
    expect(made[0]?.pixels.data).toEqual(made[1]?.pixels.data);
  });

  it("learns two pictures by heart", async () => {
    const optimizer = adamw({ beta1: 0.9, beta2: 0.99, weightDecay: 0 });
    const start = init(config, key(2)) as unknown as Tree<NdArray>;
    let state: ObjectiveState = { params: start, optimizer: optimizer.init(start) };
    const data = { images: pictures, ...labelsOf(config) };
    const step = await compileStep(
      {
        name: "model",
        loss: (p, { images, labels }) => ({
          loss: loss(config, p as unknown as PixelCnnParams, images as Tensor, { labels: labels as Tensor | undefined }),
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
    for (let i = 1; i <= 200; i++) {
      const { state: next, report } = await step.run(state, {}, data, { step: i, key: key(0) });
      state = next;
      losses.push(report.loss);
    }
    await step.dispose();
    expect(losses.at(-1)).toBeLessThan((losses[0] as number) * 0.7);
  });
});

describe("probabilities", () => {
  /** Every picture that a model could draw. */
  function allPictures({ channels, height, width, levels }: PixelCnnConfig): NdArray {
    const size = channels * height * width;
    const count = levels ** size;
    const data = Float32Array.from({ length: count * size }, (_, i) => {
      const digit = Math.floor(Math.floor(i / size) / levels ** (i % size)) % levels;
      return digit / (levels - 1);
    });
    return ndarray("float32", [count, channels, height, width], data);
  }

  it.each(["plain", "gated"] as const)("%s: those of all pictures add up to 1", async (stacks) => {
    const tiny = { ...small, stacks, height: 2, width: 2, classes: 0 };
    const cases: PixelCnnConfig[] = [
      { ...tiny, output: "binary", levels: 2, width: 3 },
      { ...tiny, output: "categorical", levels: 3 },
      { ...tiny, output: "logistic-mixture", levels: 3 },
      { ...tiny, output: "logistic-mixture", levels: 2, channels: 3 },
      { ...tiny, output: "categorical", levels: 2, channels: 3 },
    ];
    for (const config of cases) {
      const params = init(config, key(5));
      const { data } = await run((p, x, given) => nats(config, p, x, given), config, params, allPictures(config));
      const total = Array.from(data as Float32Array).reduce((sum, value) => sum + Math.exp(-value), 0);
      expect(total).toBeCloseTo(1, 4);
    }
  });

  it("are exact for what quantising leaves: binary pixels are above one half or not", async () => {
    const config: PixelCnnConfig = { ...small, output: "binary", levels: 2 };
    const params = init(config, key(5));
    const grey = randomPictures({ ...config, levels: 256 }, 4);
    const bits = { ...grey, data: Float32Array.from(grey.data as Float32Array, (value) => (value > 0.5 ? 1 : 0)) };
    const own = await run((p, x) => nats(config, p, x), config, params, grey);
    const logs = await run((p, x) => logProb(config, forward(config, p, x), x), config, params, bits);
    for (let b = 0; b < batch; b++) {
      const size = config.height * config.width;
      const total = [...(logs.data as Float32Array).subarray(b * size, (b + 1) * size)].reduce((sum, value) => sum + value, 0);
      expect(Number(own.data[b])).toBeCloseTo(-total, 4);
    }
  });
});

it("has a blind spot with one stack and none with two", async () => {
  for (const stacks of ["plain", "gated"] as const) {
    const config: PixelCnnConfig = { ...small, stacks, height: 8, width: 9, firstKernel: 3, depth: 3 };
    const params = init(config, key(1));
    const pictures = randomPictures(config, 1);
    const model = await compileOn((p, x) => forward(config, p, x), config, params, pictures);
    const before = (await model.run(params, pictures, {})).data.slice();
    /** Whether the prediction in the middle of the last row but one depends on a pixel. */
    const sees = async (y: number, x: number): Promise<boolean> => {
      const changed = { ...pictures, data: pictures.data.slice() };
      changed.data[y * 9 + x] = 1 - Number(pictures.data[y * 9 + x]);
      const after = (await model.run(params, changed, {})).data;
      return Array.from({ length: 256 }, (_, o) => o * 72 + 6 * 9 + 4).some((i) => before[i] !== after[i]);
    };
    expect(await sees(5, 5)).toBe(true);
    expect(await sees(4, 6)).toBe(true);
    expect(await sees(5, 6)).toBe(stacks === "gated");
    expect(await sees(5, 7)).toBe(stacks === "gated");
    expect(await sees(6, 4)).toBe(false);
    await model.dispose();
  }
});

it("draws what drawing from a full pass per pixel draws", async () => {
  for (const name of ["plain, binary", "gated, binary, RGB"]) {
    const config = variants[name] as PixelCnnConfig;
    const { channels: C, height: H, width: W } = config;
    const params = init(config, key(1));
    const chance = chances(config, 9);
    const { pixels } = await draw(config, params, chance);
    const pictures = ndarray("float32", [batch, C, H, W], new Float32Array(batch * C * H * W));
    const slow = await compileOn((p, x) => forward(config, p, x), config, params, pictures);
    for (let at = 0; at < H * W; at++) {
      for (let c = 0; c < C; c++) {
        const { data } = await slow.run(params, pictures, {});
        for (let b = 0; b < batch; b++) {
          const i = (b * C + c) * H * W + at;
          const u = Number(chance.data[(at * C + c) * batch + b]);
          pictures.data[i] = u < 1 / (1 + Math.exp(-Number(data[i]))) ? 1 : 0;
        }
      }
    }
    await slow.dispose();
    expect(pixels.data).toEqual(pixelFirst(pictures).data);
  }
});

it("says what does not fit", () => {
  expect(() => checkConfig({ ...small, depth: 0 })).toThrow("expected depth to be a whole number from 1, got 0");
  expect(() => checkConfig({ ...small, kernel: 4 })).toThrow("expected kernel to be odd, got 4");
  expect(() => checkConfig({ ...small, output: "binary" })).toThrow("expected levels to be 2 where pixels are binary, got 256");
  expect(() => checkConfig({ ...small, levels: 300 })).toThrow("expected levels to be at most 256, got 300");
  const labelled = { ...small, classes: 3 };
  const params = init(labelled, key(1));
  return Promise.all([
    expect(run((p, x) => forward(labelled, p, x), labelled, params, randomPictures(labelled, 1))).rejects.toThrow(
      "expected labels from 0 to 2, got none",
    ),
    expect(run((p, x, given) => forward(small, p, x, given), labelled, params, randomPictures(small, 1))).rejects.toThrow(
      "expected no labels",
    ),
  ]);
});
