/**
 * Networks for sequences against PyTorch (test/golden/fixtures/sequence-*): encoder and decoder of padded sequences (states, summary,
 * logits, attention), loss, every gradient, and ten training steps.
 *
 * The fixtures are computed in float64; ours may land eight times as far from them as PyTorch's float32 does (`float32Gap`).
 */
import { describe, expect, test } from "vitest";
import { type Tensor, valueAndGrad } from "../../src/core/index.ts";
import { gruNetwork, lstmNetwork, rnnNetwork } from "../../src/models/recurrent-network.ts";
import type { SequenceNetwork } from "../../src/models/sequence-network.ts";
import { transformerNetwork } from "../../src/models/transformer-network.ts";
import { embedding, initEmbedding } from "../../src/nn/linear.ts";
import { crossEntropy } from "../../src/nn/losses.ts";
import { add, matmul, mean, mul } from "../../src/ops/index.ts";
import { compile } from "../../src/runtime/index.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";
import { type ClippedTraining, gap, loadFixture, replayClipped } from "./replay.ts";

interface Fixture extends ClippedTraining {
  readonly network: "transformer" | "rnn" | "gru" | "lstm";
  readonly config: { readonly width: number };
  readonly ignoreIndex: number;
  readonly loss: number;
  readonly float32Gap: Readonly<Record<string, { readonly max: number }>>;
}

type Params<Leaf = Tensor> = {
  readonly tokens: { readonly weight: Leaf };
  readonly encoder: Tree<Leaf>;
  readonly decoder: Tree<Leaf>;
};

type Batch<Leaf = Tensor> = Readonly<Record<"source" | "lengths" | "target" | "answers", Leaf>>;

const networks = { transformer: transformerNetwork, rnn: rnnNetwork, gru: gruNetwork, lstm: lstmNetwork } as unknown as Record<
  string,
  SequenceNetwork<never>
>;
const vocabulary = 11;

describe.each(["transformer", "rnn", "rnn-summary", "gru", "lstm"])("%s", (name) => {
  const { facts, tree, tensor, optional } = loadFixture<Fixture>(`sequence-${name}`);
  const network = networks[facts.network] as SequenceNetwork<never>;
  const config = facts.config as never;
  const limit = (kind: string) => 8 * (facts.float32Gap[kind]?.max as number);
  const template: Params<NdArray> = {
    tokens: initEmbedding(key(0), vocabulary, facts.config.width),
    encoder: network.encoder.init(config, key(0)),
    decoder: network.decoder.init(config, key(0), true),
  };
  const batch: Batch<NdArray> = {
    source: tensor("source"),
    lengths: tensor("lengths"),
    target: tensor("target"),
    answers: tensor("answers"),
  };
  const run = ({ tokens, encoder, decoder }: Params, { source, lengths, target, answers }: Batch) => {
    const read = network.encoder.forward(config, encoder, embedding(tokens, source), lengths);
    const out = network.decoder.forward(config, decoder, embedding(tokens, target), read);
    const logits = matmul(out.states, tokens.weight, { transposeB: true });
    const loss = crossEntropy(logits, answers, { ignoreIndex: facts.ignoreIndex });
    const { states, summary } = read;
    const seen = { states, summary, logits, ...(out.attention && { attention: out.attention }) };
    return { loss: add(loss, mul(mean(mul(summary, summary)), 0.1)), aux: seen };
  };

  test.each(["cpu", "wasm"] as const)("states, logits, attention, loss and gradients on %s", async (device) => {
    const step = (params: Params, given: Batch) => {
      const { value, grads, aux } = valueAndGrad((own: Params) => run(own, given))(params);
      return { loss: value, grads, ...aux };
    };
    const start = tree(template, "params");
    const executable = await compile<[Params<NdArray>, Batch<NdArray>], ReturnType<typeof step>>(step as never, [start, batch], {
      device,
    });
    const got = await executable.run(start, batch);
    await executable.dispose();
    expect("attention" in got).toBe(optional("attention") !== undefined);
    for (const kind of ["states", "summary", "logits", "attention"] as const) {
      const expected = optional(kind);
      if (expected) expect(gap({ it: got[kind] }, { it: expected }), kind).toBeLessThan(limit(kind));
    }
    // PyTorch's gap of a single number may be 0 by luck: at least two steps between float32 numbers are allowed.
    expect(Math.abs(Number(got.loss.data[0]) - facts.loss)).toBeLessThan(Math.max(limit("loss"), facts.loss * 2 ** -22));
    expect(gap(got.grads, tree(template, "grads"))).toBeLessThan(limit("grads"));
  });

  test("ten training steps on cpu", async () => {
    const after = await replayClipped(
      facts,
      tree(template, "params"),
      batch,
      (own: Params, given: Batch) => run(own, given).loss,
    );
    // Adam divides a gradient's rounding by its size: one nearly 0 may take a parameter off by a small part of the way it has gone.
    expect(gap(after, tree(template, "after"))).toBeLessThan(1e-4);
  });
});
