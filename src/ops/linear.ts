/** Matrix multiplication, batched and with transposes folded in. */
import { one } from "../core/builtin.ts";
import type { Lowering, Value } from "../core/lowering.ts";
import { definePrimitive } from "../core/primitive.ts";
import { ShapeError, type Tensor, type TensorType, typeName } from "../core/tensor.ts";
import { sizeOf } from "../util/ndarray.ts";
import { broadcastShapes, unbroadcast } from "./broadcast.ts";
import { reshape } from "./shape.ts";

/** Read an operand's last two axes swapped, at no cost. */
export interface MatmulOptions {
  readonly transposeA?: boolean;
  readonly transposeB?: boolean;
}

interface MatmulParams {
  readonly ta: boolean;
  readonly tb: boolean;
}

export const matmulPrimitive = definePrimitive<MatmulParams>({
  name: "matmul",
  mapsLeadingAxis: true,
  infer([a, b], { ta, tb }) {
    const [x, y] = [a, b];
    const [m, k] = lastTwo(x, ta);
    const [k2, n] = lastTwo(y, tb);
    if (k !== k2) {
      const flags = ta || tb ? ` (transposeA ${ta}, transposeB ${tb})` : "";
      throw new ShapeError(
        "matmul",
        `expected inner dimensions to agree, got ${typeName(x)} and ${typeName(y)}${flags}: ${k} and ${k2}`,
      );
    }
    return [{ shape: [...broadcastShapes("matmul", x.shape.slice(0, -2), y.shape.slice(0, -2)), m, n], dtype: x.dtype }];
  },
  vjp([ct], [a, b], _, { ta, tb }) {
    if (!ct) return [null, null];
    const [x, y] = [a, b];
    const da = ta ? product(y, ct, tb, true) : product(ct, y, false, !tb);
    return [unbroadcast(da, x.shape), weightGradient(ct, x, y, ta, tb)];
  },
  lower(b, [a, w], { ta, tb }, { inputs, outputs }) {
    const [x, y] = inputs;
    const [left, right] = [a, w];
    if (x.shape.length === 2 && y.shape.length === 2) return gemm(b, left, right, ta, tb);
    if (y.shape.length === 2 && !ta) {
      if (!tb) return b.node("MatMul", [left, right]);
      const k = x.shape.at(-1) as number;
      const flat = b.node("Reshape", [left, b.int64([sizeOf(x.shape) / k, k])]);
      return b.node("Reshape", [gemm(b, flat, right, false, tb), b.int64((outputs[0] as TensorType).shape)]);
    }
    if (!ta && !tb) return b.node("MatMul", [left, right]);
    if (b.supports("FusedMatMul")) {
      return b.node("FusedMatMul", [left, right], { transA: Number(ta), transB: Number(tb) }, "com.microsoft");
    }
    const flip = (value: Value, type: TensorType) => b.node("Transpose", [value], { perm: swapLast(type.shape.length) });
    return b.node("MatMul", [ta ? flip(left, x) : left, tb ? flip(right, y) : right]);
  },
});

function gemm(b: Lowering, x: Value, y: Value, ta: boolean, tb: boolean): Value {
  return ta || tb ? b.node("Gemm", [x, y], { transA: Number(ta), transB: Number(tb) }) : b.node("MatMul", [x, y]);
}

function lastTwo(x: TensorType, transposed: boolean): [number, number] {
  const [rows, columns] = x.shape.slice(-2) as [number, number];
  return transposed ? [columns, rows] : [rows, columns];
}

function swapLast(rank: number): number[] {
  return Array.from({ length: rank }, (_, i) => (i < rank - 2 ? i : 2 * rank - 3 - i));
}

function product(x: Tensor, y: Tensor, ta: boolean, tb: boolean): Tensor {
  return one(matmulPrimitive.bind([x, y], { ta, tb }));
}

/** Gradient of the right operand; a matrix shared by a whole batch gets it from one flat GEMM instead of a sum over the batch. */
function weightGradient(ct: Tensor, x: Tensor, y: Tensor, ta: boolean, tb: boolean): Tensor {
  if (y.shape.length === 2 && x.shape.length > 2 && !ta) {
    const flat = (t: Tensor) => reshape(t, [-1, t.shape.at(-1) as number]);
    return tb ? product(flat(ct), flat(x), true, false) : product(flat(x), flat(ct), true, false);
  }
  return unbroadcast(tb ? product(ct, x, true, ta) : product(x, ct, !ta, false), y.shape);
}

/**
 * Matrix product of the last two axes; axes before them broadcast. A vector operand acts as a row (left) or column (right).
 *
 * @param a [..., M, K] ([..., K, M] with transposeA)
 * @param b [..., K, N] ([..., N, K] with transposeB)
 * @returns [..., M, N]
 */
export function matmul(a: Tensor, b: Tensor, { transposeA = false, transposeB = false }: MatmulOptions = {}): Tensor {
  for (const x of [a, b]) {
    if (x.dtype !== "float32" || x.shape.length === 0) {
      throw new ShapeError("matmul", `expected float32 tensors of rank 1 or more, got ${typeName(a)} and ${typeName(b)}`);
    }
  }
  const left = a.shape.length === 1 ? reshape(a, [1, -1]) : a;
  const right = b.shape.length === 1 ? reshape(b, [-1, 1]) : b;
  const out = product(left, right, transposeA && a.shape.length > 1, transposeB && b.shape.length > 1);
  const rows = a.shape.length === 1 ? [] : out.shape.slice(-2, -1);
  const columns = b.shape.length === 1 ? [] : out.shape.slice(-1);
  return reshape(out, [...out.shape.slice(0, -2), ...rows, ...columns]);
}
