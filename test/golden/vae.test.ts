/**
 * The variational autoencoder against PyTorch (test/golden/fixtures/vae-*): what is encoded and decoded, the bound's parts, loss,
 * every gradient, and ten Adam steps.
 *
 * The fixtures are computed in float64; ours may land eight times as far from them as PyTorch's float32 does (`float32Gap`).
 */
import { describe, expect, test } from "vitest";
import { type Tensor, valueAndGrad } from "../../src/core/index.ts";
import {
  decode,
  encode,
  evidenceBound,
  init,
  loss,
  reparameterise,
  type VaeBatch,
  type VaeConfig,
  type VaeParams,
} from "../../src/models/vae.ts";
import { compile } from "../../src/runtime/index.ts";
import { flattenParameters } from "../../src/train/parameters.ts";
import { type NdArray, scalar } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";
import { gap, loadFixture, type ModelFixture, replaySteps } from "./replay.ts";

type Fixture = ModelFixture<VaeConfig, "parts" | "loss" | "grads" | "after">;

interface Data<Leaf = NdArray> extends VaeBatch<Leaf> {
  readonly noise: Leaf;
}

function load(name: string) {
  const { facts, tree, tensor, under } = loadFixture<Fixture>(name);
  const template = init(facts.config, key(0));
  const data: Data = { images: tensor("images"), labels: tensor("labels"), noise: tensor("noise") };
  return { facts, tree: (prefix: string) => tree(template, prefix), data, parts: Object.fromEntries(under("parts")) };
}

const largest = (tree: unknown): number =>
  Math.max(...[...flattenParameters(tree).values()].flatMap(({ data }) => [...data].map((value) => Math.abs(Number(value)))));

describe.each(["vae-binary", "vae-logistic", "vae-gaussian"])("%s", (name) => {
  const { facts, tree, data, parts } = load(name);
  const { config } = facts;

  test.each(["cpu", "wasm"] as const)("parts of the bound, loss and gradients on %s", async (device) => {
    const step = (params: VaeParams, batch: Data<Tensor>, one: Tensor) => {
      const posterior = encode(config, params, batch);
      const decoded = decode(config, params, reparameterise(posterior, batch.noise), batch.labels);
      const { value, grads } = valueAndGrad((own: VaeParams) => loss(config, own, batch, batch.noise, one).loss)(params);
      return { parts: { ...posterior, decoded, ...evidenceBound(config, params, batch, batch.noise) }, loss: value, grads };
    };
    const args: [VaeParams<NdArray>, Data, NdArray] = [tree("params"), data, scalar(1)];
    const executable = await compile<typeof args, ReturnType<typeof step>>(step as never, args, { device });
    const got = await executable.run(...args);
    await executable.dispose();
    expect(gap(got.parts, parts)).toBeLessThan(8 * facts.float32Gap.parts.max);
    expect(Math.abs(Number(got.loss.data[0]) - facts.loss)).toBeLessThan(
      Math.max(8 * facts.float32Gap.loss.max, facts.loss * 1e-6),
    );
    // The gradient of the last bias is a sum over all pixels, whose order differs: 2e-6 of the largest gradient.
    const expected = tree("grads");
    const allowed = Math.max(8 * facts.float32Gap.grads.max, 2e-6 * largest(expected));
    expect(gap(got.grads, expected)).toBeLessThan(allowed);
  });

  test("ten training steps on cpu", async () => {
    const lossOf = (own: VaeParams, { images, labels, noise }: Data<Tensor>, at: Tensor) =>
      loss(config, own, { images, labels }, noise, at).loss;
    const { losses, lossAfter, params } = await replaySteps(facts, tree("params"), data, lossOf);
    for (const [i, expected] of facts.losses.entries()) {
      expect(Math.abs((losses[i] as number) - expected)).toBeLessThan(1e-5 * Math.max(1, expected));
    }
    // Adam divides a gradient's rounding by its size: one nearly 0 may take a parameter off by a small part of the way it has gone.
    expect(gap(params, tree("after"))).toBeLessThan(1e-4);
    expect(Math.abs(lossAfter - facts.lossAfter)).toBeLessThan(1e-5 * Math.max(1, facts.lossAfter));
  });
});
