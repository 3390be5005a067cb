/** Training a language model: what the training loop needs to know about this task. */
import { resolve } from "node:path";
import { isTensor, type Tensor } from "../../core/index.ts";
import {
  lastingSource,
  randomWindows,
  type StreamBatch,
  streamWindows,
  type TokenBatch,
  type Tokenizer,
} from "../../data/index.ts";
import { languageScores, type ScoredText } from "../../metrics/language.ts";
import type { Recurrence } from "../../models/language-model.ts";
import { crossEntropy } from "../../nn/losses.ts";
import { mul } from "../../ops/index.ts";
import { schedule } from "../../optim/index.ts";
import {
  type Checkpoint,
  createRun,
  type LoopOptions,
  type Objective,
  resumeRun,
  type Training,
  type TrainingRun,
  targetsOf,
  trainLoop,
} from "../../train/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import type { NdArray } from "../../util/ndarray.ts";
import { fold, key } from "../../util/random.ts";
import { mapTree, type Tree } from "../../util/tree.ts";
import type { Backbone } from "../backbone.ts";
import type { NewRun, Options, TrainContext, TrainResult } from "../recipe.ts";
import { chooseDevice, clipOf, namedMeasures, optimizerOf, parameterCount, trainEvent } from "../training.ts";
import { versions } from "../versions.node.ts";
import { type PreparedText, prepareText, windowOf } from "./data.ts";
import { carriesState, sampleOptions, type TrainingOptions } from "./options.ts";
import type { LoadOrigin, Origin } from "./resolve.ts";
import { sampleText } from "./sample.ts";
import { compileCarriedScorer, compileScorer, resetsOf, type Scorer } from "./scores.ts";
import { configureModel, predictedText } from "./trained.ts";

type AllOptions = TrainingOptions & Options;

/** Windows scored at once in validation. */
const scoringBatch = 32;
/** What samples during training are drawn with. */
const sampleTemperature = 0.7;

/** Trains a new run. */
export async function trainRun<Config>(
  backbone: Backbone<Config>,
  recipe: string,
  { options, origin }: { readonly options: AllOptions; readonly origin: Origin | undefined },
  context: NewRun,
): Promise<TrainResult> {
  if (carriesState(options) && options.accumulate > 1) {
    throw new HeptagenError("options/value", `train: carryState needs accumulate 1, got ${options.accumulate}`, {
      next: "A step goes on with the states of the one before: raise the batch instead.",
    });
  }
  const text = await prepareText(options, origin?.tokenizer);
  configureModel(backbone, options, text.tokenizer); // checked before anything is written
  const run = await createRun(context.out, {
    recipe,
    seed: options.seed,
    config: withFullPaths(options),
    versions: await versions(),
    data: { source: text.source, fingerprint: text.fingerprint, characters: text.characters, documents: text.documents },
  });
  try {
    await run.writeTokenizer(text.tokenizer.toJSON());
    return await trainOn(backbone, { run, options, text, checkpoint: undefined, start: origin?.params }, context);
  } finally {
    await run.close();
  }
}

/** A run is resumed and evaluated from any folder, so it keeps full paths. */
function withFullPaths({ data, initFrom, ...options }: AllOptions): Options {
  return {
    ...(data !== undefined && { data: [data].flat().map((source) => (source === "-" ? source : lastingSource(source))) }),
    ...(initFrom !== undefined && { initFrom: resolve(initFrom) }),
    ...options,
  };
}

/** Goes on with a run from its last checkpoint. */
export async function resumeTraining<Config>(
  backbone: Backbone<Config>,
  folder: string,
  {
    tokenizerOf,
    loadOrigin,
  }: { readonly tokenizerOf: (run: TrainingRun) => Promise<Tokenizer>; readonly loadOrigin: LoadOrigin },
  context: TrainContext,
): Promise<TrainResult> {
  const { run, checkpoint } = await resumeRun(folder);
  try {
    for (const { message } of checkpoint?.warnings ?? []) context.onEvent?.({ kind: "warning", message });
    const options = run.config.config as AllOptions; // checked when the run was made
    const text = await prepareText(options, await tokenizerOf(run));
    if (text.fingerprint !== run.config.data.fingerprint) {
      throw new HeptagenError("data/changed", `${text.source} has changed since ${folder} was trained on it`, {
        facts: { expected: run.config.data.fingerprint, got: text.fingerprint },
        next: "Restore the text, or start a new run from this one with --init-from.",
      });
    }
    // A run that ended before its first checkpoint begins again where it began.
    const origin = checkpoint || options.initFrom === undefined ? undefined : await loadOrigin(options.initFrom);
    return await trainOn(backbone, { run, options, text, checkpoint, start: origin?.params }, context);
  } finally {
    await run.close();
  }
}

interface Prepared {
  readonly run: TrainingRun;
  readonly options: AllOptions;
  readonly text: PreparedText;
  /** Where to go on. */
  readonly checkpoint: Checkpoint | undefined;
  /** Parameters to start from; new ones without. */
  readonly start: Tree<NdArray> | undefined;
}

