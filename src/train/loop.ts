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
import type { NdArray } from "../util/ndarray.ts";
import { fold, key } from "../util/random.ts";
import type { Tree } from "../util/tree.ts";
import type { Checkpoint } from "./checkpoints.node.ts";
import { namedNumbers, numbersByName } from "./json.ts";
import { batchOf } from "./micro-batches.ts";
import { checkFinite } from "./not-finite.ts";
import type { JointStep, Objective, StepReport } from "./objective.ts";
import { advance, skipTime, startProgress, throughput, timeLeft } from "./progress.ts";
import { beginStates, checkObjectives, memoryOf, othersOf, statesOf, trainedTogether, wholeModel } from "./states.ts";
import { compileJointStep } from "./step.ts";
import { type EventWriter, openEventWriter } from "./tensorboard.node.ts";
import type { TrainingRun } from "./training-run.node.ts";

/** What is trained. */
export interface Training<Batch> {
  /** Initial parameters. */
  readonly params: Tree<NdArray>;
  readonly objectives: readonly Objective<Batch>[];
  /** A pure function of the (micro-)step, counted from 0. Batches may differ in shape: each shape is compiled for once. */
  batch(step: number): Batch | Promise<Batch>;
  /**
   * Units of work in a batch (tokens, images, …), for the throughput; a function of the batch where they differ (real tokens among
   * padding), which is given all micro-batches of a step as one.
   */
  readonly unitsPerBatch: number | ((batch: Batch) => number);
  /** Measures of the parameters on held-out data; `score` decides which are best (lower is better): the newest, if there is none. */
  evaluate?(params: Tree<NdArray>): Promise<{ readonly measures: Readonly<Record<string, number>>; readonly score?: number }>;
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
  /** Minutes after which a checkpoint is saved in any case; 10 unless told. */
  readonly checkpointMinutes?: number;
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
  | { readonly kind: "checkpoint"; readonly step: number }
  | { readonly kind: "warning"; readonly step: number; readonly message: string };

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
  /** The step's evaluation failed and is still to be done. */
  readonly evaluationDue?: boolean;
}

/**
 * Trains until the last step, an early stop or an interruption, writing everything to the run.
 *
 * @param from the checkpoint to go on from, as `resumeRun` returns it
 * @throws HeptagenError `train/objectives`; `train/not-finite` with step, tensor and advice; `storage/…` when the disk refuses;
 *   what batches, compilation for their shapes, evaluation and samples throw, after a checkpoint. Earlier checkpoints stay as they are
 */
