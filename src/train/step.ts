/**
 * One training step, compiled: forward, backward, clipping and update of some parameters as one graph, or of several objectives
 * one after the other.
 *
 * What a step replaces (parameters, the optimizer's memory, averages) is donated and stays in its buffers. Besides the loss,
 * the graph returns the squared norm of every gradient: they are computed for clipping anyway, and tell which tensor went
 * wrong when one does.
 */
import { type Tensor, type TracedKey, valueAndGrad } from "../core/index.ts";
import { isTensor } from "../core/tensor.ts";
import { add, concat, div, mul, reshape, sqrt, sum } from "../ops/index.ts";
import {
  accumulateGradients,
  clipFactor,
  type Optimizer,
  type OptimizerState,
  type Schedule,
  updateAverage,
} from "../optim/index.ts";
import { type CompileOptions, compile, type SpareBuffers, type Traced } from "../runtime/index.ts";
import { HeptagenError } from "../util/errors.ts";
import { allocate, isNdArray, type NdArray, sameShape, scalar, sizeOf } from "../util/ndarray.ts";
import { type Key, key } from "../util/random.ts";
import { flatten, mapTree, type Tree } from "../util/tree.ts";
import { compiledShapes } from "./compiled-shapes.ts";

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
interface Moment {
  /** Counted from 1. */
  readonly step: number;
  readonly key: Key;
}

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

/** The steps of several objectives, one after the other, as one graph. */
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

interface Measured<Leaf> {
  readonly loss: Leaf;
  readonly metrics: Readonly<Record<string, Leaf>>;
  readonly norm: Leaf;
  readonly squares: Leaf;
}

/** Puts an objective's own parameters back among the others. */
function joinParams<Leaf>(trains: string | undefined, own: Tree<Leaf>, others: Tree<Leaf>): Tree<Leaf> {
  return trains === undefined ? own : ({ ...(others as Record<string, Tree<Leaf>>), [trains]: own } as Tree<Leaf>);
}

/** The tree with some leaves replaced, by path. */
function replaceLeaves(tree: Tree<Tensor>, leaves: Readonly<Record<string, Tensor>>): Tree<Tensor> {
  return mapTree(tree, isTensor, (leaf: Tensor, path) => leaves[path] ?? leaf);
}

/** @throws HeptagenError `train/buffers` for a buffer that is no leaf of the parameters, or of another shape */
function checkBuffers(objective: string, params: Tree<Tensor>, buffers: Readonly<Record<string, Tensor>>): void {
  const known = new Map(flatten(params, isTensor).map(({ path, leaf }) => [path, leaf as Tensor]));
  for (const [path, value] of Object.entries(buffers)) {
    const leaf = known.get(path);
    if (leaf && sameShape(leaf.shape, value.shape) && leaf.dtype === value.dtype) continue;
    const expected = leaf ? `${leaf}` : "a leaf of the parameters that it trains";
    throw new HeptagenError("train/buffers", `${objective}: expected the buffer "${path}" to be ${expected}, got ${value}`, {
      next: "Give the new value of a leaf under its dotted path, as in model.safetensors, without the entry that is trained.",
    });
  }
}

/** @throws HeptagenError `train/carry` when a loss does not hand on what it was given, or gradients are accumulated */
function checkCarry(objective: string, given: Tree<Tensor>, next: Tree<Tensor> | undefined, accumulate: number): void {
  const types = (tree: unknown) => flatten(tree, isTensor).map(({ path, leaf }) => `${path}: ${leaf}`);
  const [expected, got] = [types(given).join(", "), types(next).join(", ")];
  if (expected !== got) {
    throw new HeptagenError("train/carry", `${objective}: expected the loss to hand on {${expected}}, got {${got}}`, {
      next: "Return as carry a tree of the same structure, shapes and types as the one given.",
    });
  }
  if (expected !== "" && accumulate > 1) {
    throw new HeptagenError(
      "train/carry",
      `${objective}: a loss that carries state cannot accumulate gradients, got ${accumulate}`,
      {
        next: "Train with accumulate 1 and a larger batch, or without carrying state.",
      },
    );
  }
}

/** What a step is traced from, besides what it trains. */
interface Given<Batch> {
  readonly batch: Traced<Batch>;
  readonly learningRate: Tensor;
  readonly step: Tensor;
  readonly random: TracedKey;
}

