/**
 * Times ways to write one layer or update in ops, with their gradients, against each other.
 *
 *     npx tsx bench/kernels/layers.ts
 *
 * Every variant writes into donated buffers and is checked against the first. They take turns; minima compare.
 */
import { type Tensor, vjp } from "../../src/core/index.ts";
import { groupNorm } from "../../src/nn/index.ts";
import * as ops from "../../src/ops/index.ts";
import { adamw, clipByGlobalNorm } from "../../src/optim/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { allocate, type NdArray, scalar } from "../../src/util/ndarray.ts";
import { quiet } from "../machine.ts";
import { normal } from "./harness.ts";

/** A function of several tensors that returns as many, shaped like the first arguments. */
type Variant = (inputs: readonly Tensor[]) => Tensor[];

async function compare(title: string, inputs: readonly NdArray[], results: number, variants: Record<string, Variant>) {
  const runs: { name: string; run: () => Promise<NdArray[]>; times: number[] }[] = [];
  for (const [name, variant] of Object.entries(variants)) {
    const traced = (_: Tensor[], given: Tensor[]): [Tensor[]] => [variant(given)];
    let out: NdArray[] = inputs.slice(0, results).map((x) => ({ ...x, data: allocate(x.dtype, x.data.length) }));
    const executable = await compile<[NdArray[], NdArray[]], [Tensor[]]>(traced, [out, [...inputs]], {
      device: "cpu",
      donate: [0],
    });
    const run = async () => {
      [out] = await executable.run(out, [...inputs]);
      return out;
    };
    runs.push({ name, run, times: [] });
  }
  const first = (await runs[0]?.run())?.map(({ data }) => data.slice()) ?? [];
  for (const { name, run } of runs) {
    (await run()).forEach(({ data }, i) => {
      const worst = (data as Float32Array).reduce((w, v, j) => Math.max(w, Math.abs(v - Number(first[i]?.[j]))), 0);
      if (!(worst < 1e-3)) throw new Error(`${title}: result ${i} of ${name} is off by ${worst}`);
    });
  }
  for (let round = 0; round < 10; round++) {
    for (const { run, times } of runs) {
      await quiet(2);
      for (let i = 0; i < 5; i++) {
        const start = performance.now();
        await run();
        times.push(performance.now() - start);
      }
    }
  }
  console.log(title);
  for (const { name, times } of runs) console.log(`  ${name.padEnd(22)} ${Math.min(...times).toFixed(2)} ms`);
}

/** The gradient of a scalar function at the first inputs. */
const gradients = (count: number, fn: Variant) => (inputs: readonly Tensor[]) => {
  const { value, pullback } = vjp((own: readonly Tensor[]) => fn([...own, ...inputs.slice(count)]), inputs.slice(0, count));
  return [...pullback(value.map((y) => ops.mul(y, 0.5)))[0]];
};

for (const [shape, groups] of [
  [[16, 64, 32, 32], 8],
  [[64, 128, 8, 8], 32],
  [[16, 256, 16, 16], 32],
] as const) {
  const channels = shape[1];
  const moments: Variant = ([x, weight, bias]) => {
    const flat = ops.reshape(x as Tensor, [shape[0], groups, -1]);
    const centred = ops.sub(flat, ops.mean(flat, -1, { keepDims: true }));
    const inverse = ops.rsqrt(ops.add(ops.mean(ops.square(centred), -1, { keepDims: true }), 1e-5));
    const along = (p: Tensor) => ops.reshape(p, [channels, 1, 1]);
    return [ops.add(ops.mul(ops.reshape(ops.mul(centred, inverse), shape), along(weight as Tensor)), along(bias as Tensor))];
  };
  await compare(
    `gradients of group norm, x [${shape}], ${groups} groups`,
    [normal("x", shape), normal("w", [channels]), normal("b", [channels])],
    3,
    {
      "layer norm of groups": gradients(3, ([x, weight, bias]) => [
        groupNorm({ weight: weight as Tensor, bias: bias as Tensor }, x as Tensor, { groups }),
      ]),
      "means and squares": gradients(3, moments),
    },
  );
}

{
  // The matrices of the nanogpt-cpu preset: 4 layers, 128 wide.
  const shapes = [
    [83, 128],
    [64, 128],
    ...Array.from({ length: 4 }, () => [
      [128, 384],
      [128, 128],
      [128, 512],
      [512, 128],
    ]).flat(),
  ];
  const all = ["p", "m", "v", "g"].flatMap((name) => shapes.map((shape, i) => normal(`${name}${i}`, shape)));
  const count = shapes.length;
  for (const array of all.slice(2 * count, 3 * count)) (array.data as Float32Array).fill(1);
  const optimizer = adamw({ beta2: 0.99, weightDecay: 0.1 });
  const update =
    (folded: boolean): Variant =>
    (given) => {
      const [params, m, v, grads] = [0, 1, 2, 3].map((k) => given.slice(k * count, (k + 1) * count)) as [
        Tensor[],
        Tensor[],
        Tensor[],
        Tensor[],
      ];
      const [learningRate, step] = given.slice(4 * count) as [Tensor, Tensor];
      const clipped = clipByGlobalNorm(grads, 1);
      const options = { learningRate, step, ...(folded && { gradientScale: clipped.factor }) };
      const next = optimizer.update(params, folded ? grads : clipped.grads, { m, v }, options);
      return [...next.params, ...(next.state.m as Tensor[]), ...(next.state.v as Tensor[])];
    };
  await compare("clipping and AdamW, nanogpt-cpu", [...all, scalar(1e-3), scalar(10)], 3 * count, {
    "factor for the update": update(true),
    "clipped gradients": update(false),
  });
}
