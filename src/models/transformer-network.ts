/**
 * The Transformer as a network for sequences: an encoder that looks both ways, a decoder that looks back and at the source.
 *
 * In each block, attention moves information between places and an MLP works on each place alone; a decoder's block also
 * looks at the encoder's states in between. All add to a residual stream that is normalised before each of them. Places are told
 * apart by rotating queries and keys, so that there is no longest sequence.
 *
 * Papers: Vaswani et al. 2017, Xiong et al. 2020 (norms before), Su et al. 2021 (rotary positions), Hendrycks & Gimpel 2016 (GELU),
 * Glorot & Bengio 2010 (initial values).
 *
 * Legend: B sequences, T places of the source, U places of what is written, N places, W width, H heads, D = W / H head width,
 * F hidden width of the MLP, K ways in which one source is written about at once.
 */
import type { TracedKey } from "../core/random.ts";
import { ShapeError, type Tensor, typeName } from "../core/tensor.ts";
import { attention, causalMask, paddingMask, rotaryAngles, rotate } from "../nn/attention.ts";
import { dropout } from "../nn/dropout.ts";
import { initLinear, type Linear, linear } from "../nn/linear.ts";
import { initNorm, layerNorm, type Norm } from "../nn/norm.ts";
import {
  add,
  arange,
  cast,
  div,
  equal,
  gelu,
  less,
  lessEqual,
  maximum,
  mean,
  mul,
  reshape,
  split,
  sum,
  transpose,
  where,
  zeros,
} from "../ops/index.ts";
import { HeptagenError } from "../util/errors.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";
import type { Tree } from "../util/tree.ts";
import type { Encoded, SequenceDecoder, SequenceEncoder, SequenceNetwork } from "./sequence-network.ts";

export interface TransformerNetworkConfig {
  /** Blocks of the encoder, and of the decoder. */
  readonly layers: number;
  /** Must divide `width` into even parts. */
  readonly heads: number;
  /** W */
  readonly width: number;
  /** Hidden width of the MLP. */
  readonly hidden: number;
  /** Fraction of activations dropped in training: of what goes in and of what each part adds. */
  readonly dropout: number;
}

export const transformerNetworkDefaults: TransformerNetworkConfig = {
  layers: 3,
  heads: 4,
  width: 256,
  hidden: 1024,
  dropout: 0.1,
};

interface SelfAttention<Leaf> {
  readonly qkv: Linear<Leaf>;
  readonly out: Linear<Leaf>;
}

interface CrossAttention<Leaf> {
  readonly q: Linear<Leaf>;
  readonly kv: Linear<Leaf>;
  readonly out: Linear<Leaf>;
}

interface Block<Leaf = Tensor> {
  readonly norm1: Norm<Leaf>;
  readonly attn: SelfAttention<Leaf>;
  /** Where a decoder reads. */
  readonly normCross?: Norm<Leaf>;
  readonly cross?: CrossAttention<Leaf>;
  readonly norm2: Norm<Leaf>;
  readonly mlp: { readonly up: Linear<Leaf>; readonly down: Linear<Leaf> };
}

/** Parameters of an encoder or a decoder. */
export interface TransformerStack<Leaf = Tensor> {
  readonly blocks: readonly Block<Leaf>[];
  readonly norm: Norm<Leaf>;
}

function check({ layers, heads, width, hidden, dropout: rate }: TransformerNetworkConfig): void {
  const fail = (message: string, next: string): never => {
    throw new HeptagenError("transformer/config", `transformer: ${message}`, { next });
  };
  for (const [name, value] of Object.entries({ layers, heads, width, hidden })) {
    if (!Number.isInteger(value) || value < 1)
      fail(`expected ${name} to be a whole number above 0, got ${value}`, `Set ${name}.`);
  }
  if (width % (2 * heads) !== 0) {
    const next = `Try width ${Math.ceil(width / (2 * heads)) * 2 * heads}.`;
    fail(`expected heads of even width (rotary positions), got width ${width} for ${heads} heads`, next);
  }
  if (!(rate >= 0 && rate < 1)) fail(`expected dropout from 0 to below 1, got ${rate}`, "Set dropout; 0 for none.");
}

/** Normal with Glorot's deviation, smaller for the maps that write to the residual stream, as GPT-2's. */
function initStack(config: TransformerNetworkConfig, key: Key, reads: boolean): TransformerStack<NdArray> {
  check(config);
  const { layers, width, hidden } = config;
  const map = (own: Key, from: number, to: number, scale = 1) =>
    initLinear(own, from, to, { bias: false, deviation: scale * Math.sqrt(2 / (from + to)) });
  const residual = 1 / Math.sqrt((reads ? 3 : 2) * layers);
  const norm = () => initNorm(width, { bias: true });
  const block = (own: Key): Block<NdArray> => ({
    norm1: norm(),
    attn: { qkv: map(fold(own, "qkv"), width, 3 * width), out: map(fold(own, "out"), width, width, residual) },
    ...(reads && {
      normCross: norm(),
      cross: {
        q: map(fold(own, "cross q"), width, width),
        kv: map(fold(own, "cross kv"), width, 2 * width),
        out: map(fold(own, "cross out"), width, width, residual),
      },
    }),
    norm2: norm(),
    mlp: { up: map(fold(own, "up"), width, hidden), down: map(fold(own, "down"), hidden, width, residual) },
  });
  return { blocks: Array.from({ length: layers }, (_, i) => block(fold(fold(key, "blocks"), i))), norm: norm() };
}

