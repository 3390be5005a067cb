/** Recurrent networks: what must hold by construction, whatever the numbers. */
import { describe, expect, it } from "vitest";
import { isTensor, type Tensor, valueAndGrad, vjp } from "../../src/core/index.ts";
import { gru, gruCell } from "../../src/models/gru.ts";
import type { LanguageModel } from "../../src/models/language-model.ts";
import { lstm, lstmCell } from "../../src/models/lstm.ts";
import {
  type Cell,
  type CellState,
  initRecurrentLayers,
  inputPart,
  type LayerState,
  type RecurrentConfig,
  type RecurrentLayer,
  recurrentLayers,
  runLayers,
  stepLayers,
} from "../../src/models/recurrent.ts";
import { type RecurrentModelConfig, recurrentModelDefaults } from "../../src/models/recurrent-language-model.ts";
import { type RnnConfig, rnn, rnnCell } from "../../src/models/rnn.ts";
import { crossEntropy } from "../../src/nn/losses.ts";
import { add, mul, reshape, slice, split, stack, sum } from "../../src/ops/index.ts";
import { adamw } from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { generate } from "../../src/tasks/language-model/generate.ts";
import { flattenParameters } from "../../src/train/index.ts";
import type { ObjectiveState } from "../../src/train/objective.ts";
import { compileStep } from "../../src/train/step.ts";
import { isNdArray, type NdArray, ndarray, sizeOf } from "../../src/util/ndarray.ts";
import { fillNormal, fold, key, randint } from "../../src/util/random.ts";
import { flatten, mapTree, type Tree } from "../../src/util/tree.ts";

const [B, T, C] = [3, 6, 4];
const plain: RecurrentConfig = { layers: 2, width: 5, bidirectional: false, norm: "none", dropout: 0 };
const cells: Record<string, { cell: Cell; config: RecurrentConfig }> = {
  "rnn tanh": { cell: rnnCell("tanh"), config: plain },
  "rnn relu": { cell: rnnCell("relu"), config: plain },
  gru: { cell: gruCell, config: plain },
  lstm: { cell: lstmCell, config: plain },
  "lstm, layer norm": { cell: lstmCell, config: { ...plain, norm: "layer" } },
  "gru, layer norm": { cell: gruCell, config: { ...plain, norm: "layer" } },
};
const modelConfig: RecurrentModelConfig = { ...recurrentModelDefaults, vocabulary: 13, embedding: 6, width: 8 };
const models = {
  rnn: rnn as LanguageModel<RecurrentModelConfig>,
  gru,
  lstm,
};

function drawn(name: string, shape: readonly number[]): NdArray {
  const data = new Float32Array(sizeOf(shape));
  fillNormal(fold(key(5), name), data);
  return { dtype: "float32", shape, data };
}

function tokensOf(name: string, shape: readonly number[], vocabulary = modelConfig.vocabulary): NdArray {
  const data = new Int32Array(sizeOf(shape));
  randint(fold(key(6), name), 0, vocabulary, data);
  return { dtype: "int32", shape, data };
}

/** Runs a function of arrays once. */
async function once<Out>(fn: (...args: never[]) => Out, ...args: Tree<NdArray>[]): Promise<Map<string, NdArray>> {
  const executable = await compile(fn as (...args: unknown[]) => Out, args, { device: "cpu" });
  const out = await executable.run(...args);
  await executable.dispose();
  return new Map(flatten(out, isNdArray).map(({ path, leaf }) => [path, leaf as NdArray]));
}

/** The largest difference of what stands under two prefixes. */
function apart(found: ReadonlyMap<string, NdArray>, one: string, other: string): number {
  let largest = 0;
  let compared = 0;
  for (const [path, { data }] of found) {
    if (!path.startsWith(`${one}.`) && path !== one) continue;
    const twin = found.get(other + path.slice(one.length));
    expect(twin?.shape, path).toEqual(found.get(path)?.shape);
    data.forEach((value, i) => {
      largest = Math.max(largest, Math.abs(Number(value) - Number(twin?.data[i])));
      compared++;
    });
  }
  expect(compared).toBeGreaterThan(0);
  return largest;
}

const total = (tree: unknown): Tensor =>
  flatten(tree, isTensor)
    .map(({ leaf }, i) => sum(mul(leaf as Tensor, Math.sin(i + 1))))
    .reduce((a, b) => add(a, b));

