/** NumPy's broadcasting: how operands of different shapes meet, and how their gradients find the way back. */
import { scalarConstant, type TensorLike } from "../core/builtin.ts";
import { ShapeError, Tensor, type TensorType, typeName } from "../core/tensor.ts";
import { type DType, type Shape, sameShape } from "../util/ndarray.ts";
import { sum } from "./reduce.ts";
import { reshape } from "./shape.ts";

/**
 * The shape operands broadcast to: aligned at the last axis, a dimension of 1 stretches.
 *
 * @throws ShapeError when two dimensions differ and neither is 1
 */
export function broadcastShapes(op: string, ...shapes: readonly Shape[]): Shape {
  const rank = Math.max(...shapes.map((s) => s.length));
  return Array.from({ length: rank }, (_, i) => {
    let dim = 1;
    for (const shape of shapes) {
      const d = shape[shape.length - rank + i] ?? 1;
      if (d !== 1 && dim !== 1 && d !== dim) {
        throw new ShapeError(
          op,
          `cannot broadcast shapes ${shapes.map((s) => `[${s}]`).join(" and ")}: axis ${i - rank} has sizes ${dim} and ${d}`,
          "Dimensions meet from the right and must be equal or 1; reshape or transpose one operand.",
        );
      }
      if (d !== 1) dim = d;
    }
    return dim;
  });
}

/** Sums a cotangent over the axes along which an operand of this shape was stretched. */
export function unbroadcast(ct: Tensor, shape: Shape): Tensor {
  if (sameShape(ct.shape, shape)) return ct;
  const extra = ct.shape.length - shape.length;
  const axes = ct.shape.flatMap((d, i) => (i < extra || (shape[i - extra] === 1 && d !== 1) ? [i] : []));
  return reshape(sum(ct, axes), shape);
}

/** Turns numbers among operands into constants of the tensors' type; all operands must then have one type. */
export function operands(op: string, values: readonly TensorLike[], allowed?: readonly DType[]): Tensor[] {
  const typed = values.find((v): v is Tensor => v instanceof Tensor);
  const dtype = typed?.dtype ?? (typeof values[0] === "boolean" ? "bool" : "float32");
  const tensors = values.map((v) => (v instanceof Tensor ? v : scalarConstant(checkScalar(op, v, dtype), dtype)));
  for (const t of tensors) {
    if (t.dtype !== dtype) {
      throw new ShapeError(
        op,
        `expected operands of one type, got ${tensors.map(typeName).join(" and ")}`,
        `Convert one with cast(x, "${dtype}").`,
      );
    }
  }
  if (allowed && !allowed.includes(dtype)) {
    throw new ShapeError(
      op,
      `expected ${allowed.join(" or ")}, got ${tensors.map(typeName).join(" and ")}`,
      "Convert with cast(x, …).",
    );
  }
  return tensors;
}

function checkScalar(op: string, value: number | boolean, dtype: DType): number | boolean {
  if (dtype === "int32" && !Number.isInteger(Number(value))) {
    throw new ShapeError(
      op,
      `expected a whole number beside an int32 tensor, got ${value}`,
      'Convert the tensor with cast(x, "float32").',
    );
  }
  return value;
}

/** Output type of a broadcasting op on operands of one type. */
export function broadcastType(op: string, inputs: readonly TensorType[], dtype?: DType): TensorType {
  return { shape: broadcastShapes(op, ...inputs.map((x) => x.shape)), dtype: dtype ?? (inputs[0] as TensorType).dtype };
}
