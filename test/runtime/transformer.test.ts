/** What a Transformer must be whatever its numbers are: causal, able to learn, reproducible, steady in memory, clear when misused. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { grad, remat, type Tensor, type TracedKey } from "../../src/core/index.ts";
import {
  checkConfig,
  forward,
  init,
  type TransformerConfig,
  type TransformerParams,
  transformer,
  transformerDefaults,
} from "../../src/models/transformer.ts";
import { crossEntropy } from "../../src/nn/losses.ts";
import { adamw } from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import type { ObjectiveState } from "../../src/train/objective.ts";
import { flattenParameters } from "../../src/train/parameters.ts";
import { compileStep } from "../../src/train/step.ts";
import { type NdArray, ndarray, type Shape, sizeOf } from "../../src/util/ndarray.ts";
import { fold, key, randint } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";

const small: TransformerConfig = {
  ...transformerDefaults,
  vocabulary: 29,
  context: 16,
  layers: 2,
  width: 32,
  hidden: 64,
};
const variants: Record<string, TransformerConfig> = {
  "learned positions, LayerNorm, GELU": small,
  "rotary positions, RMSNorm, SwiGLU, grouped queries": {
    ...small,
    positions: "rotary",
    norm: "rms",
    activation: "swiglu",
    keyValueHeads: 2,
    tied: false,
  },
};

function randomTokens(shape: Shape, seed: number): NdArray {
  const data = new Int32Array(sizeOf(shape));
  randint(key(seed), 0, small.vocabulary, data);
  return { dtype: "int32", shape, data };
}

const bits = ({ data }: NdArray) => new Int32Array(data.buffer, data.byteOffset, data.length);

describe.each(Object.entries(variants))("%s", (_, config) => {
  const params = init(config, key(1));

  it.each(["cpu", "wasm"] as const)(
    "sees no future on %s: changing it leaves earlier scores alike, bit for bit",
    async (device) => {
      const [batch, time] = [2, 12];
      const tokens = randomTokens([batch, time], 1);
      const model = await compile<[TransformerParams<NdArray>, NdArray], Tensor>(
        (p, x) => forward(config, p as unknown as TransformerParams, x),
        [params, tokens],
        { device },
      );
      const before = bits(await model.run(params, tokens)).slice();
      for (const from of [1, 5, 11]) {
        const changed = (tokens.data as Int32Array).map((token, i) =>
          i % time < from ? token : (token + 7) % config.vocabulary,
        );
        const after = bits(await model.run(params, ndarray("int32", [batch, time], changed)));
        for (let row = 0; row < batch; row++) {
          const [start, cut, end] = [0, from, time].map((t) => (row * time + t) * config.vocabulary) as [number, number, number];
          expect(after.subarray(start, cut)).toEqual(before.subarray(start, cut));
          expect(after.subarray(cut, end)).not.toEqual(before.subarray(cut, end));
        }
      }
      await model.dispose();
    },
  );

  it("gives the same scores whatever else is in the batch", async () => {
    const run = async (tokens: NdArray) => {
      const model = await compile<[TransformerParams<NdArray>, NdArray], Tensor>(
        (p, x) => forward(config, p as unknown as TransformerParams, x),
        [params, tokens],
        { device: "cpu" },
      );
      const { data } = await model.run(params, tokens);
      await model.dispose();
      return data as Float32Array;
    };
    const many = randomTokens([3, 9], 2);
    const alone = await run(ndarray("int32", [1, 9], many.data.slice(9, 18) as Int32Array));
    const together = (await run(many)).subarray(alone.length, 2 * alone.length);
    expect(Math.max(...alone.map((value, i) => Math.abs(value - (together[i] as number))))).toBeLessThan(1e-5);
  });

  it("learns one batch by heart", async () => {
    const { losses } = await train(config, { steps: 120, batch: randomTokens([4, config.context + 1], 3) });
    expect(losses[0]).toBeGreaterThan(0.8 * Math.log(config.vocabulary));
    expect(losses.at(-1)).toBeLessThan(0.05);
  });
});

interface Training {
  readonly steps: number;
  readonly batch: NdArray;
  readonly onStep?: (step: number) => void;
}

/** Trains on one batch of tokens [B, T + 1] again and again. */
async function train(config: TransformerConfig, { steps, batch, onStep }: Training): Promise<{ losses: number[] }> {
  const [rows, length] = batch.shape as [number, number];
  const part = (from: number) => {
    const data = batch.data.filter((_, i) => i % length >= from && i % length < from + length - 1) as Int32Array;
    return ndarray("int32", [rows, length - 1], data);
  };
  const example = { x: part(0), y: part(1) };
  const params = transformer.init(config, key(2));
  const optimizer = adamw({ beta2: 0.99 });
  let state: ObjectiveState = { params, optimizer: optimizer.init(params) };
  const step = await compileStep<typeof example>(
    {
      name: "next token",
      loss: (p, { x, y }, random) => ({ loss: crossEntropy(transformer.forward(config, p, x, { key: random }), y) }),
      optimizer,
      learningRate: () => 5e-3,
      clip: 1,
    },
    state,
    {},
    example,
    { accumulate: 1, averaging: 0, compile: { device: "cpu" } },
  );
  const losses: number[] = [];
  for (let n = 1; n <= steps; n++) {
    const { state: next, report } = await step.run(state, {}, example, { step: n, key: fold(key(3), n) });
    state = next;
    losses.push(report.loss);
    onStep?.(n);
  }
  await step.dispose();
  return { losses };
}

