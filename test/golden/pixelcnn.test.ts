/**
 * PixelCNN against PyTorch (test/golden/fixtures/pixelcnn-*): predictions, loss, every gradient, and ten Adam steps.
 *
 * The fixtures are computed in float64; ours may land eight times as far from them as PyTorch's float32 does (`float32Gap`).
 */
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
import { compile } from "../../src/runtime/index.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";
import { gap, loadFixture, type ModelFixture, replaySteps } from "./replay.ts";

type Fixture = ModelFixture<PixelCnnConfig, "prediction" | "loss" | "grads" | "after">;

interface Data<Leaf = NdArray> {
  readonly images: Leaf;
  readonly labels?: Leaf;
}

function load(name: string) {
  const { facts, tree, tensor, optional } = loadFixture<Fixture>(name);
  const config: PixelCnnConfig = { ...pixelCnnDefaults, ...facts.config };
  const template = init(config, key(0));
  const labels = optional("labels");
  const data: Data = { images: tensor("images"), ...(labels && { labels }) };
  return { facts, config, tree: (prefix: string) => tree(template, prefix), data, prediction: tensor("prediction") };
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
    const { losses, lossAfter, params } = await replaySteps(facts, tree("params"), data, lossOf);
    for (const [i, expected] of facts.losses.entries()) expect(Math.abs((losses[i] as number) - expected)).toBeLessThan(1e-5);
    // Adam divides a gradient's rounding by its size: one nearly 0 may take a parameter off by a small part of the way it has gone.
    expect(gap(params, tree("after"))).toBeLessThan(1e-4);
    expect(Math.abs(lossAfter - facts.lossAfter)).toBeLessThan(1e-5);
  });
});
