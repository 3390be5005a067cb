/** What is minimised: objectives, what training changes of them, and what a step reports. */
import type { Tensor, TracedKey } from "../core/index.ts";
import type { Optimizer, OptimizerState, Schedule } from "../optim/index.ts";
import type { CompileOptions, Traced } from "../runtime/index.ts";
import type { NdArray } from "../util/ndarray.ts";
import type { Key } from "../util/random.ts";
import type { Tree } from "../util/tree.ts";

/** What a loss function returns: the scalar to minimise, scalars to report, and what is replaced rather than learnt. */
export interface LossResult {
  readonly loss: Tensor;
  readonly metrics?: Readonly<Record<string, Tensor>>;
  /**
   * New values of buffers: leaves of the parameters that the objective trains, by dotted path, that no gradient reaches (the
   * running mean of batch norm). They replace whatever the optimizer makes of the leaf, in the moving average too.
   */
  readonly buffers?: Readonly<Record<string, Tensor>>;
  /** What the next step is given as `carry`: a tree like the objective's. */
  readonly carry?: Tree<Tensor>;
}

/** Something to minimise by changing some parameters. A plain model has one objective, a GAN one per player. */
export interface Objective<Batch> {
  readonly name: string;
  /** The top-level entry of the parameters that it changes; all of them unless told. */
  readonly trains?: string;
  /**
   * Trains in every n-th step only; in each unless told. The critic of a Wasserstein GAN takes n steps to one of the generator's:
   * then the generator's objective has `every: n`. The first objective trains in each step.
   */
  readonly every?: number;
  /**
   * What the first step is given as `carry`, where steps hand something on that is no part of the model: the states in which
   * recurrent networks left the texts that the next batch goes on with. Kept in checkpoints.
   */
  readonly carry?: Tree<NdArray>;
  /**
   * Traced. `params` is the whole tree; `step` (float32 scalar, counted from 1) is for losses that change as training goes on;
   * `carry` is what the step before handed on, `{}` where nothing is. Objectives that follow each other and train in the same steps
   * are given the same `key`, so that what they draw and compute alike is computed once; a name folded in sets them apart.
   */
  loss(params: Tree<Tensor>, batch: Traced<Batch>, key: TracedKey, step: Tensor, carry: Tree<Tensor>): LossResult;
  /**
   * Over how many examples or tokens of a batch the loss is a mean, where none depends on others of the batch (as they do under batch
   * norm, or where other examples serve as negatives). Such a batch may be computed in parts at the same time; they are cut along the
   * first axis of every array.
   */
  counts?(batch: Batch): number;
  readonly optimizer: Optimizer;
  readonly learningRate: Schedule;
  /** Longest global norm of the gradients; no limit unless told. */
  readonly clip?: number;
}

/** Everything of an objective that training changes. */
export interface ObjectiveState<Leaf = NdArray> {
  readonly params: Tree<Leaf>;
  readonly optimizer: OptimizerState<Leaf>;
  /** Moving average of the parameters, if one is kept. */
  readonly average?: Tree<Leaf>;
  /** What this step hands on to the next, if it does. */
  readonly carry?: Tree<Leaf>;
}

export interface StepOptions {
  /** Micro-batches whose gradients are averaged; their leaves then have a leading axis of that size. */
  readonly accumulate: number;
  /** Decay of the moving average of the parameters; 0 for none. */
  readonly averaging: number;
  readonly compile: CompileOptions;
}

/** What a step reports. */
export interface StepReport {
  readonly loss: number;
  readonly metrics: Readonly<Record<string, number>>;
  readonly learningRate: number;
  /** Global norm of the gradients before clipping. */
  readonly gradNorm: number;
  /** How many gradients there are. */
  readonly gradients: number;
  /** Paths of those that are not finite. */
  readonly broken: readonly string[];
}

/** What tells the steps of training apart. */
export interface Moment {
  /** Counted from 1. */
  readonly step: number;
  readonly key: Key;
}

/** The step of one objective. */
export interface TrainStep<Batch> {
  readonly device: string;
  run(
    state: ObjectiveState,
    others: Tree<NdArray>,
    batch: Batch,
    at: Moment,
  ): Promise<{ readonly state: ObjectiveState; readonly report: StepReport }>;
  dispose(): Promise<void>;
}

/** The steps of several objectives, one after the other. */
export interface JointStep<Batch> {
  readonly device: string;
  /** Compiles for a batch of new shapes, which may fail, and changes nothing else. */
  prepare(batch: Batch): Promise<void>;
  run(
    states: readonly ObjectiveState[],
    others: Tree<NdArray>,
    batch: Batch,
    at: Moment,
  ): Promise<readonly { readonly state: ObjectiveState; readonly report: StepReport }[]>;
  dispose(): Promise<void>;
}
