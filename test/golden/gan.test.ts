/**
 * GANs against PyTorch (test/golden/fixtures/gan-*): pictures, scores, both losses, every gradient of both players, and ten
 * alternating Adam steps with their buffers.
 *
 * The fixtures are computed in float64; ours may land eight times as far from them as PyTorch's float32 does (`float32Gap`).
 */
import { describe, expect, test } from "vitest";
import { type Tensor, valueAndGrad } from "../../src/core/index.ts";
import { discriminate, type GanConfig, type GanParams, generate, init, spectrallyNormalized } from "../../src/models/gan.ts";
import { discriminatorLoss, type GanBatch, generatorLoss } from "../../src/models/gan-losses.ts";
import { adamw } from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import type { LossResult, ObjectiveState, TrainStep } from "../../src/train/objective.ts";
import { flattenParameters } from "../../src/train/parameters.ts";
import { compileStep } from "../../src/train/step.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";
import { gap, loadFixture } from "./replay.ts";

interface Fixture {
  readonly config: GanConfig;
  readonly losses: readonly (readonly [number, number])[];
  readonly optimizer: { readonly betas: readonly [number, number]; readonly epsilon: number; readonly learningRate: number };
  readonly float32Gap: Readonly<Record<"fakes" | "inference" | "scores" | "losses" | "grads", { readonly max: number }>>;
}

const players = ["discriminator", "generator"] as const;
const losses = { discriminator: discriminatorLoss, generator: generatorLoss };

function load(name: string) {
  const { facts, tree, tensor, under } = loadFixture<Fixture>(name);
  const params = () => tree(init(facts.config, key(0)), "params");
  const batch: GanBatch<NdArray> = {
    images: tensor("images"),
    labels: tensor("labels"),
    latents: tensor("latents"),
    mix: tensor("mix"),
  };
  return { facts, params, array: tensor, flat: (prefix: string) => Object.fromEntries(under(prefix)), batch };
}

describe.each(["gan-dcgan", "gan-wgan-gp", "gan-residual", "gan-r1"])("%s", (name) => {
  const { facts, params, array, flat, batch } = load(name);
  const { config, float32Gap } = facts;

  test.each(["cpu", "wasm"] as const)("pictures, scores, losses and gradients on %s", async (device) => {
    const traced = (own: GanParams, { images, labels, latents, mix }: GanBatch) => {
      const known = config.classes > 0 ? labels : undefined;
      const given = { images, labels, latents, ...(mix && { mix }) };
      const judge = spectrallyNormalized(own.discriminator, {});
      const of = (player: (typeof players)[number]) => {
        const { value, grads } = valueAndGrad(
          (mine: GanParams[typeof player]) => losses[player](config, { ...own, [player]: mine }, given).loss,
        )(own[player]);
        return { value, grads };
      };
      const [discriminator, generator] = [of("discriminator"), of("generator")];
      return {
        fakes: generate(own.generator, latents, { labels: known, buffers: {} }),
        inference: generate(own.generator, latents, { labels: known }),
        scores: discriminate(config, judge, images, known),
        values: [discriminator.value, generator.value],
        grads: { discriminator: discriminator.grads, generator: generator.grads },
      };
    };
    type Got = { fakes: Tensor; inference: Tensor; scores: Tensor; values: Tensor[]; grads: Tree<Tensor> };
    const start = params();
    const executable = await compile<[GanParams<NdArray>, GanBatch<NdArray>], Got>(traced as never, [start, batch], { device });
    const got = await executable.run(start, batch);
    await executable.dispose();
    for (const what of ["fakes", "inference", "scores"] as const) {
      const expected = { [what]: array(what) };
      expect(gap({ [what]: got[what] }, expected), what).toBeLessThan(8 * float32Gap[what].max);
    }
    got.values.forEach((value, i) => {
      const expected = Number(array("losses").data[i]);
      expect(Math.abs(Number((value as unknown as NdArray).data[0]) - expected)).toBeLessThan(8 * float32Gap.losses.max);
    });
    const expected = flat("grads");
    const learnt = [...flattenParameters(start).keys()].filter((path) => !/\.(u|runningMean|runningVariance)$/.test(path));
    expect(Object.keys(expected).sort()).toEqual(learnt.sort());
    expect(gap(got.grads, expected)).toBeLessThan(8 * float32Gap.grads.max);
  });

  test("ten alternating steps on cpu", async () => {
    const { betas, epsilon, learningRate } = facts.optimizer;
    const optimizer = adamw({ beta1: betas[0], beta2: betas[1], epsilon, weightDecay: 0 });
    const start = params() as unknown as Record<string, Tree<NdArray>>;
    const states: Record<string, ObjectiveState> = {};
    const steps: Record<string, TrainStep<GanBatch<NdArray>>> = {};
    const others = (player: string) =>
      Object.fromEntries(players.filter((p) => p !== player).map((p) => [p, states[p]?.params as Tree<NdArray>]));
    for (const player of players)
      states[player] = { params: start[player] as Tree<NdArray>, optimizer: optimizer.init(start[player] as Tree<NdArray>) };
    for (const player of players) {
      steps[player] = await compileStep<GanBatch<NdArray>>(
        {
          name: player,
          trains: player,
          loss: (own, data) => losses[player](config, own as unknown as GanParams, data as unknown as GanBatch) as LossResult,
          optimizer,
          learningRate: () => learningRate,
        },
        states[player] as ObjectiveState,
        others(player),
        batch,
        { accumulate: 1, averaging: 0, compile: { device: "cpu" } },
      );
    }
    for (const [i, expected] of facts.losses.entries()) {
      for (const [p, player] of players.entries()) {
        const at = { step: i + 1, key: key(0) };
        const { state, report } = await (steps[player] as TrainStep<GanBatch<NdArray>>).run(
          states[player] as ObjectiveState,
          others(player),
          batch,
          at,
        );
        states[player] = state;
        expect(Math.abs(report.loss - (expected[p] as number)), `${player} at ${i}`).toBeLessThan(1e-4);
      }
    }
    const after = Object.fromEntries(players.map((player) => [player, states[player]?.params]));
    // Adam divides a gradient's rounding by its size: one nearly 0 may take a parameter off by a small part of the way it has gone.
    expect(gap(after, flat("after"))).toBeLessThan(1e-3);
    for (const step of Object.values(steps)) await step.dispose();
  });
});
