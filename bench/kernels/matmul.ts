/** Matrix products: which ONNX operator multiplies fastest, with and without transposes. */
import type { Lowering, Value } from "../../src/core/lowering.ts";
import type { Operands } from "../../src/core/primitive.ts";
import { type KernelCase, normal, printTimes, timeVariants } from "./harness.ts";

function products(m: number, k: number, n: number, ta: boolean, tb: boolean): KernelCase {
  const flip = (b: Lowering, x: Value, yes: boolean) => (yes ? b.node("Transpose", [x], { perm: [1, 0] }) : x);
  const flags = { transA: Number(ta), transB: Number(tb) };
  return {
    name: `matmul ${m}x${k}x${n} ${ta ? "T" : "N"}${tb ? "T" : "N"}`,
    inputs: [normal("a", ta ? [k, m] : [m, k]), normal("b", tb ? [n, k] : [k, n])],
    output: { shape: [m, n], dtype: "float32" },
    flops: 2 * m * k * n,
    variants: {
      MatMul: (b, [x, y]: Operands<Value>) => b.node("MatMul", [flip(b, x, ta), flip(b, y, tb)]),
      Gemm: (b, [x, y]) => b.node("Gemm", [x, y], flags),
      FusedMatMul: (b, [x, y]) => b.node("FusedMatMul", [x, y], flags, "com.microsoft"),
    },
  };
}

const sizes = [
  [1024, 1024, 1024],
  [2048, 2048, 2048],
  [768, 128, 384],
  [768, 128, 512],
  [128, 768, 512],
] as const;

for (const [m, k, n] of sizes) {
  for (const [ta, tb] of [
    [false, false],
    [false, true],
    [true, false],
  ] as const) {
    const kernel = products(m, k, n, ta, tb);
    printTimes(kernel, await timeVariants(kernel));
  }
}
