/** A small regression to train, and a folder of runs to train it in. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Tensor, TracedKey } from "../../src/core/index.ts";
import { dropout } from "../../src/nn/dropout.ts";
import { initLinear, type Linear, linear } from "../../src/nn/linear.ts";
import { meanSquaredError } from "../../src/nn/losses.ts";
import { tanh } from "../../src/ops/index.ts";
import { adamw, schedule } from "../../src/optim/index.ts";
import {
  createRun,
  type LoopEvent,
  type LoopOptions,
  type Objective,
  resumeRun,
  type Training,
  type TrainingRun,
  trainLoop,
} from "../../src/train/index.ts";
import { type NdArray, ndarray } from "../../src/util/ndarray.ts";
import { fillNormal, fold, key } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";

export interface Batch {
  readonly x: NdArray;
  readonly y: NdArray;
}
export interface Net<Leaf = Tensor> {
  readonly up: Linear<Leaf>;
  readonly down: Linear<Leaf>;
}

/** A small network that learns y = sin(x₀) + x₁, with dropout, so that random numbers matter. */
export function regression(change: Partial<Training<Batch>> = {}): Training<Batch> {
  const init = key(1);
  const batch = (step: number): Batch => {
    const x = new Float32Array(32);
    fillNormal(fold(key(2), step), x);
    const y = Float32Array.from({ length: 16 }, (_, i) => Math.sin(x[2 * i] as number) + (x[2 * i + 1] as number));
    return { x: ndarray("float32", [16, 2], x), y: ndarray("float32", [16, 1], y) };
  };
  return {
    params: {
      up: initLinear(fold(init, "up"), 2, 32, { deviation: 0.5 }),
      down: initLinear(fold(init, "down"), 32, 1, { deviation: 0.2 }),
    } as unknown as Tree<NdArray>,
    objectives: [
      {
        name: "model",
        loss(params, { x, y }, random: TracedKey) {
          const { up, down } = params as unknown as Net;
          const hidden = dropout(tanh(linear(up, x)), 0.1, random.fold("hidden"));
          return { loss: meanSquaredError(linear(down, hidden), y) };
        },
        optimizer: adamw({ weightDecay: 0.01 }),
        learningRate: schedule({ schedule: "cosine", learningRate: 1e-2, warmup: 5, steps: 40 }),
        clip: 1,
      },
    ],
    batch,
    unitsPerBatch: 16,
    ...change,
  };
}

const options: LoopOptions = {
  steps: 40,
  seed: 3,
  evaluateEvery: 10,
  sampleEvery: 0,
  checkpointEvery: 10,
  patience: 0,
  accumulate: 1,
  averaging: 0,
  compile: { device: "cpu" },
};
const config = { recipe: "test/regression", seed: 3, config: {}, versions: {}, data: {} };

/** The only objective of the regression. */
export function onlyObjective(): Objective<Batch> {
  return regression().objectives[0] as Objective<Batch>;
}

/** A folder of runs. */
export function openRuns() {
  const folder = mkdtempSync(join(tmpdir(), "heptagen-loop-"));
  return {
    folder,
    remove: () => rmSync(folder, { recursive: true, force: true }),

    /**
     * Trains in a run, created or resumed, until the end.
     *
     * @param stopAt interrupts after so many steps
     * @param through changes the run the loop sees
     * @param events where events are put
     */
    async session(
      name: string,
      training: Training<Batch>,
      change: Partial<LoopOptions> = {},
      {
        stopAt,
        through = (run) => run,
        events = [],
      }: { stopAt?: number; through?: (run: TrainingRun) => TrainingRun; events?: LoopEvent[] } = {},
    ) {
      const path = join(folder, name);
      const fresh = !readdirSync(folder).includes(name);
      const { run, checkpoint } = fresh ? { run: await createRun(path, config), checkpoint: undefined } : await resumeRun(path);
      const abort = new AbortController();
      try {
        const onEvent = (event: LoopEvent) => {
          events.push(event);
          if (event.kind === "step" && event.step === stopAt) abort.abort();
        };
        const settings = { ...options, ...change, signal: abort.signal, onEvent };
        const result = await trainLoop(through(run), training, settings, checkpoint);
        return { result, events };
      } finally {
        await run.close();
      }
    },

    /** Names of a run's checkpoints, oldest first. */
    checkpoints: (name: string) => readdirSync(join(folder, name, "checkpoints")).sort(),

    /** Everything of a finished run that must not depend on how often it was stopped. */
    remains(name: string) {
      const last = readdirSync(join(folder, name, "checkpoints"))
        .sort()
        .at(-1) as string;
      return {
        model: readFileSync(join(folder, name, "model.safetensors")),
        optimizer: readFileSync(join(folder, name, "checkpoints", last, "optimizer.safetensors")),
        metrics: readFileSync(join(folder, name, "metrics.jsonl"), "utf8"),
      };
    },
  };
}
