/** Training a model of sound: what the training loop needs to know about this task. */
import type { Tensor } from "../../core/index.ts";
import { constant } from "../../core/index.ts";
import { type AudioBatch, audioWindows, consecutiveAudio, encodeWav, lastingSource } from "../../data/index.ts";
import {
  type Conditions,
  forward,
  init,
  logProb,
  receptiveField,
  type WaveNetConfig,
  type WaveNetParams,
} from "../../models/wavenet.ts";
import { div, maximum, mul, neg, sum } from "../../ops/index.ts";
import { schedule } from "../../optim/index.ts";
import type { Device } from "../../runtime/index.ts";
import {
  type Checkpoint,
  type Counted,
  compileEvaluation,
  createRun,
  type Evaluation,
  resumeRun,
  sumOf,
  type Training,
  type TrainingRun,
  trainLoop,
} from "../../train/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import { type NdArray, scalar } from "../../util/ndarray.ts";
import { fold, key } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import type { NewRun, Options, TrainContext, TrainResult } from "../recipe.ts";
import { chooseDevice, clipOf, namedMeasures, optimizerOf, parameterCount, trainEvent } from "../training.ts";
import { versions } from "../versions.node.ts";
import { type AudioWriter, openAudioWriter, wholeSounds } from "./audio-writer.ts";
import {
  type AudioFacts,
  configure,
  decodeSamples,
  encodeClips,
  featuresOf,
  labelsFor,
  type PreparedAudio,
  prepareAudio,
  windowOptions,
} from "./data.ts";
import type { TrainingOptions } from "./options.ts";

/** Windows measured in validation while training, at most: the whole of much sound would take longer than learning from it. */
const validationWindows = 128;

/** What measures are called. */
export const measureNames: Readonly<Record<string, string>> = {
  nats: "nats per sample",
  bitsPerSample: "bits per sample",
};

/** Trains a new run. */
export async function trainRun(recipe: string, options: TrainingOptions, context: NewRun): Promise<TrainResult> {
  const audio = await prepareAudio(options);
  configure(options, audio.facts); // checked before anything is written
  const { data, ...rest } = options;
  const run = await createRun(context.out, {
    recipe,
    seed: options.seed,
    // A run is resumed and evaluated from any folder, so it keeps full paths.
    config: { ...(data !== undefined && { data: [data].flat().map(lastingSource) }), ...rest },
    versions: await versions(),
    data: { ...audio.facts },
  });
  try {
    return await trainOn({ run, options, audio, checkpoint: undefined }, context);
  } finally {
    await run.close();
  }
}

/** Goes on with a run from its last checkpoint. */
export async function resumeTraining(folder: string, context: TrainContext): Promise<TrainResult> {
  const { run, checkpoint } = await resumeRun(folder);
  try {
    for (const { message } of checkpoint?.warnings ?? []) context.onEvent?.({ kind: "warning", message });
    const options = run.config.config as unknown as TrainingOptions; // checked when the run was made
    const audio = await prepareAudio(options);
    checkUnchanged(audio.facts, run.config.data as unknown as AudioFacts, folder);
    return await trainOn({ run, options, audio, checkpoint }, context);
  } finally {
    await run.close();
  }
}

/** @throws HeptagenError `data/changed` */
export function checkUnchanged(got: AudioFacts, expected: AudioFacts, folder: string): void {
  if (got.fingerprint === expected.fingerprint) return;
  throw new HeptagenError("data/changed", `${got.source}: the sound has changed since ${folder} was trained on it`, {
    facts: { expected: expected.fingerprint, got: got.fingerprint },
    next: "Restore the files, or train a new run.",
  });
}

/** Negative log-probabilities of what counts in a batch: their sum, and how many they are. */
function nats(config: WaveNetConfig, params: Tree<Tensor>, batch: AudioBatch<Tensor>): Counted {
  const { samples, targets, counted, labels, frames } = batch;
  const conditions: Conditions = { ...(config.labels > 0 && { labels }), ...(frames && { frames }) };
  const prediction = forward(config, params as unknown as WaveNetParams, samples, conditions);
  return { sum: neg(sum(mul(logProb(config, prediction, targets), counted))), count: sum(counted) };
}

/** A compiled likelihood of windows, in nats and bits per sample. */
export async function compileLikelihood(
  config: WaveNetConfig,
  params: Tree<NdArray>,
  example: AudioBatch,
  device: Device | undefined,
): Promise<{
  run(params: Tree<NdArray>, batches: readonly AudioBatch[]): Promise<Record<string, number>>;
  dispose(): Promise<void>;
}> {
  const evaluation: Evaluation<AudioBatch> = await compileEvaluation<AudioBatch>(
    (own, batch) => ({ nats: nats(config, own, batch as unknown as AudioBatch<Tensor>) }),
    params,
    example,
    device ? { device } : {},
  );
  return {
    async run(own, batches) {
      const { nats: mean } = (await evaluation.run(own, batches)) as { nats: number };
      return { nats: mean, bitsPerSample: mean / Math.LN2 };
    },
    dispose: () => evaluation.dispose(),
  };
}

