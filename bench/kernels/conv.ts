/**
 * Convolution and its gradient for the input: blocks of channels against ONNX's own operators.
 *
 *     npx tsx bench/kernels/conv.ts [words of the cases to run]
 */
import { input } from "../../src/core/builtin.ts";
import { vjp } from "../../src/core/index.ts";
import type { Primitive } from "../../src/core/primitive.ts";
import { blockedConv, blockedSpread } from "../../src/ops/conv-blocked.ts";
import { effective, type Geometry, onnxGeometry } from "../../src/ops/conv-geometry.ts";
import { conv } from "../../src/ops/index.ts";
import { sizeOf } from "../../src/util/ndarray.ts";
import { type ConvCase, convCases } from "./conv-cases.ts";
import { type KernelCase, normal, printTimes, timeVariants, type Variant } from "./harness.ts";

const missing = (): never => {
  throw new Error("blocks do not fit");
};

/** The lowering a primitive of the library has, for a node that was traced. */
function chosen(node: { primitive: Primitive; params: unknown; inputs: readonly object[]; outputs: readonly object[] }): Variant {
  const signature = { inputs: node.inputs, outputs: node.outputs, used: [true] };
  return (b, operands) => node.primitive.lower(b, operands, node.params, signature as never) as string;
}

function kernelsOf({ name, x, w, options }: ConvCase): KernelCase[] {
  const placeholder = (shape: readonly number[]) => input({ shape, dtype: "float32" });
  const weight = placeholder(w);
  const { value, pullback } = vjp((image: typeof weight) => conv(image, weight, options), placeholder(x));
  const g = value.shape;
  const back = pullback(placeholder(g))[0].node;
  const { spatial: _, ...geometry } = back.params as Geometry & { spatial: unknown };
  const flops = (2 * sizeOf(w) * sizeOf(g)) / (g[1] as number);
  const dims = w.slice(2);
  const around = geometry.pads.map(([low, high], i) => {
    const reach = effective(dims[i] as number, geometry.dilations[i] as number) - 1;
    return [reach - low, reach - high] as const;
  });
  const spare = x.slice(2).map((s, i) => {
    const [low, high] = geometry.pads[i] as readonly [number, number];
    const reach = effective(dims[i] as number, geometry.dilations[i] as number);
    return s + low + high - reach - (geometry.strides[i] as number) * ((g[i + 2] as number) - 1);
  });
  const axes = dims.map((_, i) => i + 2);
  const turned: Variant = (b, [y, v]) => {
    const every = (n: number) => b.int64(axes.map(() => n));
    const swapped = b.node("Transpose", [v], { perm: [1, 0, ...axes] });
    const kernel = b.node("Slice", [swapped, every(-1), every(-(2 ** 31)), b.int64(axes), every(-1)]);
    return b.node("Conv", [y, kernel], onnxGeometry({ ...geometry, pads: around }));
  };
  const dense = geometry.strides.every((s) => s === 1) && geometry.groups === 1;
  const transposed: Variant = (b, [image, kernel]) => {
    const every = (n: number) => b.int64(axes.map(() => n));
    const swapped = b.node("Transpose", [kernel], { perm: [1, 0, ...axes] });
    const back = b.node("Slice", [swapped, every(-1), every(-(2 ** 31)), b.int64(axes), every(-1)]);
    return b.node("ConvTranspose", [image, back], onnxGeometry({ ...geometry, pads: around }));
  };
  return [
    {
      name: `${name}: forward`,
      inputs: [normal("x", x), normal("w", w)],
      output: { shape: g, dtype: "float32" },
      flops,
      variants: {
        Conv: (b, [image, kernel]) => b.node("Conv", [image, kernel], onnxGeometry(geometry)),
        chosen: chosen(value.node.primitive.name === "conv" ? value.node : missing()),
        blocks: (b, [image, kernel]) =>
          blockedConv(b, image, kernel, { image: x, kernel: w, geometry, turned: false }) ?? missing(),
        ...(dense && { "transposed, turned kernel": transposed }),
      },
    },
    {
      name: `${name}: dX`,
      inputs: [normal("g", g), normal("w", w)],
      output: { shape: x, dtype: "float32" },
      flops,
      variants: {
        ConvTranspose: (b, [y, kernel]) =>
          b.node("ConvTranspose", [y, kernel], { ...onnxGeometry(geometry), output_padding: spare }),
        chosen: chosen(back),
        ...(geometry.strides.some((s) => s > 1) && {
          "blocks, kind by kind of places": (b, [y, kernel]) =>
            blockedSpread(b, y, kernel, { image: g, kernel: w, geometry, spatial: x.slice(2) }) ?? missing(),
        }),
        ...(dense && {
          "turned kernel": turned,
          blocks: (b, [y, kernel]) =>
            blockedConv(b, y, kernel, { image: g, kernel: w, geometry: { ...geometry, pads: around }, turned: true }) ??
            missing(),
        }),
      },
    },
  ];
}

const words = process.argv.slice(2);
for (const one of convCases.filter(({ name }) => words.length === 0 || words.some((word) => name.includes(word)))) {
  for (const kernel of kernelsOf(one)) printTimes(kernel, await timeVariants(kernel, { rounds: 8, slice: 15 }));
}
