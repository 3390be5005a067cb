/**
 * U-Net and diffusion loss against PyTorch (test/golden/fixtures/unet-*): predictions, loss, every gradient, and ten Adam steps.
 *
 * The fixtures are computed in float64; ours may land eight times as far from them as PyTorch's float32 does (`float32Gap`).
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Tensor, valueAndGrad } from "../../src/core/index.ts";
import { type DiffusionConfig, levelAt, losses, predict, toCanvas } from "../../src/models/diffusion.ts";
import { init, type UNetConfig, type UNetParams } from "../../src/models/unet.ts";
import { add, mean, mul } from "../../src/ops/index.ts";
import { adamw } from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { flattenParameters, restoreTree } from "../../src/train/parameters.ts";
import { readSafetensors } from "../../src/train/safetensors.ts";
import { compileStep, type ObjectiveState } from "../../src/train/step.ts";
import { type NdArray, ndarray } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";

interface Fixture {
  readonly config: UNetConfig & Pick<DiffusionConfig, "prediction" | "schedule"> & { readonly gamma: number };
  readonly loss: number;
  readonly lossAfter: number;
  readonly losses: readonly number[];
  readonly optimizer: { readonly betas: readonly [number, number]; readonly epsilon: number; readonly learningRate: number };
  readonly float32Gap: Readonly<Record<"prediction" | "loss" | "grads" | "after", { readonly max: number }>>;
}

interface Data<Leaf = NdArray> {
  readonly images: Leaf;
  readonly noise: Leaf;
  readonly places: Leaf;
  readonly labels?: Leaf;
}

const folder = new URL("./fixtures/", import.meta.url);

function load(name: string) {
  const facts = JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8")) as Fixture;
  const { tensors } = readSafetensors(readFileSync(new URL(`${name}.safetensors`, folder)), name);
  const { prediction, schedule, gamma, ...network } = facts.config;
  const { height, width } = network;
  const rest = { timesteps: 1000, places: "uniform", minSnr: gamma, unlabelled: 0 } as const;
  const config: DiffusionConfig = { height, width, network, schedule, prediction, ...rest };
  const template = init(network, key(0));
  const tree = (prefix: string): UNetParams<NdArray> => {
    const own = [...tensors].filter(([path]) => path.startsWith(`${prefix}/`));
    const flat = new Map(own.map(([path, array]) => [path.slice(prefix.length + 1), { ...array, data: array.data.slice() }]));
    return restoreTree(template, flat, prefix) as UNetParams<NdArray>;
  };
  const labels = tensors.get("labels");
  const data: Data = {
    images: tensors.get("images") as NdArray,
    noise: tensors.get("noise") as NdArray,
    places: tensors.get("places") as NdArray,
    ...(labels && { labels }),
  };
  return { facts, config, tree, data, prediction: tensors.get("prediction") as NdArray };
}

/** The largest difference between two trees of arrays of the same paths, where `counts` says so. */
function gap(got: unknown, expected: unknown, counts: (path: string, i: number) => boolean = () => true): number {
  const found = flattenParameters(got);
  let largest = 0;
  for (const [path, { data }] of flattenParameters(expected)) {
    const own = found.get(path)?.data;
    data.forEach((value, i) => {
      if (!counts(path, i)) return;
      const distance = Math.abs(Number(own?.[i]) - Number(value));
      if (!(distance <= largest)) largest = Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance;
    });
  }
  return largest;
}

describe.each(["unet-epsilon", "unet-v", "unet-flow"])("%s", (name) => {
  const { facts, config, tree, data, prediction } = load(name);
  const lossOf = (params: UNetParams, { images, noise, places, labels }: Data<Tensor>) =>
    mean(losses(config, params, { x0: toCanvas(config, images), noise, places, labels }));

  test.each(["cpu", "wasm"] as const)("predictions, loss and gradients on %s", async (device) => {
    const levels = Array.from(data.places.data as Float32Array, (place) => {
      if (config.schedule === "flow") return levelAt(config, place);
      return levelAt(config, (Math.floor(place * config.timesteps) + 1) / config.timesteps);
    });
    const column = (of: "alpha" | "sigma") =>
      ndarray(
        "float32",
        [3, 1, 1, 1],
        Float32Array.from(levels, (level) => level[of]),
      );
    const given = {
      alpha: column("alpha"),
      sigma: column("sigma"),
      times: ndarray(
        "float32",
        [3],
        levels.map(({ time }) => time),
      ),
    };
    const step = (params: UNetParams, batch: Data<Tensor>, { alpha, sigma, times }: Record<keyof typeof given, Tensor>) => {
      const { value, grads } = valueAndGrad((own: UNetParams) => lossOf(own, batch))(params);
      const x = add(mul(alpha, toCanvas(config, batch.images)), mul(sigma, batch.noise));
      return { prediction: predict(config, params, x, times, batch.labels), loss: value, grads };
    };
    const start = tree("params");
    const executable = await compile<[UNetParams<NdArray>, Data, typeof given], ReturnType<typeof step>>(
      step as never, // the mapped argument types follow the tree's structure
      [start, data, given],
      { device },
    );
    const got = await executable.run(start, data, given);
    await executable.dispose();
    expect(gap({ prediction: got.prediction }, { prediction })).toBeLessThan(8 * facts.float32Gap.prediction.max);
    // PyTorch's loss may lie nearer by chance than float32 numbers of its size lie apart (2^-23 of it).
    const spacing = facts.loss * 2 ** -23;
    expect(Math.abs(Number(got.loss.data[0]) - facts.loss)).toBeLessThan(8 * Math.max(facts.float32Gap.loss.max, spacing));
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
        loss: (own, batch) => ({ loss: lossOf(own as unknown as UNetParams, batch as unknown as Data<Tensor>) }),
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
    // The bias of attention's keys has no effect at all, so its gradient is nothing but rounding, and so is where Adam takes it.
    const grads = flattenParameters(tree("grads"));
    const counts = (path: string, i: number) => Math.abs(Number(grads.get(path)?.data[i])) > 1e-12;
    expect(gap(state.params, tree("after"), counts)).toBeLessThan(1e-4);
    expect(Math.abs((await run(11)) - facts.lossAfter)).toBeLessThan(1e-5);
    await step.dispose();
  });
});
