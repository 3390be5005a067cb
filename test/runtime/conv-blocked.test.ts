/** Convolutions of whole blocks of channels, and of few result channels, which the cpu device computes in ways of its own. */
import { expect, test } from "vitest";
import { type Tensor, vjp } from "../../src/core/index.ts";
import { type ConvOptions, conv } from "../../src/ops/index.ts";
import { channelBlock } from "../../src/runtime/channel-block.ts";
import { compile, type Device } from "../../src/runtime/index.ts";
import { ndarray, sizeOf } from "../../src/util/ndarray.ts";
import { fillNormal, key } from "../../src/util/random.ts";

function normal(shape: readonly number[], seed: number) {
  const data = new Float32Array(sizeOf(shape));
  fillNormal(key(seed), data);
  return ndarray("float32", shape, data);
}

const cases: [name: string, x: number[], w: number[], options: ConvOptions][] = [
  ["same", [2, 16, 5, 6], [32, 16, 3, 3], { padding: 1 }],
  ["valid", [1, 32, 6, 5], [16, 32, 3, 2], {}],
  ["stride 2, halved", [2, 16, 8, 6], [32, 16, 4, 4], { stride: 2, padding: 1 }],
  [
    "stride 2, taps that it does not divide",
    [2, 16, 8, 6],
    [32, 16, 3, 5],
    {
      stride: 2,
      padding: [
        [1, 1],
        [2, 2],
      ],
    },
  ],
  ["a stride of one axis", [2, 16, 5, 6], [16, 16, 3, 4], { stride: [1, 2], padding: 1 }],
  ["stride 2 of one tap", [2, 16, 6, 4], [16, 16, 1, 1], { stride: 2 }],
  ["stride 2 without padding", [1, 32, 8, 6], [16, 32, 2, 4], { stride: 2 }],
  [
    "stride 3, lopsided",
    [2, 16, 9, 9],
    [16, 16, 3, 6],
    {
      stride: 3,
      padding: [
        [0, 1],
        [1, 2],
      ],
    },
  ],
  ["stride 2, an element too many", [2, 16, 7, 9], [16, 16, 4, 4], { stride: 2, padding: 1 }],
  ["stride 2", [2, 16, 7, 8], [16, 16, 4, 4], { stride: 2, padding: 1 }],
  [
    "dilated, lopsided",
    [2, 32, 9, 7],
    [16, 32, 3, 2],
    {
      dilation: 2,
      padding: [
        [0, 2],
        [1, 0],
      ],
    },
  ],
  ["one tap", [2, 16, 3, 3], [32, 16, 1, 1], {}],
  ["no whole blocks", [2, 24, 5, 5], [32, 24, 3, 3], { padding: 1 }],
  ["few results", [2, 12, 5, 4], [3, 12, 3, 3], { padding: 1 }],
  [
    "few operands",
    [2, 3, 5, 4],
    [16, 3, 3, 3],
    {
      padding: [
        [1, 2],
        [0, 1],
      ],
    },
  ],
];

test.each(cases)("%s: cpu and wasm agree, forward and backward", async (_, shape, kernel, options) => {
  const [x, w, shift] = [normal(shape, 1), normal(kernel, 2), normal([kernel[0] as number], 3)];
  const both = (image: Tensor, weights: Tensor, own: Tensor) => {
    const { value, pullback } = vjp(
      (a: Tensor, b: Tensor, c: Tensor) => [conv(a, b, options), conv(a, b, { ...options, bias: c })],
      image,
      weights,
      own,
    );
    return [...value, ...pullback(value)];
  };
  const run = async (device: Device) => {
    const compiled = await compile(both, [x, w, shift], { device });
    const results = (await compiled.run(x, w, shift)).map(({ data }) => Array.from(data as Float32Array));
    await compiled.dispose();
    return results;
  };
  const [here, there] = [await run("cpu"), await run("wasm")];
  here.forEach((result, i) => {
    const scale = Math.max(...(there[i] as number[]).map(Math.abs));
    const off = Math.max(...result.map((value, k) => Math.abs(value - (there[i]?.[k] as number))));
    expect(off / scale, `output ${i}`).toBeLessThan(1e-5);
  });
});

test("the block is what a vector register holds, and only native kernels have one", async () => {
  expect([0, 8, 16]).toContain(await channelBlock("cpu"));
  expect(await channelBlock("wasm")).toBe(0);
});
