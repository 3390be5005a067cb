/**
 * The gradient of a convolution for its kernel: every plan of src/ops/conv-kernel-gradient.ts on many shapes.
 *
 *     npx tsx bench/kernels/conv-kernel-gradient.ts [words of the cases to run]
 *
 * The first line of each case is what the library chooses.
 */
import { input } from "../../src/core/builtin.ts";
import { vjp } from "../../src/core/index.ts";
import { type KernelGradientParams, lowerKernelGradient, type Plan } from "../../src/ops/conv-kernel-gradient.ts";
import { conv } from "../../src/ops/index.ts";
import { sizeOf } from "../../src/util/ndarray.ts";
import { type ConvCase, convCases } from "./conv-cases.ts";
import { type KernelCase, normal, printTimes, timeVariants, type Variant } from "./harness.ts";

const plans: Record<string, Plan> = {
  "windows, per image": { way: "windows", perImage: true },
  "windows, all images": { way: "windows", perImage: false },
  "shifts of both, per image": { way: "shifts", perImage: true, inputTaps: "last" },
  "shifts of both, all images": { way: "shifts", perImage: false, inputTaps: "last" },
  "shifts of input, per image": { way: "shifts", perImage: true, inputTaps: "all" },
  "shifts of input, all images": { way: "shifts", perImage: false, inputTaps: "all" },
  "shifts of cotangent, per image": { way: "shifts", perImage: true, inputTaps: "none" },
  phases: { way: "phases" },
};

function kernelOf({ name, x, w, options }: ConvCase): KernelCase {
  // Trace once to learn the geometry and the output's shape.
  const image = input({ shape: x, dtype: "float32" });
  const { value, pullback } = vjp((weight: typeof image) => conv(image, weight, options), input({ shape: w, dtype: "float32" }));
  const node = pullback(input({ shape: value.shape, dtype: "float32" }))[0].node;
  const params = node.params as KernelGradientParams;
  const g = value.shape;
  const types = { inputs: [x, g].map((shape) => ({ shape, dtype: "float32" })), outputs: [], used: [] };
  const lower =
    (plan?: Plan): Variant =>
    (b, operands) =>
      lowerKernelGradient(b, operands, params, types as never, ...(plan ? [() => plan] : []));
  const strided = params.strides.some((s) => s > 1);
  const possible = Object.entries(plans).filter(([, plan]) => {
    if (plan.way === "phases") return strided && params.strides.length === 2 && params.groups === 1;
    return (params.groups === 1 || plan.perImage) && (plan.way === "windows" || (params.groups === 1 && !strided));
  });
  return {
    name: `${name}: dW`,
    inputs: [normal("x", x), normal("g", g)],
    output: { shape: w, dtype: "float32" },
    flops: (2 * sizeOf(w) * sizeOf(g)) / (g[1] as number),
    variants: { chosen: lower(), ...Object.fromEntries(possible.map(([label, plan]) => [label, lower(plan)])) },
  };
}

const words = process.argv.slice(2);
for (const one of convCases.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)))) {
  const kernel = kernelOf(one);
  printTimes(kernel, await timeVariants(kernel, { rounds: 10, slice: 15 }));
}
