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
import type { Tensor } from "../core/tensor.ts";
import { attention, attentionInParts, causalMask, paddingMask, rotaryAngles, rotate } from "../nn/attention.ts";
import { dropout } from "../nn/dropout.ts";
import { type Embedding, embedding, initEmbedding, initLinear, type Linear, linear } from "../nn/linear.ts";
import { initNorm, layerNorm, type Norm, rmsNorm } from "../nn/norm.ts";
import {
  add,
  and,
  arange,
  cast,
  equal,
  gather,
  gelu,
  geluTanh,
  less,
  lessEqual,
  matmul,
  maximum,
  minimum,
  mul,
  reshape,
  silu,
  slice,
  split,
  sub,
  transpose,
  where,
  zeros,
} from "../ops/index.ts";
import { HeptagenError } from "../util/errors.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";
import type { Tree } from "../util/tree.ts";
import type { Decoder, ForwardOptions, LanguageModel } from "./language-model.ts";

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
    if (!Number.isInteger(config[name]) || config[name] < 1)
      fail(`expected ${name} to be a whole number above 0, got ${config[name]}`, `Set ${name}.`);
  }
  if (width % heads !== 0)
    fail(`width ${width} is not a multiple of heads ${heads}`, `Try width ${Math.ceil(width / heads) * heads}.`);
  if (heads % keyValueHeads !== 0)
    fail(`heads ${heads} is not a multiple of keyValueHeads ${keyValueHeads}`, "Choose a divisor of heads.");
  if (positions === "rotary" && (width / heads) % 2 !== 0)
    fail(`rotary positions need an even head width, got ${width / heads}`, "Change width or heads.");
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

/**
 * Scores of the next token at every position.
 *
 * @param tokens int32 [B, T], T at most `context`
 * @returns logits [B, T, V]
 */
export function forward(
  config: TransformerConfig,
  params: TransformerParams,
  tokens: Tensor,
  options: ForwardOptions = {},
): Tensor {
  return logits(config, params, run(config, params, tokens, options));
}

/** The blocks' way: tokens [B, T] → last residual stream [B, T, C]. `keep` sees each block's keys and values [B, K, T, D]. */
function run(
  config: TransformerConfig,
  params: TransformerParams,
  tokens: Tensor,
  { key, probe }: ForwardOptions,
  keep?: (k: Tensor, v: Tensor) => void,
): Tensor {
  const time = tokens.shape[1] as number;
  if (time > config.context) {
    throw new HeptagenError("transformer/context", `transformer: expected at most ${config.context} tokens, got ${time}`, {
      next: "Cut the sequence, or train a model with a longer context.",
    });
  }
  const drop = (x: Tensor, name: string) => dropout(x, config.dropout, key?.fold(name));
  const angles = rotary(config, arange(time, "float32"));
  const mask = causalMask(time, time);

  let x = embedding(params.tokens, tokens); // [B, T, C]
  if (params.positions) x = add(x, slice(params.positions.weight, { 0: { stop: time } }));
  x = drop(x, "embedding");
  params.blocks.forEach((block, i) => {
    x = blockStep(
      config,
      block,
      x,
      angles,
      (q, k, v) => {
        keep?.(k, v);
        const { out, weights } = attention(q, k, v, mask);
        probe?.(`blocks.${i}.attention`, weights);
        return out;
      },
      (y, name) => drop(y, `blocks.${i}.${name}`),
    );
    probe?.(`blocks.${i}.out`, x);
  });
  return x;
}

type Attend = (q: Tensor, k: Tensor, v: Tensor) => Tensor;

/** One block: attention between positions, then an MLP on each, both added to the residual stream x [B, T, C]. */
function blockStep(
  config: TransformerConfig,
  block: Block<Tensor>,
  x: Tensor,
  angles: Angles | undefined,
  attend: Attend,
  drop: (y: Tensor, name: string) => Tensor = (y) => y,
): Tensor {
  const { q, k, v } = project(config, block, x);
  const out = angles ? attend(rotate(q, angles), rotate(k, angles), v) : attend(q, k, v); // [B, H, T, D]
  const merged = reshape(transpose(out, [0, 2, 1, 3]), x.shape); // [B, H, T, D] → [B, T, C]
  const mixed = add(x, drop(linear(block.attn.out, merged), "attn"));
  return add(mixed, drop(mlp(config, block, mixed), "mlp"));
}

type Angles = ReturnType<typeof rotaryAngles>;

function rotary(config: TransformerConfig, positions: Tensor): Angles | undefined {
  return config.positions === "rotary" ? rotaryAngles(positions, config.width / config.heads, config.rotaryBase) : undefined;
}