/** Forward, backward, clipping and update of one objective. */
function traceStep<Batch>(
  objective: Objective<Batch>,
  { params, optimizer, average, carry = {} }: ObjectiveState<Tensor>,
  rest: Tree<Tensor>,
  { batch, learningRate, step, random }: Given<Batch>,
  { accumulate, averaging }: StepOptions,
): { readonly state: ObjectiveState<Tensor>; readonly measured: Measured<Tensor> } {
  const { every = 1 } = objective;
  const loss = (own: Tree<Tensor>, micro: Traced<Batch>, k: TracedKey | undefined) => {
    const whole = joinParams(objective.trains, own, rest);
    const { loss: value, metrics = {}, buffers = {}, carry: next } = objective.loss(whole, micro, k as TracedKey, step, carry);
    checkBuffers(objective.name, params, buffers);
    checkCarry(objective.name, carry, next, accumulate);
    return { loss: value, aux: { metrics, buffers, carry: next ?? {} } };
  };
  const { value, grads, aux } =
    accumulate > 1
      ? accumulateGradients(loss, params, batch, { key: random })
      : valueAndGrad((own: Tree<Tensor>) => loss(own, batch, random))(params);
  const squares = flatten(grads, isTensor).map(({ leaf }) => sum(mul(leaf, leaf)));
  const norm = sqrt(squares.reduce((a, b) => add(a, b)));
  const gradientScale = objective.clip ? clipFactor(norm, objective.clip) : undefined;
  /** Updates of this objective's parameters, this one included: what bias corrections count. */
  const updates = every > 1 ? div(step, every) : step;
  const settings = { learningRate, step: updates, gradientScale };
  const next = objective.optimizer.update(params, grads as Tree<Tensor>, optimizer, settings);
  const moved = average === undefined ? undefined : updateAverage(average, next.params, { decay: averaging, warmup: updates });
  return {
    state: {
      params: replaceLeaves(next.params, aux.buffers),
      optimizer: next.state,
      ...(moved !== undefined && { average: replaceLeaves(moved, aux.buffers) }),
      ...(objective.carry !== undefined && { carry: aux.carry }),
    },
    measured: { loss: value, metrics: aux.metrics, norm, squares: concat(squares.map((s) => reshape(s, [1]))) },
  };
}

/**
 * Compiles the steps of several objectives into one graph: each sees the parameters as those before it left them. All are given
 * the same key, so that what two of them compute alike from parameters that neither has changed yet (the pictures that a GAN's
 * discriminator judges, and its generator is then judged by) is computed once. An objective that needs random numbers of its own
 * folds its name in.
 *
 * Batches of other shapes than the example's are compiled for when they are first met; all graphs work on the same states.
 *
 * @param others parameters that are read but not changed: `{}` when all are
 * @param example a batch, with the leading axis of micro-batches when there are several
 */
