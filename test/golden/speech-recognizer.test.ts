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
import { compile } from "../../src/runtime/index.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";
import { type ClippedTraining, gap, loadFixture, replayClipped } from "./replay.ts";

interface Fixture extends ClippedTraining {
  readonly config: { readonly bands: number; readonly vocabulary: number; readonly network: Partial<RecurrentNetworkConfig> };
  readonly loss: number;
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
  const after = await replayClipped(facts, tree(template, "params"), batch, lossOf);
  // Adam divides a gradient's rounding by its size: one nearly 0 may take a parameter off by a small part of the way it has gone.
  expect(gap(after, tree(template, "after"))).toBeLessThan(1e-4);
});
