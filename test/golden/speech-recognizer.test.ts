/**
 * The speech recogniser around an LSTM against PyTorch (test/golden/fixtures/speech-recognizer): logits, frames left, CTC loss, every
 * gradient, and ten training steps.
 *
 * The fixtures are computed in float64; ours may land eight times as far from them as PyTorch's float32 does (`float32Gap`).
 */
import { expect, test } from "vitest";
import { type Tensor, valueAndGrad } from "../../src/core/index.ts";
import { lstmNetwork, type RecurrentNetworkConfig } from "../../src/models/recurrent-network.ts";
import { type Said, type Sounds, type SpeechRecognizerParams, speechRecognizer } from "../../src/models/speech-recognizer.ts";
import { specAugmentDefaults } from "../../src/nn/spec-augment.ts";
import { adamw } from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { compileStep, type ObjectiveState } from "../../src/train/step.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";
import { gap, loadFixture } from "./replay.ts";

interface Fixture {
  readonly config: { readonly bands: number; readonly vocabulary: number; readonly network: Partial<RecurrentNetworkConfig> };
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
type Batch<Leaf = Tensor> = { readonly sounds: Sounds<Leaf>; readonly said: Said<Leaf> };

const { facts, tree, tensor } = loadFixture<Fixture>("speech-recognizer");
const model = speechRecognizer(lstmNetwork);
const config = { ...facts.config, network: { ...lstmNetwork.defaults, ...facts.config.network }, augment: specAugmentDefaults };
const limit = (kind: string) => 8 * (facts.float32Gap[kind]?.max as number);
const template = model.init(config, key(0));
const batch: Batch<NdArray> = {
  sounds: { features: tensor("features"), frames: tensor("frames") },
  said: { labels: tensor("labels"), labelLengths: tensor("labelLengths") },
};
const lossOf = (params: unknown, { sounds, said }: Batch) => model.loss(config, params as SpeechRecognizerParams, sounds, said);

test.each(["cpu", "wasm"] as const)("logits, loss and gradients on %s", async (device) => {
  const step = (params: SpeechRecognizerParams, given: Batch) => {
    const { value, grads } = valueAndGrad((own: SpeechRecognizerParams) => lossOf(own, given))(params);
    return { loss: value, grads, ...model.forward(config, params, given.sounds) };
  };
  const start = tree(template, "params");
  const executable = await compile<[typeof start, typeof batch], ReturnType<typeof step>>(step as never, [start, batch], {
    device,
  });
  const got = await executable.run(start, batch);
  await executable.dispose();
  expect([...got.lengths.data]).toEqual([...tensor("lengths").data].map(Number));
  const [frames, classes] = tensor("logits").shape.slice(1) as [number, number];
  // Frames that do not count are nobody's business.
  const counts = (_: string, i: number) =>
    Math.floor(i / classes) % frames < Number(got.lengths.data[Math.floor(i / (classes * frames))]);
  expect(gap({ it: got.logits }, { it: tensor("logits") }, counts)).toBeLessThan(limit("logits"));
  // PyTorch's gap of a single number may be 0 by luck: at least two steps between float32 numbers are allowed.
  expect(Math.abs(Number(got.loss.data[0]) - facts.loss)).toBeLessThan(Math.max(limit("loss"), facts.loss * 2 ** -22));
  expect(gap(got.grads, tree(template, "grads"))).toBeLessThan(limit("grads"));
});

test("ten training steps on cpu", async () => {
  const { betas, epsilon, weightDecay, clip, learningRate } = facts.optimizer;
  const optimizer = adamw({ beta1: betas[0], beta2: betas[1], epsilon, weightDecay });
  const params = tree(template, "params") as unknown as Tree<NdArray>;
  let state: ObjectiveState = { params, optimizer: optimizer.init(params) };
  const step = await compileStep<typeof batch>(
    {
      name: "model",
      loss: (own, given) => ({ loss: lossOf(own, given as unknown as Batch) }),
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