async function trainOn<Config>(
  backbone: Backbone<Config>,
  { run, options, text, checkpoint, start }: Prepared,
  { device, signal, onEvent = () => undefined }: TrainContext,
): Promise<TrainResult> {
  const { model } = backbone;
  const { tokenizer, train, validation } = text;
  const root = key(options.seed);
  const config = configureModel(backbone, options, tokenizer);
  const window = windowOf(options);
  const target = device ?? (await chooseDevice(onEvent));
  let scorer: Scorer | undefined;
  const carried = carriesState(options) ? model.recurrence : undefined;
  const score = async (weights: Tree<NdArray>): Promise<ScoredText> => {
    scorer ??= carried
      ? await compileCarriedScorer(carried, config, weights, { context: window, device: target, endOfText: tokenizer.endOfText })
      : await compileScorer(model, config, weights, { context: window, batch: scoringBatch, device: target });
    const scores = await scorer.score(weights, validation);
    return { ...scores, ...predictedText(text.validationTexts, tokenizer, validation) };
  };
  const common = { name: "model", optimizer: optimizerOf(options), learningRate: schedule(options), clip: clipOf(options) };
  const size = { batch: options.batch, context: window };
  const objective: Objective<TokenBatch> = carried
    ? { ...common, ...carriedObjective(carried, config, size.batch, tokenizer) }
    : {
        ...common,
        loss: (weights, { tokens, targets }, random) => ({
          loss: crossEntropy(model.forward(config, weights, tokens, { key: random }), targets),
        }),
        counts: ({ targets }) => targetsOf(targets),
      };
  const training: Training<TokenBatch> = {
    params: start ?? model.init(config, fold(root, "parameters")),
    objectives: [objective],
    batch: (carried ? streamWindows : randomWindows)(train, size, fold(root, "batches")),
    unitsPerBatch: options.batch * window,
    ...(validation.length > 0 && {
      async evaluate(weights) {
        const { nats, perplexity, bitsPerCharacter } = languageScores(await score(weights));
        return { measures: { loss: nats, perplexity, bitsPerCharacter }, score: nats };
      },
    }),
    async sample(weights, step) {
      const loaded = { model, config, params: weights, tokenizer, context: options.context, device: target };
      const given = { prompt: options.prompt, maxTokens: options.sampleTokens, temperature: sampleTemperature, seed: step };
      let content = options.prompt ?? "";
      for await (const event of sampleText(loaded, sampleOptions.parse(given))) {
        if (event.kind === "text") content += event.text;
      }
      return { name: `step-${String(step).padStart(8, "0")}.txt`, content };
    },
  };
  try {
    const facts = factsOf(text, training.params, options, target);
    const settings: LoopOptions = {
      ...options,
      compile: { device: target },
      ...(signal && { signal }),
      onEvent: (event) => onEvent(trainEvent(event, { run: run.folder, facts, unit: "tokens", measureNames })),
    };
    const { ended, step, seconds, best } = await trainLoop(run, training, settings, checkpoint);
    return { run: run.folder, ended, step, seconds, measures: namedMeasures(best?.measures ?? {}, measureNames) };
  } finally {
    await scorer?.dispose();
  }
}

/** Learning from texts that go on: each step begins with the states in which the one before left its rows. */
function carriedObjective<Config>(
  recurrence: Recurrence<Config>,
  config: Config,
  batch: number,
  tokenizer: Tokenizer,
): Pick<Objective<StreamBatch>, "carry" | "loss"> {
  return {
    carry: recurrence.blank(config, batch),
    loss(weights, { tokens, targets, continues }, key, _step, before) {
      const state = mapTree(before, isTensor, (leaf: Tensor) => mul(leaf, continues)) as Tree<Tensor>;
      const resets = resetsOf(tokens, tokenizer.endOfText);
      const { logits, state: carry } = recurrence.forward(config, weights, tokens, { state, resets, key });
      return { loss: crossEntropy(logits, targets), carry };
    },
  };
}

/** What measures of the validation text are called. */
const measureNames: Readonly<Record<string, string>> = {
  loss: "validation loss",
  perplexity: "perplexity",
  bitsPerCharacter: "bits per character",
};

/** What is trained on what, for people. */
function factsOf(
  text: PreparedText,
  params: Tree<NdArray>,
  options: AllOptions,
  device: string,
): Readonly<Record<string, string>> {
  const whole = (value: number) => value.toLocaleString("en");
  return {
    text: `${text.source}: ${whole(text.characters)} characters, of which ${Math.round(options.validation * 100)} % for validation`,
    tokens: `${whole(text.tokenizer.vocabularySize)} different (${text.tokenizer.kind}), ${whole(text.train.length)} to learn from`,
    model: `${whole(parameterCount(params))} parameters`,
    device: `${device} (others: heptagen devices)`,
  };
}
