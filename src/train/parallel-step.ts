/**
 * A training step in parts that are computed at the same time:
 *
 *   batch ─┬─ part 1 → gradients (this thread) ──┐
 *          └─ part 2 → gradients (graph thread) ─┴→ sum → clip → update
 *
 * ONNX Runtime's own threads share out one operator at a time, which wins little where operators are small: most of a step's are.
 * A thread for half of the batch has all of them to itself. (Its parallel executor runs the two halves of one graph one after the
 * other: measured.)
 */
import type { Tensor, TracedKey } from "../core/index.ts";
import { isTensor } from "../core/tensor.ts";
import { add } from "../ops/index.ts";
import { type GraphThread, openGraphThread } from "../runtime/graph-thread.node.ts";
import { compile, SpareBuffers, type Traced } from "../runtime/index.ts";
import { HeptagenError } from "../util/errors.ts";
import { allocate, isNdArray, type NdArray, scalar, sizeOf } from "../util/ndarray.ts";
import { fold, type Key, key } from "../util/random.ts";
import { flatten, mapTree, type Tree, zipTrees } from "../util/tree.ts";
import { compiledShapes } from "./compiled-shapes.ts";
import type { JointStep, Objective, ObjectiveState, StepOptions } from "./objective.ts";
import { reportOf } from "./report.ts";
import { type Gradients, type Measured, traceGradients, traceUpdate } from "./traced-step.ts";

/** Parts of a batch. More would take more cores than steps were measured on. */
export const partCount = 2;

/**
 * A batch in parts along the first axis of every array, as equal as can be; undefined where it cannot be cut. The arrays share its
 * memory.
 */
export function cut<Batch>(batch: Batch, parts: number): readonly Batch[] | undefined {
  const leaves = flatten(batch, isNdArray).map(({ leaf }) => leaf as NdArray);
  const [rows = 0] = leaves[0]?.shape ?? [];
  if (rows < parts || leaves.some(({ shape }) => shape[0] !== rows)) return undefined;
  return Array.from({ length: parts }, (_, i) => {
    const [from, to] = [Math.floor((i * rows) / parts), Math.floor(((i + 1) * rows) / parts)];
    return mapTree(batch, isNdArray, ({ dtype, shape: [, ...row], data }: NdArray) => ({
      dtype,
      shape: [to - from, ...row],
      data: data.subarray(from * sizeOf(row), to * sizeOf(row)),
    })) as Batch;
  });
}

/** The loss and its gradients, as they come out of a run. */
type PartResult<Leaf> = readonly [Tree<Leaf>, { readonly loss: Leaf; readonly metrics: Readonly<Record<string, Leaf>> }];

/** Computes gradients of parts of a batch, in some thread. */
interface PartRunner<Batch> {
  prepare(part: Batch): Promise<void>;
  /** @param share of the whole batch */
  run(
    params: Tree<NdArray>,
    part: Batch,
    share: number,
    at: { readonly step: number; readonly key: Key },
  ): Promise<PartResult<NdArray>>;
  dispose(): Promise<void>;
}

/**
 * Compiles the step of an objective whose batches can be computed in parts (`counts`).
 *
 * @param example a batch that can be cut
 * @param whole compiles the step in one piece, for batches that cannot
 */
