/**
 * The training loop.
 *
 *   batch(step) → step of every objective → report → now and then: evaluation, sample, checkpoint
 *
 * Everything is a function of the seed and the step (batches, learning rates, random numbers), so that a resumed run equals an
 * uninterrupted one bit for bit: a checkpoint holds parameters, optimizer state and a few counters, nothing else. The loop
 * prints nothing; it tells what happens through events.
 */
import { prefetch } from "../data/index.ts";
import type { CompileOptions } from "../runtime/index.ts";
import { HeptagenError } from "../util/errors.ts";
import { isNdArray, type NdArray } from "../util/ndarray.ts";
import { fold, key } from "../util/random.ts";
import { mapTree, type Tree } from "../util/tree.ts";
import type { Checkpoint } from "./checkpoints.node.ts";
import { restoreTree } from "./parameters.ts";
import { advance, skipTime, startProgress, throughput, timeLeft } from "./progress.ts";
import {
  compileStep,
  joinParams,
  type Objective,
  type ObjectiveState,
  type StepReport,
  stackBatches,
  type TrainStep,
} from "./step.ts";
import { openEventWriter } from "./tensorboard.node.ts";
import type { TrainingRun } from "./training-run.node.ts";

/** What is trained. */
export interface Training<Batch> {
  /** Initial parameters. */
  readonly params: Tree<NdArray>;
  readonly objectives: readonly Objective<Batch>[];
  /** A pure function of the (micro-)step, counted from 0. */
  batch(step: number): Batch | Promise<Batch>;
  /** Units of work in a batch (tokens, images, …), for the throughput. */
  readonly unitsPerBatch: number;
  /** Measures of the parameters on held-out data; `score` decides which are best (lower is better). */
  evaluate?(params: Tree<NdArray>): Promise<{ readonly measures: Readonly<Record<string, number>>; readonly score: number }>;
  /** Makes something to look at and returns a name for its file and its content. */
  sample?(params: Tree<NdArray>, step: number): Promise<{ readonly name: string; readonly content: string | Uint8Array }>;
}

export interface LoopOptions {
  readonly steps: number;
  readonly seed: number;
  readonly evaluateEvery: number;
  /** 0 for no samples. */
  readonly sampleEvery: number;
  readonly checkpointEvery: number;
  /** Steps between two lines of metrics.jsonl; 10 unless told. */
  readonly logEvery?: number;
  /** Stop after so many evaluations without improvement; 0 for never. */
  readonly patience: number;
  readonly accumulate: number;
  /** Decay of the moving average of parameters; 0 for none. Evaluation, samples and the saved model then use the average. */
  readonly averaging: number;
  readonly compile?: CompileOptions;
  /** Stops after the step under way, with a checkpoint. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: LoopEvent) => void;
}

export type LoopEvent =
  | { readonly kind: "start"; readonly step: number; readonly steps: number; readonly device: string }
  | {
      readonly kind: "step";
      readonly step: number;
      readonly reports: Readonly<Record<string, StepReport>>;
      /** Of the first objective. */
      readonly loss: number;
      readonly learningRate: number;
      readonly unitsPerSecond: number;
      readonly secondsLeft: number;
    }
  | {
      readonly kind: "evaluation";
      readonly step: number;
      readonly measures: Readonly<Record<string, number>>;
      readonly best: boolean;
    }
  | { readonly kind: "sample"; readonly step: number; readonly file: string; readonly content: string | Uint8Array }
  | { readonly kind: "checkpoint"; readonly step: number };

export interface LoopResult {
  readonly ended: "finished" | "interrupted" | "stopped-early";
  readonly step: number;
  readonly seconds: number;
  /** The parameters training ended with (their average, if one is kept). */
  readonly params: Tree<NdArray>;
  readonly best:
    | { readonly step: number; readonly score: number; readonly measures: Readonly<Record<string, number>> }
    | undefined;
}

/** What a checkpoint remembers besides arrays. */
interface Position {
  readonly best: LoopResult["best"] | null;
  readonly sinceBest: number;
  readonly seconds: number;
}

/**
 * Trains until the last step, an early stop or an interruption, writing everything to the run.
 *
 * @param from the checkpoint to go on from, as `resumeRun` returns it
 * @throws HeptagenError `train/not-finite` with step, tensor and advice; `storage/…` when the disk refuses. Earlier checkpoints
 *   stay as they are
 */
