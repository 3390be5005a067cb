/** Gradients of encoders and decoders against finite differences in float64, of first and second order. */
import { describe, expect, test } from "vitest";
import type { Tensor } from "../../../src/core/index.ts";
import { gruNetwork, lstmNetwork, rnnNetwork } from "../../../src/models/recurrent-network.ts";
import type { SequenceNetwork } from "../../../src/models/sequence-network.ts";
import { transformerNetwork } from "../../../src/models/transformer-network.ts";
import { isNdArray, type NdArray } from "../../../src/util/ndarray.ts";
import { key } from "../../../src/util/random.ts";
import { flatten, mapTree, type Tree } from "../../../src/util/tree.ts";
import { compare, explain } from "../../ops/differences.ts";
import { whole } from "../../ops/run.ts";
import { normal, sample } from "../../ops/samples/make.ts";
import type { Sample } from "../../ops/samples.ts";

const [B, T, U, W] = [2, 3, 3, 4];
const small = { layers: 2, width: W, dropout: 0 };
const networks: Record<string, readonly [SequenceNetwork<never>, object]> = {
  transformer: [transformerNetwork, { ...small, layers: 1, heads: 2, hidden: 3 }],
  rnn: [rnnNetwork, { ...small, attention: "none", activation: "tanh" }],
  gru: [gruNetwork, { ...small, layers: 1, attention: "additive" }],
  lstm: [lstmNetwork, { ...small, attention: "additive" }],
} as unknown as Record<string, readonly [SequenceNetwork<never>, object]>;

/** What an encoder and a decoder of it give, as functions of everything that has a gradient. */
function sampleOf(name: string, network: SequenceNetwork<never>, config: never): Sample {
  const templates = [network.encoder.init(config, key(1)), network.decoder.init(config, key(1), true)];
  const shapes = templates.map((template) => flatten(template, isNdArray).map(({ leaf }) => leaf.shape));
  const makes = shapes.flat().map((shape) => normal(...shape));
  return sample(name, [normal(B, T, W), normal(B, U, W), ...makes, () => whole([B], [2, T])], ([x, y, ...rest]) => {
    let next = 0;
    const fill = (template: Tree<NdArray>) => mapTree(template, isNdArray, () => rest[next++] as Tensor) as Tree<Tensor>;
    const [encoder, decoder] = templates.map(fill) as [Tree<Tensor>, Tree<Tensor>];
    const source = network.encoder.forward(config, encoder, x, rest.at(-1) as Tensor);
    const out = network.decoder.forward(config, decoder, y as Tensor, source);
    return [source.states, source.summary, out.states, ...(out.attention ? [out.attention] : [])];
  });
}

describe.each(Object.entries(networks))("%s", (name, [network, config]) => {
  test("encoder and decoder", () => {
    const one = sampleOf(name, network, config as never);
    const wrong = compare(one).filter(({ agree }) => !agree);
    expect(wrong.length === 0 ? "" : explain(one)).toBe("");
  });
});
