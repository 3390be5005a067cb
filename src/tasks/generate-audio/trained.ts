/** A trained model of sound: opened from a run, then sampled, evaluated, inspected and exported. */
import { mkdir } from "node:fs/promises";
import { basename, dirname, extname, join, resolve } from "node:path";
import { type AudioBatch, type Clip, consecutiveAudio, encodeWav, readAudio, readAudioFile } from "../../data/index.ts";
import { logSpectralDistance, multiResolutionDistance } from "../../metrics/index.ts";
import {
  type Conditions,
  dilationsOf,
  forward,
  init,
  receptiveField,
  type WaveNetConfig,
  type WaveNetParams,
} from "../../models/wavenet.ts";
import type { Device } from "../../runtime/index.ts";
import { openRun, type Run, restoreTree, writeFileAtomically } from "../../train/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import type { NdArray } from "../../util/ndarray.ts";
import { key } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import { exportGraphs, type ModelGraph } from "../export/graphs.ts";
import { parseOptions } from "../options.ts";
import {
  checkStop,
  type EvaluateContext,
  type Measure,
  type OpenContext,
  type Options,
  type Recipe,
  type SampleEvent,
  type TrainedModel,
} from "../recipe.ts";
import { curvesOf, namedMeasures, parametersOf } from "../training.ts";
import { drawGates, drawReceptiveField, drawSpectrograms, type Inspected, influences } from "./audio-pictures.node.ts";
import { joinPieces, openAudioWriter, wholeSounds } from "./audio-writer.ts";
import {
  type AudioFacts,
  configure,
  decodeSamples,
  encodeClips,
  encodeSamples,
  featuresOf,
  labelsFor,
  prepareAudio,
  windowOptions,
} from "./data.ts";
import {
  type EvaluateOptions,
  evaluateOptions,
  type GivenAudioSampleOptions,
  inspectOptions,
  type SampleOptions,
  sampleOptions,
  type TrainingOptions,
} from "./options.ts";
import { checkUnchanged, compileLikelihood, measureNames } from "./train.ts";

/** Held-out sounds that a made one is compared with, and others that they are compared with themselves, at most. */
const comparedSounds = 16;

/** A trained model of sound. */
export interface TrainedAudioModel extends TrainedModel {
  sample(options: GivenAudioSampleOptions & Options): AsyncIterable<SampleEvent>;
  /** Samples per second. */
  readonly rate: number;
  /**
   * Sounds as amplitudes, whole. Takes the options of sampling; `out` is not read.
   *
   * @example const [sound] = await model.sounds({ seconds: 1 });
   */
  sounds(options?: Options): Promise<Float32Array[]>;
}

/** A model of sound as a run keeps it. */
interface LoadedAudioModel {
  readonly run: Run;
  readonly options: TrainingOptions;
  readonly facts: AudioFacts;
  readonly config: WaveNetConfig;
  readonly params: Tree<NdArray>;
  readonly device: Device | undefined;
}

/**
 * Loads the best model of a run.
 *
 * @throws HeptagenError `run/…`, `parameters/mismatch`
 */
export async function loadAudioRun(folder: string, { device, onWarning }: OpenContext): Promise<LoadedAudioModel> {
  const run = await openRun(folder);
  const options = run.config.config as unknown as TrainingOptions; // checked when the run was made
  const facts = run.config.data as unknown as AudioFacts; // written by training
  const config = configure(options, facts);
  const { model, warnings } = await run.loadModel();
  for (const { message } of warnings) onWarning?.(message);
  const params = restoreTree<unknown>(init(config, key(0)), model, "model") as Tree<NdArray>;
  return { run, options, facts, config, params, device };
}

/** What a trained model can do. */
export function trainedAudioModel(recipe: Recipe, loaded: LoadedAudioModel): TrainedAudioModel {
  const { run, config, params, device, options: trained } = loaded;
  return {
    recipe,
    rate: trained.rate,
    sample: (given) => writeSamples(loaded, parseOptions("sample", sampleOptions, given)),
    sounds: (given = {}) => allSounds(loaded, parseOptions("sample", sampleOptions, given)),
    evaluate: (given, context = {}) => evaluate(loaded, parseOptions("eval", evaluateOptions, given), context),
    async inspect(given) {
      const options = parseOptions("inspect", inspectOptions, given);
      const folder = options.out ?? run.path("inspect");
      await mkdir(folder, { recursive: true });
      const { pictures, measures } = await draw(loaded, folder, options);
      return { config: { ...trained }, parameters: parametersOf(params), curves: await curvesOf(run), pictures, measures };
    },
    export: (format, out) =>
      exportGraphs(graphsOf(config, trained.window), params, {
        format,
        out: out ?? run.path(format),
        device,
        metadata: {
          "heptagen.recipe": recipe.name,
          "heptagen.config": JSON.stringify(config),
          "heptagen.rate": String(trained.rate),
          "heptagen.labels": JSON.stringify(loaded.facts.labels),
        },
      }),
  };
}

