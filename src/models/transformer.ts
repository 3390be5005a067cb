/**
 * The Transformer language model: a decoder that predicts each token from those before it.
 *
 * A stack of blocks reads a sequence of token vectors; in each block, attention moves information between positions and an
 * MLP works on each position alone; both add to a residual stream. The last vectors are turned into scores over the
 * vocabulary. Training compares every position's scores with the token that really follows.
 *
 * Papers: Vaswani et al. 2017 (attention is all you need), Radford et al. 2019 (GPT-2); options from Su et al. 2021
 * (rotary positions), Zhang & Sennrich 2019 (RMSNorm), Shazeer 2020 (SwiGLU), Ainslie et al. 2023 (grouped queries).
 *
 * Legend: B batch, T time, C width, H heads, K key/value heads, D = C / H head width, F hidden width of the MLP, V vocabulary.
 */
import type { TracedKey } from "../core/random.ts";
import type { Tensor } from "../core/tensor.ts";
import { attention, causalMask, rotaryAngles, rotate } from "../nn/attention.ts";
import { dropout } from "../nn/dropout.ts";
import { type Embedding, embedding, initEmbedding, initLinear, type Linear, linear } from "../nn/linear.ts";
import { initNorm, layerNorm, type Norm, rmsNorm } from "../nn/norm.ts";
import { add, arange, gelu, geluTanh, matmul, mul, reshape, silu, slice, split, transpose } from "../ops/index.ts";
import { HeptagenError } from "../util/errors.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";

export interface TransformerConfig {
  /** Number of different tokens. */
  readonly vocabulary: number;
  /** Longest sequence the model sees at once, in tokens. */
  readonly context: number;
  readonly layers: number;
  /** Query heads; must divide `width`. */
  readonly heads: number;
  /** Key/value heads; must divide `heads`. Equal to `heads` is ordinary attention, fewer saves memory when sampling. */
  readonly keyValueHeads: number;
  readonly width: number;
  /** Hidden width of the MLP. */
  readonly hidden: number;
  /** How a token knows its place: a learned vector per position, or rotation of queries and keys. */
  readonly positions: "learned" | "rotary";
  readonly rotaryBase: number;
  readonly norm: "layer" | "rms";
  readonly epsilon: number;
  readonly activation: "gelu" | "gelu-tanh" | "swiglu";
  /** Biases in linear maps and layer norms. */
  readonly bias: boolean;
  /** Whether the head reuses the token vectors. */
  readonly tied: boolean;
  /** Fraction of activations dropped in training. */
  readonly dropout: number;
}

/** What a small modern model looks like; every config starts from here. */
export const transformerDefaults: TransformerConfig = {
  vocabulary: 256,
  context: 64,
  layers: 4,
  heads: 4,
  keyValueHeads: 4,
  width: 128,
  hidden: 512,
  positions: "learned",
  rotaryBase: 10000,
  norm: "layer",
  epsilon: 1e-5,
  activation: "gelu",
  bias: false,
  tied: true,
  dropout: 0,
};

interface Block<Leaf> {
  readonly norm1: Norm<Leaf>;
  readonly attn: { readonly qkv: Linear<Leaf>; readonly out: Linear<Leaf> };
  readonly norm2: Norm<Leaf>;
  readonly mlp: { readonly up: Linear<Leaf>; readonly gate?: Linear<Leaf>; readonly down: Linear<Leaf> };
}

/** Parameters: a plain tree whose dotted paths are the names in `model.safetensors`. */
export interface TransformerParams<Leaf = Tensor> {
  readonly tokens: Embedding<Leaf>;
  readonly positions?: Embedding<Leaf>;
  readonly blocks: readonly Block<Leaf>[];
  readonly norm: Norm<Leaf>;
  readonly head?: { readonly weight: Leaf };
}

/**
 * Checks a configuration.
 *
 * @throws HeptagenError `transformer/config` naming the first value that does not fit
 */
export function checkConfig(config: TransformerConfig): void {
  const { width, heads, keyValueHeads, positions } = config;
  const fail = (message: string, next: string): never => {
    throw new HeptagenError("transformer/config", `transformer: ${message}`, { next });
  };
  for (const name of ["vocabulary", "context", "layers", "heads", "keyValueHeads", "width", "hidden"] as const) {
    if (!Number.isInteger(config[name]) || config[name] < 1) fail(`expected ${name} to be a whole number above 0, got ${config[name]}`, `Set ${name}.`);
  }
  if (width % heads !== 0) fail(`width ${width} is not a multiple of heads ${heads}`, `Try width ${Math.ceil(width / heads) * heads}.`);
  if (heads % keyValueHeads !== 0) fail(`heads ${heads} is not a multiple of keyValueHeads ${keyValueHeads}`, "Choose a divisor of heads.");
  if (positions === "rotary" && (width / heads) % 2 !== 0) fail(`rotary positions need an even head width, got ${width / heads}`, "Change width or heads.");
}

