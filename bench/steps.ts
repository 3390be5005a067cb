/**
 * The training steps that are measured: forward, backward, clipping to a global norm of 1 and AdamW, in one graph.
 *
 * The three models are the ones `peers/torch_gpt.py` builds: learned positions, layer norm and linears without biases, exact
 * GELU, no dropout. Parameters and moments are lists here, in the order of the model's tree.
 */
import { type Tensor, valueAndGrad } from "../src/core/index.ts";
import { forward, init, type TransformerConfig, type TransformerParams, transformerDefaults } from "../src/models/transformer.ts";
import { add, div, exp, logSoftmax, maximum, mean, mul, neg, reshape, sqrt, sub, sum, takeAlongAxis } from "../src/ops/index.ts";
import { compile } from "../src/runtime/index.ts";
import { isNdArray, type NdArray, ndarray, scalar, sizeOf } from "../src/util/ndarray.ts";
import { key } from "../src/util/random.ts";
import { flatten, mapTree } from "../src/util/tree.ts";

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

/** A whole training step. */
export async function trainingStep(model: Model, { threads }: StepOptions): Promise<Step> {
  const { params, loss, tokens, targets, facts } = prepare(model);
  let state = [params, params.map(blank), params.map(blank)];
  const step = ([p, m, v]: Tensor[][], x: Tensor, y: Tensor, t: Tensor): [Tensor[][], Tensor] => {
    const { value, grads } = valueAndGrad((own: Tensor[]) => loss(own, x, y))(p as Tensor[]);
    return [adamw(p as Tensor[], clip(grads), m as Tensor[], v as Tensor[], t), value];
  };
  let count = 0;
  const executable = await compile<[NdArray[][], NdArray, NdArray, NdArray], [Tensor[][], Tensor]>(
    step,
    [state, tokens, targets, scalar(1)],
    { donate: [0], device: "cpu", threads },
  );
  return {
    facts,
    async run() {
      const [next, value] = await executable.run(state, tokens, targets, scalar(++count));
      state = next;
      return value.data[0] as number;
    },
  };
}

/** Loss and gradients alone, for peers that have no optimizer. */
export async function gradientsOnly(model: Model, { threads }: StepOptions): Promise<Step> {
  const { params, loss, tokens, targets, facts } = prepare(model);
  let grads = params.map(blank);
  // The gradients are written over the last ones.
  const fn = (_: Tensor[], p: Tensor[], x: Tensor, y: Tensor): [Tensor[], Tensor] => {
    const both = valueAndGrad((own: Tensor[]) => loss(own, x, y))(p);
    return [both.grads, both.value];
  };
  const executable = await compile<[NdArray[], NdArray[], NdArray, NdArray], [Tensor[], Tensor]>(
    fn,
    [grads, params, tokens, targets],
    { donate: [0], device: "cpu", threads },
  );
  return {
    facts,
    async run() {
      const [next, value] = await executable.run(grads, params, tokens, targets);
      grads = next;
      return value.data[0] as number;
    },
  };
}

function prepare({ config, batch }: Model) {
  const tree = init(config, key(1));
  const params = flatten(tree, isNdArray).map(({ leaf }) => leaf);
  const { context, vocabulary, layers, width, hidden } = config;
  const shape = [batch, context];
  const ids = (stride: number) =>
    ndarray(
      "int32",
      shape,
      Int32Array.from({ length: batch * context }, (_, i) => (i * stride + 3) % vocabulary),
    );
  /** Mean cross-entropy of the next token. */
  const loss = (list: Tensor[], x: Tensor, y: Tensor): Tensor => {
    let next = 0;
    const own = mapTree(tree, isNdArray, () => list[next++] as Tensor) as unknown as TransformerParams;
    const logits = forward(config, own, x); // [B, T, V]
    return neg(mean(takeAlongAxis(logSoftmax(logits), reshape(y, [...y.shape, 1]))));
  };
  // Operations that the matrix products take: 6 per weight and token, and attention's two products, three times.
  const weights = layers * (4 * width * width + 2 * width * hidden) + vocabulary * width;
  const flops = batch * context * (6 * weights + 12 * layers * width * context);
  const parameters = params.reduce((n, p) => n + sizeOf(p.shape), 0);
  return { params, loss, tokens: ids(7), targets: ids(11), facts: { tokens: batch * context, parameters, flops } };
}

const blank = ({ shape }: NdArray): NdArray => ndarray("float32", shape, new Float32Array(sizeOf(shape)));

/** Scales gradients down to a global norm of at most 1. */
function clip(grads: readonly Tensor[]): Tensor[] {
  const squares = grads.map((g) => sum(mul(g, g))).reduce((a, b) => add(a, b));
  const scale = div(1, maximum(sqrt(squares), 1));
  return grads.map((g) => mul(g, scale));
}

const [rate, beta1, beta2, epsilon, decay] = [1e-3, 0.9, 0.99, 1e-8, 0.1];

/** AdamW with weight decay on matrices only; `t` counts steps from 1. Returns parameters and both moments. */
function adamw(params: Tensor[], grads: Tensor[], m: Tensor[], v: Tensor[], t: Tensor): [Tensor[], Tensor[], Tensor[]] {
  // The correction of the moments' start from zero, folded into the rate: a scalar.
  const corrected = (beta: number) => sub(1, exp(mul(t, Math.log(beta))));
  const speed = div(mul(sqrt(corrected(beta2)), rate), corrected(beta1));
  const m1 = grads.map((g, i) => add(mul(m[i] as Tensor, beta1), mul(g, 1 - beta1)));
  const v1 = grads.map((g, i) => add(mul(v[i] as Tensor, beta2), mul(mul(g, g), 1 - beta2)));
  const next = params.map((p, i) => {
    const kept = p.shape.length > 1 ? mul(p, 1 - rate * decay) : p;
    return sub(kept, mul(div(m1[i] as Tensor, add(sqrt(v1[i] as Tensor), epsilon)), speed));
  });
  return [next, m1, v1];
}