export async function compileJointStep<Batch>(
  objectives: readonly Objective<Batch>[],
  states: readonly ObjectiveState[],
  others: Tree<NdArray>,
  example: Batch,
  options: StepOptions,
): Promise<JointStep<Batch>> {
  type Outputs<Leaf> = readonly [readonly ObjectiveState<Leaf>[], readonly Measured<Leaf>[]];
  const paths = states.map(({ params }) => flatten(params, isNdArray).map(({ path }) => path));
  const traced = (
    before: readonly ObjectiveState<Tensor>[],
    rest: Tree<Tensor>,
    batch: Traced<Batch>,
    learningRates: readonly Tensor[],
    step: Tensor,
    random: TracedKey,
  ): Outputs<Tensor> => {
    let whole = objectives.reduce((all, { trains }, i) => joinParams(trains, before[i]?.params as Tree<Tensor>, all), rest);
    const results = objectives.map((objective, i) => {
      const given = { batch, learningRate: learningRates[i] as Tensor, step, random };
      const result = traceStep(objective, before[i] as ObjectiveState<Tensor>, whole, given, options);
      whole = joinParams(objective.trains, result.state.params, whole);
      return result;
    });
    return [results.map(({ state }) => state), results.map(({ measured }) => measured)];
  };
  type Args = [readonly ObjectiveState[], Tree<NdArray>, Batch, readonly NdArray[], NdArray, Key];
  const spares: SpareBuffers = new Map();
  let first = true; // the only one in most trainings; the memory of others would add up
  const shapes = compiledShapes((batch: Batch) => {
    const keepMemory = first;
    first = false;
    return compile<Args, Outputs<Tensor>>(
      traced as never,
      [states, others, batch, objectives.map(() => scalar(0)), scalar(1), key(0)],
      {
        ...options.compile,
        donate: [0],
        spares,
        keepMemory,
      },
    );
  });
  const { device } = await shapes.of(example);
  return {
    device,
    async prepare(batch) {
      await shapes.of(batch);
    },
    async run(current, rest, batch, at) {
      const executable = await shapes.of(batch);
      const rates = objectives.map(({ learningRate }) => learningRate(at.step));
      const out = await executable.run(
        current,
        rest,
        batch,
        rates.map((rate) => scalar(rate)),
        scalar(at.step),
        at.key,
      );
      const [next, measured] = out as unknown as Outputs<NdArray>;
      return measured.map(({ loss, metrics, norm, squares }, i) => {
        const own = paths[i] as readonly string[];
        const gradNorm = Number(norm.data[0]);
        const broken = Number.isFinite(gradNorm) ? [] : own.filter((_, k) => !Number.isFinite(Number(squares.data[k])));
        const values = Object.fromEntries(Object.entries(metrics).map(([name, value]) => [name, Number(value.data[0])]));
        const learningRate = rates[i] as number;
        const report = { loss: Number(loss.data[0]), metrics: values, learningRate, gradNorm, gradients: own.length, broken };
        return { state: next[i] as ObjectiveState, report };
      });
    },
    dispose: () => shapes.dispose(),
  };
}

/**
 * Compiles the step of an objective.
 *
 * @param others parameters the objective reads but does not change: `{}` when it changes all
 * @param example a batch, with the leading axis of micro-batches when there are several
 */
export async function compileStep<Batch>(
  objective: Objective<Batch>,
  state: ObjectiveState,
  others: Tree<NdArray>,
  example: Batch,
  options: StepOptions,
): Promise<TrainStep<Batch>> {
  const { device, run, dispose } = await compileJointStep([objective], [state], others, example, options);
  return {
    device,
    async run(current, rest, batch, at) {
      const [only] = await run([current], rest, batch, at);
      return only as { state: ObjectiveState; report: StepReport };
    },
    dispose,
  };
}

/**
 * The batch of one step: a single one, or all its micro-batches along a new leading axis.
 *
 * @param batch a pure function of the micro-step, counted from 0
 * @throws HeptagenError `train/micro-batches` when their shapes differ
 */
export async function batchOf<Batch>(
  { batch }: { batch(step: number): Batch | Promise<Batch> },
  accumulate: number,
  step: number,
): Promise<Batch> {
  if (accumulate === 1) return batch(step);
  return stack(await Promise.all(Array.from({ length: accumulate }, (_, k) => batch(step * accumulate + k))));
}

function stack<Batch>(batches: readonly Batch[]): Batch {
  const flat = batches.map((batch) => new Map(flatten(batch, isNdArray).map(({ path, leaf }) => [path, leaf as NdArray])));
  return mapTree(batches[0], isNdArray, (first: NdArray, path) => {
    const { dtype, shape } = first;
    const data = allocate(dtype, batches.length * sizeOf(shape));
    flat.forEach((leaves, k) => {
      const leaf = leaves.get(path);
      if (!leaf || leaf.dtype !== dtype || !sameShape(leaf.shape, shape)) {
        const got = leaf ? `${leaf.dtype}[${leaf.shape}]` : "nothing";
        throw new HeptagenError(
          "train/micro-batches",
          `expected micro-batches of one shape, got ${dtype}[${shape}] and ${got} at "${path}"`,
          {
            next: "Micro-batches of a step must agree in shape: fill up the last of an epoch, and choose each step's from one length bucket.",
          },
        );
      }
      data.set(leaf.data as never, k * sizeOf(shape)); // of one type, as just checked
    });
    return { dtype, shape: [batches.length, ...shape], data };
  }) as Batch;
}