/** Initial parameters, as GPT-2: normal with deviation 0.02, smaller for the maps that write to the residual stream. */
export function init(config: TransformerConfig, key: Key): TransformerParams<NdArray> {
  checkConfig(config);
  const { vocabulary, context, layers, heads, keyValueHeads, width, hidden, bias, activation } = config;
  const head = width / heads;
  const residual = { bias, deviation: 0.02 / Math.sqrt(2 * layers) };
  const norm = () => initNorm(width, { bias: bias && config.norm === "layer" });
  const block = (own: Key): Block<NdArray> => ({
    norm1: norm(),
    attn: {
      qkv: initLinear(fold(own, "qkv"), width, (heads + 2 * keyValueHeads) * head, { bias }),
      out: initLinear(fold(own, "out"), width, width, residual),
    },
    norm2: norm(),
    mlp: {
      up: initLinear(fold(own, "up"), width, hidden, { bias }),
      ...(activation === "swiglu" && { gate: initLinear(fold(own, "gate"), width, hidden, { bias }) }),
      down: initLinear(fold(own, "down"), hidden, width, residual),
    },
  });
  return {
    tokens: initEmbedding(fold(key, "tokens"), vocabulary, width),
    ...(config.positions === "learned" && { positions: initEmbedding(fold(key, "positions"), context, width) }),
    blocks: Array.from({ length: layers }, (_, i) => block(fold(fold(key, "blocks"), i))),
    norm: norm(),
    ...(!config.tied && { head: initLinear(fold(key, "head"), width, vocabulary, { bias: false }) }),
  };
}

/** Sees a tensor on its way: `inspect` uses it to return attention maps and activations. */
export type Probe = (name: string, tensor: Tensor) => void;

export interface ForwardOptions {
  /** Present in training: draws dropout masks. */
  readonly key?: TracedKey | undefined;
  readonly probe?: Probe | undefined;
}

/**
 * Scores of the next token at every position.
 *
 * @param tokens int32 [B, T], T at most `context`
 * @returns logits [B, T, V]
 */
export function forward(config: TransformerConfig, params: TransformerParams, tokens: Tensor, { key, probe }: ForwardOptions = {}): Tensor {
  const [batch, time] = tokens.shape as [number, number];
  if (time > config.context) {
    throw new HeptagenError("transformer/context", `transformer: expected at most ${config.context} tokens, got ${time}`, {
      next: "Cut the sequence, or train a model with a longer context.",
    });
  }
  const drop = (x: Tensor, name: string) => dropout(x, config.dropout, key?.fold(name));
  const angles = config.positions === "rotary" ? rotaryAngles(arange(time, "float32"), config.width / config.heads, config.rotaryBase) : undefined;
  const mask = causalMask(time, time);

  let x = embedding(params.tokens, tokens); // [B, T, C]
  if (params.positions) x = add(x, slice(params.positions.weight, { 0: { stop: time } }));
  x = drop(x, "embedding");
  params.blocks.forEach((block, i) => {
    const { q, k, v } = project(config, block, x);
    const turned = angles ? { q: rotate(q, angles), k: rotate(k, angles) } : { q, k };
    const { out, weights } = attention(turned.q, turned.k, v, mask);
    probe?.(`blocks.${i}.attention`, weights);
    const merged = reshape(transpose(out, [0, 2, 1, 3]), [batch, time, config.width]); // [B, H, T, D] → [B, T, C]
    x = add(x, drop(linear(block.attn.out, merged), `blocks.${i}.attn`));
    x = add(x, drop(mlp(config, block, x), `blocks.${i}.mlp`));
    probe?.(`blocks.${i}.out`, x);
  });
  return logits(config, params, x);
}

/** Queries, keys and values of a block, from the residual stream: x [B, T, C] → [B, H, T, D] and twice [B, K, T, D]. */
function project(config: TransformerConfig, block: Block<Tensor>, x: Tensor): { q: Tensor; k: Tensor; v: Tensor } {
  const { heads, keyValueHeads, width } = config;
  const [batch, time] = x.shape as [number, number];
  const head = width / heads;
  const joined = linear(block.attn.qkv, norm(config, block.norm1, x)); // [B, T, (H + 2K) D]
  const parts = split(joined, [width, keyValueHeads * head, keyValueHeads * head], -1);
  const [q, k, v] = parts.map((part) => transpose(reshape(part, [batch, time, -1, head]), [0, 2, 1, 3]));
  return { q: q as Tensor, k: k as Tensor, v: v as Tensor };
}

function mlp(config: TransformerConfig, block: Block<Tensor>, x: Tensor): Tensor {
  const { up, gate, down } = block.mlp;
  const inner = norm(config, block.norm2, x);
  const raised = linear(up, inner); // [B, T, F]
  if (gate) return linear(down, mul(silu(linear(gate, inner)), raised));
  return linear(down, config.activation === "gelu" ? gelu(raised) : geluTanh(raised));
}

function norm(config: TransformerConfig, params: Norm, x: Tensor): Tensor {
  return config.norm === "layer" ? layerNorm(params, x, config.epsilon) : rmsNorm(params, x, config.epsilon);
}

/** Final norm and scores: x [..., C] → [..., V] */
function logits(config: TransformerConfig, params: TransformerParams, x: Tensor): Tensor {
  const last = norm(config, params.norm, x);
  return params.head ? linear(params.head, last) : matmul(last, params.tokens.weight, { transposeB: true });
}
