/**
 * Scaled dot-product attention (Vaswani et al. 2017) and rotary positions (Su et al. 2021).
 *
 * Legend: B batch, H query heads, K key/value heads (H a multiple of K; fewer than H is grouped-query attention, Ainslie et
 * al. 2023), G = H / K, T queries, S keys, D head width.
 */
import { constant } from "../core/builtin.ts";
import { ShapeError, type Tensor, typeName } from "../core/tensor.ts";
import { add, arange, concat, cos, lessEqual, matmul, mul, reshape, sin, softmax, split, sub, where } from "../ops/index.ts";

/** What a masked score becomes: far below any real score, yet finite, so that an all-masked row stays a number. */
const masked = -1e9;

/** Scores to add for causal attention [T, S]: query t sees keys up to t + S - T (the last query sees all). */
export function causalMask(queries: number, keys: number): Tensor {
  const last = add(reshape(arange(queries), [queries, 1]), keys - queries); // [T, 1]
  return paddingMask(lessEqual(arange(keys), last)); // the runtime computes it once, when it loads the graph
}

/** Scores to add where `visible` (bool, any shape that broadcasts to the scores) is false. */
export function paddingMask(visible: Tensor): Tensor {
  return where(visible, 0, masked);
}

/**
 * Attention of every query over the keys.
 *
 * @param q [B, H, T, D]
 * @param k [B, K, S, D]
 * @param v [B, K, S, D]
 * @param mask added to the scores, broadcasting to [B, K, G·T, S]: [T, S] when H = K
 * @returns `out` [B, H, T, D] and the weights [B, H, T, S]
 */
export function attention(q: Tensor, k: Tensor, v: Tensor, mask?: Tensor): { out: Tensor; weights: Tensor } {
  const [batch, heads, queries, width] = q.shape as [number, number, number, number];
  const [, groups, keys] = k.shape as [number, number, number];
  if (q.shape.length !== 4 || k.shape.length !== 4 || heads % groups !== 0 || k.shape[3] !== width) {
    throw new ShapeError(
      "attention",
      `expected q [B, H, T, D] and k [B, K, S, D] with K dividing H, got ${typeName(q)} and ${typeName(k)}`,
    );
  }
  const perGroup = heads / groups;
  const folded = reshape(mul(q, width ** -0.5), [batch, groups, perGroup * queries, width]); // [B, K, G·T, D]
  const raw = reshape(matmul(folded, k, { transposeB: true }), [batch, groups, perGroup, queries, keys]);
  const scores = reshape(mask ? add(raw, mask) : raw, [batch, groups, perGroup * queries, keys]);
  const weights = softmax(scores); // [B, K, G·T, S]
  const out = matmul(weights, v); // [B, K, G·T, D]
  return { out: reshape(out, q.shape), weights: reshape(weights, [batch, heads, queries, keys]) };
}

/** Keys and values [B, K, S, D] and the scores to add for them [S]. */
export interface Part {
  readonly k: Tensor;
  readonly v: Tensor;
  readonly mask: Tensor;
}

/**
 * Attention over keys and values that lie in several tensors, as if they were joined, without joining them.
 *
 * @param q [B, H, T, D]
 * @returns [B, H, T, D]
 */
export function attentionInParts(q: Tensor, parts: readonly Part[]): Tensor {
  const [batch, heads, queries, width] = q.shape as [number, number, number, number];
  const groups = parts[0]?.k.shape[1] as number;
  const folded = reshape(mul(q, width ** -0.5), [batch, groups, (heads / groups) * queries, width]); // [B, K, G·T, D]
  const scores = parts.map(({ k, mask }) => add(matmul(folded, k, { transposeB: true }), mask)); // [B, K, G·T, S] each
  const sizes = parts.map(({ k }) => k.shape[2] as number);
  const weights = split(softmax(concat(scores, -1)), sizes, -1);
  const out = parts.map(({ v }, i) => matmul(weights[i] as Tensor, v)).reduce((a, b) => add(a, b));
  return reshape(out, q.shape);
}

/** Cosines and sines of the angles position · base^(-2i/D): each [T, D/2]. */
export function rotaryAngles(positions: Tensor, width: number, base = 10000): { cosine: Tensor; sine: Tensor } {
  const frequencies = Float32Array.from({ length: width / 2 }, (_, i) => base ** ((-2 * i) / width));
  const angles = mul(reshape(positions, [-1, 1]), constant({ dtype: "float32", shape: [1, width / 2], data: frequencies }));
  return { cosine: cos(angles), sine: sin(angles) };
}

/**
 * Turns each pair (i, i + D/2) of a head's features by its position's angle, so that scores depend on distance alone.
 *
 * @param x [B, H, T, D]
 */
export function rotate(x: Tensor, { cosine, sine }: { cosine: Tensor; sine: Tensor }): Tensor {
  const [left, right] = split(x, 2, -1); // whose gradient is one concat; that of slices would be two pads and a sum
  return concat([sub(mul(left, cosine), mul(right, sine)), add(mul(right, cosine), mul(left, sine))], -1);
}
