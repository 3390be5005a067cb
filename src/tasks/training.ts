/**
 * What training has in common, whatever the task: options, the optimizer they ask for, the device, events for people.
 */
import { z } from "zod";
import { adamw, lion, type Optimizer, sgd } from "../optim/index.ts";
import { type Device, defaultDevice } from "../runtime/index.ts";
import type { LoopEvent, Run } from "../train/index.ts";
import { isNdArray, type NdArray, sizeOf } from "../util/ndarray.ts";
import { flatten, type Tree } from "../util/tree.ts";
import type { Inspection, Measure, TrainEvent } from "./recipe.ts";

export const count = z.int().min(1);
export const fraction = z.number().min(0).lt(1);

/** Options of every task: how parameters are changed, and how often a run looks, saves and shows. */
export const optimization = {
  accumulate: count.describe("batches whose gradients are averaged in one step"),
  steps: count.describe("training steps"),
  optimizer: z.enum(["adamw", "sgd", "lion"]).describe("how gradients change the parameters"),
  learningRate: z.number().gt(0).describe("highest learning rate"),
  finalLearningRate: z.number().min(0).describe("learning rate of the last step"),
  warmup: z.int().min(0).describe("steps in which the learning rate rises from 0"),
  schedule: z.enum(["cosine", "linear", "constant", "one-cycle"]).describe("how the learning rate falls after warm-up"),
  beta1: fraction.describe("AdamW and Lion: decay of the mean of gradients; SGD: momentum"),
  beta2: fraction.describe("AdamW: decay of the mean of squares; Lion: decay of the momentum"),
  weightDecay: z.number().min(0).describe("pull of matrices towards 0"),
  clip: z.number().min(0).describe("longest global norm of the gradients; 0 for no limit"),
  averaging: fraction.describe("decay of a moving average of the parameters, used instead of them; 0 for none"),
  evaluateEvery: count.describe("steps between two looks at the validation loss"),
  patience: z.int().min(0).describe("stop after so many evaluations without improvement; 0 for never"),
  checkpointEvery: count.describe("steps between two checkpoints"),
  sampleEvery: z.int().min(0).describe("steps between two samples; 0 for none"),
  seed: z.int().describe("makes a run repeatable"),
};
/** How parameters are changed, and how often a run looks, saves and shows. */
export type Optimization = z.output<z.ZodObject<typeof optimization>>;

/** The optimizer that options ask for. */
export function optimizerOf({ optimizer, beta1, beta2, weightDecay }: Optimization): Optimizer {
  switch (optimizer) {
    case "adamw":
      return adamw({ beta1, beta2, weightDecay });
    case "lion":
      return lion({ beta1, beta2, weightDecay });
    case "sgd":
      return sgd({ momentum: beta1, weightDecay });
  }
}

/** The longest norm of gradients that options ask for: 0 stands for no limit. */
export function clipOf({ clip }: Optimization): number {
  return clip > 0 ? clip : Number.POSITIVE_INFINITY;
}

/** The device when none is asked for; warns where that is much slower than it could be. */
export async function chooseDevice(onEvent: (event: TrainEvent) => void): Promise<Device> {
  const { device, reason } = await defaultDevice();
  if (device === "wasm") onEvent({ kind: "warning", message: reason });
  return device;
}

/** How a task's events differ from another's. */
interface EventWords {
  /** The run's folder. */
  readonly run: string;
  readonly facts: Readonly<Record<string, string>>;
  /** What throughput counts: "tokens". */
  readonly unit: string;
  /** What measures are called, by key. */
  readonly measureNames: Readonly<Record<string, string>>;
}

/** An event of the loop as one for people. */
export function trainEvent(event: LoopEvent, { run, facts, unit, measureNames }: EventWords): TrainEvent {
  switch (event.kind) {
    case "start":
      return { ...event, run, facts };
    case "step": {
      const { kind, step, loss, learningRate, unitsPerSecond, secondsLeft } = event;
      return { kind, step, loss, learningRate, throughput: unitsPerSecond, unit, secondsLeft };
    }
    case "evaluation":
      return { ...event, measures: namedMeasures(event.measures, measureNames) };
    case "sample": {
      const { kind, step, file, content } = event;
      return { kind, step, file, ...(typeof content === "string" && { text: content }) };
    }
    case "checkpoint":
    case "warning":
      return event;
  }
}

/** Numbers by key as measures; a key without a name is its own. */
export function namedMeasures(measures: Readonly<Record<string, number>>, names: Readonly<Record<string, string>>): Measure[] {
  return Object.entries(measures).map(([key, value]) => ({ key, name: names[key] ?? key, value }));
}

/** The parameters of a model, as `inspect` lists them. */
export function parametersOf(params: Tree<NdArray>): Inspection["parameters"] {
  return flatten(params, isNdArray).map(({ path, leaf }) => ({ name: path, shape: leaf.shape, count: sizeOf(leaf.shape) }));
}

/** How many numbers a model has. */
export function parameterCount(params: Tree<NdArray>): number {
  return flatten(params, isNdArray).reduce((sum, { leaf }) => sum + sizeOf(leaf.shape), 0);
}

/** The measurements of a run, one curve a name. */
export async function curvesOf(run: Run): Promise<Inspection["curves"]> {
  const curves = new Map<string, { step: number; value: number }[]>();
  for (const { step, ...values } of (await run.readMetrics()).records) {
    for (const [name, value] of Object.entries(values)) {
      if (typeof value !== "number") continue;
      const points = curves.get(name) ?? [];
      points.push({ step, value });
      curves.set(name, points);
    }
  }
  return [...curves].map(([name, points]) => ({ name, points }));
}
