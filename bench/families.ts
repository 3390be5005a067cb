/**
 * The training steps of all families: each preset of the benchmark as its recipe trains it, all objectives in one compiled step of the
 * library, on data like none.
 *
 * Their counterparts are in `peers/torch_families.py`.
 */
import { calendarWidth, characterTokenizer } from "../src/data/index.ts";
import {
  countedSteps,
  type ForecasterParams,
  loss as forecastLoss,
  init as initForecaster,
  type Windows,
} from "../src/models/forecaster.ts";
import { init, type WaveNetParams, forward as waveNet } from "../src/models/wavenet.ts";
import { categoricalLogProb } from "../src/nn/distributions.ts";
import { crossEntropy } from "../src/nn/index.ts";
import { mean, neg } from "../src/ops/index.ts";
import { schedule } from "../src/optim/index.ts";
import type { Backbone } from "../src/tasks/backbone.ts";
import { gruBackbone, lstmBackbone, rnnBackbone } from "../src/tasks/backbones/recurrent.ts";
import { lstmSequence, type SequenceBackbone, transformerSequence } from "../src/tasks/backbones/sequence.ts";
import { diffusionFamily } from "../src/tasks/families/diffusion.ts";
import { ganFamily } from "../src/tasks/families/gan.ts";
import { pixelCnnFamily } from "../src/tasks/families/pixelcnn.ts";
import { vaeFamily } from "../src/tasks/families/vae.ts";
import { forecastTask } from "../src/tasks/forecast/forecast.ts";
import type { TrainingOptions as ForecastOptions } from "../src/tasks/forecast/options.ts";
import { configure as configureWaveNet } from "../src/tasks/generate-audio/data.ts";
import type { TrainingOptions as AudioOptions } from "../src/tasks/generate-audio/options.ts";
import type { ImageFamily } from "../src/tasks/generate-image/image-family.ts";
import { configure as configureImages } from "../src/tasks/generate-image/train.ts";
import { type Options, presetOptions } from "../src/tasks/recipe.ts";
import { findRecipe, recipes } from "../src/tasks/recipes.ts";
import { networkConfig } from "../src/tasks/sequence/kept.ts";
import { clipOf, optimizerOf, parameterCount } from "../src/tasks/training.ts";
import type { TrainingOptions as SpeechOptions } from "../src/tasks/transcribe/options.ts";
import { type SpeechBatch, transcribeTask } from "../src/tasks/transcribe/transcribe.ts";
import { targetsOf } from "../src/train/counts.ts";
import type { Objective } from "../src/train/objective.ts";
import { beginStates, othersOf } from "../src/train/states.ts";
import { compileJointStep } from "../src/train/step.ts";
import { type NdArray, ndarray, sizeOf } from "../src/util/ndarray.ts";
import { fillNormal, fillUniform, fold, key } from "../src/util/random.ts";
import type { Tree } from "../src/util/tree.ts";

/** A preset made ready: what is trained, how, and a batch. */
export interface Preset {
  readonly params: Tree<NdArray>;
  readonly objectives: readonly Objective<never>[];
  readonly batch: unknown;
  /** Tokens, pictures or samples in a batch. */
  readonly units: number;
}

/** Moby Dick has 83 different characters. */
export const vocabulary = 83;

/** The options of a preset, whichever recipe has it. */
export function optionsOf(preset: string): Options {
  const recipe = recipes.find(({ presets }) => preset in presets);
  if (!recipe) throw new Error(`no recipe has the preset ${preset}`);
  return presetOptions(recipe, preset);
}

/** How the task would train with these options. */
function settings(options: Options): Pick<Objective<never>, "optimizer" | "learningRate" | "clip"> {
  const own = options as unknown as Parameters<typeof optimizerOf>[0] & Parameters<typeof schedule>[0]; // a preset has all of them
  return { optimizer: optimizerOf(own), learningRate: schedule(own), clip: clipOf(own) };
}

function ids(shape: readonly number[], below: number, stride: number): NdArray {
  return ndarray(
    "int32",
    shape,
    Int32Array.from({ length: sizeOf(shape) }, (_, i) => (i * i * stride + 3 * i) % below),
  );
}

