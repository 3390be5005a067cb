/**
 * Group normalisation (Wu & He 2018).
 *
 * Written as a layer norm over each group, then weight and bias of each channel. Means and squares instead take as long, and
 * so do ONNX's GroupNormalization and InstanceNormalization, which bring nothing for the way back.
 */
import { ShapeError, type Tensor, typeName } from "../core/tensor.ts";
import { add, mul, layerNorm as normalize, ones, reshape } from "../ops/index.ts";
import type { Norm } from "./norm.ts";

export interface GroupNormOptions {
  /** How many groups the channels form; must divide their number. 1 normalises over all of them, one each over none. */
  readonly groups: number;
  readonly epsilon?: number;
}

/**
 * Normalises each group of channels of each example over its channels and places: (x - mean) / sqrt(var + epsilon), then a
 * weight and a bias per channel.
 *
 * @param norm weight [C] and, if it has one, bias [C]: `initNorm(C, { bias: true })`
 * @param x [B, C, ...S]
 * @throws ShapeError when the groups do not divide the channels
 * @example groupNorm(params.norm, x, { groups: 32 })
 */
export function groupNorm({ weight, bias }: Norm, x: Tensor, { groups, epsilon = 1e-5 }: GroupNormOptions): Tensor {
  const [batch, channels, ...spatial] = x.shape as [number, number, ...number[]];
  if (x.shape.length < 2 || !Number.isInteger(groups) || groups < 1 || channels % groups !== 0) {
    throw new ShapeError("groupNorm", `expected [B, C, ...] with C a multiple of ${groups} groups, got ${typeName(x)}`);
  }
  const joined = reshape(x, [batch, groups, -1]); // [B, G, (C / G) S]
  const normal = reshape(normalize(joined, ones(joined.shape.slice(2)), undefined, { epsilon }), x.shape);
  const perChannel = (p: Tensor) => reshape(p, [channels, ...spatial.map(() => 1)]); // [C] → [C, 1, ...]
  const scaled = mul(normal, perChannel(weight));
  return bias ? add(scaled, perChannel(bias)) : scaled;
}
