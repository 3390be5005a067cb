/**
 * TensorFlow.js as a benchmark peer: loss and gradients (no clipping, no optimizer) of the `nanogpt-cpu` model.
 *
 *     npm install && node peer.mjs [--backend cpu|wasm] [--vocabulary 83]
 *
 * A step on the cpu backend takes seconds, so one iteration is enough. The wasm backend runs single-threaded in Node and has no
 * kernel for the gradient of a lookup (UnsortedSegmentSum), so the embedding is a product with one-hot rows. Legend: B batch,
 * T time, C width, H heads, D = C / H, V vocabulary.
 */
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { serve, versionOf } from "../protocol.mjs";

const { values: options } = parseArgs({
  options: { backend: { type: "string", default: "cpu" }, vocabulary: { type: "string", default: "83" } },
});
const require = createRequire(import.meta.url); // the ES modules of tfjs import without extensions, which Node refuses
const tf = require("@tensorflow/tfjs");
if (options.backend === "wasm") require("@tensorflow/tfjs-backend-wasm");
await tf.setBackend(options.backend);
await tf.ready();

const config = { layers: 4, heads: 4, width: 128, context: 64, batch: 12, vocabulary: Number(options.vocabulary) };

function initialise() {
  const { layers, width: C, context: T, vocabulary: V } = config;
  let seed = 0;
  const normal = (...shape) => tf.variable(tf.randomNormal(shape, 0, 0.02, "float32", ++seed));
  const ones = () => tf.variable(tf.ones([C]));
  const block = () => ({
    norm1: ones(),
    qkv: normal(C, 3 * C),
    out: normal(C, C),
    norm2: ones(),
    up: normal(C, 4 * C),
    down: normal(4 * C, C),
  });
  return { tokens: normal(V, C), positions: normal(T, C), blocks: Array.from({ length: layers }, block), norm: ones() };
}

const { heads: H, width: C, context: T, batch: B, vocabulary: V } = config;
const D = C / H;

function norm(x, weight) {
  const { mean, variance } = tf.moments(x, -1, true);
  return x.sub(mean).mul(variance.add(1e-5).rsqrt()).mul(weight);
}

const gelu = (x) => x.mul(0.5).mul(x.mul(Math.SQRT1_2).erf().add(1));

function attend(qkv, mask) {
  const [q, k, v] = tf.split(qkv, 3, 1).map((u) => u.reshape([B, T, H, D]).transpose([0, 2, 1, 3])); // [B, H, T, D]
  const scores = tf
    .matMul(q, k, false, true)
    .mul(1 / Math.sqrt(D))
    .add(mask); // [B, H, T, T]
  return tf
    .matMul(tf.softmax(scores), v)
    .transpose([0, 2, 1, 3])
    .reshape([B * T, C]);
}

/** Mean cross-entropy of tied logits. `tokens` and `targets` [B * T, V] are one-hot, `mask` [T, T] holds 0 and -1e9. */
function lossOf(params, tokens, targets, mask) {
  const embedded = tf.matMul(tokens, params.tokens).reshape([B, T, C]);
  let x = tf.reshape(embedded.add(params.positions), [B * T, C]);
  for (const block of params.blocks) {
    x = x.add(tf.matMul(attend(tf.matMul(norm(x, block.norm1), block.qkv), mask), block.out));
    x = x.add(tf.matMul(gelu(tf.matMul(norm(x, block.norm2), block.up)), block.down));
  }
  const logits = tf.matMul(norm(x, params.norm), params.tokens, false, true);
  const likelihoods = tf.logSoftmax(logits).mul(targets);
  return likelihoods.sum().mul(-1 / (B * T));
}

function gradients() {
  const params = initialise();
  const oneHot = (stride) => {
    const ids = Int32Array.from({ length: B * T }, (_, i) => (i * stride + 3) % V);
    return tf.oneHot(tf.tensor1d(ids, "int32"), V).toFloat(); // [B * T, V]
  };
  const [tokens, targets] = [oneHot(7), oneHot(11)];
  const future = Float32Array.from({ length: T * T }, (_, i) => (i % T > Math.floor(i / T) ? -1e9 : 0));
  const mask = tf.tensor2d(future, [T, T]);
  const facts = { tokens: B * T };
  const run = async () => {
    const { value, grads } = tf.variableGrads(() => lossOf(params, tokens, targets, mask));
    facts.loss = (await value.data())[0];
    tf.dispose([value, grads]);
  };
  return { run, facts };
}

await serve({
  describe: async () => ({
    peer: "tfjs",
    version: await versionOf("@tensorflow/tfjs", import.meta.url),
    device: tf.getBackend(),
    threads: 1,
    node: process.version,
  }),
  cases: { "nanogpt-cpu-gradients": gradients },
  warmup: 1,
});
