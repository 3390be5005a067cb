/**
 * Translators against PyTorch (test/golden/fixtures/translator-*): log-probabilities of the next tokens (of one, mixed with copies of
 * the source's), smoothed loss, every gradient, and ten training steps.
 *
 * The fixtures are computed in float64; ours may land eight times as far from them as PyTorch's float32 does (`float32Gap`).
 */
import { describe, expect, test } from "vitest";
import { type Tensor, valueAndGrad } from "../../src/core/index.ts";
import { lstmNetwork } from "../../src/models/recurrent-network.ts";
import type { SequenceNetwork } from "../../src/models/sequence-network.ts";
import { forward, init, meanLoss, type SequenceToSequenceParams } from "../../src/models/sequence-to-sequence.ts";
import { transformerNetwork } from "../../src/models/transformer-network.ts";
import { adamw } from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { compileStep, type ObjectiveState } from "../../src/train/step.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";
import { gap, loadFixture } from "./replay.ts";

interface Fixture {
  readonly network: "transformer" | "lstm";
  readonly copy: boolean;
  readonly config: object;
  readonly labelSmoothing: number;
  readonly loss: number;
  readonly optimizer: {
    readonly learningRate: number;
    readonly betas: readonly [number, number];
    readonly epsilon: number;
    readonly weightDecay: number;
    readonly clip: number;
  };
  readonly steps: readonly { readonly loss: number; readonly gradNorm: number }[];
  readonly float32Gap: Readonly<Record<string, { readonly max: number }>>;
}

type Batch<Leaf = Tensor> = Readonly<Record<"source" | "lengths" | "written" | "targets", Leaf>>;

const networks = { transformer: transformerNetwork, lstm: lstmNetwork } as unknown as Record<string, SequenceNetwork<never>>;

describe.each(["transformer", "lstm-copy"])("%s", (name) => {
  const { facts, tree, tensor } = loadFixture<Fixture>(`translator-${name}`);
  const { copy, labelSmoothing } = facts;
  const network = networks[facts.network] as SequenceNetwork<never>;
  const model = { network, config: facts.config as never, vocabulary: 11, begin: 0, end: 1, copy };
  const limit = (kind: string) => 8 * (facts.float32Gap[kind]?.max as number);
  const template = init(model, key(0));
  const batch: Batch<NdArray> = {
    source: tensor("source"),
    lengths: tensor("lengths"),
    written: tensor("written"),
    targets: tensor("targets"),
  };
  const lossOf = (params: SequenceToSequenceParams, { targets, ...teaching }: Batch) =>
    meanLoss(model, params, teaching, targets, { labelSmoothing });

  test.each(["cpu", "wasm"] as const)("log-probabilities, loss and gradients on %s", async (device) => {
    const step = (params: SequenceToSequenceParams, given: Batch) => {
      const { value, grads } = valueAndGrad((own: SequenceToSequenceParams) => lossOf(own, given))(params);
      return { logProbabilities: forward(model, params, given), loss: value, grads };
    };
    const start = tree(template, "params");
    const given = [start, batch] as [SequenceToSequenceParams<NdArray>, Batch<NdArray>];
    const executable = await compile<typeof given, ReturnType<typeof step>>(step as never, given, { device });
    const got = await executable.run(...given);
    await executable.dispose();
    expect(gap({ it: got.logProbabilities }, { it: tensor("logProbabilities") })).toBeLessThan(limit("logProbabilities"));
    // PyTorch's gap of a single number may be 0 by luck: at least two steps between float32 numbers are allowed.
    expect(Math.abs(Number(got.loss.data[0]) - facts.loss)).toBeLessThan(Math.max(limit("loss"), facts.loss * 2 ** -22));
    expect(gap(got.grads, tree(template, "grads"))).toBeLessThan(limit("grads"));
  });

  test("ten training steps on cpu", async () => {
    const { betas, epsilon, weightDecay, clip, learningRate } = facts.optimizer;
    const optimizer = adamw({ beta1: betas[0], beta2: betas[1], epsilon, weightDecay });
    const params = tree(template, "params") as unknown as Tree<NdArray>;
    let state: ObjectiveState = { params, optimizer: optimizer.init(params) };
    const step = await compileStep(
      {
        name: "model",
        loss: (own, given) => ({ loss: lossOf(own as unknown as SequenceToSequenceParams, given as unknown as Batch) }),
        optimizer,
        learningRate: () => learningRate,
        clip,
      },
      state,
      {},
      batch,
      { accumulate: 1, averaging: 0, compile: { device: "cpu" } },
    );
    for (const [i, expected] of facts.steps.entries()) {
      const { state: next, report } = await step.run(state, {}, batch, { step: i + 1, key: key(0) });
      state = next;
      expect(Math.abs(report.loss - expected.loss), `loss of step ${i}`).toBeLessThan(1e-5);
      expect(Math.abs(report.gradNorm - expected.gradNorm) / expected.gradNorm, `norm of step ${i}`).toBeLessThan(1e-4);
    }
    await step.dispose();
    // Adam divides a gradient's rounding by its size: one nearly 0 may take a parameter off by a small part of the way it has gone.
    expect(gap(state.params, tree(template, "after"))).toBeLessThan(1e-4);
  });
});
