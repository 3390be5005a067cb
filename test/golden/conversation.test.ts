/**
 * The conversation model against PyTorch (test/golden/fixtures/conversation.*): logits, guessed emotions, attention, loss, every
 * gradient, and ten training steps, with one emotion hidden, one speaker unknown and replies of different weight.
 *
 * The fixture is computed in float64; ours may land eight times as far from it as PyTorch's float32 does (`float32Gap`).
 */
import { describe, expect, test } from "vitest";
import { type TracedKey, valueAndGrad } from "../../src/core/index.ts";
import { type Answered, type ConversationParams, conversationLoss, forward, init } from "../../src/models/conversation.ts";
import { type TransformerNetworkConfig, transformerNetwork } from "../../src/models/transformer-network.ts";
import { compile } from "../../src/runtime/index.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";
import { type ClippedTraining, gap, loadFixture, replayClipped } from "./replay.ts";

interface Fixture extends ClippedTraining {
  readonly config: TransformerNetworkConfig;
  readonly emotions: number;
  readonly speakers: number;
  readonly vocabulary: number;
  readonly labelSmoothing: number;
  readonly detection: number;
  readonly loss: number;
  readonly float32Gap: Readonly<Record<string, { readonly max: number }>>;
}

describe("conversation", () => {
  const { facts, tree, tensor } = loadFixture<Fixture>("conversation");
  const model = { network: transformerNetwork, ...facts, dropout: 0 };
  const limit = (kind: string) => 8 * (facts.float32Gap[kind]?.max as number);
  const template = init(model, key(0));
  const batch: Answered<NdArray> = {
    context: tensor("context"),
    lengths: tensor("lengths"),
    read: tensor("read"),
    written: tensor("written"),
    emotion: tensor("emotion"),
    speaker: tensor("speaker"),
    weights: tensor("weights"),
  };
  const loss = (params: ConversationParams, given: Answered, random: TracedKey) =>
    conversationLoss(model, params, given, { ...facts, hide: { emotion: 0, speaker: 0 }, key: random });

  test.each(["cpu", "wasm"] as const)("logits, emotions, attention, loss and gradients on %s", async (device) => {
    const step = (params: ConversationParams, given: Answered, random: TracedKey) => {
      const { value, grads } = valueAndGrad((own: ConversationParams) => loss(own, given, random))(params);
      return { loss: value, grads, ...forward(model, params, given) };
    };
    const start = tree(template, "params");
    const executable = await compile(step as never, [start, batch, key(0)] as never, { device });
    const got = (await executable.run(...([start, batch, key(0)] as never))) as unknown as Record<string, NdArray> & {
      readonly grads: unknown;
    };
    await executable.dispose();
    for (const kind of ["logits", "detected", "attention"] as const) {
      expect(gap({ it: got[kind] }, { it: tensor(kind) }), kind).toBeLessThan(limit(kind));
    }
    // PyTorch's gap of a single number may be 0 by luck: at least two steps between float32 numbers are allowed.
    expect(Math.abs(Number(got.loss?.data[0]) - facts.loss)).toBeLessThan(Math.max(limit("loss"), facts.loss * 2 ** -22));
    expect(gap(got.grads, tree(template, "grads"))).toBeLessThan(limit("grads"));
  });

  test("ten training steps on cpu", async () => {
    const after = await replayClipped(facts, tree(template, "params"), batch, loss);
    // Adam divides a gradient's rounding by its size: one nearly 0 may take a parameter off by a small part of the way it has gone.
    expect(gap(after, tree(template, "after"))).toBeLessThan(1e-4);
  });
});