type Angles = ReturnType<typeof rotaryAngles>;

/** Queries of one block over its keys: [B, H, N, D] each → what was found [B, H, N, D] and how much was looked where [B, H, N, T]. */
type Attend = (q: Tensor, k: Tensor, v: Tensor) => { readonly out: Tensor; readonly weights: Tensor };

/** Keys and values of the source in one block, [B, H, T, D], and the scores to add for them [B, 1, 1, 1, T]. */
interface Seen {
  readonly k: Tensor;
  readonly v: Tensor;
  readonly mask: Tensor;
}

interface BlockOptions {
  readonly angles: Angles;
  readonly attend: Attend;
  readonly seen?: Seen | undefined;
  readonly drop?: (y: Tensor, name: string) => Tensor;
}

/** One block on the residual stream x [B, N, W]; also how much each place looked at the source [B, H, N, T], if there is one. */
function blockStep(
  { heads, width }: TransformerNetworkConfig,
  block: Block,
  x: Tensor,
  { angles, attend, seen, drop = (y) => y }: BlockOptions,
): { x: Tensor; looked?: Tensor } {
  const joined = split(byHead(linear(block.attn.qkv, layerNorm(block.norm1, x)), width / heads), [2 * heads, heads], 1);
  const [q, k] = split(rotate(joined[0], angles), 2, 1); // [B, H, N, D] each
  const own = attend(q, k, joined[1]);
  let y = add(x, drop(linear(block.attn.out, joinHeads(own.out)), "attn"));
  let looked: Tensor | undefined;
  if (block.cross && block.normCross) {
    if (!seen) throw new ShapeError("transformer", "expected a source: the decoder was made to read one, got none");
    const rows = seen.k.shape[0] as number;
    const grouped = reshape(y, [rows, -1, width]); // [B K, 1, W] → [B, K, W]: the K ask together
    const asked = byHead(linear(block.cross.q, layerNorm(block.normCross, grouped)), width / heads);
    const found = attention(asked, seen.k, seen.v, seen.mask);
    const given = linear(block.cross.out, joinHeads(found.out));
    y = add(y, drop(reshape(given, y.shape), "cross"));
    looked = found.weights;
  }
  const inner = gelu(linear(block.mlp.up, layerNorm(block.norm2, y)));
  return { x: add(y, drop(linear(block.mlp.down, inner), "mlp")), ...(looked && { looked }) };
}

/** [B, N, heads D] → [B, heads, N, D] */
function byHead(x: Tensor, head: number): Tensor {
  const [batch, places] = x.shape as [number, number];
  return transpose(reshape(x, [batch, places, -1, head]), [0, 2, 1, 3]);
}

/** [B, H, N, D] → [B, N, W] */
function joinHeads(x: Tensor): Tensor {
  const [batch, , places] = x.shape as [number, number, number];
  return reshape(transpose(x, [0, 2, 1, 3]), [batch, places, -1]);
}

function anglesOf({ width, heads }: TransformerNetworkConfig, positions: Tensor): Angles {
  return rotaryAngles(positions, width / heads);
}

/** Scores to add for places that do not count: lengths [B] → [B, 1, 1, 1, T] */
function lengthMask(lengths: Tensor, places: number): Tensor {
  const batch = lengths.shape[0] as number;
  return paddingMask(reshape(less(arange(places), reshape(lengths, [batch, 1])), [batch, 1, 1, 1, places]));
}

/** Keys and values that each block of a decoder finds in the source. */
function readSource({ width, heads }: TransformerNetworkConfig, blocks: readonly Block[], { states, lengths }: Encoded): Seen[] {
  const mask = lengthMask(lengths, states.shape[1] as number);
  return blocks.map(({ cross }) => {
    if (!cross)
      throw new ShapeError("transformer", "expected no source: the decoder was made without one", "Init it with reads.");
    const [k, v] = split(byHead(linear(cross.kv, states), width / heads), 2, 1);
    return { k, v, mask };
  });
}

function dropping({ dropout: rate }: TransformerNetworkConfig, key: TracedKey | undefined) {
  return (y: Tensor, name: string) => dropout(y, rate, key?.fold(name));
}

