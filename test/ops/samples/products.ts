/** Samples of matrix products, convolutions (1-d, 2-d, 3-d) and pooling. */
import { vjp } from "../../../src/core/grad.ts";
import type { Tensor } from "../../../src/core/tensor.ts";
import * as ops from "../../../src/ops/index.ts";
import { distinct, normal, type Sample, type SampleTable, sample } from "./make.ts";

function matmul(what: string, a: number[], b: number[], options: ops.MatmulOptions = {}): Sample {
  return sample(`matmul ${what}`, [normal(...a), normal(...b)], ([x, y]) => ops.matmul(x, y, options));
}

/** Shapes and options of convolutions: image, kernel, options. */
const convolutions: readonly (readonly [what: string, x: number[], w: number[], options: ops.ConvOptions])[] = [
  ["1-d", [2, 3, 5], [2, 3, 3], {}],
  ["1-d causal, dilated", [1, 2, 6], [2, 2, 2], { padding: [[2, 0]], dilation: 2 }],
  ["1-d stride with remainder", [2, 2, 6], [4, 1, 2], { stride: 3, groups: 2 }],
  ["1-d kernel of 1", [2, 3, 4], [2, 3, 1], {}],
  ["1-d more padding than kernel", [1, 1, 3], [1, 1, 2], { padding: 2 }],
  ["2-d same", [2, 2, 4, 3], [3, 2, 3, 3], { padding: 1 }],
  ["2-d stride", [1, 2, 5, 6], [2, 2, 3, 2], { stride: [2, 3], padding: [1, 0] }],
  ["2-d dilation", [1, 1, 6, 5], [2, 1, 2, 3], { dilation: [3, 2], padding: [0, 2] }],
  ["2-d groups", [2, 4, 3, 3], [6, 2, 2, 2], { groups: 2 }],
  ["2-d depthwise, stride", [1, 3, 5, 5], [3, 1, 3, 3], { groups: 3, stride: 2, padding: 1 }],
  [
    "2-d asymmetric padding",
    [1, 2, 4, 4],
    [2, 2, 3, 3],
    {
      stride: 2,
      padding: [
        [1, 2],
        [0, 1],
      ],
    },
  ],
  [
    "2-d everything",
    [2, 4, 6, 7],
    [2, 2, 2, 3],
    {
      stride: [2, 1],
      padding: [
        [1, 2],
        [2, 1],
      ],
      dilation: [2, 3],
      groups: 2,
    },
  ],
  ["2-d kernel covers the image", [2, 2, 3, 2], [3, 2, 3, 2], {}],
  ["2-d size-1 image", [1, 1, 1, 1], [1, 1, 1, 1], {}],
  ["3-d same", [1, 2, 3, 3, 2], [2, 2, 3, 3, 1], { padding: [1, 1, 0] }],
  [
    "3-d stride, groups",
    [1, 2, 3, 4, 4],
    [2, 1, 1, 2, 2],
    { stride: [1, 2, 2], dilation: [1, 1, 2], padding: [0, 1, 1], groups: 2 },
  ],
];

/** The kernel's gradient: the convolution is linear in the kernel, so its own values do not matter. */
function kernelGradient(x: Tensor, g: Tensor, kernel: number[], options: ops.ConvOptions): Tensor {
  return vjp((w: Tensor) => ops.conv(x, w, options), ops.zeros(kernel)).pullback(g)[0];
}

/** [B, O, ...P] */
function outputShape(x: number[], w: number[], { stride = 1, padding = 0, dilation = 1 }: ops.ConvOptions): number[] {
  const per = (value: unknown, i: number): unknown => (Array.isArray(value) ? value[i] : value);
  const dims = x.slice(2).map((size, i) => {
    const pads = per(padding, i);
    const total = Array.isArray(pads) ? Number(pads[0]) + Number(pads[1]) : 2 * Number(pads);
    return Math.floor((size + total - Number(per(dilation, i)) * ((w[i + 2] ?? 1) - 1) - 1) / Number(per(stride, i))) + 1;
  });
  return [x[0] ?? 1, w[0] ?? 1, ...dims];
}

type Pool = (x: Tensor, kernel: ops.PerAxis, options?: ops.PoolOptions) => Tensor;

function pooling(op: string, fn: Pool): Sample[] {
  return [
    sample(`${op} 1-d`, [distinct(2, 2, 6)], ([x]) => fn(x, 2)),
    sample(`${op} 2-d`, [distinct(1, 2, 4, 4)], ([x]) => fn(x, 2)),
    sample(`${op} 2-d overlapping, padded`, [distinct(1, 2, 5, 4)], ([x]) => fn(x, 3, { stride: [2, 1], padding: 1 })),
    sample(`${op} 2-d with remainder`, [distinct(1, 1, 5, 7)], ([x]) => fn(x, [2, 3])),
    sample(`${op} 2-d with gaps`, [distinct(1, 1, 5, 5)], ([x]) => fn(x, 2, { stride: 3 })),
    sample(`${op} 2-d whole image`, [distinct(2, 1, 3, 2)], ([x]) => fn(x, [3, 2])),
    sample(`${op} window of 1`, [distinct(1, 2, 3, 2)], ([x]) => fn(x, 1)),
    sample(`${op} 3-d`, [distinct(1, 1, 3, 4, 2)], ([x]) => fn(x, [2, 2, 1], { stride: [1, 2, 1], padding: [1, 0, 0] })),
  ];
}

