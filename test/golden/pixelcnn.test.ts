/**
 * PixelCNN against PyTorch (test/golden/fixtures/pixelcnn-*): predictions, loss, every gradient, and ten Adam steps.
 *
 * The fixtures are computed in float64; ours may land eight times as far from them as PyTorch's float32 does (`float32Gap`).
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Tensor, valueAndGrad } from "../../src/core/index.ts";
import {
  forward,
  init,
  loss,
  type PixelCnnConfig,
  type PixelCnnParams,
  pixelCnnDefaults,
  quantise,
} from "../../src/models/pixelcnn.ts";
import { adamw } from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { flattenParameters, restoreTree } from "../../src/train/parameters.ts";
import { readSafetensors } from "../../src/train/safetensors.ts";
import { compileStep, type ObjectiveState } from "../../src/train/step.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";

interface Fixture {
  readonly config: PixelCnnConfig;
  readonly loss: number;
  readonly lossAfter: number;
  readonly losses: readonly number[];
  readonly optimizer: { readonly betas: readonly [number, number]; readonly epsilon: number; readonly learningRate: number };
  readonly float32Gap: Readonly<Record<"prediction" | "loss" | "grads" | "after", { readonly max: number }>>;
}

interface Data<Leaf = NdArray> {
  readonly images: Leaf;
  readonly labels?: Leaf;
}

const folder = new URL("./fixtures/", import.meta.url);

function load(name: string) {
  const facts = JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8")) as Fixture;
  const { tensors } = readSafetensors(readFileSync(new URL(`${name}.safetensors`, folder)), name);
  const config: PixelCnnConfig = { ...pixelCnnDefaults, ...facts.config };
  const template = init(config, key(0));
  const tree = (prefix: string): PixelCnnParams<NdArray> => {
    const own = [...tensors].filter(([path]) => path.startsWith(`${prefix}/`));
    const flat = new Map(own.map(([path, array]) => [path.slice(prefix.length + 1), { ...array, data: array.data.slice() }]));
    return restoreTree(template, flat, prefix) as PixelCnnParams<NdArray>;
  };
  const labels = tensors.get("labels");
  const data: Data = { images: tensors.get("images") as NdArray, ...(labels && { labels }) };
  return { facts, config, tree, data, prediction: tensors.get("prediction") as NdArray };
}

/** The largest difference between two trees of arrays of the same paths. */
function gap(got: unknown, expected: unknown): number {
  const found = flattenParameters(got);
  let largest = 0;
  for (const [path, { data }] of flattenParameters(expected)) {
    const own = found.get(path)?.data;
    data.forEach((value, i) => {
      const distance = Math.abs(Number(own?.[i]) - Number(value));
      if (!(distance <= largest)) largest = Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance;
    });
  }
  return largest;
}

describe.each(["pixelcnn-plain", "pixelcnn-gated", "pixelcnn-mixture"])("%s", (name) => {
  const { facts, config, tree, data, prediction } = load(name);
  const lossOf = (params: PixelCnnParams, { images, labels }: Data<Tensor>) => loss(config, params, images, { labels });

  test.each(["cpu", "wasm"] as const)("predictions, loss and gradients on %s", async (device) => {
    const step = (params: PixelCnnParams, batch: Data<Tensor>) => {
      const { value, grads } = valueAndGrad((own: PixelCnnParams) => lossOf(own, batch))(params);
      const pictures = quantise(config, batch.images);
      return { prediction: forward(config, params, pictures, { labels: batch.labels }), loss: value, grads };
    };
    const start = tree("params");
    const executable = await compile<[PixelCnnParams<NdArray>, Data], ReturnType<typeof step>>(
      step as never, // the mapped argument types follow the tree's structure
      [start, data],
      { device },
    );
    const got = await executable.run(start, data);
    await executable.dispose();
    expect(gap({ prediction: got.prediction }, { prediction })).toBeLessThan(8 * facts.float32Gap.prediction.max);
    expect(Math.abs(Number(got.loss.data[0]) - facts.loss)).toBeLessThan(8 * facts.float32Gap.loss.max);
    expect(gap(got.grads, tree("grads"))).toBeLessThan(8 * facts.float32Gap.grads.max);
  });

  test("ten training steps on cpu", async () => {
    const { betas, epsilon, learningRate } = facts.optimizer;
    const optimizer = adamw({ beta1: betas[0], beta2: betas[1], epsilon, weightDecay: 0 });
    const params = tree("params") as unknown as Tree<NdArray>;
    let state: ObjectiveState = { params, optimizer: optimizer.init(params) };
    const step = await compileStep<Data>(
      {
        name: "model",
        loss: (own, batch) => ({ loss: lossOf(own as unknown as PixelCnnParams, batch as unknown as Data<Tensor>) }),
        optimizer,
        learningRate: () => learningRate,
      },
      state,
      {},
      data,
      { accumulate: 1, averaging: 0, compile: { device: "cpu" } },
    );
    const run = async (number: number) => {
      const { state: next, report } = await step.run(state, {}, data, { step: number, key: key(0) });
      state = next;
      return report.loss;
    };
    for (const [i, expected] of facts.losses.entries()) expect(Math.abs((await run(i + 1)) - expected)).toBeLessThan(1e-5);
    // Adam divides a gradient's rounding by its size: one nearly 0 may take a parameter off by a small part of the way it has gone.
    expect(gap(state.params, tree("after"))).toBeLessThan(1e-4);
    expect(Math.abs((await run(11)) - facts.lossAfter)).toBeLessThan(1e-5);
    await step.dispose();
  });
});
