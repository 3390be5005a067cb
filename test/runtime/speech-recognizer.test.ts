/**
 * The speech recogniser around a small network of its own, so that it is the front, the loss and their gradients that are tested: it
 * learns sounds by heart, padding has no influence, and every device agrees with the reference. The CRF's loops run here too.
 */
import { describe, expect, test } from "vitest";
import { type Tensor, type TracedKey, valueAndGrad } from "../../src/core/index.ts";
import { gruNetwork, lstmNetwork, rnnNetwork } from "../../src/models/recurrent-network.ts";
import type { SequenceNetwork } from "../../src/models/sequence-network.ts";
import { type Said, type SpeechRecognizerParams, speechRecognizer } from "../../src/models/speech-recognizer.ts";
import { transformerNetwork } from "../../src/models/transformer-network.ts";
import { type Crf, crfDecode, crfLosses, crfMarginals } from "../../src/nn/crf.ts";
import { bestPath } from "../../src/nn/ctc-decoding.ts";
import { initLinear, type Linear, linear } from "../../src/nn/linear.ts";
import { mean, sum, tanh } from "../../src/ops/index.ts";
import { adamw } from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import type { ObjectiveState } from "../../src/train/objective.ts";
import { compileStep } from "../../src/train/step.ts";
import { isNdArray, type NdArray, ndarray, sizeOf } from "../../src/util/ndarray.ts";
import { fillNormal, fold, type Key, key } from "../../src/util/random.ts";
import { flatten, mapTree, type Tree } from "../../src/util/tree.ts";
import { fromArray } from "../ops/reference/value.ts";
import { numbers } from "../ops/run.ts";

/** Each frame by itself through one hidden layer. */
const frameByFrame: SequenceNetwork<{ readonly width: number }> = {
  name: "frame by frame",
  defaults: { width: 24 },
  check() {},
  width: ({ width }) => width,
  attends: () => false,
  encoder: {
    init: ({ width }, from) => initLinear(from, width, width, { deviation: 0.2 }) as unknown as Tree<NdArray>,
    forward: (_, params, x, lengths) => ({ states: tanh(linear(params as unknown as Linear, x)), summary: mean(x, 1), lengths }),
  },
  decoder: undefined as never, // a recogniser by CTC writes nothing
};

const model = speechRecognizer(frameByFrame);
const config = { ...model.defaults, bands: 6, vocabulary: 5, augment: { ...model.defaults.augment, bands: 1, frames: 2 } };
const [B, T, F, U] = [3, 24, 6, 4];

function drawn(name: string, shape: readonly number[]): NdArray {
  const data = new Float32Array(sizeOf(shape));
  fillNormal(fold(key(5), name), data);
  return { dtype: "float32", shape, data };
}

const batch = {
  sounds: { features: drawn("sounds", [B, T, F]), frames: ndarray("int32", [B], [24, 20, 13]) },
  said: {
    labels: ndarray("int32", [B, U], [1, 2, 2, 3, 4, 1, 0, 0, 3, 0, 0, 0]),
    labelLengths: ndarray("int32", [B], [4, 2, 1]),
  },
};
type Batch<Leaf> = {
  readonly sounds: { readonly features: Leaf; readonly frames: Leaf };
  readonly said: { readonly labels: Leaf; readonly labelLengths: Leaf };
};

const start = model.init(config, key(1)) as unknown as Tree<NdArray>;
const paramsOf = (tree: Tree<Tensor>) => tree as unknown as SpeechRecognizerParams;

async function once<Out>(device: "cpu" | "wasm", fn: (...args: never[]) => Out, ...args: Tree<NdArray>[]): Promise<NdArray[]> {
  const executable = await compile(fn as (...args: unknown[]) => Out, args, { device });
  const out = await executable.run(...args);
  await executable.dispose();
  return flatten(out, isNdArray).map(({ leaf }) => leaf as NdArray);
}

/** The same by the reference, in float64. */
function reference(fn: (...args: never[]) => unknown, ...args: Tree<NdArray>[]): number[][] {
  const values = flatten(args, isNdArray).map(({ leaf }) => fromArray(leaf as NdArray));
  return numbers(
    (...tensors) => {
      let next = 0;
      return fn(...(mapTree(args, isNdArray, () => tensors[next++] as Tensor) as never[]));
    },
    ...(values as [never]),
  );
}

