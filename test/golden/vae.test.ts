/**
 * The variational autoencoder against PyTorch (test/golden/fixtures/vae-*): what is encoded and decoded, the bound's parts, loss,
 * every gradient, and ten Adam steps.
 *
 * The fixtures are computed in float64; ours may land eight times as far from them as PyTorch's float32 does (`float32Gap`).
 */
import { readFileSync } from "node:fs";
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
import { adamw } from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { flattenParameters, restoreTree } from "../../src/train/parameters.ts";
import { readSafetensors } from "../../src/train/safetensors.ts";
import { compileStep, type ObjectiveState } from "../../src/train/step.ts";
import { type NdArray, scalar } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";

interface Fixture {
  readonly config: VaeConfig;
  readonly loss: number;
  readonly lossAfter: number;
  readonly losses: readonly number[];
  readonly optimizer: { readonly betas: readonly [number, number]; readonly epsilon: number; readonly learningRate: number };
  readonly float32Gap: Readonly<Record<"parts" | "loss" | "grads" | "after", { readonly max: number }>>;
}

interface Data<Leaf = NdArray> extends VaeBatch<Leaf> {
  readonly noise: Leaf;
}

const folder = new URL("./fixtures/", import.meta.url);

function load(name: string) {
  const facts = JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8")) as Fixture;
  const { tensors } = readSafetensors(readFileSync(new URL(`${name}.safetensors`, folder)), name);
  const template = init(facts.config, key(0));
  const under = (prefix: string) =>
    new Map(
      [...tensors]
        .filter(([path]) => path.startsWith(`${prefix}/`))
        .map(([path, array]) => [path.slice(prefix.length + 1), { ...array, data: array.data.slice() }]),
    );
  const tree = (prefix: string) => restoreTree(template, under(prefix), prefix) as VaeParams<NdArray>;
  const [images, labels, noise] = ["images", "labels", "noise"].map((part) => tensors.get(part)) as [NdArray, NdArray, NdArray];
  const data: Data = { images, labels, noise };
  return { facts, tree, data, parts: Object.fromEntries(under("parts")) };
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
    const { betas, epsilon, learningRate } = facts.optimizer;
    const optimizer = adamw({ beta1: betas[0], beta2: betas[1], epsilon, weightDecay: 0 });
    const params = tree("params") as unknown as Tree<NdArray>;
    let state: ObjectiveState = { params, optimizer: optimizer.init(params) };
    const step = await compileStep<Data>(
      {
        name: "model",
        loss: (own, batch, _, at) => {
          const { images, labels, noise } = batch as unknown as Data<Tensor>;
          return { loss: loss(config, own as unknown as VaeParams, { images, labels }, noise, at).loss };
        },
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
    for (const [i, expected] of facts.losses.entries()) {
      expect(Math.abs((await run(i + 1)) - expected)).toBeLessThan(1e-5 * Math.max(1, expected));
    }
    // Adam divides a gradient's rounding by its size: one nearly 0 may take a parameter off by a small part of the way it has gone.
    expect(gap(state.params, tree("after"))).toBeLessThan(1e-4);
    expect(Math.abs((await run(11)) - facts.lossAfter)).toBeLessThan(1e-5 * Math.max(1, facts.lossAfter));
    await step.dispose();
  });
});
