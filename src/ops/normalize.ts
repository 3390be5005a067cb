/** Primitives that normalise an axis: softmax, log-softmax and layer normalisation (fused, since compositions are slow). */
import { one } from "../core/builtin.ts";
import { definePrimitive } from "../core/primitive.ts";
import { ShapeError, type Tensor, type TensorType, typeName } from "../core/tensor.ts";
import { operands, unbroadcast } from "./broadcast.ts";
import { add, exp, mul, neg, sub } from "./elementwise.ts";
import { mean, sum } from "./reduce.ts";
import { broadcastTo, normalAxis } from "./shape.ts";

interface AxisParams {
  readonly axis: number;
}

export const softmaxPrimitive = definePrimitive<AxisParams>({
  name: "softmax",
  infer: ([x]) => [x],
  vjp([ct], _, [y], { axis }) {
    if (!ct) return [null];
    const weighted = mul(ct, y);
    return [sub(weighted, mul(y, sum(weighted, axis, { keepDims: true })))];
  },
  lower: (b, [x], { axis }) => b.node("Softmax", [x], { axis }),
});
/** Exponentials that sum to 1 along an axis; safe for large inputs. */
export function softmax(x: Tensor, axis = -1): Tensor {
  return one(softmaxPrimitive.bind(operands("softmax", [x], ["float32"]), { axis: normalAxis("softmax", axis, x) }));
}

export const logSoftmaxPrimitive = definePrimitive<AxisParams>({
  name: "logSoftmax",
  infer: ([x]) => [x],
  vjp: ([ct], _, [y], { axis }) => [ct && sub(ct, mul(exp(y), sum(ct, axis, { keepDims: true })))],
  lower: (b, [x], { axis }) => b.node("LogSoftmax", [x], { axis }),
});
/** Logarithm of softmax, without its rounding. */
export function logSoftmax(x: Tensor, axis = -1): Tensor {
  return one(logSoftmaxPrimitive.bind(operands("logSoftmax", [x], ["float32"]), { axis: normalAxis("logSoftmax", axis, x) }));
}

export const layerNormPrimitive = definePrimitive<{ readonly epsilon: number }>({
  name: "layerNorm",
  // x [..., C], scale [C], optional bias [C] → y [..., C], mean [..., 1], inverse deviation [..., 1]
  infer([x]) {
    const type = x;
    const kept: TensorType = { shape: [...type.shape.slice(0, -1), 1], dtype: type.dtype };
    return [type, kept, kept];
  },
  vjp([ct, ctMean, ctInverse], [x, scale, bias], [, mu, inverse]) {
    const [input, gain, centre, inv] = [x, scale, mu as Tensor, inverse as Tensor];
    const normal = mul(sub(input, centre), inv);
    const channels = input.shape.at(-1) as number;
    const parts: Tensor[] = [];
    if (ct) {
      const g = mul(ct, gain);
      const along = mul(normal, mean(mul(g, normal), -1, { keepDims: true }));
      parts.push(mul(inv, sub(sub(g, mean(g, -1, { keepDims: true })), along)));
    }
    if (ctMean) parts.push(broadcastTo(mul(ctMean, 1 / channels), input.shape));
    // d(1/σ)/dx = -(x - μ) / (C σ³)
    if (ctInverse) parts.push(neg(mul(mul(ctInverse, mul(inv, inv)), mul(normal, 1 / channels))));
    const dx = parts.length > 0 ? parts.reduce((a, p) => add(a, p)) : null;
    return [dx, ct && unbroadcast(mul(ct, normal), gain.shape), bias ? ct && unbroadcast(ct, bias.shape) : null].slice(
      0,
      bias ? 3 : 2,
    );
  },
  lower: (b, inputs, { epsilon }, { used }) =>
    b.nodes("LayerNormalization", inputs, { axis: -1, epsilon: { float: epsilon } }, 3, { used }),
});

/**
 * Layer normalisation over the last axis (Ba et al. 2016): (x - mean) / sqrt(var + epsilon) * scale + bias.
 *
 * @param x [..., C]
 * @param scale [C]
 * @param bias [C], or undefined for none
 */
export function layerNorm(
  x: Tensor,
  scale: Tensor,
  bias?: Tensor,
  { epsilon = 1e-5 }: { readonly epsilon?: number } = {},
): Tensor {
  operands("layerNorm", bias ? [x, scale, bias] : [x, scale], ["float32"]);
  const channels = x.shape.at(-1);
  for (const p of bias ? [scale, bias] : [scale]) {
    if (p.shape.length !== 1 || p.shape[0] !== channels)
      throw new ShapeError("layerNorm", `expected [${channels}] for ${typeName(x)}, got ${typeName(p)}`);
  }
  return layerNormPrimitive.bind(bias ? [x, scale, bias] : [x, scale], { epsilon })[0] as Tensor;
}