describe.each(Object.entries(cells))("layers of %s", (_, { cell, config }) => {
  const layers = initRecurrentLayers(cell, config, C, key(1)) as unknown as Tree<NdArray>;
  const start = Array.from({ length: config.layers }, (_, i) => ({
    hidden: drawn(`h${i}`, [B, config.width]),
    ...(cell.remembers && { memory: drawn(`c${i}`, [B, config.width]) }),
  }));
  /** Step by step, without a loop: what autodiff alone makes of it. */
  const unrolled = (params: readonly RecurrentLayer[], x: Tensor, initial: readonly CellState[]) => {
    let state = initial;
    const outputs: Tensor[] = [];
    for (const now of split(x, T, 1)) {
      const next = stepLayers(cell, params, (first) => inputPart(cell, first, reshape(now, [B, C])), state);
      outputs.push(next.outputs);
      state = next.state;
    }
    return { outputs: stack(outputs, 1), state };
  };

  it("computes what its steps compute one after the other, and has their gradient", async () => {
    const both = (params: RecurrentLayer[], x: Tensor, initial: LayerState[]) => {
      const weigh = ({ outputs, state }: { outputs: Tensor; state: unknown }) =>
        add(sum(mul(outputs, add(outputs, 0.5))), total(state));
      const way = (run: (p: RecurrentLayer[], x: Tensor, s: LayerState[]) => { outputs: Tensor; state: unknown }) => {
        const { grads, aux } = valueAndGrad((own: { p: RecurrentLayer[]; x: Tensor; s: LayerState[] }) => {
          const out = run(own.p, own.x, own.s);
          return { loss: weigh(out), aux: out };
        })({ p: params, x, s: initial });
        return { grads, out: aux };
      };
      return { loop: way((p, y, s) => recurrentLayers(cell, config, p, y, { state: s })), unrolled: way(unrolled) };
    };
    const found = await once(both, layers, drawn("x", [B, T, C]), start);
    expect(apart(found, "loop.out", "unrolled.out")).toBeLessThan(2e-6);
    expect(apart(found, "loop.grads", "unrolled.grads")).toBeLessThan(2e-5);
  });

  it("carries its state: two halves of a sequence are one", async () => {
    const both = (params: RecurrentLayer[], x: Tensor) => {
      const whole = recurrentLayers(cell, config, params, x);
      const [first, second] = [slice(x, { 1: { stop: 2 } }), slice(x, { 1: { start: 2 } })];
      const half = recurrentLayers(cell, config, params, first);
      const rest = recurrentLayers(cell, config, params, second, { state: half.state });
      return { whole: whole.state, parts: rest.state, a: slice(whole.outputs, { 1: { start: 2 } }), b: rest.outputs };
    };
    const found = await once(both, layers, drawn("x", [B, T, C]));
    expect(apart(found, "whole", "parts")).toBeLessThan(1e-6);
    expect(apart(found, "a", "b")).toBeLessThan(1e-6);
  });

  it("does not see padding, in either direction, nor does its gradient", async () => {
    const both = { ...config, bidirectional: true };
    const params = initRecurrentLayers(cell, both, C, key(2)) as unknown as Tree<NdArray>;
    const x = drawn("x", [1, T, C]);
    const other = { ...x, data: (x.data as Float32Array).map((value, i) => (i < 4 * C ? value : 100 * Math.cos(i))) };
    const compareAll = (p: RecurrentLayer[], padded: Tensor, differently: Tensor, lengths: Tensor) => {
      const way = (input: Tensor, given: object) => {
        const { grads, aux } = valueAndGrad((own: RecurrentLayer[]) => {
          const { outputs, state } = recurrentLayers(cell, both, own, input, given);
          return { loss: add(sum(mul(outputs, outputs)), total(state)), aux: { outputs, state } };
        })(p);
        return { outputs: slice(aux.outputs, { 1: { stop: 4 } }), all: aux.outputs, state: aux.state, grads };
      };
      return {
        cut: way(slice(padded, { 1: { stop: 4 } }), {}),
        masked: way(padded, { lengths }),
        otherwise: way(differently, { lengths }),
      };
    };
    const found = await once(compareAll, params, x, other, ndarray("int32", [1], [4]));
    for (const part of ["outputs", "state", "grads"]) {
      expect(apart(found, `cut.${part}`, `masked.${part}`), part).toBeLessThan(5e-6);
      expect(apart(found, `masked.${part}`, `otherwise.${part}`), part).toBe(0);
    }
    expect(
      found
        .get("masked.all")
        ?.data.slice(4 * 2 * config.width)
        .every((value) => value === 0),
    ).toBe(true);
  });

  it("forgets where a new text begins", async () => {
    const both = (params: RecurrentLayer[], x: Tensor, resets: Tensor, initial: LayerState[]) => {
      const way = (run: (p: RecurrentLayer[]) => Tensor) => {
        const { value, grads } = valueAndGrad((p: RecurrentLayer[]) => sum(mul(run(p), run(p))))(params);
        return { value, grads };
      };
      return {
        reset: way((p) => slice(recurrentLayers(cell, config, p, x, { resets, state: initial }).outputs, { 1: { start: 2 } })),
        fresh: way((p) => recurrentLayers(cell, config, p, slice(x, { 1: { start: 2 } })).outputs),
      };
    };
    const resets = ndarray(
      "bool",
      [B, T],
      new Uint8Array(B * T).map((_, i) => Number(i % T === 2)),
    );
    const found = await once(both, layers, drawn("x", [B, T, C]), resets, start);
    expect(apart(found, "reset", "fresh")).toBeLessThan(2e-5);
  });
});

