/**
 * The Transformer against PyTorch (test/golden/fixtures/transformer-*): logits, loss, every gradient, and ten steps of
 * training as the product takes them (clipping, AdamW, warm-up and cosine).
 *
 * The fixtures are true answers (computed in float64), so what is measured here is our own rounding. Each JSON says how far
 * PyTorch's float32 lands from the truth (`float32Gap`), in its order of summation on its machine. Ours may land eight times
 * as far: processors and numbers of threads change the order, and one rounding of a loss is already half of the gap.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Tensor, valueAndGrad } from "../../src/core/index.ts";
import {
  forward,
  init,
  type TransformerConfig,
  type TransformerParams,
  transformer,
  transformerDefaults,
} from "../../src/models/transformer.ts";
import { crossEntropy } from "../../src/nn/losses.ts";
import { adamw, schedule } from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import type { ObjectiveState } from "../../src/train/objective.ts";
import { flattenParameters, restoreTree } from "../../src/train/parameters.ts";
import { readSafetensors } from "../../src/train/safetensors.ts";
import { compileStep } from "../../src/train/step.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";

type Kind = "logits" | "loss" | "grads" | "after" | "m" | "v";

interface Fixture {
  readonly config: Partial<TransformerConfig>;
  readonly loss: number;
  readonly lossAfter: number;
  readonly ignoreIndex: number;
  readonly optimizer: {
    readonly betas: readonly [number, number];
    readonly epsilon: number;
    readonly weightDecay: number;
    readonly clip: number;
  };
  readonly schedule: { readonly peak: number; readonly final: number; readonly warmup: number; readonly steps: number };
  readonly steps: readonly { readonly lr: number; readonly loss: number; readonly gradNorm: number }[];
  readonly float32Gap: Readonly<Record<Kind, { readonly max: number }>>;
}

const folder = new URL("./fixtures/", import.meta.url);

function load(name: string) {
  const file = `transformer-${name}`;
  const facts = JSON.parse(readFileSync(new URL(`${file}.json`, folder), "utf8")) as Fixture;
  const { tensors } = readSafetensors(readFileSync(new URL(`${file}.safetensors`, folder)), file);
  const config: TransformerConfig = { ...transformerDefaults, ...facts.config };
  const template = init(config, key(0));
  /** The stored parameters, gradients or moments, as arrays of our own that a run may overwrite. */
  const tree = (prefix: string): TransformerParams<NdArray> => {
    const own = [...tensors].filter(([path]) => path.startsWith(`${prefix}/`));
    const flat = new Map(own.map(([path, array]) => [path.slice(prefix.length + 1), { ...array, data: array.data.slice() }]));
    return restoreTree(template, flat, prefix) as TransformerParams<NdArray>;
  };
  return { facts, config, tree, tokens: at(tensors, "tokens"), targets: at(tensors, "targets"), logits: at(tensors, "logits") };
}

function at(tensors: ReadonlyMap<string, NdArray>, name: string): NdArray {
  const found = tensors.get(name);
  if (!found) throw new Error(`the fixture has no "${name}"`);
  return found;
}

/** How far two lists of arrays are apart: the largest difference, where it is, and the root of the mean square. */
interface Gap {
  readonly max: number;
  readonly where: string;
  readonly rms: number;
}

function gap(got: unknown, expected: unknown, counts: (path: string, place: number) => boolean = () => true): Gap {
  let [max, where, squares, count] = [0, "-", 0, 0];
  const found = flattenParameters(got);
  for (const [path, want] of flattenParameters(expected)) {
    const data = found.get(path)?.data;
    want.data.forEach((value, i) => {
      const distance = Math.abs(Number(data?.[i]) - Number(value));
      if (!counts(path, i)) return;
      squares += distance ** 2;
      count++;
      if (distance <= max) return;
      [max, where] = [Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance, `${path}[${i}]`];
    });
  }
  return { max, where, rms: Math.sqrt(squares / count) };
}

/** Prints what was measured and checks it against PyTorch's own gap. */
function check(title: string, gaps: Partial<Record<Kind, Gap>>, allowed: Readonly<Partial<Record<Kind, number>>>): void {
  const lines = Object.entries(gaps).map(([kind, { max, where, rms }]) => {
    const limit = allowed[kind as Kind] as number;
    return `  ${kind.padEnd(6)} ${max.toExponential(1)} (limit ${limit.toExponential(1)}, rms ${rms.toExponential(1)}) at ${where}`;
  });
  console.log(`${title}: largest differences from PyTorch in float64\n${lines.join("\n")}`);
  for (const [kind, { max }] of Object.entries(gaps)) expect(max, kind).toBeLessThanOrEqual(allowed[kind as Kind] as number);
}

