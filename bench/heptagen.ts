/**
 * Heptagen as a benchmark peer, over the same line protocol as the others (peers/README.md).
 *
 *     npx tsx bench/heptagen.ts [--threads 2]
 *
 * Single kernels write into a donated buffer, as they do inside a training step.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { type Tensor, vjp } from "../src/core/index.ts";
import { init, transformer } from "../src/models/transformer.ts";
import { conv, matmul, zeros } from "../src/ops/index.ts";
import { compile } from "../src/runtime/index.ts";
import { createGenerator } from "../src/tasks/language-model/generate.ts";
import { type NdArray, ndarray, sizeOf } from "../src/util/ndarray.ts";
import { fillNormal, key } from "../src/util/random.ts";
import type { Tree } from "../src/util/tree.ts";
import { convKinds, convShapes, matmulSizes } from "./cases.ts";
import { type PresetName, presetStep, presets } from "./families.ts";
import { type BuiltCase, serve } from "./peers/protocol.mjs";
import { samplers } from "./samplers.ts";
import { gradientsOnly, type Model, models, type Step, trainingStep } from "./steps.ts";
import { translation, translationStep } from "./translation.ts";

const { values: options } = parseArgs({ options: { threads: { type: "string", default: "2" } } });
const threads = Number(options.threads);

function normal(shape: readonly number[], seed: number): NdArray {
  const data = new Float32Array(sizeOf(shape));
  fillNormal(key(seed), data);
  return ndarray("float32", shape, data);
}

/** One op on two arrays. */
async function kernel(fn: (a: Tensor, b: Tensor) => Tensor, [a, b]: [NdArray, NdArray], flops: number): Promise<BuiltCase> {
  let shape: readonly number[] = [];
  await compile(
    (x: Tensor, y: Tensor) => {
      const out = fn(x, y);
      shape = out.shape;
      return out;
    },
    [a, b],
    { device: "cpu", threads: 1 },
  ).then((probe) => probe.dispose());
  let result = ndarray("float32", shape, new Float32Array(sizeOf(shape)));
  const over = (_: Tensor, x: Tensor, y: Tensor): [Tensor] => [fn(x, y)];
  const executable = await compile(over, [result, a, b], { donate: [0], device: "cpu", threads });
  const run = async () => {
    [result] = (await executable.run(result, a, b)) as [NdArray];
  };
  return { run, facts: { flops } };
}

/** 3x3, padding 1, no bias: the convolution or one of its gradients. Legend: B batch, C channels in, K channels out. */
function convolution(kind: (typeof convKinds)[number], [B, C, H, W, K]: (typeof convShapes)[number]): Promise<BuiltCase> {
  const [x, w, y] = [normal([B, C, H, W], 1), normal([K, C, 3, 3], 2), normal([B, K, H, W], 3)];
  const flops = 2 * 9 * B * C * H * W * K;
  const apply = (image: Tensor, weights: Tensor) => conv(image, weights, { padding: 1 });
  if (kind === "forward") return kernel(apply, [x, w], flops);
  // A convolution is linear in each operand: its gradient needs no value of that operand, and the value itself is dead code.
  const dx = (g: Tensor, weights: Tensor) => vjp((image: Tensor) => apply(image, weights), zeros(x.shape)).pullback(g)[0];
  const dw = (g: Tensor, image: Tensor) => vjp((weights: Tensor) => apply(image, weights), zeros(w.shape)).pullback(g)[0];
  return kind === "dx" ? kernel(dx, [y, w], flops) : kernel(dw, [y, x], flops);
}

async function training(built: Promise<Pick<Step, "run"> & { readonly facts: object }>): Promise<BuiltCase> {
  const step = await built;
  let [first, loss] = [Number.NaN, Number.NaN];
  const run = async () => {
    loss = await step.run();
    if (Number.isNaN(first)) first = loss;
  };
  return { run, facts: () => ({ ...step.facts, loss, firstLoss: first, processPeakRss: peakMemory() }) };
}

const gpt = (model: Model, build: typeof trainingStep) => training(build(model, { threads }));

/** Peak resident memory of this process, in bytes. Linux only. */
function peakMemory(): number | undefined {
  try {
    const kibibytes = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
    return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
  } catch {
    return undefined;
  }
}

function generation(count: number): BuiltCase {
  const { config } = models["nanogpt-cpu"];
  const params = init(config, key(1)) as unknown as Tree<NdArray>;
  const generator = createGenerator(transformer, config, params, { context: config.context, device: "cpu" });
  const run = async () => {
    for await (const _ of generator.write(Int32Array.of(0), { maxTokens: count }));
  };
  return { run, facts: { tokens: count } };
}

const list: Record<string, () => BuiltCase | Promise<BuiltCase>> = {
  "nanogpt-cpu-gradients": () => gpt(models["nanogpt-cpu"], gradientsOnly),
  "generate-1000": () => generation(1000),
  ...samplers,
  "translate-step": () => training(translationStep(threads)),
  "translate-beam-4": () => translation(threads),
};
for (const [name, model] of Object.entries(models)) list[name] = () => gpt(model, trainingStep);
for (const name of Object.keys(presets) as PresetName[]) list[name] = () => training(presetStep(name, threads));
for (const n of matmulSizes)
  list[`matmul-${n}`] = () => kernel((a, b) => matmul(a, b), [normal([n, n], 1), normal([n, n], 2)], 2 * n ** 3);
for (const shape of convShapes) {
  for (const kind of convKinds) list[`conv3x3-${kind}-${shape.join("x")}`] = () => convolution(kind, shape);
}

const versionOf = (name: string): string =>
  (createRequire(import.meta.url)(`${name}/package.json`) as { version: string }).version;

await serve({
  describe: () => ({
    peer: "heptagen",
    version: versionOf(".."),
    onnxruntime: versionOf("onnxruntime-node"),
    device: "cpu",
    threads,
    node: process.version,
  }),
  cases: list,
  warmup: 2,
});