function expectAlike(got: readonly NdArray[], expected: readonly number[][]): void {
  expect(got).toHaveLength(expected.length);
  got.forEach(({ data }, i) => {
    data.forEach((value, k) => {
      const want = expected[i]?.[k] as number;
      expect(Math.abs(Number(value) - want), `result ${i}, element ${k}`).toBeLessThan(2e-5 * Math.max(1, Math.abs(want)));
    });
  });
}

describe.each(["cpu", "wasm"] as const)("on %s", (device) => {
  test("scores, loss and gradients of the recogniser are the reference's", async () => {
    const step = (params: Tree<Tensor>, { sounds, said }: Batch<Tensor>) => {
      const { value, grads } = valueAndGrad((own: Tree<Tensor>) => model.loss(config, paramsOf(own), sounds, said))(params);
      return [model.forward(config, paramsOf(params), sounds), value, grads];
    };
    expectAlike(await once(device, step, start, batch), reference(step, start, batch));
  });

  test("loss, gradients, best tags and marginals of a CRF are the reference's", async () => {
    const [K, N] = [4, 7];
    const crf: Crf<NdArray> = { start: drawn("start", [K]), end: drawn("end", [K]), transition: drawn("transition", [K, K]) };
    const tagged = {
      scores: drawn("scores", [B, N, K]),
      lengths: ndarray("int32", [B], [7, 4, 1]),
      tags: ndarray(
        "int32",
        [B, N],
        Array.from({ length: B * N }, (_, i) => i % K),
      ),
    };
    const step = (own: Crf, { tags, scores, lengths }: Record<"scores" | "lengths" | "tags", Tensor>) => {
      const { value, grads } = valueAndGrad((both: { crf: Crf; scores: Tensor }) =>
        sum(crfLosses(both.crf, { scores: both.scores, lengths }, tags)),
      )({ crf: own, scores });
      return [value, grads, crfDecode(own, { scores, lengths }), crfMarginals(own, { scores, lengths })];
    };
    const args = [crf as unknown as Tree<NdArray>, tagged as Tree<NdArray>] as const;
    expectAlike(await once(device, step, ...args), reference(step, ...args));
  });
});

test("sounds are learnt by heart, and padding has no influence on what is heard", async () => {
  const optimizer = adamw({ weightDecay: 0 });
  let state: ObjectiveState = { params: start, optimizer: optimizer.init(start) };
  const step = await compileStep<Batch<NdArray>>(
    {
      name: "model",
      loss: (own, data) => {
        const { sounds, said } = data as unknown as Batch<Tensor>;
        return { loss: model.loss(config, paramsOf(own as Tree<Tensor>), sounds, said) };
      },
      optimizer,
      learningRate: () => 0.01,
    },
    state,
    {},
    batch,
    { accumulate: 1, averaging: 0, compile: { device: "cpu" } },
  );
  const losses: number[] = [];
  for (let i = 1; i <= 300; i++) {
    const { state: next, report } = await step.run(state, {}, batch, { step: i, key: key(0) });
    state = next;
    losses.push(report.loss);
  }
  expect(losses[0]).toBeGreaterThan(1.5);
  expect(losses.at(-1)).toBeLessThan(0.05);
  const forward = (params: Tree<Tensor>, sounds: Batch<Tensor>["sounds"]) => model.forward(config, paramsOf(params), sounds);
  const [logits, lengths] = (await once("cpu", forward, state.params, batch.sounds)) as [NdArray, NdArray];
  const heard = (scores: NdArray) =>
    [0, 1, 2].map((b) => {
      const [frames, classes] = scores.shape.slice(1) as [number, number];
      const row = scores.data.slice(b * frames * classes, (b + 1) * frames * classes) as Float32Array;
      return bestPath(row, { classes, frames: Number(lengths.data[b]) }).labels;
    });
  expect([...lengths.data]).toEqual([6, 5, 4]);
  expect(heard(logits)).toEqual([[1, 2, 2, 3], [4, 1], [3]]);

  const longer = new Float32Array(B * (T + 9) * F).fill(50);
  for (let b = 0; b < B; b++) {
    const count = Number(batch.sounds.frames.data[b]) * F;
    longer.set((batch.sounds.features.data as Float32Array).subarray(b * T * F, b * T * F + count), b * (T + 9) * F);
  }
  const padded = { features: ndarray("float32", [B, T + 9, F], longer), frames: batch.sounds.frames };
  const [again] = (await once("cpu", forward, state.params, padded)) as [NdArray];
  await step.dispose();
  expect(heard(again)).toEqual(heard(logits));
  expect(Math.abs(Number(again.data[0]) - Number(logits.data[0]))).toBeLessThan(1e-5);
});