export const products = {
  matmul: [
    matmul("matrices", [2, 3], [3, 4]),
    matmul("left transposed", [3, 2], [3, 4], { transposeA: true }),
    matmul("right transposed", [2, 3], [4, 3], { transposeB: true }),
    matmul("both transposed", [3, 2], [4, 3], { transposeA: true, transposeB: true }),
    matmul("batches", [2, 2, 3], [2, 3, 2]),
    matmul("batches, left transposed", [2, 3, 2], [2, 3, 2], { transposeA: true }),
    matmul("batches, right transposed", [2, 2, 3], [2, 2, 3], { transposeB: true }),
    matmul("batches, both transposed", [2, 3, 2], [2, 4, 3], { transposeA: true, transposeB: true }),
    matmul("batch by matrix", [2, 3, 2], [2, 4]),
    matmul("batch by transposed matrix", [2, 3, 2], [4, 2], { transposeB: true }),
    matmul("transposed batch by matrix", [2, 2, 3], [2, 4], { transposeA: true }),
    matmul("transposed batch by transposed matrix", [2, 2, 3], [4, 2], { transposeA: true, transposeB: true }),
    matmul("matrix by batch", [3, 2], [2, 2, 4]),
    matmul("matrix by transposed batch", [3, 2], [2, 4, 2], { transposeB: true }),
    matmul("batch axes that stretch", [2, 1, 2, 3], [3, 3, 2]),
    matmul("batch axes that stretch, transposed", [2, 1, 2, 3], [1, 3, 2, 3], { transposeB: true }),
    matmul("vectors", [3], [3]),
    matmul("vector by matrix", [3], [3, 2]),
    matmul("matrix by vector", [2, 3], [3]),
    matmul("batch by vector", [2, 2, 3], [3]),
    matmul("size-1 dims", [1, 1], [1, 1]),
    matmul("outer product", [3, 1], [1, 2]),
    sample("matmul with itself", [normal(2, 2)], ([x]) => ops.matmul(x, x)),
    sample("matmul by its transpose", [normal(2, 3)], ([x]) => ops.matmul(x, x, { transposeB: true })),
  ],
  conv: convolutions.flatMap(([what, x, w, options]) => [
    sample(`conv ${what}`, [normal(...x), normal(...w)], ([image, kernel]) => ops.conv(image, kernel, options)),
    sample(`conv ${what}, bias`, [normal(...x), normal(...w), normal(w[0] as number)], ([image, kernel, bias]) =>
      ops.conv(image, kernel, { ...options, bias }),
    ),
  ]),
  convTranspose: [
    sample("convTranspose 1-d", [normal(2, 3, 4), normal(3, 2, 3)], ([x, w]) => ops.convTranspose(x, w)),
    sample("convTranspose 1-d stride", [normal(1, 2, 3), normal(2, 2, 4)], ([x, w]) =>
      ops.convTranspose(x, w, { stride: 2, padding: 1 }),
    ),
    sample("convTranspose 2-d doubling", [normal(1, 2, 2, 3), normal(2, 2, 3, 3)], ([x, w]) =>
      ops.convTranspose(x, w, { stride: 2, padding: 1, outputPadding: 1 }),
    ),
    sample("convTranspose 2-d groups, dilation", [normal(1, 4, 3, 2), normal(4, 1, 2, 3)], ([x, w]) =>
      ops.convTranspose(x, w, { stride: [2, 1], dilation: [2, 1], padding: 1, groups: 2, outputPadding: [1, 0] }),
    ),
    sample("convTranspose 2-d asymmetric padding", [normal(1, 1, 3, 3), normal(1, 2, 3, 3)], ([x, w]) =>
      ops.convTranspose(x, w, {
        stride: 3,
        padding: [
          [0, 2],
          [1, 0],
        ],
      }),
    ),
    sample("convTranspose 2-d more padding than kernel", [normal(1, 1, 5, 4), normal(1, 1, 2, 1)], ([x, w]) =>
      ops.convTranspose(x, w, { padding: [2, 1] }),
    ),
    sample("convTranspose 2-d kernel of 1", [normal(2, 2, 2, 2), normal(2, 3, 1, 1)], ([x, w]) => ops.convTranspose(x, w)),
    sample("convTranspose 3-d", [normal(1, 2, 2, 2, 2), normal(2, 1, 2, 1, 2)], ([x, w]) =>
      ops.convTranspose(x, w, { stride: [1, 2, 2], outputPadding: [0, 1, 0] }),
    ),
  ],
  convKernelGradient: convolutions.map(([what, x, w, options]) =>
    sample(`convKernelGradient ${what}`, [normal(...x), normal(...outputShape(x, w, options))], ([image, g]) =>
      kernelGradient(image, g, w, options),
    ),
  ),
  maxPool: pooling("maxPool", ops.maxPool),
  avgPool: [
    ...pooling("avgPool", ops.avgPool),
    sample("avgPool padding left out", [normal(1, 2, 4, 3)], ([x]) =>
      ops.avgPool(x, [3, 2], { stride: 2, padding: 1, countPadding: false }),
    ),
  ],
} satisfies Partial<SampleTable>;
