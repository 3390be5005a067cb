/** Every way to compute a convolution's kernel gradient gives what the plainest gives, on geometries that strain the grid. */
import { expect, test } from "vitest";
import type { input } from "../../src/core/builtin.ts";
import { definePrimitive } from "../../src/core/primitive.ts";
import { outputDims } from "../../src/ops/conv-geometry.ts";
import { type KernelGradientParams, lowerKernelGradient, type Plan } from "../../src/ops/conv-kernel-gradient.ts";
import { compile } from "../../src/runtime/index.ts";
import { ndarray, sizeOf } from "../../src/util/ndarray.ts";
import { fillNormal, key } from "../../src/util/random.ts";

const shifts: Plan[] = [
  { way: "windows", perImage: false },
  ...[true, false].flatMap((perImage) =>
    (["all", "last", "none"] as const).map((inputTaps): Plan => ({ way: "shifts", perImage, inputTaps })),
  ),
];

type Pads = readonly (readonly [number, number])[];
const cases: [name: string, batch: number, spatial: number[], kernel: number[], pads: Pads, dilations: number[]][] = [
  [
    "3x3 same",
    2,
    [5, 4],
    [3, 3],
    [
      [1, 1],
      [1, 1],
    ],
    [1, 1],
  ],
  [
    "3x3 valid",
    3,
    [5, 6],
    [3, 3],
    [
      [0, 0],
      [0, 0],
    ],
    [1, 1],
  ],
  [
    "3x2 full, lopsided",
    2,
    [4, 3],
    [3, 2],
    [
      [2, 2],
      [0, 1],
    ],
    [1, 1],
  ],
  [
    "2x3 dilated",
    2,
    [7, 9],
    [2, 3],
    [
      [2, 0],
      [1, 3],
    ],
    [3, 2],
  ],
  [
    "one image",
    1,
    [4, 4],
    [3, 3],
    [
      [1, 1],
      [1, 1],
    ],
    [1, 1],
  ],
  ["1-d causal", 3, [11], [2], [[4, 0]], [4]],
  ["1-d, ahead only", 2, [9], [3], [[0, 2]], [1]],
  [
    "3-d",
    2,
    [3, 4, 5],
    [2, 3, 3],
    [
      [1, 0],
      [1, 1],
      [2, 1],
    ],
    [1, 1, 1],
  ],
];

function normal(shape: readonly number[], seed: number) {
  const data = new Float32Array(sizeOf(shape));
  fillNormal(key(seed), data);
  return ndarray("float32", shape, data);
}

test.each(cases)("%s", (_, batch, spatial, kernel, pads, dilations) =>
  agree(shifts, batch, spatial, { kernel, pads, dilations, strides: kernel.map(() => 1), groups: 1 }),
);

test.each([
  ["4x4 halving", [6, 8], [4, 4], 2, [1, 1]],
  ["3x3 halving", [6, 6], [3, 3], 2, [1, 1]],
  ["odd sides", [7, 5], [3, 3], 2, [1, 1]],
  ["no padding", [9, 8], [3, 2], 2, [0, 0]],
  ["lopsided", [7, 7], [2, 4], 2, [0, 1]],
  ["stride 3", [9, 8], [4, 3], 3, [1, 0]],
] as const)("with a stride: %s", (_, spatial, kernel, stride, [low, high]) =>
  agree([{ way: "phases" }, { way: "windows", perImage: false }], 2, spatial, {
    kernel,
    pads: [
      [low, high],
      [low, high],
    ],
    dilations: [1, 1],
    strides: [stride, stride],
    groups: 1,
  }),
);

/** Plans give what windows of each image give. */
async function agree(plans: readonly Plan[], batch: number, spatial: readonly number[], params: KernelGradientParams) {
  const { kernel } = params;
  const x = normal([batch, 2, ...spatial], 1);
  const g = normal([batch, 3, ...outputDims(spatial, kernel, params)], 2);
  const gradient = (plan: Plan) => {
    const primitive = definePrimitive<null>({
      name: "gradient",
      key: () => null,
      infer: () => [{ shape: [3, 2, ...kernel], dtype: "float32" }],
      lower: (b, operands, _params, signature) => lowerKernelGradient(b, operands, params, signature, () => plan),
    });
    return (a: ReturnType<typeof input>, b: ReturnType<typeof input>) => primitive.bind([a, b], null)[0];
  };
  const compute = await compile(
    (a, b) => [gradient({ way: "windows", perImage: true })(a, b), ...plans.map((plan) => gradient(plan)(a, b))],
    [x, g],
    { device: "cpu" },
  );
  const [expected, ...results] = (await compute.run(x, g)).map(({ data }) => Array.from(data as Float32Array));
  results.forEach((result, i) => {
    result.forEach((value, k) => {
      expect(value, `${JSON.stringify(plans[i])}, element ${k}`).toBeCloseTo(expected?.[k] as number, 4);
    });
  });
  await compute.dispose();
}