export function recurrent<Config>({ model, configure }: Backbone<Config>, preset: string): Preset & { readonly config: Config } {
  const options = optionsOf(preset);
  const { batch, context } = options as { batch: number; context: number };
  const own = Object.fromEntries(
    ["layers", "width", "embedding", "norm", "dropout", "activation"].flatMap((name) =>
      name in options ? [[name, options[name]]] : [],
    ),
  );
  const config = configure(own, { vocabulary, context });
  const objective: Objective<{ tokens: NdArray; targets: NdArray }> = {
    name: "model",
    ...settings(options),
    loss: (params, { tokens, targets }, random) => ({
      loss: crossEntropy(model.forward(config, params, tokens, { key: random }), targets),
    }),
  };
  const shape = [batch, context];
  return {
    config,
    params: model.init(config, key(1)),
    objectives: [objective as unknown as Objective<never>],
    batch: { tokens: ids(shape, vocabulary, 7), targets: ids(shape, vocabulary, 11) },
    units: batch * context,
  };
}

/** @param side of the pictures the task would read */
export function pictures<Config>(
  family: ImageFamily<Config>,
  preset: string,
  side: number,
): Preset & { readonly config: Config } {
  const options = optionsOf(preset);
  const { batch } = options as { batch: number };
  const facts = { source: "", fingerprint: "", count: 0, channels: 1, height: side, width: side, classes: [] } as const;
  const config = configureImages(family, options, facts);
  const { learningRate, ...rest } = settings(options);
  const images = new Float32Array(batch * side * side);
  fillUniform(key(2), images);
  return {
    config,
    params: family.init(config, key(1)),
    objectives: family
      .objectives(config)
      .map(
        ({ rate = 1, ...objective }) =>
          ({ ...objective, ...rest, learningRate: (step: number) => rate * learningRate(step) }) as Objective<never>,
      ),
    batch: {
      images: ndarray("float32", [batch, 1, side, side], images),
      labels: ndarray("int32", [batch], new Int32Array(batch)),
    },
    units: batch,
  };
}

function speech(): Preset {
  const options = optionsOf("speech-wavenet") as AudioOptions;
  const config = configureWaveNet(options, { labels: [] } as never);
  const shape = [options.batch, options.window];
  const objective: Objective<{ samples: NdArray; targets: NdArray }> = {
    name: "model",
    ...settings(options),
    loss(params, { samples, targets }) {
      const prediction = waveNet(config, params as unknown as WaveNetParams, samples, {});
      return { loss: neg(mean(categoricalLogProb(prediction, targets))) };
    },
    counts: ({ targets }) => targetsOf(targets),
  };
  return {
    params: init(config, key(1)) as unknown as Tree<NdArray>,
    objectives: [objective as unknown as Objective<never>],
    batch: { samples: ids(shape, config.levels, 7), targets: ids(shape, config.levels, 11) },
    units: sizeOf(shape),
  };
}

/** Forecasting of twenty stations, as the preset has it: two calendars, seven covariates, the level. */
function forecast<Config>(backbone: SequenceBackbone<Config>): Preset {
  const options = presetOptions(findRecipe(`${backbone.name}/forecast`), "chicago-ridership") as Options & ForecastOptions;
  const { batch, context, horizon, lags, distribution, targets = [], knownCovariates, pastCovariates } = options;
  const length = context + horizon;
  const features = calendarWidth("day") + 2 * (knownCovariates.length + pastCovariates.length) + 2;
  const config = networkConfig({ task: forecastTask, backbone }, options);
  const model = { network: backbone.network, config, distribution, series: targets.length, lags, features };
  const normal = (shape: readonly number[], seed: number) => {
    const data = new Float32Array(sizeOf(shape));
    fillNormal(key(seed), data);
    return ndarray("float32", shape, data);
  };
  const known = [batch, length + Math.max(...lags)];
  const objective: Objective<{ [Name in keyof Windows]: NdArray }> = {
    name: "model",
    ...settings(options),
    loss: (params, windows, random) => ({
      loss: forecastLoss(model, params as unknown as ForecasterParams, windows, { key: random }),
    }),
    counts: ({ observed }) => countedSteps(model, observed),
  };
  return {
    params: initForecaster(model, key(1)) as unknown as Tree<NdArray>,
    objectives: [objective as unknown as Objective<never>],
    batch: {
      values: normal(known, 2),
      observed: ndarray("float32", known, new Float32Array(sizeOf(known)).fill(1)),
      features: normal([batch, length, features], 3),
      series: ids([batch], targets.length, 7),
      scale: ndarray("float32", [batch], new Float32Array(batch).fill(1)),
    },
    units: batch * length,
  };
}