describe("the emitted loop", () => {
  it("has one product in each direction: all others are outside", async () => {
    const layers = initRecurrentLayers(lstmCell, plain, C, key(1)) as unknown as Tree<NdArray>;
    const step = (params: RecurrentLayer[], x: Tensor) => {
      const { value, pullback } = vjp(
        (p: RecurrentLayer[]) => runLayers(lstmCell, plain, p, (first) => inputPart(lstmCell, first, x)).outputs,
        params,
      );
      return pullback(value);
    };
    const executable = await compile<[Tree<NdArray>, NdArray], unknown>(step as never, [layers, drawn("x", [T, B, C])], {
      device: "cpu",
    });
    const graph = await readGraph(executable.model);
    await executable.dispose();
    const bodies = graph.filter(({ op }) => op === "Scan").map(({ body }) => body);
    expect(bodies).toHaveLength(4); // two layers, there and back
    for (const body of bodies) {
      expect(body.filter((op) => op === "MatMul" || op === "Gemm")).toHaveLength(1);
      expect(body.length).toBeLessThanOrEqual(30);
    }
  });
});

/** Operators of a model, with those of the loops' bodies. */
async function readGraph(model: Uint8Array): Promise<{ op: string; body: string[] }[]> {
  const { fromBinary } = await import("@bufbuild/protobuf");
  const { ModelProtoSchema } = await import("onnx-buf");
  const nodes = fromBinary(ModelProtoSchema, model).graph?.node ?? [];
  return nodes.map((node) => ({
    op: node.opType,
    body: node.attribute.flatMap(({ g }) => g?.node.map(({ opType }) => opType) ?? []),
  }));
}

it("a large vocabulary gives what a small one gives: tokens are looked up one way or the other", async () => {
  const large = { ...modelConfig, vocabulary: 600 };
  const params = lstm.init(large, key(3));
  const cut = { ...(params as object) } as { tokens: { weight: NdArray }; head: { weight: NdArray; bias: NdArray } };
  const few = {
    ...cut,
    tokens: { weight: { ...cut.tokens.weight, shape: [13, 6], data: cut.tokens.weight.data.slice(0, 13 * 6) } },
  };
  const both = (a: Tree<Tensor>, b: Tree<Tensor>, x: Tensor) => ({
    a: lstm.forward(large, a, x),
    b: lstm.forward(large, b, x),
  });
  const found = await once(both, params, few as unknown as Tree<NdArray>, tokensOf("x", [2, T]));
  expect(apart(found, "a", "b")).toBeLessThan(1e-6);
});