export async function trainLoop<Batch>(
  run: TrainingRun,
  training: Training<Batch>,
  options: LoopOptions,
  from?: Checkpoint,
): Promise<LoopResult> {
  const { objectives } = training;
  const { steps, accumulate, averaging, logEvery = 10, checkpointMinutes = 10 } = options;
  checkObjectives(training.params, objectives);
  const trained = beginStates(training.params, objectives, { averaging: averaging > 0, from });
  const position = readPosition(from);
  let { best, sinceBest, evaluationDue } = position;
  let step = from?.step ?? 0;
  /** The last checkpoint's step and time, and whether there is something since that is worth another. */
  let [saved, savedAt, unsaved] = [step, performance.now(), false];
  /** What the last evaluation since then found, and whether it was the best. */
  let [measures, improved]: [Readonly<Record<string, number>> | undefined, boolean] = [undefined, false];
  const started = performance.now();
  const seconds = () => position.seconds + (performance.now() - started) / 1000;
  const stalled = () => options.patience > 0 && sinceBest >= options.patience;
  /** What is evaluated, sampled from and saved: averages where they are kept. */
  const current = () => wholeModel(objectives, trained, averaging > 0 ? "average" : "params");

  const root = fold(key(options.seed), "train");
  const nextBatch = prefetch((at: number) => batchOf(training, accumulate, at));
  const compiled: { readonly group: readonly Objective<Batch>[]; readonly joint: JointStep<Batch> }[] = [];
  let events: EventWriter | undefined;
  let progress = startProgress({ total: steps, now: performance.now() / 1000, step });
  const norms = new Map<string, readonly number[]>();
  const emit = (event: LoopEvent): void => options.onEvent?.(event);
  const log = (values: Readonly<Record<string, number>>): void => {
    run.appendMetrics({ step, ...values });
    events?.scalars(step, values);
  };

  const checkpoint = async (): Promise<void> => {
    const state = { best: best ? { ...best, measures: namedNumbers(best.measures) } : null, sinceBest, evaluationDue };
    await run.saveCheckpoint(
      {
        step,
        model: current(),
        optimizer: memoryOf(objectives, trained.states),
        state: { ...state, seconds: seconds() },
        ...(measures && { metrics: measures }),
      },
      { best: improved },
    );
    [saved, savedAt, unsaved] = [step, performance.now(), false];
    [measures, improved] = [undefined, false];
    emit({ kind: "checkpoint", step });
  };

  /** Does what may fail for reasons of its own: then what was learnt so far is saved first. */
  const rescued = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      if (unsaved) {
        await checkpoint().catch((second: unknown) => {
          emit({ kind: "warning", step, message: `step ${step} could not be saved: ${String(second)}` });
        });
      }
      throw error;
    }
  };

  const takeStep = async (): Promise<void> => {
    const batch = await rescued(async () => {
      const next = await nextBatch(step);
      for (const { joint } of compiled) await joint.prepare(next); // all of them, before any state changes
      return next;
    });
    const reports: Record<string, StepReport> = {};
    for (const { group, joint } of compiled) {
      const [{ name: first, every = 1 }] = group as [Objective<Batch>];
      if ((step + 1) % every !== 0) continue;
      const at = { step: step + 1, key: fold(fold(root, first), step) };
      const results = await joint.run(statesOf(objectives, trained, group), othersOf(objectives, trained, group), batch, at);
      results.forEach(({ state }, i) => {
        trained.states[objectives.indexOf(group[i] as Objective<Batch>)] = state;
      });
      results.forEach(({ report }, i) => {
        const { name } = group[i] as Objective<Batch>;
        const before = norms.get(name) ?? [];
        // What later objectives train has changed since: only those before can have handed on what is not finite.
        const others = othersOf(objectives, trained, group.slice(i));
        checkFinite(report, { objective: name, step: at.step, batch, others, norms: before, saved });
        norms.set(name, [...before.slice(-3), report.gradNorm]);
        reports[name] = report;
      });
    }
    step++;
    unsaved = true;
    evaluationDue = training.evaluate !== undefined && isDue(options.evaluateEvery);
    progress = advance(progress, { step, units: unitsOf(batch), now: performance.now() / 1000 });
    const { loss, learningRate } = reports[objectives[0]?.name ?? ""] as StepReport;
    emit({
      kind: "step",
      step,
      reports,
      loss,
      learningRate,
      unitsPerSecond: throughput(progress) ?? 0,
      secondsLeft: timeLeft(progress) ?? 0,
    });
    if (isDue(logEvery)) log(flatReports(reports, { prefixed: objectives.length > 1 }));
  };

  const unitsOf = (batch: Batch): number =>
    typeof training.unitsPerBatch === "function" ? training.unitsPerBatch(batch) : training.unitsPerBatch * accumulate;

  const isDue = (every: number): boolean => step === steps || (every > 0 && step % every === 0);

  const evaluate = async (): Promise<void> => {
    const evaluation = await training.evaluate?.(current());
    if (!evaluation) return;
    const { score = best?.score ?? 0 } = evaluation;
    const newest = evaluation.score === undefined;
    log(Object.fromEntries(Object.entries(evaluation.measures).map(([name, value]) => [`validation/${name}`, value])));
    [evaluationDue, unsaved] = [false, true];
    ({ measures } = evaluation);
    improved = newest || (Number.isFinite(score) && (best === undefined || score < best.score));
    if (improved) best = { step, score, measures };
    sinceBest = improved ? 0 : sinceBest + 1;
    if (!Number.isFinite(score)) {
      emit({ kind: "warning", step, message: `the validation score of step ${step} is ${score}; it counts as no improvement` });
    }
    emit({ kind: "evaluation", step, measures, best: improved });
  };

  /** Whatever follows a step now and then. Done again after resuming, where an evaluation failed. */
  const afterStep = async (): Promise<void> => {
    await rescued(async () => {
      if (evaluationDue) await evaluate();
      if (training.sample && options.sampleEvery > 0 && isDue(options.sampleEvery)) {
        const { name, content } = await training.sample(current(), step);
        emit({ kind: "sample", step, file: await run.writeSample(name, content), content });
      }
    });
    const late = performance.now() - savedAt >= checkpointMinutes * 60_000;
    if (unsaved && (improved || stalled() || isDue(options.checkpointEvery) || late || saved === step)) await checkpoint();
    progress = skipTime(progress, performance.now() / 1000);
  };

  try {
    if (step < steps && !stalled()) {
      const example = await nextBatch(step);
      for (const group of trainedTogether(objectives)) {
        const others = othersOf(objectives, trained, group);
        const settings = { accumulate, averaging, compile: options.compile ?? {} };
        const joint = await compileJointStep(group, statesOf(objectives, trained, group), others, example, settings);
        compiled.push({ group, joint });
      }
    }
    events = openEventWriter(run.path("tensorboard"), from ? { resumeStep: step + 1 } : {});
    emit({ kind: "start", step, steps, device: compiled[0]?.joint.device ?? "" });
    progress = skipTime(progress, performance.now() / 1000);

    let ended: LoopResult["ended"] = "finished";
    if (evaluationDue) await afterStep();
    while (step < steps) {
      if (stalled()) ended = "stopped-early";
      else if (options.signal?.aborted) ended = "interrupted";
      if (ended !== "finished") break;
      await takeStep();
      await afterStep();
    }
    if (unsaved) await checkpoint();
    return { ended, step, seconds: seconds(), params: current(), best };
  } finally {
    events?.close();
    for (const { joint } of compiled) await joint.dispose();
  }
}

function readPosition(from: Checkpoint | undefined): Required<Omit<Position, "best">> & Pick<LoopResult, "best"> {
  if (!from) return { best: undefined, sinceBest: 0, seconds: 0, evaluationDue: false };
  const { best, sinceBest, seconds, evaluationDue = false } = from.state as Position; // `checkpoint` wrote nothing else
  const measures = numbersByName(best?.measures ?? {}) as Record<string, number>;
  return { best: best ? { ...best, measures } : undefined, sinceBest, seconds, evaluationDue };
}

/** Reports as one flat record, as metrics.jsonl has it; with `prefixed`, each name begins with its objective's. */
export function flatReports(
  reports: Readonly<Record<string, StepReport>>,
  { prefixed }: { readonly prefixed: boolean },
): Record<string, number> {
  return Object.fromEntries(
    Object.entries(reports).flatMap(([objective, { loss, gradNorm, metrics, learningRate }]) =>
      Object.entries({ loss, gradNorm, ...metrics, learningRate }).map(
        ([what, value]) => [prefixed ? `${objective}/${what}` : what, value] as const,
      ),
    ),
  );
}