/** Makes sounds and writes each to a file. */
async function* writeSamples(loaded: LoadedAudioModel, options: SampleOptions): AsyncGenerator<SampleEvent> {
  const { run, facts } = loaded;
  const { numSamples, seed, out, prime, primeSeconds } = options;
  const labels = labelsFor(options.label, facts.labels, numSamples);
  const making = makeSounds(loaded, options);
  let step = await making.next();
  for (; !step.done; step = await making.next()) yield { kind: "progress", done: step.value };
  const sounds = step.value;
  const single = out !== undefined && extname(out).toLowerCase() === ".wav";
  const folder = resolve(out === undefined ? run.path("samples") : single ? dirname(out) : out);
  await mkdir(folder, { recursive: true });
  const stem = single ? out.slice(0, -4) : join(folder, `sample-seed-${seed}`);
  for (const [i, sound] of sounds.entries()) {
    const file = resolve(`${stem}${sounds.length > 1 ? `-${i + 1}` : ""}.wav`);
    await writeFileAtomically(file, await encodeWav(sound, loaded.options.rate));
    const label = labels && facts.labels[labels[i] as number];
    const about = [
      `${(sound.length / loaded.options.rate).toFixed(2)} s`,
      label,
      prime && `continues the first ${primeSeconds} s of ${prime}`,
    ];
    yield { kind: "file", file, caption: about.filter(Boolean).join(", ") };
  }
}

/** Makes sounds, and tells how much is done, from 0 to 1. */
async function* makeSounds(
  { config, params, device, facts, options: { rate } }: LoadedAudioModel,
  { seconds, numSamples, label, prime, primeSeconds, like, temperature, seed }: SampleOptions,
): AsyncGenerator<number, Float32Array[]> {
  if (like !== undefined && config.features === 0) {
    throw new HeptagenError("options/value", "sample: expected no sound to follow, as this model is no vocoder, got like", {
      next: "Continue the start of a sound with --prime, or train with --features 40.",
    });
  }
  const followed = like === undefined ? undefined : await readAudioFile(like, rate);
  const wanted = Math.round(seconds * rate);
  const begin = prime === undefined ? undefined : (await readAudioFile(prime, rate)).subarray(0, Math.round(primeSeconds * rate));
  if (begin && begin.length >= wanted) {
    throw new HeptagenError(
      "options/value",
      `sample: expected more seconds than primeSeconds, got ${seconds} and ${primeSeconds}`,
      {
        next: "The sound made is as long as --seconds says, with what it begins with.",
      },
    );
  }
  const writer = openAudioWriter(config, device);
  try {
    const request = {
      count: numSamples,
      length: followed ? Math.min(wanted, followed.length) : wanted,
      temperature,
      seed,
      labels: labelsFor(label, facts.labels, numSamples),
      ...(begin && { prime: encodeSamples(config, begin) }),
      ...(followed && { features: featuresOf(config, followed, rate) }),
    };
    const pieces: (readonly (Int32Array | Float32Array)[])[] = [];
    let written = 0;
    for await (const piece of writer.write(params, request)) {
      pieces.push(piece);
      written += piece[0]?.length ?? 0;
      yield written / request.length;
    }
    return joinPieces(pieces).map((sound) => decodeSamples(config, sound));
  } finally {
    await writer.dispose();
  }
}

async function allSounds(loaded: LoadedAudioModel, options: SampleOptions): Promise<Float32Array[]> {
  const making = makeSounds(loaded, options);
  let step = await making.next();
  while (!step.done) step = await making.next();
  return step.value;
}

/** The held-out clips of a run, or all where it kept none apart; and those it learnt from. */
async function ownClips({ run, options, facts }: LoadedAudioModel): Promise<{ held: readonly Clip[]; learnt: readonly Clip[] }> {
  const { dataset, facts: now } = await prepareAudio(options);
  checkUnchanged(now, facts, run.folder);
  return { held: dataset.validation.length > 0 ? dataset.validation : dataset.train, learnt: dataset.train };
}