describe.each(Object.entries(models))("%s language model", (name, model) => {
  const config = { ...model.defaults, ...modelConfig };
  const params = model.init(config, key(3));
  const scaled = mapTree(params, isNdArray, (array: NdArray) => ({
    ...array,
    data: (array.data as Float32Array).map((v) => 2 * v),
  }));

  it("writes what the whole model would write, past any context, from a prompt of any length", async () => {
    const prompt = Int32Array.from(tokensOf("prompt", [70]).data as Int32Array);
    const written: number[] = [];
    const options = { context: 8, maxTokens: 80, temperature: 0 };
    for await (const { tokens } of generate(model, config, scaled as Tree<NdArray>, prompt, options))
      written.push(...(tokens[0] as Int32Array));
    const text = ndarray("int32", [1, 150], [...prompt, ...written]);
    const found = await once(
      (p: Tree<Tensor>, x: Tensor) => ({ logits: model.forward(config, p, x) }),
      scaled as Tree<NdArray>,
      text,
    );
    const logits = found.get("logits")?.data as Float32Array;
    const best = (t: number) => {
      const row = logits.subarray(t * config.vocabulary, (t + 1) * config.vocabulary);
      return row.indexOf(Math.max(...row));
    };
    expect(written).toEqual(Array.from({ length: 80 }, (_, i) => best(69 + i)));
  });

  it("reads a prompt that is shorter than its room", async () => {
    const tokens = tokensOf("tokens", [2, T]);
    const both = (p: Tree<Tensor>, x: Tensor, length: Tensor) => {
      const { logits, memory } = model.decoder.read(config, p, x, length);
      const cut = slice(x, { 1: { stop: 4 } });
      const whole = model.recurrence?.forward(config, p, cut, {});
      return {
        a: logits,
        b: reshape(slice(whole?.logits as Tensor, { 1: { start: 3 } }), logits.shape),
        memory,
        state: whole?.state,
      };
    };
    const found = await once(both, params, tokens, ndarray("int32", [], [4]));
    expect(apart(found, "a", "b")).toBeLessThan(1e-6);
    expect(apart(found, "memory", "state")).toBeLessThan(1e-6);
  });

  it("learns a batch by heart", async () => {
    const [tokens, targets] = [tokensOf("x", [2, T]), tokensOf("y", [2, T])];
    const optimizer = adamw({ weightDecay: 0 });
    const fresh = model.init(config, key(4));
    let state: ObjectiveState = { params: fresh, optimizer: optimizer.init(fresh) };
    const step = await compileStep(
      {
        name: "model",
        loss: (own, { x, y }) => ({ loss: crossEntropy(model.forward(config, own, x), y) }),
        optimizer,
        learningRate: () => 0.02,
        clip: 1,
      },
      state,
      {},
      { x: tokens, y: targets },
      { accumulate: 1, averaging: 0, compile: { device: "cpu" } },
    );
    let loss = Number.POSITIVE_INFINITY;
    for (let i = 1; i <= 150; i++) {
      const next = await step.run(state, {}, { x: tokens, y: targets }, { step: i, key: key(0) });
      [state, loss] = [next.state, next.report.loss];
    }
    await step.dispose();
    expect(loss).toBeLessThan(0.05);
  });

  it("rejects configurations that do not fit, saying what to do", () => {
    expect(() => model.check({ ...config, bidirectional: true })).toThrow(`${name}: a language model cannot be bidirectional`);
    expect(() => model.check({ ...config, width: 0 })).toThrow(`${name}: expected width to be a whole number above 0, got 0`);
    expect(() => model.check({ ...config, layers: 1.5 })).toThrow("expected layers to be a whole number above 0, got 1.5");
    expect(() => model.check({ ...config, dropout: 1 })).toThrow("expected dropout from 0 to below 1, got 1");
    expect(() => model.check({ ...config, embedding: -1 })).toThrow("expected embedding to be a whole number above 0, got -1");
  });
});

it("an rnn has no other nonlinearities", () => {
  const config = { ...rnn.defaults, activation: "gelu" } as unknown as RnnConfig;
  expect(() => rnn.check(config)).toThrow('expected activation "tanh" or "relu", got "gelu"');
});

it("an LSTM begins by remembering: its forget gates' bias starts near 1", () => {
  const { layers } = lstm.init(modelConfig, key(3)) as unknown as { layers: RecurrentLayer<NdArray>[] };
  const bias = layers[0]?.input.bias.data as Float32Array;
  const { width } = modelConfig;
  const mean = (from: number) => bias.subarray(from, from + width).reduce((a, b) => a + b, 0) / width;
  expect(mean(width)).toBeGreaterThan(0.6);
  expect(Math.abs(mean(0))).toBeLessThan(0.4);
  expect(flattenParameters(layers).get("0.hidden.bias")?.shape).toEqual([4 * width]);
});

it("blank states are zeros of the right shape", async () => {
  const blank = lstm.recurrence?.blank(modelConfig, 2);
  const shapes = flatten(blank, isNdArray).map(({ path, leaf }) => [path, leaf.shape]);
  expect(shapes).toEqual(["0.hidden", "0.memory", "1.hidden", "1.memory"].map((path) => [path, [2, modelConfig.width]]));
  const both = (p: Tree<Tensor>, x: Tensor, state: Tree<Tensor>) => ({
    given: lstm.recurrence?.forward(modelConfig, p, x, { state }).logits,
    none: lstm.recurrence?.forward(modelConfig, p, x, {}).logits,
  });
  const found = await once(both, lstm.init(modelConfig, key(3)), tokensOf("x", [2, T]), blank as Tree<NdArray>);
  expect(apart(found, "given", "none")).toBe(0);
});
