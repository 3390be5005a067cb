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
import { compile } from "../../src/runtime/index.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";
import { type ClippedTraining, gap, loadFixture, replayClipped } from "./replay.ts";

interface Fixture extends ClippedTraining {
  readonly network: "transformer" | "lstm";
  readonly copy: boolean;
  readonly config: object;
  readonly labelSmoothing: number;
  readonly loss: number;
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
    const after = await replayClipped(facts, tree(template, "params"), batch, (own: SequenceToSequenceParams, given: Batch) =>
      lossOf(own, given),
    );
    // Adam divides a gradient's rounding by its size: one nearly 0 may take a parameter off by a small part of the way it has gone.
    expect(gap(after, tree(template, "after"))).toBeLessThan(1e-4);
  });
});