async function evaluate(loaded: LoadedAudioModel, options: EvaluateOptions, context: EvaluateContext): Promise<Measure[]> {
  const { config, params, device, facts, options: trained } = loaded;
  const { data, skipBad, column, labelColumn, limit } = options;
  const clips =
    data === undefined
      ? (await ownClips(loaded)).held
      : (await readAudio(data, { rate: trained.rate, trim: trained.trim, skipBad, column, labelColumn, limit })).clips;
  checkLabels(clips, facts.labels);
  const windows = { ...windowOptions(config, trained), context: receptiveField(config) };
  const batches = consecutiveAudio(encodeClips(config, clips, facts.labels, trained.rate), windows);
  const likelihood = await compileLikelihood(config, params, batches[0] as AudioBatch, device);
  const measures = await likelihood.run(params, batches);
  await likelihood.dispose();
  const samples = clips.reduce((sum, clip) => sum + clip.samples.length, 0);
  return [
    ...namedMeasures(measures, measureNames),
    ...(options.clips > 0 ? await spectralMeasures(loaded, clips, options, context) : []),
    { key: "samples", name: "samples", value: samples },
  ];
}

function checkLabels(clips: readonly Clip[], known: readonly string[]): void {
  const other = known.length > 0 ? clips.find(({ label }) => !known.includes(label ?? "")) : undefined;
  if (!other) return;
  throw new HeptagenError(
    "data/labels",
    `${other.file}: expected one of the labels the model knows, got ${other.label ?? "none"}`,
    {
      facts: { known },
      next: `It knows: ${known.join(", ")}. Name the folders of the sounds like that.`,
    },
  );
}

/**
 * Spectral distances of sounds that the model makes from held-out ones. A vocoder follows held-out sounds and is compared with
 * these. For any other model it is the mean of two: how far what it makes is from the nearest held-out sound, and how far held-out
 * sounds are from the nearest that it makes (so neither noise in the middle of everything nor one good sound made again and again
 * is near). Beside it stands how far held-out sounds are from the nearest of the others: real sound from real sound.
 */
async function spectralMeasures(
  loaded: LoadedAudioModel,
  clips: readonly Clip[],
  options: EvaluateOptions,
  context: EvaluateContext,
): Promise<Measure[]> {
  const { config, params, device, facts, options: trained } = loaded;
  const { clips: count, seconds, temperature, seed } = options;
  const length = Math.max(1024, Math.round(seconds * trained.rate));
  const cut = (samples: Float32Array) => {
    const out = new Float32Array(length);
    out.set(samples.subarray(0, length));
    return out;
  };
  const real = clips.slice(0, comparedSounds).map(({ samples }) => cut(samples));
  const labelOf = (i: number) => Math.max(0, facts.labels.indexOf(clips[i % clips.length]?.label ?? ""));
  const writer = openAudioWriter(config, device);
  const made: Float32Array[] = [];
  try {
    for (let i = 0; i < count; i++) {
      const like = config.features > 0 ? featuresOf(config, real[i % real.length] as Float32Array, trained.rate) : undefined;
      const labels = facts.labels.length > 0 ? Int32Array.of(labelOf(i)) : undefined;
      const request = { count: 1, length, temperature, seed: seed + i, labels, features: like };
      const [values] = await wholeSounds(writer.write(params, request));
      made.push(decodeSamples(config, values as Int32Array));
      context.onEvent?.({ kind: "progress", what: "making sounds", done: (i + 1) / count });
      checkStop(context);
    }
  } finally {
    await writer.dispose();
  }
  const measured: Measure[] = [];
  const distances = [
    { key: "stftDistance", name: "multi-resolution STFT distance (nats)", between: multiResolutionDistance },
    { key: "logSpectralDistance", name: "log-spectral distance (dB)", between: logSpectralDistance },
  ];
  for (const { key: name, name: words, between } of distances) {
    const nearest = (sound: Float32Array, others: readonly Float32Array[]) =>
      Math.min(...others.map((other) => between(sound, other)));
    const paired = config.features > 0;
    const value = paired
      ? average(made.map((sound, i) => between(sound, real[i % real.length] as Float32Array)))
      : (average(made.map((sound) => nearest(sound, real))) + average(real.map((sound) => nearest(sound, made)))) / 2;
    measured.push({ key: name, name: words, value, better: "lower" });
    if (paired || real.length < 2) continue;
    const apart = real.map((sound, i) =>
      nearest(
        sound,
        real.filter((_, j) => j !== i),
      ),
    );
    measured.push({ key: `${name}OfReal`, name: `${words} among held-out sounds`, value: average(apart) });
  }
  return measured;
}

