/**
 * Does training steps with accumulated gradients and prints the memory in MB that they took and the last loss.
 *
 *     node --import tsx accumulate-child.ts <micro-batches> <dropout>
 */
import { readFileSync } from "node:fs";
import { dropout } from "../../src/nn/dropout.ts";
import { initLinear, type Linear, linear } from "../../src/nn/linear.ts";
import { gelu, mean, square } from "../../src/ops/index.ts";
import { adamw } from "../../src/optim/index.ts";
import type { ObjectiveState } from "../../src/train/objective.ts";
import { compileStep } from "../../src/train/step.ts";
import { allocate, type NdArray } from "../../src/util/ndarray.ts";
import { fillNormal, fold, key } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";

const [count = 1, rate = 0] = process.argv.slice(2).map(Number);
const [rows, width, hidden, layers] = [1024, 64, 512, 4];

const params = Array.from({ length: layers }, (_, i) => ({
  up: initLinear(fold(key(i), "up"), width, hidden, { deviation: 0.1 }),
  down: initLinear(fold(key(i), "down"), hidden, width, { deviation: 0.1 }),
})) as unknown as Tree<NdArray>;
const shape = count === 1 ? [rows, width] : [count, rows, width];
const x: NdArray = { dtype: "float32", shape, data: allocate("float32", count * rows * width) };
fillNormal(key(0), x.data as Float32Array);

/** Most memory held so far. Linux counts what the parent held into `maxRSS`, but not into its own status. */
function peakMegabytes(): number {
  const status = process.platform === "linux" ? readFileSync("/proc/self/status", "utf8") : "";
  return Number(/VmHWM:\s*(\d+)/.exec(status)?.[1] ?? process.resourceUsage().maxRSS) / 1024;
}

const optimizer = adamw();
let state: ObjectiveState = { params, optimizer: optimizer.init(params) };
const step = await compileStep<NdArray>(
  {
    name: "model",
    loss(tree, input, random) {
      const blocks = tree as unknown as readonly { up: Linear; down: Linear }[];
      const out = blocks.reduce((y, { up, down }, i) => linear(down, dropout(gelu(linear(up, y)), rate, random.fold(i))), input);
      return { loss: mean(square(out)) };
    },
    optimizer,
    learningRate: () => 1e-3,
    clip: 1,
  },
  state,
  {},
  x,
  { accumulate: count, averaging: 0, compile: { device: "cpu" } },
);
const before = peakMegabytes();
let loss = 0;
for (let i = 0; i < 2; i++) {
  const done = await step.run(state, {}, x, { step: i + 1, key: fold(key(1), i) });
  state = done.state;
  loss = done.report.loss;
}
console.log(JSON.stringify({ peak: peakMegabytes() - before, loss }));