interface Prepared {
  readonly run: TrainingRun;
  readonly options: TrainingOptions;
  readonly audio: PreparedAudio;
  /** Where to go on. */
  readonly checkpoint: Checkpoint | undefined;
}

async function trainOn(
  { run, options, audio, checkpoint }: Prepared,
  { device, signal, onEvent = () => undefined }: TrainContext,
): Promise<TrainResult> {
  const { dataset, facts } = audio;
  const { rate, seed } = options;
  for (const { file, reason } of dataset.skipped) onEvent({ kind: "warning", message: `${file} was left out: ${reason}` });
  const root = key(seed);
  const config = configure(options, facts);
  const target = device ?? (await chooseDevice(onEvent));
  const windows = windowOptions(config, options);
  const train = encodeClips(config, dataset.train, facts.labels, rate);
  const validation = encodeClips(config, dataset.validation, facts.labels, rate);
  const held = consecutiveAudio(validation, { ...windows, context: receptiveField(config), most: validationWindows });
  const params = init(config, fold(root, "parameters")) as unknown as Tree<NdArray>;

  let likelihood: Awaited<ReturnType<typeof compileLikelihood>> | undefined;
  let writer: AudioWriter | undefined;
  const training: Training<AudioBatch> = {
    params,
    objectives: [
      {
        name: "model",
        loss(own, batch) {
          const measured = nats(config, own, batch as unknown as AudioBatch<Tensor>);
          return { loss: div(measured.sum, maximum(measured.count, constant(scalar(1)))) };
        },
        counts: ({ counted }) => sumOf(counted),
        optimizer: optimizerOf(options),
        learningRate: schedule(options),
        clip: clipOf(options),
      },
    ],
    batch: audioWindows(train, windows, fold(root, "batches")),
    unitsPerBatch: options.batch * options.window,
    ...(held.length > 0 && {
      async evaluate(weights) {
        likelihood ??= await compileLikelihood(config, weights, held[0] as AudioBatch, target);
        const measures = await likelihood.run(weights, held);
        return { measures, score: measures.nats as number };
      },
    }),
    async sample(weights, step) {
      writer ??= openAudioWriter(config, target);
      // A vocoder follows the first held-out sound.
      const follow = config.features > 0 ? (dataset.validation[0] ?? dataset.train[0])?.samples : undefined;
      const wanted = Math.round(options.sampleSeconds * rate);
      const length = follow ? Math.min(wanted, follow.length) : wanted;
      const sounds = await wholeSounds(
        writer.write(weights, {
          count: 1,
          length,
          temperature: 1,
          seed: step,
          labels: labelsFor([], facts.labels, 1),
          ...(follow && { features: featuresOf(config, follow, rate) }),
        }),
      );
      const content = await encodeWav(decodeSamples(config, sounds[0] as Int32Array), rate);
      return { name: `step-${String(step).padStart(8, "0")}.wav`, content };
    },
  };
  const words = { run: run.folder, facts: factsOf(audio, config, params, options, target), unit: "samples", measureNames };
  try {
    const settings = {
      ...options,
      compile: { device: target },
      ...(signal && { signal }),
      onEvent: (event: Parameters<typeof trainEvent>[0]) => onEvent(trainEvent(event, words)),
    };
    const { ended, step, seconds, best } = await trainLoop(run, training, settings, checkpoint);
    return { run: run.folder, ended, step, seconds, measures: namedMeasures(best?.measures ?? {}, measureNames) };
  } finally {
    await likelihood?.dispose();
    await writer?.dispose();
  }
}

/** What is trained on what, for people. */
function factsOf(
  { dataset, facts }: PreparedAudio,
  config: WaveNetConfig,
  params: Tree<NdArray>,
  { rate }: Pick<TrainingOptions, "rate">,
  device: string,
): Readonly<Record<string, string>> {
  const whole = (value: number) => value.toLocaleString("en");
  const seen = receptiveField(config);
  const labels = facts.labels.length > 0 ? `, ${facts.labels.length} labels` : "";
  return {
    sound: `${facts.source}: ${facts.clips} clips, ${facts.seconds.toFixed(1)} s at ${whole(rate)} Hz${labels}; ${dataset.validation.length} for validation`,
    model: `${whole(parameterCount(params))} parameters; sees ${whole(seen)} samples (${((1000 * seen) / rate).toFixed(0)} ms)`,
    device: `${device} (others: heptagen devices)`,
  } satisfies Options as Readonly<Record<string, string>>;
}
