/**
 * Dual encoder and span reader against PyTorch (test/golden/fixtures/dual-encoder.*, span-reader.*): outputs, loss, every gradient,
 * and ten training steps. The fixtures are computed in float64; ours may land eight times as far from them as PyTorch's float32 does.
 */
import { describe, expect, test } from "vitest";
import { type Tensor, valueAndGrad } from "../../src/core/index.ts";
import * as dual from "../../src/models/dual-encoder.ts";
import * as reader from "../../src/models/span-reader.ts";
import { type TransformerNetworkConfig, transformerNetwork } from "../../src/models/transformer-network.ts";
import { exp } from "../../src/ops/index.ts";
import { compile } from "../../src/runtime/index.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";
import { gap, loadFixture, type ModelFixture, replaySteps } from "./replay.ts";

type Fixture = ModelFixture<TransformerNetworkConfig, string> & { readonly temperature: number };
type Arrays<Leaf = Tensor> = Readonly<Record<string, Leaf>>;

const vocabulary = 11;

interface Model {
  readonly name: string;
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /** Parameters whose gradient is 0 but for rounding, which Adam turns into steps of any direction. */
  readonly unmoved: readonly string[];
  init(facts: Fixture): unknown;
  run(facts: Fixture, params: never, batch: Arrays): { readonly loss: Tensor; readonly outputs: Arrays };
}

const models: readonly Model[] = [
  {
    name: "dual-encoder",
    inputs: ["queries", "queryLengths", "passages", "passageLengths", "documents", "weights"],
    outputs: ["queryVectors", "passageVectors"],
    unmoved: [],
    init: ({ config }) => dual.init({ network: transformerNetwork, config, vocabulary, shared: true }, key(0)),
    run({ config, temperature }, params, batch) {
      const { queries, queryLengths, passages, passageLengths, documents, weights } = batch as Record<string, Tensor>;
      const model = { network: transformerNetwork, config, vocabulary, shared: true };
      const queryVectors = dual.embed(model, params, "query", queries as Tensor, queryLengths as Tensor);
      const passageVectors = dual.embed(model, params, "passage", passages as Tensor, passageLengths as Tensor);
      const options = { temperature, documents: documents as Tensor, weights: weights as Tensor };
      return { loss: dual.contrastiveLoss(queryVectors, passageVectors, options), outputs: { queryVectors, passageVectors } };
    },
  },
  {
    name: "span-reader",
    inputs: ["tokens", "kinds", "lengths", "spans", "weights"],
    outputs: ["probabilities"],
    unmoved: ["encoder.norm.bias"], // raises the scores of all places alike
    init: ({ config }) => reader.init({ network: transformerNetwork, config, vocabulary, dropout: 0 }, key(0)),
    run({ config }, params, batch) {
      const { spans, weights, ...pairs } = batch;
      const model = { network: transformerNetwork, config, vocabulary, dropout: 0 };
      const logs = reader.forward(model, params, pairs as unknown as reader.QuestionWithPassage);
      return { loss: reader.spanLoss(logs, spans as Tensor, weights as Tensor), outputs: { probabilities: exp(logs) } };
    },
  },
];

describe.each(models)("$name", ({ name, inputs, outputs, unmoved, init, run }) => {
  const { facts, tree, tensor } = loadFixture<Fixture>(name);
  const limit = (kind: string) => 8 * (facts.float32Gap[kind]?.max as number);
  const template = init(facts);
  const batch: Arrays<NdArray> = Object.fromEntries(inputs.map((input) => [input, tensor(input)]));

  test.each(["cpu", "wasm"] as const)("outputs, loss and gradients on %s", async (device) => {
    const step = (params: never, given: Arrays) => {
      const { value, grads, aux } = valueAndGrad((own: never) => {
        const { loss, outputs: seen } = run(facts, own, given);
        return { loss, aux: seen };
      })(params);
      return { loss: value, grads, aux };
    };
    const start = tree(template, "params");
    const executable = await compile(step as never, [start, batch] as never, { device });
    const got = (await executable.run(...([start, batch] as never))) as { loss: NdArray; grads: unknown; aux: Arrays<NdArray> };
    await executable.dispose();
    for (const output of outputs) {
      expect(gap({ it: got.aux[output] }, { it: tensor(output) }), output).toBeLessThan(limit(output));
    }
    expect(Math.abs(Number(got.loss.data[0]) - facts.loss)).toBeLessThan(Math.max(limit("loss"), facts.loss * 2 ** -22));
    expect(gap(got.grads, tree(template, "grads"))).toBeLessThan(limit("grads"));
  });

  test("ten training steps on cpu", async () => {
    const start = tree(template, "params");
    const { losses, lossAfter, params } = await replaySteps(
      facts,
      start,
      batch,
      (own, given) => run(facts, own, given as never).loss,
    );
    facts.losses.forEach(
      (loss, i) => void expect(Math.abs((losses[i] as number) - loss), `loss of step ${i}`).toBeLessThan(1e-5),
    );
    expect(Math.abs(lossAfter - facts.lossAfter)).toBeLessThan(1e-5);
    expect(gap(params, tree(template, "after"), (path) => !unmoved.includes(path))).toBeLessThan(1e-4);
  });
});
