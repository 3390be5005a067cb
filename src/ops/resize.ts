/** Resizing images (or any channels-first signal): nearest and linear interpolation, as matrix products and copies. */
import { constant } from "../core/builtin.ts";
import { ShapeError, type Tensor, typeName } from "../core/tensor.ts";
import type { Shape } from "../util/ndarray.ts";
import { gather } from "./indexing.ts";
import { matmul } from "./linear.ts";
import { broadcastTo, reshape, transpose } from "./shape.ts";

/** nearest: copies; linear: (bi-, tri-)linear between neighbours, pixel centres aligned (PyTorch's align_corners = false). */
export interface ResizeOptions {
  readonly mode?: "nearest" | "linear";
}

/**
 * Resizes the spatial axes.
 *
 * @param x [B, C, ...S]
 * @param size new spatial dims
 * @returns [B, C, ...size]
 */
export function resize(x: Tensor, size: Shape, { mode = "nearest" }: ResizeOptions = {}): Tensor {
  if (size.length !== x.shape.length - 2 || size.some((s) => !Number.isInteger(s) || s < 1)) {
    throw new ShapeError("resize", `expected ${x.shape.length - 2} positive sizes for ${typeName(x)}, got [${size}]`);
  }
  return size.reduce((y, to, i) => (mode === "nearest" ? nearestAxis(y, i + 2, to) : linearAxis(y, i + 2, to)), x);
}

function nearestAxis(x: Tensor, axis: number, to: number): Tensor {
  const from = x.shape[axis] as number;
  if (from === to) return x;
  const before = x.shape.slice(0, axis + 1);
  const after = x.shape.slice(axis + 1);
  if (to % from === 0) {
    const repeated = broadcastTo(reshape(x, [...before, 1, ...after]), [...before, to / from, ...after]);
    return reshape(repeated, [...before.slice(0, -1), to, ...after]);
  }
  const places = Int32Array.from({ length: to }, (_, i) => Math.min(from - 1, Math.floor((i * from) / to)));
  return gather(x, constant({ dtype: "int32", shape: [to], data: places }), axis);
}

function linearAxis(x: Tensor, axis: number, to: number): Tensor {
  const from = x.shape[axis] as number;
  if (from === to) return x;
  const weights = new Float32Array(from * to);
  for (let i = 0; i < to; i++) {
    const place = Math.max(0, ((i + 0.5) * from) / to - 0.5);
    const low = Math.min(from - 1, Math.floor(place));
    const high = Math.min(from - 1, low + 1);
    const share = place - low;
    weights[low * to + i] = (weights[low * to + i] as number) + 1 - share;
    weights[high * to + i] = (weights[high * to + i] as number) + share;
  }
  const matrix = constant({ dtype: "float32", shape: [from, to], data: weights });
  const last = x.shape.length - 1;
  const swap = [...x.shape.keys()].map((i) => (i === axis ? last : i === last ? axis : i));
  return transpose(matmul(transpose(x, swap), matrix), swap);
}
