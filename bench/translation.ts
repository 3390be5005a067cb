/**
 * Translation that is measured: a training step and beam search of the encoder-decoder Transformer, without the pointer, on data like
 * none. Their counterparts are in `peers/torch_translate.py`.
 */
import type { Tensor } from "../src/core/index.ts";
import { init, meanLoss, type SequenceToSequenceParams, write } from "../src/models/sequence-to-sequence.ts";
import { transformerNetwork } from "../src/models/transformer-network.ts";
import { adamw } from "../src/optim/index.ts";
import { compile } from "../src/runtime/index.ts";
import { parameterCount } from "../src/tasks/training.ts";
import { targetsOf } from "../src/train/counts.ts";
import type { Objective, ObjectiveState } from "../src/train/objective.ts";
import { compileStep } from "../src/train/step.ts";
import { type NdArray, ndarray, sizeOf } from "../src/util/ndarray.ts";
import { fold, key } from "../src/util/random.ts";
import type { Tree } from "../src/util/tree.ts";
import type { BuiltCase } from "./peers/protocol.mjs";
import type { Step } from "./steps.ts";

const config = { layers: 3, heads: 4, width: 256, hidden: 1024, dropout: 0.1 };
const vocabulary = 6000;
const model = { network: transformerNetwork, config, vocabulary, begin: 0, end: 1, copy: false };

/** Sentences in a batch, tokens of each source and each target. */
const [batch, length, places] = [64, 16, 20];
/** Sentences translated at once, and tokens written about each. */
const [sentences, written, beams] = [16, 24, 4];

function ids(shape: readonly number[], stride: number): NdArray {
  const data = Int32Array.from({ length: sizeOf(shape) }, (_, i) => (i * i * stride + 3 * i) % vocabulary);
  return ndarray("int32", shape, data);
}

const full = (count: number) => ndarray("int32", [count], new Int32Array(count).fill(length));

type Batch = Readonly<Record<"source" | "lengths" | "written" | "targets", NdArray>>;

/** The whole training step, with dropout and label smoothing. */
export async function translationStep(threads: number): Promise<Pick<Step, "run"> & { readonly facts: object }> {
  const optimizer = adamw({ beta2: 0.98, weightDecay: 0.01 });
  const objective: Objective<Batch> = {
    name: "model",
    loss: (params, { targets, ...teaching }, random) => ({
      loss: meanLoss(model, params as unknown as SequenceToSequenceParams, teaching, targets, {
        key: random,
        labelSmoothing: 0.1,
      }),
    }),
    counts: ({ targets }) => targetsOf(targets),
    optimizer,
    learningRate: () => 1e-3,
    clip: 1,
  };
  const params = init(model, key(1)) as unknown as Tree<NdArray>;
  let state: ObjectiveState = { params, optimizer: optimizer.init(params) };
  const given: Batch = {
    source: ids([batch, length], 7),
    lengths: full(batch),
    written: ids([batch, places], 11),
    targets: ids([batch, places], 13),
  };
  const step = await compileStep(objective, state, {}, given, {
    accumulate: 1,
    averaging: 0,
    compile: { device: "cpu", threads },
  });
  let count = 0;
  return {
    facts: { tokens: batch * (length + places), parameters: parameterCount(params) },
    async run() {
      count++;
      const next = await step.run(state, {}, given, { step: count, key: fold(key(1), count) });
      state = next.state;
      return next.report.loss;
    },
  };
}

/** Beam search over sentences none of which ends, so that each step is taken. */
export async function translation(threads: number): Promise<BuiltCase> {
  const fresh = init(model, key(1));
  (fresh.bias.data as Float32Array)[model.end] = -1e6;
  const params = fresh as unknown as Tree<NdArray>;
  const given = [params, ids([sentences, length], 7), full(sentences)] as [Tree<NdArray>, NdArray, NdArray];
  const executable = await compile<typeof given, Tensor>(
    (own, source, lengths) =>
      write(model, own as unknown as SequenceToSequenceParams, source, lengths, { beams, places: written, lengthPenalty: 1 })
        .tokens,
    given,
    { device: "cpu", threads },
  );
  const run = async () => {
    await executable.run(...given);
  };
  return { run, facts: { tokens: sentences * written } };
}
