/**
 * Adding rows up at given places (the gradient of an embedding): a product with a one-hot matrix, or element by element.
 *
 *     npx tsx bench/kernels/scatter.ts
 *
 * ScatterND is by far the fastest and wrong: it adds from several threads at once and loses rows where places repeat.
 */
import type { Lowering } from "../../src/core/lowering.ts";
import { type KernelCase, normal, printTimes, timeVariants } from "./harness.ts";

function scatter(size: number, width: number, rows: number): KernelCase {
  const places = Int32Array.from({ length: rows }, (_, i) => (i * i * 7 + i * 3) % Math.min(size, rows / 2)); // many repeat
  const zeros = (b: Lowering) => b.filled([size, width], 0);
  const numbers = (b: Lowering, shape: readonly number[]) =>
    b.constant({ dtype: "int32", shape, data: Int32Array.from({ length: size }, (_, i) => i) });
  return {
    name: `${rows} rows of ${width} into ${size}`,
    inputs: [normal("updates", [rows, width]), { dtype: "int32", shape: [rows], data: places }],
    output: { shape: [size, width], dtype: "float32" },
    flops: rows * width,
    variants: {
      ScatterElements(b, [updates, at]) {
        const wide = b.node("Expand", [b.node("Reshape", [at, b.int64([rows, 1])]), b.int64([rows, width])]);
        return b.node("ScatterElements", [zeros(b), wide, updates], { axis: 0, reduction: "add" });
      },
      "one-hot": (b, [updates, at]) => {
        const hot = b.node("Equal", [numbers(b, [size, 1]), b.node("Reshape", [at, b.int64([1, rows])])]);
        return b.node("MatMul", [b.node("Cast", [hot], { to: 1 }), updates]);
      },
      "one-hot, transposed": (b, [updates, at]) => {
        const hot = b.node("Equal", [b.node("Reshape", [at, b.int64([rows, 1])]), numbers(b, [1, size])]);
        return b.node("Gemm", [b.node("Cast", [hot], { to: 1 }), updates], { transA: 1 });
      },
      ScatterND(b, [updates, at]) {
        const wide = b.node("Cast", [b.node("Reshape", [at, b.int64([rows, 1])])], { to: 7 });
        return b.node("ScatterND", [zeros(b), wide, updates], { reduction: "add" });
      },
    },
  };
}

const tables = [
  [83, 128],
  [256, 256],
  [512, 128],
  [512, 512],
  [1024, 256],
  [8192, 512],
  [50257, 768],
] as const;

for (const [size, width] of tables) {
  for (const rows of [128, 768, 2048]) {
    const kernel = scatter(size, width, rows);
    printTimes(kernel, await timeVariants(kernel, { rounds: 6, slice: 12 }));
  }
}
