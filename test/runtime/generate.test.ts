/** Generation: what is written with a cache equals what the whole model would write, and the options do what they say. */
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../src/core/index.ts";
import { type TransformerConfig, transformer, transformerDefaults } from "../../src/models/transformer.ts";
import { logSoftmax } from "../../src/ops/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { createGenerator, type GenerateOptions, generate, type WriteOptions } from "../../src/tasks/language-model/generate.ts";
import { type NdArray, ndarray } from "../../src/util/ndarray.ts";
import { fold, key } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";

const small: TransformerConfig = {
  ...transformerDefaults,
  vocabulary: 31,
  context: 48,
  layers: 2,
  heads: 4,
  keyValueHeads: 4,
  width: 32,
  hidden: 64,
};
const variants: Record<string, TransformerConfig> = {
  "learned positions": small,
  "rotary, RMSNorm, SwiGLU, grouped queries": {
    ...small,
    positions: "rotary",
    norm: "rms",
    activation: "swiglu",
    keyValueHeads: 2,
    tied: false,
  },
  biases: { ...small, bias: true, activation: "gelu-tanh" },
};

/** Parameters large enough that predictions are not nearly uniform. */
function sharpParams(config: TransformerConfig): Tree<NdArray> {
  const params = transformer.init(config, key(7));
  const scale = (tree: Tree<NdArray>): void => {
    for (const child of Object.values(tree as object)) {
      if (child?.data instanceof Float32Array) {
        if (child.shape.length > 1) for (let i = 0; i < child.data.length; i++) child.data[i] *= 8;
      } else scale(child);
    }
  };
  scale(params);
  return params;
}

async function write(config: TransformerConfig, params: Tree<NdArray>, prompt: number[], options: Partial<GenerateOptions>) {
  const samples = options.samples ?? 1;
  const tokens: number[][] = Array.from({ length: samples }, () => []);
  const logs: number[][] = Array.from({ length: samples }, () => []);
  for await (const chunk of generate(transformer, config, params, Int32Array.from(prompt), {
    context: config.context,
    ...options,
  })) {
    chunk.tokens.forEach((column, b) => {
      tokens[b]?.push(...column);
    });
    chunk.logProbabilities?.forEach((column, b) => {
      logs[b]?.push(...column);
    });
  }
  return { tokens, logs };
}

/** Log-probabilities of every next token by the whole model, without a cache: [T, V]. */
async function wholeModel(config: TransformerConfig, params: Tree<NdArray>, text: number[]): Promise<Float32Array[]> {
  const tokens = ndarray("int32", [1, text.length], text);
  const run = await compile<[Tree<NdArray>, NdArray], Tensor>(
    (p, x) => logSoftmax(transformer.forward(config, p, x)),
    [params, tokens],
    { device: "cpu" },
  );
  const out = await run.run(params, tokens);
  await run.dispose();
  const rows = out.data as Float32Array;
  return text.map((_, t) => rows.slice(t * config.vocabulary, (t + 1) * config.vocabulary));
}

describe.each(Object.entries(variants))("%s", (_, config) => {
  const params = sharpParams(config);

  it("writes with a cache what the whole model would write, with its log-probabilities", async () => {
    const prompt = [3, 1, 4, 1, 5];
    const { tokens, logs } = await write(config, params, prompt, {
      temperature: 0,
      maxTokens: 30,
      chunk: 8,
      logProbabilities: true,
    });
    const text = [...prompt, ...(tokens[0] as number[])];
    const rows = await wholeModel(config, params, text);
    let furthest = 0;
    for (let t = prompt.length; t < text.length; t++) {
      const row = rows[t - 1] as Float32Array;
      const best = row.indexOf(Math.max(...row));
      expect(text[t]).toBe(best);
      furthest = Math.max(furthest, Math.abs((logs[0]?.[t - prompt.length] as number) - (row[best] as number)));
    }
    expect(furthest).toBeLessThan(1e-4);
  });
});