const encoder: SequenceEncoder<TransformerNetworkConfig> = {
  init: (config, key) => initStack(config, key, false) as unknown as Tree<NdArray>,

  forward(config, tree, x, lengths, { key, probe } = {}) {
    const params = tree as unknown as TransformerStack;
    const [batch, places] = checkInput("encoder", config, x);
    const drop = dropping(config, key);
    const angles = anglesOf(config, arange(places, "float32"));
    const mask = lengthMask(lengths, places);
    let y = drop(x, "input");
    params.blocks.forEach((block, i) => {
      const attend: Attend = (q, k, v) => {
        const found = attention(q, k, v, mask);
        probe?.(`blocks.${i}.attention`, found.weights);
        return found;
      };
      y = blockStep(config, block, y, { angles, attend, drop: (part, name) => drop(part, `blocks.${i}.${name}`) }).x;
    });
    const counts = cast(less(arange(places), reshape(lengths, [batch, 1])), "float32"); // [B, T]
    const states = mul(layerNorm(params.norm, y), reshape(counts, [batch, places, 1]));
    const summary = div(sum(states, 1), cast(maximum(reshape(lengths, [batch, 1]), 1), "float32")); // [B, W]
    return { states, summary, lengths };
  },
};

/** Keys and values of the places gone so far, [B K, H, U, D] for each block. */
interface Memory {
  readonly keys: readonly Tensor[];
  readonly values: readonly Tensor[];
}

const decoder: SequenceDecoder<TransformerNetworkConfig> = {
  init: (config, key, reads) => initStack(config, key, reads) as unknown as Tree<NdArray>,

  forward(config, tree, y, source, { key, probe } = {}) {
    const params = tree as unknown as TransformerStack;
    const [, places] = checkInput("decoder", config, y);
    const drop = dropping(config, key);
    const angles = anglesOf(config, arange(places, "float32"));
    const mask = causalMask(places, places);
    const seen = source && readSource(config, params.blocks, source);
    let x = drop(y, "input");
    let looked: Tensor | undefined;
    params.blocks.forEach((block, i) => {
      const attend: Attend = (q, k, v) => {
        const found = attention(q, k, v, mask);
        probe?.(`blocks.${i}.attention`, found.weights);
        return found;
      };
      const part = { angles, attend, seen: seen?.[i], drop: (z: Tensor, name: string) => drop(z, `blocks.${i}.${name}`) };
      const done = blockStep(config, block, x, part);
      x = done.x;
      looked = done.looked;
      if (looked) probe?.(`blocks.${i}.cross`, looked);
    });
    return { states: layerNorm(params.norm, x), ...(looked && { attention: mean(looked, 1) }) };
  },

  start(config, tree, { batch, places }, source) {
    const { blocks } = tree as unknown as TransformerStack;
    const { heads, width } = config;
    const rows = source?.lengths.shape[0] ?? batch;
    if (batch % rows !== 0)
      throw new ShapeError("transformer", `expected a batch that is a multiple of the ${rows} sources, got ${batch}`);
    const blank = () => blocks.map(() => zeros([batch, heads, places, width / heads]));
    const memory: Memory = { keys: blank(), values: blank() };
    const seen = source ? readSource(config, blocks, source) : {};
    return { source: seen as unknown as Tree<Tensor>, memory: memory as unknown as Tree<Tensor> };
  },

  step(config, tree, source, memory, y, n) {
    const params = tree as unknown as TransformerStack;
    const seen = source as unknown as readonly Seen[];
    const { keys, values } = memory as unknown as Memory;
    const next: { keys: Tensor[]; values: Tensor[] } = { keys: [], values: [] };
    const batch = y.shape[0] as number;
    const places = (keys[0] as Tensor).shape[2] as number;
    const angles = anglesOf(config, cast(reshape(n, [1]), "float32"));
    const here = reshape(equal(arange(places), n), [places, 1]);
    const mask = paddingMask(lessEqual(arange(places), n)); // [U]
    let x = reshape(y, [batch, 1, config.width]);
    let looked: Tensor | undefined;
    params.blocks.forEach((block, i) => {
      const attend: Attend = (q, k, v) => {
        const allKeys = where(here, k, keys[i] as Tensor); // [B K, H, U, D]
        const allValues = where(here, v, values[i] as Tensor);
        next.keys.push(allKeys);
        next.values.push(allValues);
        return attention(q, allKeys, allValues, mask);
      };
      const done = blockStep(config, block, x, { angles, attend, seen: seen[i] });
      x = done.x;
      looked = done.looked;
    });
    const state = reshape(layerNorm(params.norm, x), [batch, config.width]);
    return {
      state,
      ...(looked && { attention: reshape(mean(looked, 1), [batch, -1]) }), // [B, K, T] → [B K, T]
      memory: next as unknown as Tree<Tensor>,
    };
  },
};

/** B and N of what goes in. */
function checkInput(part: string, { width }: TransformerNetworkConfig, x: Tensor): [number, number] {
  if (x.shape.length === 3 && x.shape[2] === width) return [x.shape[0] as number, x.shape[1] as number];
  throw new ShapeError("transformer", `expected the ${part}'s input to be [B, places, ${width}], got ${typeName(x)}`);
}

/** The Transformer as tasks on sequences see it. */
export const transformerNetwork: SequenceNetwork<TransformerNetworkConfig> = {
  name: "transformer",
  defaults: transformerNetworkDefaults,
  check,
  width: ({ width }) => width,
  attends: () => true,
  encoder,
  decoder,
};
