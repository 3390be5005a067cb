/**
 * U-Net and diffusion loss against PyTorch (test/golden/fixtures/unet-*): predictions, loss, every gradient, and ten Adam steps.
 *
 * The fixtures are computed in float64; ours may land eight times as far from them as PyTorch's float32 does (`float32Gap`).
 */
import { describe, expect, test } from "vitest";
import { type Tensor, valueAndGrad } from "../../src/core/index.ts";
import { type DiffusionConfig, levelAt, losses, predict, toCanvas } from "../../src/models/diffusion.ts";
import { init, type UNetConfig, type UNetParams } from "../../src/models/unet.ts";
import { add, mean, mul } from "../../src/ops/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { flattenParameters } from "../../src/train/parameters.ts";
import { type NdArray, ndarray } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";
import { gap, loadFixture, type ModelFixture, replaySteps } from "./replay.ts";

type Config = UNetConfig & Pick<DiffusionConfig, "prediction" | "schedule"> & { readonly gamma: number };
type Fixture = ModelFixture<Config, "prediction" | "loss" | "grads" | "after">;

interface Data<Leaf = NdArray> {
  readonly images: Leaf;
  readonly noise: Leaf;
  readonly places: Leaf;
  readonly labels?: Leaf;
}

function load(name: string) {
  const { facts, tree, tensor, optional } = loadFixture<Fixture>(name);
  const { prediction, schedule, gamma, ...network } = facts.config;
  const { height, width } = network;
  const rest = { timesteps: 1000, places: "uniform", minSnr: gamma, unlabelled: 0 } as const;
  const config: DiffusionConfig = { height, width, network, schedule, prediction, ...rest };
  const template = init(network, key(0));
  const labels = optional("labels");
  const data: Data = {
    images: tensor("images"),
    noise: tensor("noise"),
    places: tensor("places"),
    ...(labels && { labels }),
  };
  return { facts, config, tree: (prefix: string) => tree(template, prefix), data, prediction: tensor("prediction") };
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
    const { losses, lossAfter, params } = await replaySteps(facts, tree("params"), data, lossOf);
    for (const [i, expected] of facts.losses.entries()) expect(Math.abs((losses[i] as number) - expected)).toBeLessThan(1e-5);
    // Adam divides a gradient's rounding by its size: one nearly 0 may take a parameter off by a small part of the way it has gone.
    // The bias of attention's keys has no effect at all, so its gradient is nothing but rounding, and so is where Adam takes it.
    const grads = flattenParameters(tree("grads"));
    const counts = (path: string, i: number) => Math.abs(Number(grads.get(path)?.data[i])) > 1e-12;
    expect(gap(params, tree("after"), counts)).toBeLessThan(1e-4);
    expect(Math.abs(lossAfter - facts.lossAfter)).toBeLessThan(1e-5);
  });
});
