/**
 * Computes the gradients of a deep stack of wide blocks once and prints a checksum of them and the memory in MB that it took.
 *
 *     node --import tsx remat-child.ts remat|plain
 */
import { readFileSync } from "node:fs";
import { grad, remat, type Tensor } from "../../src/core/index.ts";
import { initLinear, type Linear, linear } from "../../src/nn/linear.ts";
import { initNorm, layerNorm, type Norm } from "../../src/nn/norm.ts";
import { add, gelu, mean, square } from "../../src/ops/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { flattenParameters } from "../../src/train/parameters.ts";
import { allocate, type NdArray } from "../../src/util/ndarray.ts";
import { fillNormal, fold, key } from "../../src/util/random.ts";

interface Block<Leaf = Tensor> {
  readonly norm: Norm<Leaf>;
  readonly up: Linear<Leaf>;
  readonly down: Linear<Leaf>;
}

const [rows, width, hidden, layers] = [2048, 64, 1024, 8];

const block = ({ norm, up, down }: Block, x: Tensor): Tensor => add(x, linear(down, gelu(linear(up, layerNorm(norm, x)))));

const step = process.argv[2] === "remat" ? remat(block) : block;
const loss = (blocks: readonly Block[], x: Tensor): Tensor => mean(square(blocks.reduce((y, params) => step(params, y), x)));

const blocks: Block<NdArray>[] = Array.from({ length: layers }, (_, i) => ({
  norm: initNorm(width),
  up: initLinear(fold(key(i), "up"), width, hidden, { deviation: 0.1 }),
  down: initLinear(fold(key(i), "down"), hidden, width, { deviation: 0.1 }),
}));
const x: NdArray = { dtype: "float32", shape: [rows, width], data: allocate("float32", rows * width) };
fillNormal(key(0), x.data as Float32Array);

/** Most memory held so far. Linux counts what the parent held into `maxRSS`, but not into its own status. */
function peakMegabytes(): number {
  const status = process.platform === "linux" ? readFileSync("/proc/self/status", "utf8") : "";
  return Number(/VmHWM:\s*(\d+)/.exec(status)?.[1] ?? process.resourceUsage().maxRSS) / 1024;
}

const executable = await compile<[Block<NdArray>[], NdArray], readonly Block[]>(
  (params, input) => grad(loss)(params, input) as readonly Block[],
  [blocks, x],
  { device: "cpu" },
);
const before = peakMegabytes();
const grads: unknown = await executable.run(blocks, x);
const peak = peakMegabytes() - before;
let [sum, squares] = [0, 0];
for (const { data } of flattenParameters(grads).values()) {
  for (const value of data as Float32Array) {
    sum += value;
    squares += value * value;
  }
}
console.log(JSON.stringify({ peak, sum, squares }));