export async function trainLoop<Batch>(
  run: TrainingRun,
  training: Training<Batch>,
  options: LoopOptions,
  from?: Checkpoint,
): Promise<LoopResult> {
  const { objectives } = training;
  const { steps, accumulate, averaging, logEvery = 10 } = options;
  const emit = options.onEvent ?? (() => undefined);
  const states = restoreStates(training, averaging, from);
  const position = (from?.state ?? { best: null, sinceBest: 0, seconds: 0 }) as Position;
  let { sinceBest } = position;
  let best = position.best ?? undefined;
  let step = from?.step ?? 0;
  let saved = step;
  const started = performance.now();
  const seconds = () => position.seconds + (performance.now() - started) / 1000;

  const micro = (at: number) =>
    accumulate === 1
      ? training.batch(at)
      : Promise.all(Array.from({ length: accumulate }, (_, k) => training.batch(at * accumulate + k))).then(stackBatches);
  const nextBatch = prefetch((at: number) => micro(at));
  const compiled: TrainStep<Batch>[] = [];
  const example = step < steps ? await nextBatch(step) : undefined;
  for (const [i, objective] of objectives.entries()) {
    if (example === undefined) break;
    const state = states[i] as ObjectiveState;
    const others = objective.trains === undefined ? {} : withoutEntry(wholeTree(objectives, states, "params"), objective.trains);
    const settings = { accumulate, averaging, compile: options.compile ?? {} };
    compiled.push(await compileStep(objective, state, others, example, settings));
  }
  const events = openEventWriter(run.path("tensorboard"), from ? { resumeStep: step + 1 } : {});
  emit({ kind: "start", step, steps, device: compiled[0]?.device ?? "" });

  /** What is evaluated, sampled from and saved: averages where they are kept. */
  const current = () => wholeTree(objectives, states, averaging > 0 ? "average" : "params");
  const checkpoint = async (isBest: boolean, measures?: Readonly<Record<string, number>>): Promise<void> => {
    const optimizer = Object.fromEntries(
      objectives.map(({ name }, i) => {
        const { params, optimizer: memory, average } = states[i] as ObjectiveState;
        return [name, average === undefined ? { memory } : { memory, params }];
      }),
    );
    const state = { best: best ?? null, sinceBest, seconds: seconds() } satisfies Position;
    await run.saveCheckpoint(
      { step, model: current(), optimizer, state, ...(measures && { metrics: measures }) },
      { best: isBest },
    );
    saved = step;
    emit({ kind: "checkpoint", step });
  };
  const log = (values: Readonly<Record<string, number>>): void => {
    run.appendMetrics({ step, ...values });
    events.scalars(step, values);
  };

  const root = fold(key(options.seed), "train");
  let progress = startProgress({ total: steps, now: performance.now() / 1000, step });
  let ended: LoopResult["ended"] = "finished";
  try {
    while (step < steps) {
      if (options.signal?.aborted) {
        ended = "interrupted";
        break;
      }
      const batch = await nextBatch(step);
      const reports: Record<string, StepReport> = {};
      for (const [i, objective] of objectives.entries()) {
        const others =
          objective.trains === undefined ? {} : withoutEntry(wholeTree(objectives, states, "params"), objective.trains);
        const at = { step: step + 1, key: fold(fold(root, objective.name), step) };
        const done = await (compiled[i] as TrainStep<Batch>).run(states[i] as ObjectiveState, others, batch, at);
        states[i] = done.state;
        reports[objective.name] = done.report;
        checkFinite(done.report, objective, step + 1, saved);
      }
      step++;
      const [first] = objectives;
      const learningRate = first?.learningRate(step) ?? 0;
      progress = advance(progress, { step, units: training.unitsPerBatch * accumulate, now: performance.now() / 1000 });
      const loss = reports[first?.name ?? ""]?.loss ?? Number.NaN;
      emit({
        kind: "step",
        step,
        reports,
        loss,
        learningRate,
        unitsPerSecond: throughput(progress) ?? 0,
        secondsLeft: timeLeft(progress) ?? 0,
      });
      if (step % logEvery === 0 || step === steps) log({ ...flatReports(reports), learningRate });

      const last = step === steps;
      let isBest = false;
      let measures: Readonly<Record<string, number>> | undefined;
      try {
        if (training.evaluate && (step % options.evaluateEvery === 0 || last)) {
          const evaluation = await training.evaluate(current());
          measures = evaluation.measures;
          isBest = best === undefined || evaluation.score < best.score;
          if (isBest) best = { step, score: evaluation.score, measures };
          sinceBest = isBest ? 0 : sinceBest + 1;
          log(Object.fromEntries(Object.entries(measures).map(([name, value]) => [`validation/${name}`, value])));
          emit({ kind: "evaluation", step, measures, best: isBest });
        }
        if (training.sample && options.sampleEvery > 0 && (step % options.sampleEvery === 0 || last)) {
          const { name, content } = await training.sample(current(), step);
          emit({ kind: "sample", step, file: await run.writeSample(name, content), content });
        }
      } catch (error) {
        // A failing hook must not cost what was learnt so far.
        if (saved !== step) await checkpoint(false);
        throw error;
      }
      const stopEarly = options.patience > 0 && sinceBest >= options.patience;
      if (isBest || last || stopEarly || step % options.checkpointEvery === 0) await checkpoint(isBest, measures);
      progress = skipTime(progress, performance.now() / 1000);
      if (stopEarly && !last) {
        ended = "stopped-early";
        break;
      }
    }
    if (ended === "interrupted" && saved !== step) await checkpoint(false);
    return { ended, step, seconds: seconds(), params: current(), best };
  } finally {
    events.close();
    for (const executable of compiled) await executable.dispose();
  }
}