/** Queries, keys and values of a block, from the residual stream: x [B, T, C] → [B, H, T, D] and twice [B, K, T, D]. */
function project(config: TransformerConfig, block: Block<Tensor>, x: Tensor): { q: Tensor; k: Tensor; v: Tensor } {
  const { heads, keyValueHeads, width } = config;
  const [batch, time] = x.shape as [number, number];
  const joined = linear(block.attn.qkv, norm(config, block.norm1, x)); // [B, T, (H + 2K) D]
  const byHead = transpose(reshape(joined, [batch, time, -1, width / heads]), [0, 2, 1, 3]); // [B, H + 2K, T, D]
  const [q, k, v] = split(byHead, [heads, keyValueHeads, keyValueHeads], 1);
  return { q, k, v };
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

/** What a decoder remembers of the tokens read: each block's keys and values [B, K, S, D], of which `length` count. */
interface Memory {
  readonly keys: readonly Tensor[];
  readonly values: readonly Tensor[];
  readonly length: Tensor;
}

/** Keys and values of the chunk being written, each [B, K, N, D]: kept apart, so that the long past is never copied. */
interface Recent {
  readonly keys: readonly Tensor[];
  readonly values: readonly Tensor[];
}

const decoder: Decoder<TransformerConfig> = {
  read(config, tree, tokens, length) {
    const params = tree as unknown as TransformerParams;
    const [keys, values]: [Tensor[], Tensor[]] = [[], []];
    const x = run(config, params, tokens, {}, (k, v) => {
      keys.push(k);
      values.push(v);
    });
    const last = gather(x, sub(length, 1), 1); // [B, C]
    return { logits: logits(config, params, last), memory: { keys, values, length } };
  },

  open(_config, tree, chunk) {
    const { keys, values } = tree as unknown as Memory;
    const blank = (x: Tensor) => zeros([...x.shape.slice(0, 2), chunk, ...x.shape.slice(3)]);
    return { keys: keys.map(blank), values: values.map(blank) };
  },

  step(config, tree, past, carry, token, n) {
    const params = tree as unknown as TransformerParams;
    const { keys, values, length } = past as unknown as Memory;
    const recent = carry as unknown as Recent;
    const [, , room] = (keys[0] as Tensor).shape as [number, number, number];
    const [, , chunk] = (recent.keys[0] as Tensor).shape as [number, number, number];
    const position = reshape(add(length, n), [1]);
    const angles = rotary(config, cast(position, "float32"));
    const pastMask = paddingMask(less(arange(room), length)); // [S]
    const recentMask = paddingMask(lessEqual(arange(chunk), n)); // [N]
    const here = reshape(equal(arange(chunk), n), [chunk, 1]);
    const next: { keys: Tensor[]; values: Tensor[] } = { keys: [], values: [] };

    let x = reshape(embedding(params.tokens, token), [token.shape[0] as number, 1, config.width]); // [B, 1, C]
    if (params.positions) x = add(x, gather(params.positions.weight, position));
    params.blocks.forEach((block, i) => {
      x = blockStep(config, block, x, angles, (q, k, v) => {
        const recentKeys = where(here, k, recent.keys[i] as Tensor); // [B, K, N, D]
        const recentValues = where(here, v, recent.values[i] as Tensor);
        next.keys.push(recentKeys);
        next.values.push(recentValues);
        return attentionInParts(q, [
          { k: keys[i] as Tensor, v: values[i] as Tensor, mask: pastMask },
          { k: recentKeys, v: recentValues, mask: recentMask },
        ]);
      });
    });
    return { logits: logits(config, params, reshape(x, [-1, config.width])), carry: next };
  },

  close(_config, past, carry) {
    const { keys, values, length } = past as unknown as Memory;
    const recent = carry as unknown as Recent;
    const [, , room] = (keys[0] as Tensor).shape as [number, number, number];
    const [, , chunk] = (recent.keys[0] as Tensor).shape as [number, number, number];
    // Place s of the memory takes element s - length of the chunk, where there is one.
    const from = sub(arange(room), length);
    const fresh = reshape(and(lessEqual(0, from), less(from, chunk)), [room, 1]);
    const source = minimum(maximum(from, 0), chunk - 1);
    const merge = (old: Tensor, added: Tensor) => where(fresh, gather(added, source, 2), old);
    return {
      keys: keys.map((k, i) => merge(k, recent.keys[i] as Tensor)),
      values: values.map((v, i) => merge(v, recent.values[i] as Tensor)),
      length: add(length, chunk),
    };
  },
};

/** The architecture as the language-model task sees it. */
export const transformer: LanguageModel<TransformerConfig> = {
  name: "transformer",
  defaults: transformerDefaults,
  check: checkConfig,
  init: (config, key) => init(config, key) as unknown as Tree<NdArray>,
  forward: (config, params, tokens, options) => forward(config, params as unknown as TransformerParams, tokens, options),
  decoder,
};