/** Spoken words of 64 frames and 5 letters, as the preset has them, with SpecAugment. */
function transcribe<Config>(backbone: SequenceBackbone<Config>): Preset {
  const options = presetOptions(findRecipe(`${backbone.name}/transcribe`), "words") as Options & SpeechOptions;
  const { batch, bands } = options;
  const [frames, letters] = [64, 5];
  const config = networkConfig({ task: transcribeTask, backbone }, options);
  const assets = { tokenizer: characterTokenizer("abcdefghijklmnopqrstuvwxyz"), facts: { mean: [], deviation: [], texts: {} } };
  const model = transcribeTask.model({ network: backbone.network, config, assets, options });
  const features = new Float32Array(batch * frames * bands);
  fillNormal(key(2), features);
  const all = (value: number) => ndarray("int32", [batch], new Int32Array(batch).fill(value));
  const objective: Objective<SpeechBatch> = {
    name: "model",
    ...settings(options),
    loss: (params, given, random, step) => model.loss(params, given as never, random, step),
    ...(model.counts && { counts: model.counts }),
  };
  return {
    params: model.init(key(1)),
    objectives: [objective as unknown as Objective<never>],
    batch: {
      sounds: { features: ndarray("float32", [batch, frames, bands], features), frames: all(frames) },
      said: {
        labels: ndarray(
          "int32",
          [batch, letters],
          Int32Array.from({ length: batch * letters }, (_, i) => 1 + ((i * 7) % 26)),
        ),
        labelLengths: all(letters),
        weights: ndarray("float32", [batch], new Float32Array(batch).fill(1)),
      },
    },
    units: batch * frames,
  };
}

export const presets = {
  "chicago-lstm": () => forecast(lstmSequence),
  "chicago-transformer": () => forecast(transformerSequence),
  "words-lstm": () => transcribe(lstmSequence),
  "words-transformer": () => transcribe(transformerSequence),
  "moby-rnn": () => recurrent(rnnBackbone, "moby-rnn"),
  "moby-gru": () => recurrent(gruBackbone, "moby-gru"),
  "moby-lstm": () => recurrent(lstmBackbone, "moby-lstm"),
  "fashion-vae": () => pictures(vaeFamily, "fashion-vae", 28),
  "fashion-pixelcnn": () => pictures(pixelCnnFamily, "fashion-pixelcnn", 28),
  "fashion-gan": () => pictures(ganFamily, "fashion-gan", 32),
  "fashion-ddpm": () => pictures(diffusionFamily, "fashion-ddpm", 28),
  "speech-wavenet": speech,
} satisfies Record<string, () => Preset>;
export type PresetName = keyof typeof presets;

export interface PresetStep {
  /** One step of every objective on the same batch. Resolves to the loss of the first. */
  run(): Promise<number>;
  readonly facts: { readonly tokens: number; readonly parameters: number };
  /** Frees the graph and writes its profile, if one was asked for. */
  dispose(): Promise<void>;
}

/**
 * The whole training step of a preset.
 *
 * @param profile prefix of the file that ONNX Runtime's profile goes to
 */
export async function presetStep(name: PresetName, threads: number, profile?: string): Promise<PresetStep> {
  const { params, objectives, batch, units } = presets[name]();
  const trained = beginStates(params, objectives, { averaging: false, from: undefined });
  const others = othersOf(objectives, trained, objectives);
  const compile = { device: "cpu", threads, ...(profile && { profile }) } as const;
  const settings = { accumulate: 1, averaging: 0, compile };
  const compiled = await compileJointStep(objectives, trained.states, others, batch as never, settings);
  let count = 0;
  return {
    facts: { tokens: units, parameters: parameterCount(params) },
    async run() {
      count++;
      const results = await compiled.run(trained.states, others, batch as never, { step: count, key: fold(key(1), count) });
      for (const [i, { state }] of results.entries()) trained.states[i] = state;
      return results[0]?.report.loss ?? Number.NaN;
    },
    dispose: () => compiled.dispose(),
  };
}