describe.each(["nanogpt", "gpt2", "llama"])("%s", (name) => {
  const { facts, config, tree, tokens, targets, logits } = load(name);
  const limit = (kind: Kind) => 8 * facts.float32Gap[kind].max;
  const objective = (params: Tree<Tensor>, x: Tensor, y: Tensor) =>
    crossEntropy(transformer.forward(config, params, x), y, { ignoreIndex: facts.ignoreIndex });

  test.each(["cpu", "wasm"] as const)("logits, loss and gradients on %s", async (device) => {
    const step = (params: TransformerParams, x: Tensor, y: Tensor) => {
      const { value, grads } = valueAndGrad((own: TransformerParams) =>
        crossEntropy(forward(config, own, x), y, { ignoreIndex: facts.ignoreIndex }),
      )(params);
      return { logits: forward(config, params, x), loss: value, grads };
    };
    const start = tree("params");
    const executable = await compile<[TransformerParams<NdArray>, NdArray, NdArray], ReturnType<typeof step>>(
      step,
      [start, tokens, targets],
      { device },
    );
    const got = await executable.run(start, tokens, targets);
    await executable.dispose();
    const gaps = {
      logits: gap({ logits: got.logits }, { logits }),
      loss: gap({ loss: got.loss }, { loss: { ...got.loss, data: Float64Array.of(facts.loss) } }),
      grads: gap(got.grads, tree("grads")),
    };
    check(`${name} on ${device}`, gaps, { logits: limit("logits"), loss: limit("loss"), grads: limit("grads") });
  });

  test("ten training steps on cpu", async () => {
    const { betas, epsilon, weightDecay, clip } = facts.optimizer;
    const { peak, final, warmup, steps } = facts.schedule;
    const rate = schedule({ schedule: "cosine", learningRate: peak, finalLearningRate: final, warmup, steps });
    const optimizer = adamw({ beta1: betas[0], beta2: betas[1], epsilon, weightDecay });
    const params = tree("params") as unknown as Tree<NdArray>;
    let state: ObjectiveState = { params, optimizer: optimizer.init(params) };
    const batch = { x: tokens, y: targets };
    const step = await compileStep(
      {
        name: "next token",
        loss: (own, { x, y }) => ({ loss: objective(own, x, y) }),
        optimizer,
        learningRate: rate,
        clip,
      },
      state,
      {},
      batch,
      { accumulate: 1, averaging: 0, compile: { device: "cpu" } },
    );
    const run = async (number: number) => {
      const { state: next, report } = await step.run(state, {}, batch, { step: number, key: key(0) });
      state = next;
      return report;
    };
    for (const [i, expected] of facts.steps.entries()) {
      expect(rate(i + 1)).toBeCloseTo(expected.lr, 12);
      const { loss, gradNorm } = await run(i + 1);
      // The loss of step 10 depends on nine updates before it, whose rounding the later ones amplify.
      expect(Math.abs(loss - expected.loss), `loss of step ${i}`).toBeLessThan(1e-5);
      expect(Math.abs(gradNorm - expected.gradNorm) / expected.gradNorm, `norm of step ${i}`).toBeLessThan(1e-5);
    }
    // The bias of keys has a gradient of exactly 0, of which float32 makes noise, of which Adam makes steps (see README.md).
    const [first, last] = [config.width, config.width * (1 + config.keyValueHeads / config.heads)];
    const counts = (path: string, i: number) => !path.endsWith("qkv.bias") || i < first || i >= last;
    const noisy = (path: string, i: number) => !counts(path, i);
    const { m, v } = state.optimizer;
    const gaps = { after: gap(state.params, tree("after"), counts), m: gap(m, tree("m"), counts), v: gap(v, tree("v"), counts) };
    // Parameters hold to 1e-6 as a whole; where a gradient is nearly 0, Adam divides its rounding by its size, and one element
    // in ten thousand may be off by a small part of the way it has gone (0.06, the sum of the learning rates).
    check(`${name} after ten steps`, gaps, { after: 1e-4, m: limit("m"), v: limit("v") });
    expect(gaps.after.rms, "root mean square of after").toBeLessThan(5e-7);
    expect(gap(state.params, tree("after"), noisy).max).toBeLessThan(facts.steps.reduce((sum, { lr }) => sum + lr, 0));
    const { loss } = await run(11);
    await step.dispose();
    expect(Math.abs(loss - facts.lossAfter)).toBeLessThan(1e-5);
  });
});