describe.each<SequenceNetwork<never>>([transformerNetwork, lstmNetwork, gruNetwork, rnnNetwork] as never)("$name", (network) => {
  const own = speechRecognizer(network);
  const small = {
    ...(network.defaults as object),
    layers: 1,
    width: 16,
    dropout: 0,
    ...(network.name === "transformer" && { heads: 2, hidden: 32 }),
  };
  const whole = { ...config, network: small as never };

  test("learns sounds by heart; rows without weight change nothing", async () => {
    const optimizer = adamw({ weightDecay: 0 });
    const from = own.init(whole, key(3)) as unknown as Tree<NdArray>;
    let state: ObjectiveState = { params: from, optimizer: optimizer.init(from) };
    // The last sound says something else, and does not count.
    const said = { ...batch.said, weights: ndarray("float32", [B], [1, 1, 0]) };
    const weighted = { sounds: batch.sounds, said };
    const step = await compileStep<typeof weighted>(
      {
        name: "model",
        loss: (params, data) => {
          const { sounds, said: counted } = data as unknown as { sounds: Batch<Tensor>["sounds"]; said: Said };
          return { loss: own.loss(whole, paramsOf(params as Tree<Tensor>), sounds, counted) };
        },
        optimizer,
        learningRate: () => 0.01,
      },
      state,
      {},
      weighted,
      { accumulate: 1, averaging: 0, compile: { device: "cpu" } },
    );
    const other = { ...weighted, said: { ...said, labels: ndarray("int32", [B, U], [1, 2, 2, 3, 4, 1, 0, 0, 2, 0, 0, 0]) } };
    const first = await step.run(state, {}, weighted, { step: 1, key: key(0) });
    const loss = first.report.loss;
    state = first.state;
    for (let i = 2; i <= 200; i++) {
      const { state: next, report } = await step.run(state, {}, i % 2 === 0 ? weighted : other, { step: i, key: key(0) });
      state = next;
      if (i === 200) expect(report.loss).toBeLessThan(0.05);
    }
    expect(loss).toBeGreaterThan(1);
    await step.dispose();
    const forward = (params: Tree<Tensor>, sounds: Batch<Tensor>["sounds"]) => own.forward(whole, paramsOf(params), sounds);
    const [logits, lengths] = (await once("cpu", forward, state.params, batch.sounds)) as [NdArray, NdArray];
    const [frames, classes] = logits.shape.slice(1) as [number, number];
    const heard = [0, 1].map((b) => {
      const rows = logits.data.slice(b * frames * classes, (b + 1) * frames * classes) as Float32Array;
      return bestPath(rows, { classes, frames: Number(lengths.data[b]) }).labels;
    });
    expect(heard).toEqual([
      [1, 2, 2, 3],
      [4, 1],
    ]);
  });
});

test("a key hides features, the same ones for the same key", async () => {
  const loss = (params: Tree<Tensor>, { sounds, said }: Batch<Tensor>, from?: TracedKey) =>
    model.loss(config, paramsOf(params), sounds, said, from && { key: from });
  const executable = await compile<[Tree<NdArray>, Batch<NdArray>, Key], Tensor>(loss as never, [start, batch, key(1)], {
    device: "cpu",
  });
  const run = async (from: Key) => Number((await executable.run(start, batch, from)).data[0]);
  const [one, same, other] = [await run(key(1)), await run(key(1)), await run(key(2))];
  await executable.dispose();
  const [plain] = await once("cpu", loss as never, start, batch);
  expect(same).toBe(one);
  expect(new Set([one, other, Number(plain?.data[0])]).size).toBe(3);
});

test("configs that do not fit are named", () => {
  expect(() => model.check({ ...config, vocabulary: 1 })).toThrow(/expected vocabulary to be a whole number from 2, got 1/);
  expect(() => model.check({ ...config, augment: { ...config.augment, fraction: 2 } })).toThrow(
    /expected augment.fraction to be a part/,
  );
  expect(() => model.check({ ...config, augment: { ...config.augment, timeMasks: -1 } })).toThrow(/augment.timeMasks/);
  expect(() => model.check({ ...config, augment: { ...config.augment, warp: 1 } })).toThrow(/expected augment.warp to be a part/);
});