export async function compileParallelStep<Batch>(
  objective: Objective<Batch>,
  state: ObjectiveState,
  example: Batch,
  { compile: settings, averaging }: StepOptions & { readonly compile: { readonly threads: number } },
  whole: () => Promise<JointStep<Batch>>,
): Promise<JointStep<Batch>> {
  const counts = objective.counts as (batch: Batch) => number;
  const paths = flatten(state.params, isNdArray).map(({ path }) => path);
  const threads = Math.max(1, Math.floor(settings.threads / partCount));
  let names: readonly string[] = [];

  const gradients = (
    _: Tree<Tensor>,
    params: Tree<Tensor>,
    batch: Traced<Batch>,
    share: Tensor,
    step: Tensor,
    random: TracedKey,
  ): PartResult<Tensor> => {
    const { loss, metrics, grads, buffers } = traceGradients(objective, params, {
      rest: {},
      batch,
      step,
      random,
      share,
      accumulate: 1,
    });
    names = Object.keys(metrics);
    checkNoBuffers(objective.name, buffers);
    return [grads, { loss, metrics }];
  };

  const runner = (thread: GraphThread | undefined): PartRunner<Batch> => {
    type Args = [Tree<NdArray>, Tree<NdArray>, Batch, NdArray, NdArray, Key];
    const spares = new SpareBuffers();
    /** What the gradients are written into. */
    let written = mapTree(state.params, isNdArray, blank) as Tree<NdArray>;
    let first = true; // the only one in most trainings; the memory of others would add up
    const shapes = compiledShapes((part: Batch) => {
      const keepMemory = first;
      first = false;
      const load = thread && { load: thread.load };
      return compile<Args, PartResult<Tensor>>(gradients as never, [written, state.params, part, scalar(1), scalar(1), key(0)], {
        ...settings,
        threads,
        donate: [0],
        spares,
        keepMemory,
        spin: false,
        ...load,
      });
    });
    return {
      async prepare(part) {
        await shapes.of(part);
      },
      async run(params, part, share, at) {
        const graph = await shapes.of(part);
        const given = [params, part, scalar(share), scalar(at.step)] as const;
        // What another thread is given it keeps for the time of the run.
        const [own, batch, ...rest] = thread
          ? (mapTree(given, isNdArray, (leaf: NdArray) => spares.copy(leaf)) as typeof given)
          : given;
        const out = (await graph.run(written, own, batch, ...rest, at.key)) as unknown as PartResult<NdArray>;
        [written] = out;
        return out;
      },
      dispose: () => shapes.dispose(),
    };
  };

  const update = (
    before: ObjectiveState<Tensor>,
    parts: readonly PartResult<Tensor>[],
    learningRate: Tensor,
    step: Tensor,
  ): readonly [ObjectiveState<Tensor>, Measured<Tensor>] => {
    const [grads, { loss, metrics }] = parts.reduce(addTrees);
    const total: Gradients<Tensor> = { loss, metrics, grads, buffers: {}, carry: {} };
    const { state: next, measured } = traceUpdate(objective, before, total, { learningRate, step, averaging });
    return [next, measured];
  };
  const compileUpdate = () => {
    type Args = [ObjectiveState, readonly PartResult<NdArray>[], NdArray, NdArray];
    const metrics = Object.fromEntries(names.map((name) => [name, scalar(0)]));
    const parts = Array.from({ length: partCount }, (): PartResult<NdArray> => [state.params, { loss: scalar(0), metrics }]);
    const { threads: all, device, profile } = settings;
    return compile<Args, ReturnType<typeof update>>(update as never, [state, parts, scalar(0), scalar(1)], {
      threads: all,
      spin: false, // the other thread computes when this one is done
      ...(device && { device }),
      ...(profile && { profile: `${profile}-update` }),
      donate: [0],
    });
  };

  const others = Array.from({ length: partCount - 1 }, openGraphThread);
  const runners = [undefined, ...others].map(runner);
  let kept: Promise<JointStep<Batch>> | undefined;
  const inOne = (): Promise<JointStep<Batch>> => {
    kept ??= whole();
    return kept;
  };
  const prepare = async (batch: Batch): Promise<void> => {
    const parts = cut(batch, partCount);
    if (!parts) await (await inOne()).prepare(batch);
    else await all(parts.map((part, i) => (runners[i] as PartRunner<Batch>).prepare(part)));
  };
  const dispose = async (): Promise<void> => {
    await Promise.all(runners.map((one) => one.dispose()));
    await Promise.all(others.map((thread) => thread.close()));
    await (await kept)?.dispose();
  };
  const updating = await prepare(example)
    .then(compileUpdate)
    .catch(async (error: unknown) => {
      await dispose();
      throw error;
    });
  return {
    device: updating.device,
    prepare,
    async run([current], rest, batch, at) {
      const parts = cut(batch, partCount);
      if (!parts) return (await inOne()).run([current as ObjectiveState], rest, batch, at);
      const own = parts.map(counts);
      const total = own.reduce((a, b) => a + b);
      const params = (current as ObjectiveState).params;
      const start = (part: Batch, i: number) => {
        const share = (own[i] as number) / Math.max(total, 1);
        return (runners[i] as PartRunner<Batch>).run(params, part, share, { step: at.step, key: fold(at.key, i) });
      };
      const [mine, ...theirs] = parts as readonly [Batch, ...Batch[]];
      const begun = theirs.map((part, i) => start(part, i + 1)); // before this thread is busy
      const results = await all([start(mine, 0), ...begun]);
      const rate = objective.learningRate(at.step);
      const out = await updating.run(current as ObjectiveState, results, scalar(rate), scalar(at.step));
      const [next, measured] = out as unknown as [ObjectiveState, Measured<NdArray>];
      return [{ state: next, report: reportOf(measured, paths, rate) }];
    },
    async dispose() {
      await dispose();
      await updating.dispose();
    },
  };
}

/** Waits for all, then fails with the first failure: none may still be running when another is begun. */
async function all<T>(jobs: readonly Promise<T>[]): Promise<T[]> {
  const settled = await Promise.allSettled(jobs);
  return settled.map((one) => {
    if (one.status === "rejected") throw one.reason;
    return one.value;
  });
}

const blank = ({ dtype, shape }: NdArray): NdArray => ({ dtype, shape, data: allocate(dtype, sizeOf(shape)) });

function addTrees<T>(a: T, b: T): T {
  const sums: Tensor[] = [];
  zipTrees([a, b], isTensor, ([x, y]: Tensor[]) => sums.push(add(x as Tensor, y as Tensor)));
  let next = 0;
  return mapTree(a, isTensor, () => sums[next++] as Tensor) as T;
}

/** @throws HeptagenError `train/counts` */
function checkNoBuffers(objective: string, buffers: Readonly<Record<string, Tensor>>): void {
  const [path] = Object.keys(buffers);
  if (path === undefined) return;
  throw new HeptagenError(
    "train/counts",
    `${objective}: a loss that is computed in parts cannot replace buffers, got "${path}"`,
    {
      next: "Leave out counts: examples whose batch statistics count depend on each other.",
    },
  );
}
