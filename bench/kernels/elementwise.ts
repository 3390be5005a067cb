/**
 * Passes over activations: ways to write the same elementwise work. What is chosen comes second.
 *
 *     npx tsx bench/kernels/elementwise.ts
 */
import { sizeOf } from "../../src/util/ndarray.ts";
import { type KernelCase, normal, printTimes, timeVariants } from "./harness.ts";

/** y > 0 as a number, times the cotangent. */
function reluGradient(shape: readonly number[]): KernelCase {
  return {
    name: `gradient of relu ${shape.join("x")}`,
    inputs: [normal("y", shape), normal("ct", shape)],
    output: { shape, dtype: "float32" },
    flops: sizeOf(shape),
    variants: {
      "less, cast, product": (b, [y, ct]) =>
        b.node("Mul", [ct, b.node("Cast", [b.node("Less", [b.filled([], 0), y])], { to: 1 })]),
      "steep hardSigmoid, product": (b, [y, ct]) =>
        b.node("Mul", [ct, b.node("HardSigmoid", [y], { alpha: { float: 2 ** 100 }, beta: { float: 0 } })]),
      "sign of relu, product": (b, [y, ct]) => b.node("Mul", [ct, b.node("Sign", [b.node("Relu", [y])])]),
    },
  };
}

for (const shape of [
  [64, 64, 28, 28],
  [64, 32, 28, 28],
]) {
  const one = reluGradient(shape);
  printTimes(one, await timeVariants(one, { rounds: 8, slice: 15 }));
}