const average = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / values.length;

/** Draws the model at work. */
async function draw(
  loaded: LoadedAudioModel,
  folder: string,
  { seconds, seed }: { readonly seconds: number; readonly seed: number },
): Promise<{ pictures: { file: string; caption: string }[]; measures: Measure[] }> {
  const { config, params, device, facts, options: trained } = loaded;
  const { held } = await ownClips(loaded);
  const clip = held[0] as Clip; // prepareAudio leaves at least one
  const label = facts.labels.length > 0 ? [clip.label as string] : [];
  const like = config.features > 0 ? { like: clip.file } : {};
  const [made] = await allSounds(loaded, sampleOptions.parse({ seconds, seed, label, ...like }));
  const real = clip.samples.subarray(0, Math.round(seconds * trained.rate));
  const windows = windowOptions(config, { ...trained, batch: 1 });
  const [window] = consecutiveAudio(encodeClips(config, [clip], facts.labels, trained.rate), { ...windows, context: 0 });
  const { samples, targets, labels, frames } = window as AudioBatch;
  const conditions: Conditions<NdArray> = { ...(config.labels > 0 && { labels }), ...(frames && { frames }) };
  const inspected: Inspected = { config, params, device, samples, targets, conditions };
  const norms = await influences(inspected);
  const seen = receptiveField(config);
  const total = norms.reduce((sum, norm) => sum + norm, 0);
  let [half, sofar] = [0, 0];
  while (half < norms.length && sofar < total / 2) sofar += norms[norms.length - 1 - half++] as number;
  const drawn = [
    {
      name: "spectrograms",
      content: await drawSpectrograms(
        [
          { title: `made by the model${label.length > 0 ? ` (${label[0]})` : ""}`, samples: made as Float32Array },
          { title: `held out: ${clip.label ? `${clip.label}/` : ""}${basename(clip.file)}`, samples: real },
        ],
        trained.rate,
      ),
      caption: "a sound that the model made, above a held-out one",
    },
    {
      name: "receptive-field",
      content: await drawReceptiveField(norms, config, seen),
      caption: `which of the past ${Math.min(seen, norms.length)} samples a prediction depends on; half of it on the last ${half}`,
    },
    {
      name: "gates",
      content: await drawGates(inspected),
      caption: `how far the gates of ${dilationsOf(config).length} blocks are open`,
    },
  ];
  const pictures: { file: string; caption: string }[] = [];
  for (const { name, content, caption } of drawn) {
    const file = join(folder, `${name}.png`);
    await writeFileAtomically(file, content);
    pictures.push({ file, caption });
  }
  const measures = [
    { key: "receptiveField", name: "receptive field (samples)", value: seen },
    { key: "halfInfluence", name: "samples that hold half of the influence", value: half },
  ];
  return { pictures, measures };
}

/** What is exported: the whole network on windows as long as in training. */
function graphsOf(config: WaveNetConfig, time: number): ModelGraph[] {
  const whole = config.output === "mu-law";
  const given = [
    ...(config.labels > 0
      ? [{ name: "labels", dtype: "int32" as const, shape: ["batch" as const], note: "Label of each clip, from 0." }]
      : []),
    ...(config.features > 0
      ? [
          {
            name: "frames",
            dtype: "float32" as const,
            shape: ["batch" as const, time / config.hop + 2, config.features],
            note: "Mel bands of the window's frames, of one before and of one after.",
          },
        ]
      : []),
  ];
  return [
    {
      name: "model",
      inputs: [
        {
          name: "samples",
          dtype: whole ? "int32" : "float32",
          shape: ["batch", time],
          note: whole ? "Mu-law values from 0 to 255; 128 is silence." : "Amplitudes from -1 to 1.",
        },
        ...given,
      ],
      output: {
        name: "prediction",
        note: whole
          ? "Scores of the values of the sample that follows each position, [batch, time, 256]."
          : "Weights, means and log-scales of the mixture for the sample that follows each position.",
      },
      apply(params, samples, ...rest) {
        const [first, second] = rest;
        const conditions: Conditions = {
          ...(config.labels > 0 && first && { labels: first }),
          ...(config.features > 0 && { frames: (config.labels > 0 ? second : first) as NonNullable<typeof first> }),
        };
        return forward(config, params as unknown as WaveNetParams, samples as NonNullable<typeof samples>, conditions);
      },
    },
  ];
}
