/**
 * Recurrent networks against PyTorch (test/golden/fixtures/recurrent-*): language models (logits, loss, every gradient, ten
 * training steps) and bidirectional encoders of padded sequences (outputs, final states, every gradient).
 *
 * The fixtures are computed in float64; ours may land eight times as far from them as PyTorch's float32 does (`float32Gap`).
 */
import { describe, expect, test } from "vitest";
import { type Tensor, valueAndGrad } from "../../src/core/index.ts";
import { gru, gruCell } from "../../src/models/gru.ts";
import type { LanguageModel } from "../../src/models/language-model.ts";
import { lstm, lstmCell } from "../../src/models/lstm.ts";
import { initRecurrentLayers, type LayerState, type RecurrentLayer, recurrentLayers } from "../../src/models/recurrent.ts";
import { type RecurrentModelConfig, recurrentModelDefaults } from "../../src/models/recurrent-language-model.ts";
import { rnn, rnnCell } from "../../src/models/rnn.ts";
import { crossEntropy } from "../../src/nn/losses.ts";
import { add, mul, stack, sum } from "../../src/ops/index.ts";
import { compile } from "../../src/runtime/index.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";
import { type ClippedTraining, gap, loadFixture, replayClipped } from "./replay.ts";

type Config = RecurrentModelConfig & { readonly activation?: "tanh" | "relu" };

interface Fixture extends ClippedTraining {
  readonly model: "rnn" | "gru" | "lstm";
  readonly config: Partial<Config>;
  readonly inputs: number;
  readonly loss: number;
  readonly ignoreIndex: number;
  readonly float32Gap: Readonly<Record<string, { readonly max: number }>>;
}

const models = { rnn, gru, lstm } as unknown as Record<string, LanguageModel<Config>>;

function load(name: string) {
  const { facts, tree, tensor } = loadFixture<Fixture>(`recurrent-${name}`);
  const config = { ...recurrentModelDefaults, ...facts.config } as Config;
  const cell = { rnn: rnnCell(config.activation ?? "tanh"), gru: gruCell, lstm: lstmCell }[facts.model];
  const limit = (kind: string) => 8 * (facts.float32Gap[kind]?.max as number);
  return { facts, config, cell, at: tensor, tree: <T>(prefix: string, template: T): T => tree(template, prefix), limit };
}

describe.each(["rnn", "rnn-relu", "gru", "lstm", "lstm-norm"])("%s language model", (name) => {
  const { facts, config, at, tree, limit } = load(name);
  const model = models[facts.model] as LanguageModel<Config>;
  const [tokens, targets] = [at("tokens"), at("targets")];
  const template = model.init(config, key(0));
  const lossOf = (params: Tree<Tensor>, x: Tensor, y: Tensor) =>
    crossEntropy(model.forward(config, params, x), y, { ignoreIndex: facts.ignoreIndex });

  test.each(["cpu", "wasm"] as const)("logits, loss and gradients on %s", async (device) => {
    const step = (params: Tree<Tensor>, x: Tensor, y: Tensor) => {
      const { value, grads } = valueAndGrad((own: Tree<Tensor>) => lossOf(own, x, y))(params);
      return { logits: model.forward(config, params, x), loss: value, grads };
    };
    const start = tree("params", template);
    const executable = await compile<[Tree<NdArray>, NdArray, NdArray], ReturnType<typeof step>>(step, [start, tokens, targets], {
      device,
    });
    const got = await executable.run(start, tokens, targets);
    await executable.dispose();
    expect(gap({ logits: got.logits }, { logits: at("logits") })).toBeLessThan(limit("logits"));
    // PyTorch's gap of a single number may be 0 by luck: at least two steps between float32 numbers are allowed.
    expect(Math.abs(Number(got.loss.data[0]) - facts.loss)).toBeLessThan(Math.max(limit("loss"), facts.loss * 2 ** -22));
    expect(gap(got.grads, tree("grads", template))).toBeLessThan(limit("grads"));
  });

  test("ten training steps on cpu", async () => {
    const after = await replayClipped(
      facts,
      tree("params", template),
      { x: tokens, y: targets },
      (own: Tree<Tensor>, { x, y }: { readonly x: Tensor; readonly y: Tensor }) => lossOf(own, x, y),
    );
    // Adam divides a gradient's rounding by its size: one nearly 0 may take a parameter off by a small part of the way it has gone.
    expect(gap(after, tree("after", template))).toBeLessThan(1e-4);
  });
});

interface Weights<Leaf> {
  readonly outputs: Leaf;
  readonly hidden: Leaf;
  readonly memory: Leaf;
}

describe.each(["rnn", "rnn-relu", "gru", "lstm"])("%s encoder of padded sequences, both directions", (name) => {
  const { facts, config, cell, at, tree, limit } = load(`${name}-encoder`);
  const template = initRecurrentLayers(cell, config, facts.inputs, key(0)) as unknown as Tree<NdArray>;

  test.each(["cpu", "wasm"] as const)("outputs, final states and gradients on %s", async (device) => {
    const weights: Weights<NdArray> = {
      outputs: at("weights/outputs"),
      hidden: at("weights/hidden"),
      memory: at("weights/memory"),
    };
    /** Final states as PyTorch stacks them: layer by layer, forward before reverse. */
    const stacked = (state: readonly LayerState[], part: "hidden" | "memory") =>
      stack(state.flatMap((layer) => [layer[part] as Tensor, layer.reverse?.[part] as Tensor]));
    const run = (params: Tree<Tensor>, x: Tensor, lengths: Tensor, weight: Weights<Tensor>) => {
      const { value, grads, aux } = valueAndGrad(({ p, own }: { p: Tree<Tensor>; own: Tensor }) => {
        const layers = p as unknown as RecurrentLayer[];
        const { outputs, state } = recurrentLayers(cell, config, layers, own, { lengths });
        const hidden = stacked(state, "hidden");
        const memory = cell.remembers ? stacked(state, "memory") : undefined;
        const parts = [mul(outputs, weight.outputs), mul(hidden, weight.hidden), ...(memory ? [mul(memory, weight.memory)] : [])];
        const loss = parts.map((part) => sum(part)).reduce((a, b) => add(a, b));
        return { loss, aux: { outputs, hidden, ...(memory && { memory }) } };
      })({ p: params, own: x });
      return { value, grads, ...aux };
    };
    const start = tree("params", { layers: template }).layers;
    const executable = await compile<[Tree<NdArray>, NdArray, NdArray, Weights<NdArray>], ReturnType<typeof run>>(
      run as never, // the mapped argument types follow the tree's structure
      [start, at("x"), at("lengths"), weights],
      { device },
    );
    const got = await executable.run(start, at("x"), at("lengths"), weights);
    await executable.dispose();
    expect(gap({ y: got.outputs }, { y: at("outputs") })).toBeLessThan(limit("outputs"));
    expect(gap({ y: got.hidden }, { y: at("hidden") })).toBeLessThan(limit("hidden"));
    if (cell.remembers) expect(gap({ y: got.memory }, { y: at("memory") })).toBeLessThan(limit("memory"));
    expect(gap({ y: got.grads.own }, { y: at("gradsX") })).toBeLessThan(limit("gradsX"));
    expect(gap(got.grads.p, tree("grads", { layers: template }).layers)).toBeLessThan(limit("grads"));
  });
});