it("grows by nothing while it trains", async () => {
  const config = { ...small, width: 64, hidden: 256, dropout: 0.1 };
  const megabytes: number[] = [];
  await train(config, {
    steps: 300,
    batch: randomTokens([8, config.context + 1], 4),
    onStep: (step) => step % 50 === 0 && megabytes.push(process.memoryUsage().rss / 2 ** 20),
  });
  // One step's activations are about 5 MB: 200 steps that kept a hundredth of them would show.
  const settled = megabytes[1] as number;
  expect(Math.min(...megabytes.slice(2)) - settled, `RSS in MB every 50 steps: ${megabytes.map(Math.round)}`).toBeLessThan(8);
});

describe("dropout", () => {
  const config = { ...small, dropout: 0.3 };
  const params = init(config, key(1));
  const tokens = randomTokens([2, 16], 5);
  const compiled = () =>
    compile(
      (p: Tree<Tensor>, x: Tensor, random: TracedKey) => ({
        trained: transformer.forward(config, p, x, { key: random }),
        used: transformer.forward(config, p, x),
      }),
      [params as unknown as Tree<NdArray>, tokens, key(0)] as const,
      { device: "cpu" },
    );

  it("draws the same masks for the same key, others for another, none without one", async () => {
    const model = await compiled();
    const run = (seed: number) => model.run(params as unknown as Tree<NdArray>, tokens, key(seed));
    const [a, again, b] = [await run(1), await run(1), await run(2)];
    await model.dispose();
    expect(bits(again.trained)).toEqual(bits(a.trained));
    expect(bits(b.trained)).not.toEqual(bits(a.trained));
    expect(bits(b.used)).toEqual(bits(a.used));
    expect(bits(a.used)).not.toEqual(bits(a.trained));
  });

  it("draws masks that differ from layer to layer and step to step", async () => {
    // With all masks alike, two blocks of equal parameters would drop the same places; the count of distinct draws says no.
    const model = await compiled();
    const inputs = new TextDecoder("latin1").decode(model.model).match(/random_\d+/g) ?? [];
    await model.dispose();
    expect(new Set(inputs).size).toBe(1 + 2 * config.layers); // the embedding, and two a block
  });
});

describe("remat", () => {
  it("gives the same gradients", async () => {
    const config = { ...small, layers: 1 };
    const params = init(config, key(1));
    const tokens = randomTokens([2, 16], 6);
    const loss = (score: typeof forward) => (p: TransformerParams, x: Tensor) => crossEntropy(score(config, p, x), x);
    const again: typeof forward = (c, p, x) => remat((q: TransformerParams, y: Tensor) => forward(c, q, y))(p, x);
    const both = await compile<[TransformerParams<NdArray>, NdArray], Record<"kept" | "again", TransformerParams>>(
      (p, x) => ({
        kept: grad(loss(forward))(p as unknown as TransformerParams, x) as TransformerParams,
        again: grad(loss(again))(p as unknown as TransformerParams, x) as TransformerParams,
      }),
      [params, tokens],
      { device: "cpu" },
    );
    const got = await both.run(params, tokens);
    await both.dispose();
    const [kept, recomputed] = [flattenParameters(got.kept), flattenParameters(got.again)];
    expect(kept.size).toBe(flattenParameters(params).size);
    for (const [path, { data }] of kept) {
      const other = recomputed.get(path)?.data as Float32Array;
      const furthest = (data as Float32Array).reduce((m, v, i) => Math.max(m, Math.abs(v - (other[i] as number))), 0);
      expect(furthest, path).toBeLessThan(1e-7);
    }
  });

  it("takes a fraction of the memory", () => {
    const child = fileURLToPath(new URL("remat-child.ts", import.meta.url));
    const measure = (how: string) => {
      const { stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", child, how], { encoding: "utf8" });
      if (!stdout) throw new Error(stderr);
      return JSON.parse(stdout) as { peak: number; sum: number; squares: number };
    };
    const [kept, again] = [measure("plain"), measure("remat")];
    console.log(`gradients of 8 wide blocks: ${kept.peak.toFixed(0)} MB, with remat ${again.peak.toFixed(0)} MB`);
    expect(again.sum).toBeCloseTo(kept.sum, 3);
    expect(again.squares).toBeCloseTo(kept.squares, 3);
    expect(again.peak).toBeLessThan(0.6 * kept.peak); // 0.32 when written
  });
});

describe("what does not fit", () => {
  it.each([
    [{ width: 30 }, "width 30 is not a multiple of heads 4", "Try width 32."],
    [{ keyValueHeads: 3 }, "heads 4 is not a multiple of keyValueHeads 3", "Choose a divisor of heads."],
    [{ positions: "rotary", width: 12 }, "rotary positions need an even head width, got 3", "Change width or heads."],
    [{ layers: 0 }, "expected layers to be a whole number above 0, got 0", "Set layers."],
    [{ context: 1.5 }, "expected context to be a whole number above 0, got 1.5", "Set context."],
  ] as const)("%o", (change, message, next) => {
    const config = { ...small, ...change };
    expect(() => checkConfig(config)).toThrow(expect.objectContaining({ code: "transformer/config", next }));
    expect(() => init(config, key(1))).toThrow(message);
  });

  it("names a sequence longer than the context", async () => {
    const params = init(small, key(1));
    await expect(
      compile<[TransformerParams<NdArray>, NdArray], Tensor>(
        (p, x) => forward(small, p as unknown as TransformerParams, x),
        [params, randomTokens([1, 17], 1)],
        { device: "cpu" },
      ),
    ).rejects.toMatchObject({ code: "transformer/context", message: expect.stringContaining("at most 16 tokens, got 17") });
  });
});