/** States to begin with: fresh, or those of a checkpoint. */
function restoreStates<Batch>(
  { params, objectives }: Training<Batch>,
  averaging: number,
  from: Checkpoint | undefined,
): ObjectiveState[] {
  const own = (objective: Objective<Batch>, tree: Tree<NdArray>) =>
    objective.trains === undefined ? tree : ((tree as Record<string, Tree<NdArray>>)[objective.trains] as Tree<NdArray>);
  const fresh = objectives.map((objective): ObjectiveState => {
    const mine = copyTree(own(objective, params));
    const average = averaging > 0 ? { average: copyTree(mine) } : {};
    return { params: mine, optimizer: objective.optimizer.init(mine), ...average };
  });
  if (!from) return fresh;
  const model = restoreTree(params, from.model, "model");
  const template = Object.fromEntries(
    objectives.map(({ name }, i) => {
      const state = fresh[i] as ObjectiveState;
      return [
        name,
        state.average === undefined ? { memory: state.optimizer } : { memory: state.optimizer, params: state.params },
      ];
    }),
  );
  const memory = restoreTree(template as Record<string, Tree<NdArray>>, from.optimizer, "optimizer");
  return objectives.map((objective, i) => {
    const kept = memory[objective.name] as unknown as { memory: ObjectiveState["optimizer"]; params?: Tree<NdArray> };
    const saved = own(objective, model);
    if ((fresh[i] as ObjectiveState).average === undefined) return { params: saved, optimizer: kept.memory };
    return { params: kept.params as Tree<NdArray>, optimizer: kept.memory, average: saved };
  });
}

/** A step writes over the arrays it is given; the caller's own stay as they are. */
function copyTree(tree: Tree<NdArray>): Tree<NdArray> {
  return mapTree(tree, isNdArray, (leaf: NdArray) => ({ ...leaf, data: leaf.data.slice() as NdArray["data"] }));
}

/** All parameters, from what each objective holds. */
function wholeTree<Batch>(
  objectives: readonly Objective<Batch>[],
  states: readonly ObjectiveState[],
  which: "params" | "average",
): Tree<NdArray> {
  return objectives.reduce<Tree<NdArray>>(
    (tree, { trains }, i) => joinParams(trains, states[i]?.[which] as Tree<NdArray>, tree),
    {},
  );
}

function withoutEntry(tree: Tree<NdArray>, entry: string): Tree<NdArray> {
  return Object.fromEntries(Object.entries(tree as Record<string, Tree<NdArray>>).filter(([name]) => name !== entry));
}

function flatReports(reports: Readonly<Record<string, StepReport>>): Record<string, number> {
  const many = Object.keys(reports).length > 1;
  return Object.fromEntries(
    Object.entries(reports).flatMap(([objective, { loss, gradNorm, metrics }]) => {
      const name = (what: string) => (many ? `${objective}/${what}` : what);
      return [
        [name("loss"), loss],
        [name("gradNorm"), gradNorm],
        ...Object.entries(metrics).map(([what, value]) => [name(what), value]),
      ];
    }),
  );
}

function checkFinite<Batch>(
  { loss, gradNorm, broken }: StepReport,
  objective: Objective<Batch>,
  step: number,
  saved: number,
): void {
  if (Number.isFinite(loss) && Number.isFinite(gradNorm)) return;
  const tensor = broken === undefined ? "no single gradient, but their sum" : `the gradient of ${broken}`;
  const what = Number.isFinite(loss)
    ? `the loss is ${loss}, but ${tensor} is not finite`
    : `the loss is ${loss}${broken ? `, and ${tensor} is not finite` : ""}`;
  const rate = objective.learningRate(step);
  throw new HeptagenError(
    "train/not-finite",
    `training stopped at step ${step}: ${what} (objective "${objective.name}", learning rate ${rate})`,
    {
      facts: { step, loss, gradNorm, tensor: broken, objective: objective.name, learningRate: rate, checkpoint: saved },
      next: `Lower the learning rate, clip gradients (clip 1), warm up longer, or look for extreme values in the data. ${saved > 0 ? `The checkpoint of step ${saved} is good.` : "Nothing was saved yet."}`,
    },
  );
}
