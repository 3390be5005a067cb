/**
 * The training steps that are measured: the library's own compiled step (forward, backward, clipping to a global norm of 1
 * and AdamW in one graph) on three Transformers.
 *
 * The models are the ones `peers/torch_gpt.py` builds: learned positions, layer norm and linears without biases, exact GELU,
 * no dropout.
 */
import { type Tensor, valueAndGrad } from "../src/core/index.ts";
import { type TransformerConfig, transformer, transformerDefaults } from "../src/models/transformer.ts";
import { crossEntropy } from "../src/nn/index.ts";
import { adamw } from "../src/optim/index.ts";
import { compile } from "../src/runtime/index.ts";
import { targetsOf } from "../src/train/counts.ts";
import type { Objective, ObjectiveState } from "../src/train/objective.ts";
import { compileStep } from "../src/train/step.ts";
import { isNdArray, type NdArray, ndarray, sizeOf } from "../src/util/ndarray.ts";
import { key } from "../src/util/random.ts";
import { flatten, mapTree, type Tree } from "../src/util/tree.ts";

export interface Model {
  readonly config: TransformerConfig;
  readonly batch: number;
}

function gpt(layers: number, heads: number, width: number, context: number, rest: Partial<TransformerConfig>): TransformerConfig {
  return { ...transformerDefaults, layers, heads, keyValueHeads: heads, width, hidden: 4 * width, context, ...rest };
}

/** Moby Dick has 83 different characters. */
export const models = {
  "nanogpt-cpu": { config: gpt(4, 4, 128, 64, { vocabulary: 83 }), batch: 12 },
  "gpt-256": { config: gpt(6, 8, 256, 128, { vocabulary: 83 }), batch: 16 },
  "gpt-162m": { config: gpt(12, 12, 768, 128, { vocabulary: 50257, tied: false }), batch: 1 },
} satisfies Record<string, Model>;

export interface Step {
  /** One step on the same batch. Resolves to the loss. */
  run(): Promise<number>;
  /** Per step; `flops` are those of matrix products. */
  readonly facts: { readonly tokens: number; readonly parameters: number; readonly flops: number };
}

export interface StepOptions {
  readonly threads: number;
}

type Batch = { readonly tokens: NdArray; readonly targets: NdArray };

/** A whole training step. */
export async function trainingStep(model: Model, { threads }: StepOptions): Promise<Step> {
  const optimizer = adamw({ beta2: 0.99, weightDecay: 0.1 });
  const objective: Objective<Batch> = {
    name: "loss",
    loss: (params, { tokens, targets }) => ({ loss: lossOf(model, params, tokens, targets) }),
    counts: ({ targets }) => targetsOf(targets),
    optimizer,
    learningRate: () => 1e-3,
    clip: 1,
  };
  const params = transformer.init(model.config, key(1));
  let state: ObjectiveState = { params, optimizer: optimizer.init(params) };
  const batch = batchOf(model);
  const options = { accumulate: 1, averaging: 0, compile: { device: "cpu", threads } } as const;
  const step = await compileStep(objective, state, {}, batch, options);
  let count = 0;
  return {
    facts: factsOf(model, params),
    async run() {
      const next = await step.run(state, {}, batch, { step: ++count, key: key(1) });
      state = next.state;
      return next.report.loss;
    },
  };
}

/** Loss and gradients alone, for peers that have no optimizer. */
export async function gradientsOnly(model: Model, { threads }: StepOptions): Promise<Step> {
  const params = transformer.init(model.config, key(1));
  const batch = batchOf(model);
  let grads = mapTree(params, isNdArray, blank) as Tree<NdArray>;
  // The gradients are written over the last ones.
  const executable = await compile<[Tree<NdArray>, Tree<NdArray>, Batch], [Tree<Tensor>, Tensor]>(
    (_, own, { tokens, targets }) => {
      const both = valueAndGrad((p: Tree<Tensor>) => lossOf(model, p, tokens, targets))(own);
      return [both.grads as Tree<Tensor>, both.value];
    },
    [grads, params, batch],
    { donate: [0], device: "cpu", threads },
  );
  return {
    facts: factsOf(model, params),
    async run() {
      const [next, value] = await executable.run(grads, params, batch);
      grads = next;
      return value.data[0] as number;
    },
  };
}

/** Mean cross-entropy of the next token. */
function lossOf({ config }: Model, params: Tree<Tensor>, tokens: Tensor, targets: Tensor): Tensor {
  return crossEntropy(transformer.forward(config, params, tokens, {}), targets);
}

function batchOf({ config, batch }: Model): Batch {
  const ids = (stride: number) =>
    Int32Array.from({ length: batch * config.context }, (_, i) => (i * stride + 3) % config.vocabulary);
  const shape = [batch, config.context];
  return { tokens: ndarray("int32", shape, ids(7)), targets: ndarray("int32", shape, ids(11)) };
}

const blank = ({ shape }: NdArray): NdArray => ndarray("float32", shape, new Float32Array(sizeOf(shape)));

/** Matrix products take 6 operations per weight and token, and attention's two products three times theirs. */
function factsOf({ config, batch }: Model, params: Tree<NdArray>): Step["facts"] {
  const { layers, width, hidden, context, vocabulary } = config;
  const tokens = batch * context;
  const weights = layers * (4 * width * width + 2 * width * hidden) + vocabulary * width;
  const parameters = flatten(params, isNdArray).reduce((n, { leaf }) => n + sizeOf(leaf.shape), 0);
  return { tokens, parameters, flops: tokens * (6 * weights + 12 * layers * width * context) };
}
