/**
 * jax-js as a benchmark peer: loss and gradients (no clipping, no optimizer) of the `nanogpt-cpu` model on its wasm backend.
 *
 *     npm install && node peer.mjs [--threads 2] [--vocabulary 83]
 *
 * One thread is what jax-js uses in Node by itself; with more, `browser.mjs` supplies the `Worker` it would have in a browser.
 * Legend: B batch, T time, C width, H heads, D = C / H, V vocabulary.
 */
import { parseArgs } from "node:util";
import { serve, versionOf } from "../protocol.mjs";
import { installWorkers } from "./browser.mjs";

const { values: options } = parseArgs({
  options: { threads: { type: "string", default: "2" }, vocabulary: { type: "string", default: "83" } },
});
const threads = Number(options.threads);
if (threads > 1) installWorkers(threads);

const { blockUntilReady, defaultDevice, init, jit, nn, numpy: np, random, tree, valueAndGrad } = await import("@jax-js/jax");
await init("wasm");
defaultDevice("wasm");

const config = { layers: 4, heads: 4, width: 128, context: 64, batch: 12, vocabulary: Number(options.vocabulary) };

function initialise() {
  const { layers, width: C, context: T, vocabulary: V } = config;
  let seed = 0;
  const normal = (...shape) => random.normal(random.key(seed++), shape).mul(0.02);
  const block = () => ({
    norm1: np.ones([C]),
    qkv: normal(C, 3 * C),
    out: normal(C, C),
    norm2: np.ones([C]),
    up: normal(C, 4 * C),
    down: normal(4 * C, C),
  });
  return { tokens: normal(V, C), positions: normal(T, C), blocks: Array.from({ length: layers }, block), norm: np.ones([C]) };
}

/**
 * Mean cross-entropy of tied logits. `tokens` and `targets` [B * T, V] are one-hot: jit cannot compile the scatter that is the
 * gradient of a lookup, and for so small a vocabulary a product costs little. Consumes its arguments.
 */
function lossOf(params, tokens, targets) {
  const { heads: H, width: C, context: T, batch: B } = config;
  const D = C / H;
  const norm = (x, weight) => nn.standardize(x, -1, { epsilon: 1e-5 }).mul(weight);
  const embedded = np.matmul(tokens, params.tokens.ref).reshape([B, T, C]);
  let x = embedded.add(params.positions).reshape([B * T, C]);
  for (const block of params.blocks) {
    const qkv = np.matmul(norm(x.ref, block.norm1), block.qkv).reshape([B, T, 3, H, D]);
    const [q, k, v] = np.split(qkv, 3, 2).map((u) => u.reshape([B, T, H, D]));
    const attended = nn.dotProductAttention(q, k, v, { isCausal: true }).reshape([B * T, C]);
    x = x.add(np.matmul(attended, block.out));
    const hidden = nn.gelu(np.matmul(norm(x.ref, block.norm2), block.up), { approximate: false });
    x = x.add(np.matmul(hidden, block.down));
  }
  const logits = np.matmul(norm(x, params.norm), params.tokens.transpose()); // [B * T, V]
  return nn
    .logSoftmax(logits, -1)
    .mul(targets)
    .sum()
    .mul(-1 / (B * T));
}

async function gradients() {
  const { context: T, batch: B, vocabulary: V } = config;
  const params = initialise();
  const oneHot = (stride) => nn.oneHot(np.array(Int32Array.from({ length: B * T }, (_, i) => (i * stride + 3) % V)), V);
  const tokens = oneHot(7);
  const targets = oneHot(11);
  const step = jit(valueAndGrad(lossOf));
  let loss;
  const run = async () => {
    const [value, grads] = step(tree.ref(params), tokens.ref, targets.ref);
    await blockUntilReady(grads);
    tree.dispose(grads);
    loss = (await value.data())[0];
  };
  await run();
  return { run, facts: { tokens: B * T, loss } };
}

await serve({
  describe: async () => ({
    peer: "jax-js",
    version: await versionOf("@jax-js/jax", import.meta.url),
    device: defaultDevice(),
    threads,
    node: process.version,
  }),
  cases: { "nanogpt-cpu-gradients": gradients },
  warmup: 2,
});
