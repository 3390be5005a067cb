/**
 * One training step, compiled: forward, backward, clipping and update of some parameters as one graph, or of several objectives
 * one after the other.
 *
 * What a step replaces (parameters, the optimizer's memory, averages) is donated and stays in its buffers. Besides the loss,
 * the graph returns the squared norm of every gradient: they are computed for clipping anyway, and tell which tensor went
 * wrong when one does.
 */
import type { Tensor, TracedKey } from "../core/index.ts";
import { compile, defaultDevice, runsInThreads, SpareBuffers, type Traced, usableCores } from "../runtime/index.ts";
import { isNdArray, type NdArray, scalar } from "../util/ndarray.ts";
import { type Key, key } from "../util/random.ts";
import { flatten, type Tree } from "../util/tree.ts";
import { compiledShapes } from "./compiled-shapes.ts";
import type { JointStep, Objective, ObjectiveState, StepOptions, TrainStep } from "./objective.ts";
import { compileParallelStep, cut, partCount } from "./parallel-step.ts";
import { reportOf } from "./report.ts";
import { joinParams, type Measured, traceGradients, traceUpdate } from "./traced-step.ts";

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
  const whole = () => compileInOne(objectives, states, others, example, options);
  const [objective, ...more] = objectives;
  const [state] = states;
  const { device = (await defaultDevice()).device, threads = usableCores() ?? 1 } = options.compile;
  const apart =
    objective?.counts !== undefined &&
    objective.trains === undefined &&
    objective.carry === undefined &&
    more.length === 0 &&
    options.accumulate === 1 &&
    runsInThreads(device) &&
    threads >= partCount &&
    cut(example, partCount) !== undefined;
  if (!apart || !state) return whole();
  return compileParallelStep(objective, state, example, { ...options, compile: { ...options.compile, device, threads } }, whole);
}

async function compileInOne<Batch>(
  objectives: readonly Objective<Batch>[],
  states: readonly ObjectiveState[],
  others: Tree<NdArray>,
  example: Batch,
  options: StepOptions,
): Promise<JointStep<Batch>> {
  const { accumulate, averaging } = options;
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
      const state = before[i] as ObjectiveState<Tensor>;
      const gradients = traceGradients(objective, state.params, {
        rest: whole,
        carry: state.carry,
        batch,
        step,
        random,
        accumulate,
      });
      const result = traceUpdate(objective, state, gradients, { learningRate: learningRates[i] as Tensor, step, averaging });
      whole = joinParams(objective.trains, result.state.params, whole);
      return result;
    });
    return [results.map(({ state }) => state), results.map(({ measured }) => measured)];
  };
  type Args = [readonly ObjectiveState[], Tree<NdArray>, Batch, readonly NdArray[], NdArray, Key];
  const spares = new SpareBuffers();
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
      const [next, all] = out as unknown as Outputs<NdArray>;
      return all.map((measured, i) => {
        const report = reportOf(measured, paths[i] as readonly string[], rates[i] as number);
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
      return only as NonNullable<typeof only>;
    },
    dispose,
  };
}