describe("options", () => {
  const params = sharpParams(small);
  const prompt = [2, 7, 1, 8];

  it("gives the same sample for the same seed and another for another", async () => {
    const [a, b, c] = await Promise.all(
      [1, 1, 2].map((seed) => write(small, params, prompt, { seed, temperature: 1.5, maxTokens: 40 })),
    );
    expect(a).toEqual(b);
    expect(a?.tokens).not.toEqual(c?.tokens);
  });

  it("goes on past the context by reading the last half again", async () => {
    const { tokens } = await write(small, params, prompt, { maxTokens: 3 * small.context });
    expect(tokens[0]).toHaveLength(3 * small.context);
    expect(Math.max(...(tokens[0] as number[]))).toBeLessThan(small.vocabulary);
  });

  it("draws from the model's distribution", async () => {
    const samples = 4000;
    const { tokens } = await write(small, params, prompt, { samples, maxTokens: 1, seed: 3 });
    const expected = ((await wholeModel(small, params, prompt))[prompt.length - 1] as Float32Array).map(Math.exp);
    const counts = new Float64Array(small.vocabulary);
    for (const [token] of tokens) counts[token as number] = (counts[token as number] as number) + 1;
    // Chi-square over tokens with an expected count of 5 or more; its mean is the degrees of freedom, its deviation sqrt(2 df).
    let chi = 0;
    let cells = 0;
    expected.forEach((p, i) => {
      if (p * samples < 5) return;
      chi += ((counts[i] as number) - p * samples) ** 2 / (p * samples);
      cells++;
    });
    expect(cells).toBeGreaterThan(3);
    expect(chi).toBeLessThan(cells + 5 * Math.sqrt(2 * cells));
  });

  it("keeps to the tokens each cut allows", async () => {
    const row = (await wholeModel(small, params, prompt))[prompt.length - 1] as Float32Array;
    const order = [...row.keys()].sort((a, b) => (row[b] as number) - (row[a] as number));
    const p = (i: number) => Math.exp(row[order[i] as number] as number);
    const drawn = async (options: Partial<GenerateOptions>) => {
      const { tokens } = await write(small, params, prompt, { samples: 2000, maxTokens: 1, temperature: 1, seed: 4, ...options });
      return new Set(tokens.map(([t]) => t as number));
    };
    expect([...(await drawn({ topK: 3 }))].sort()).toEqual(order.slice(0, 3).sort());
    const nucleus = p(0) + p(1) / 2; // the second token is needed to reach it
    expect([...(await drawn({ topP: nucleus }))].sort()).toEqual(order.slice(0, 2).sort());
    const least = (p(1) / p(0) + p(2) / p(0)) / 2; // between the second's and the third's share
    expect([...(await drawn({ minP: least }))].sort()).toEqual(order.slice(0, 2).sort());
  });

  it("avoids repetition when told to", async () => {
    const distinct = async (repetitionPenalty: number) =>
      new Set((await write(small, params, prompt, { temperature: 0, maxTokens: 25, repetitionPenalty })).tokens[0]).size;
    expect(await distinct(5)).toBeGreaterThan(await distinct(1));
  });

  it("writes the same with graphs kept from before, side by side with other options", async () => {
    const generator = createGenerator(transformer, small, params, { context: small.context, device: "cpu" });
    const text = async (options: WriteOptions) => {
      const tokens: number[] = [];
      for await (const chunk of generator.write(Int32Array.from(prompt), { maxTokens: 20, ...options })) {
        tokens.push(...(chunk.tokens[0] as Int32Array));
      }
      return tokens;
    };
    const first = await text({ seed: 1 });
    const [again, greedy] = await Promise.all([text({ seed: 1 }), text({ seed: 1, temperature: 0 })]);
    expect(again).toEqual(first);
    expect(greedy).not.toEqual(first);
    await generator.dispose();
  });

  it("refuses an empty prompt", async () => {
    await expect(write(small, params, [], {})).rejects.toMatchObject({ code: "generate/prompt" });
  });

  it("gives independent samples side by side", async () => {
    const { tokens } = await write(small, params, prompt, {
      samples: 3,
      maxTokens: 20,
      temperature: 1.5,
      seed: fold(key(1), "x").words[0],
    });
    expect(new Set(tokens.map(String)).size).toBe(3);
  });
});
