/** What the browser test runs inside a page: trains a tiny Transformer on a sentence and writes with it. */

import type { Tensor } from "../../src/core/index.ts";
import { valueAndGrad } from "../../src/core/index.ts";
import { transformer, transformerDefaults } from "../../src/models/transformer.ts";
import { crossEntropy } from "../../src/nn/losses.ts";
import { adamw, type OptimizerState } from "../../src/optim/index.ts";
import { compile, type Device } from "../../src/runtime/index.ts";
import { generate } from "../../src/tasks/language-model/generate.ts";
import { type NdArray, ndarray, scalar } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";

interface State<Leaf> {
  readonly params: Tree<Leaf>;
  readonly optimizer: OptimizerState<Leaf>;
}

/** Losses of every step and the text written afterwards. */
export async function trainInPage(device: Device, steps: number): Promise<{ losses: number[]; text: string }> {
  const sentence = "Call me Ishmael. Some years ago, never mind how long precisely. ";
  const letters = [...new Set(sentence)];
  const ids = Int32Array.from(sentence, (c) => letters.indexOf(c));
  const config = {
    ...transformerDefaults,
    vocabulary: letters.length,
    context: 64,
    layers: 1,
    heads: 2,
    keyValueHeads: 2,
    width: 32,
    hidden: 64,
  };
  const optimizer = adamw();
  const start = transformer.init(config, key(1));
  let state: State<NdArray> = { params: start, optimizer: optimizer.init(start) };
  const tokens = ndarray("int32", [1, 63], ids.slice(0, 63));
  const targets = ndarray("int32", [1, 63], ids.slice(1, 64));
  const rate = scalar(0.02);
  const step = await compile<[State<NdArray>, NdArray, NdArray, NdArray, NdArray], readonly [State<Tensor>, Tensor]>(
    (s, x, y, learningRate, t) => {
      const { value, grads } = valueAndGrad((p: Tree<Tensor>) => crossEntropy(transformer.forward(config, p, x), y))(s.params);
      const next = optimizer.update(s.params, grads as Tree<Tensor>, s.optimizer, { learningRate, step: t });
      return [{ params: next.params, optimizer: next.state }, value];
    },
    [state, tokens, targets, rate, scalar(1)],
    { device, donate: [0] },
  );
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) {
    const [next, loss] = await step.run(state, tokens, targets, rate, scalar(i + 1));
    state = next;
    losses.push(loss.data[0] as number);
  }
  await step.dispose();
  let text = "";
  // onnxruntime-web's WebGPU provider fails on operators inside loops, so writing stays on WebAssembly.
  const options = { context: 64, maxTokens: 12, temperature: 0, device: "wasm" as const };
  for await (const { tokens: written } of generate(transformer, config, state.params, ids.slice(0, 8), options)) {
    text += Array.from(written[0] as Int32Array, (id) => letters[id]).join("");
  }
  return { losses, text };
}
