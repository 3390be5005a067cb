/**
 * Group normalisation (Wu & He 2018).
 *
 * Written as a layer norm over each group, then weight and bias of each channel. Means and squares instead take as long, and
 * so do ONNX's GroupNormalization and InstanceNormalization, which bring nothing for the way back.
 *
 * The way back needs two sums per channel only, of the cotangent and of its product with x: they give the gradients of weight
 * and bias, and with them everything that groups have in common, so that dx is one sum a · ct + b · x + c with numbers per
 * channel and group. That is half the passes over x of going back through layer norm, weight and bias one by one.
 *
 * Legend: B batch, C channels, G groups, S places.
 */
import { customVjp } from "../core/grad.ts";
import { ShapeError, type Tensor, typeName } from "../core/tensor.ts";
import { add, mul, neg, ones, reshape, sub, sum } from "../ops/index.ts";
import { layerNormPrimitive } from "../ops/normalize.ts";
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
  const members = channels / groups;
  const perChannel = (p: Tensor) => reshape(p, [channels, ...spatial.map(() => 1)]); // [C] → [C, 1, ...]
  const inGroups = (p: Tensor, inner: readonly number[]) => reshape(p, [batch, groups, ...inner]);
  const normalise = customVjp(
    (input: Tensor, gain: Tensor, shift?: Tensor) => {
      const joined = inGroups(input, [-1]); // [B, G, (C / G) S]
      const [normal, centre, inverse] = layerNormPrimitive.bind([joined, ones(joined.shape.slice(2))], { epsilon });
      const scaled = mul(reshape(normal, input.shape), perChannel(gain));
      const value = shift ? add(scaled, perChannel(shift)) : scaled;
      return { value, residuals: { input, gain, centre, inverse } }; // the last two [B, G, 1]
    },
    ({ input, gain, centre, inverse }, ct) => {
      const places = spatial.map((_, i) => i + 2);
      const sums = sum(ct, places); // [B, C]
      const products = sum(mul(ct, input), places); // [B, C]
      const scaledSums = sum(inGroups(mul(sums, gain), [members]), 2, { keepDims: true }); // [B, G, 1]
      const scaledProducts = sum(inGroups(mul(products, gain), [members]), 2, { keepDims: true });
      const share = 1 / (input.shape.slice(1).reduce((a, b) => a * b, 1) / groups);
      const along = sub(scaledProducts, mul(centre, scaledSums)); // Σ w ct (x - mean)
      const ofX = neg(mul(mul(along, share), mul(inverse, mul(inverse, inverse)))); // [B, G, 1]
      const rest = neg(add(mul(mul(inverse, scaledSums), share), mul(centre, ofX)));
      const ofCt = mul(inverse, reshape(gain, [groups, members])); // [B, G, C / G]
      const widely = (p: Tensor) => reshape(p, [batch, channels, ...spatial.map(() => 1)]);
      const byGroup = (p: Tensor) => inGroups(p, [1]);
      const common = add(mul(inGroups(input, [-1]), byGroup(ofX)), byGroup(rest)); // [B, G, (C / G) S]
      const dx = add(mul(ct, widely(ofCt)), reshape(common, input.shape));
      const centred = sub(inGroups(products, [members]), mul(centre, inGroups(sums, [members]))); // Σ ct (x - mean)
      const dGain = reshape(sum(mul(centred, inverse), 0), [channels]);
      return [dx, dGain, ...(bias ? [sum(sums, 0)] : [])];
    },
  );
  return bias ? normalise(x, weight, bias) : normalise(x, weight);
}
