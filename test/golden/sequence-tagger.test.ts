/**
 * The tagger against PyTorch (test/golden/fixtures/sequence-tagger): scores, loss, every gradient, ten training steps. There the CRF's sum
 * is taken over all sequences of tags that BIO allows, one by one.
 *
 * The fixture is computed in float64; ours may land eight times as far from it as PyTorch's float32 does (`float32Gap`).
 */
import { describe, expect, test } from "vitest";
import { type Tensor, valueAndGrad } from "../../src/core/index.ts";
import { lstmNetwork } from "../../src/models/recurrent-network.ts";
import { type Answers, forward, init, loss, type Sentences, type TaggerParams } from "../../src/models/sequence-tagger.ts";
import { compile } from "../../src/runtime/index.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";
import { type ClippedTraining, gap, loadFixture, replayClipped } from "./replay.ts";

interface Fixture extends ClippedTraining {
  readonly tags: readonly string[];
  readonly vocabulary: number;
  readonly letters: number;
  readonly letterFeatures: number;
  readonly types: number;
  readonly width: number;
  readonly loss: number;
  readonly float32Gap: Readonly<Record<string, { readonly max: number }>>;
}

type Batch<Leaf = Tensor> = Sentences<Leaf> & Answers<Leaf>;

const { facts, tree, tensor, under } = loadFixture<Fixture>("sequence-tagger");
const { tags, vocabulary, letters, letterFeatures, types, width } = facts;
const model = {
  network: lstmNetwork,
  config: { ...lstmNetwork.defaults, layers: 1, width, dropout: 0 },
  vocabulary,
  mask: vocabulary - 1,
  letters,
  letterFeatures,
  tags,
  types,
  crf: true,
  dropout: 0,
  tokenDropout: 0,
};
const template = init(model, key(0));
const batch = Object.fromEntries(
  ["tokens", "letters", "lengths", "tags", "types", "weights"].map((name) => [name, tensor(name)]),
) as unknown as Batch<NdArray>;
const lossOf = (params: TaggerParams, given: Batch): Tensor => loss(model, params, given, given);

describe("the tagger", () => {
  test.each(["cpu", "wasm"] as const)("scores, loss and gradients on %s", async (device) => {
    const start = tree(template, "params");
    const step = (params: TaggerParams, given: Batch) => {
      const { value, grads } = valueAndGrad((own: TaggerParams) => lossOf(own, given))(params);
      return { loss: value, grads, scores: forward(model, params, given).scores };
    };
    const executable = await compile<[TaggerParams<NdArray>, Batch<NdArray>], ReturnType<typeof step>>(
      step as never,
      [start, batch],
      { device },
    );
    const got = await executable.run(start, batch);
    await executable.dispose();
    const limit = (kind: string) => 8 * (facts.float32Gap[kind]?.max as number);
    // Behind a sentence's words nothing is scored: PyTorch's states are 0 there too.
    expect(gap({ it: got.scores }, { it: tensor("scores") })).toBeLessThan(limit("scores"));
    // PyTorch's gap of a single number may be 0 by luck: at least two steps between float32 numbers are allowed.
    expect(Math.abs(Number(got.loss.data[0]) - facts.loss)).toBeLessThan(Math.max(limit("loss"), facts.loss * 2 ** -22));
    expect(gap(got.grads, tree(template, "grads"))).toBeLessThan(limit("grads"));
  });

  test("ten training steps on cpu", async () => {
    const after = await replayClipped(facts, tree(template, "params"), batch, (own: TaggerParams, given: Batch) =>
      lossOf(own, given),
    );
    // Adam divides a gradient by its own size, so of one that is nearly 0 it makes much of its rounding: those do not count.
    const slopes = under("grads");
    const counts = (path: string, i: number): boolean => Math.abs(Number(slopes.get(path)?.data[i])) > 1e-6;
    expect(gap(after, tree(template, "after"), counts)).toBeLessThan(1e-4);
  });
});
