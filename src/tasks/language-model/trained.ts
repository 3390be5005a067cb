/** A trained language model: opened from a run, then sampled, evaluated, inspected and exported. */
import { encodeTexts, type Tokenizer, tokenizerFromJSON } from "../../data/index.ts";
import { languageScores, measureText, type ScoredText } from "../../metrics/language.ts";
import { openRun, type Run, restoreTree } from "../../train/index.ts";
import { parseJson } from "../../train/json.ts";
import { HeptagenError } from "../../util/errors.ts";
import type { NdArray } from "../../util/ndarray.ts";
import { key } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import type { Backbone } from "../backbone.ts";
import { parseOptions } from "../options.ts";
import {
  checkStop,
  type EvaluateContext,
  type Inspection,
  type Measure,
  type OpenContext,
  type Options,
  type Recipe,
  type SampleEvent,
  type TrainedModel,
} from "../recipe.ts";
import { curvesOf, parametersOf } from "../training.ts";
import { drawAttention } from "./attention-maps.node.ts";
import { readTexts, splitSource, windowOf } from "./data.ts";
import { exportLanguageModel } from "./export.ts";
import { loadHuggingFaceModel } from "./hugging-face.node.ts";
import {
  carriesState,
  type EvaluateOptions,
  evaluateOptions,
  type GivenSampleOptions,
  type InspectOptions,
  inspectOptions,
  sampleOptions,
  type TrainingOptions,
} from "./options.ts";
import { type LoadedLanguageModel, promptTokens, sampleText } from "./sample.ts";
import { compileCarriedScorer, compileScorer } from "./scores.ts";
import { drawStates } from "./state-maps.node.ts";

/** Windows scored at once. */
const scoringBatch = 8;
/** Tokens of an attention picture, and of one of states, when no text is given: few enough to be labelled. */
const pictureTokens = { attention: 24, states: 72 };
/** Letters of the validation text that are enough for pictures and for gradients. */
const pictureText = 1000;
const gradientText = 20_000;

/** A trained language model, with its options typed. */
export interface TrainedLanguageModel extends TrainedModel {
  sample(options: GivenSampleOptions): AsyncIterable<SampleEvent>;
  evaluate(options: EvaluateOptions, context?: EvaluateContext): Promise<readonly Measure[]>;
  inspect(options: InspectOptions): Promise<Inspection>;
}

/** A language model as a run keeps it. */
export interface OpenedRun<Config> extends LoadedLanguageModel<Config> {
  readonly run: Run;
  readonly options: TrainingOptions & Options;
}

/**
 * Loads the best model of a run.
 *
 * @throws HeptagenError `run/…`, `parameters/mismatch`
 */
export async function loadRun<Config>(
  backbone: Backbone<Config>,
  folder: string,
  { device, onWarning }: OpenContext,
): Promise<OpenedRun<Config>> {
  const run = await openRun(folder);
  const options = run.config.config as TrainingOptions & Options; // checked when the run was made
  const tokenizer = await readTokenizer(run);
  const config = configureModel(backbone, options, tokenizer);
  const { model, warnings } = await run.loadModel();
  for (const { message } of warnings) onWarning?.(message);
  const params = restoreTree<unknown>(backbone.model.init(config, key(0)), model, "model") as Tree<NdArray>;
  return { run, options, model: backbone.model, config, params, tokenizer, context: options.context, device };
}

/** The tokenizer of a run. */
export async function readTokenizer(run: Run): Promise<Tokenizer> {
  const file = run.path("tokenizer.json");
  const text = await run.readTokenizer();
  if (text !== undefined) return tokenizerFromJSON(parseJson(text, file), file);
  throw new HeptagenError("run/no-tokenizer", `expected ${file}, got none`, { next: "The run is damaged: train it again." });
}

/**
 * Loads a model from a folder in Hugging Face's layout.
 *
 * @throws HeptagenError `hugging-face/…` and those of the layout
 */
export async function loadFolder<Config>(
  backbone: Backbone<Config>,
  folder: string,
  { device }: OpenContext,
): Promise<LoadedLanguageModel<Config>> {
  const loaded = await loadHuggingFaceModel(folder, backbone.layouts);
  return { ...loaded, model: backbone.model, context: backbone.describe(loaded.config).context, device };
}

/**
 * The architecture's configuration out of a run's options. The tokenizer says how many tokens there are; a model that training
 * started from may have room for more.
 */
export function configureModel<Config>(backbone: Backbone<Config>, options: Options, tokenizer: Tokenizer): Config {
  const own = Object.fromEntries(Object.keys(backbone.options.shape).map((name) => [name, options[name]]));
  const vocabulary = options.initFrom === undefined ? tokenizer.vocabularySize : (options.vocabulary as number);
  const sizes = { vocabulary, context: options.context as number };
  const config = backbone.configure(own, sizes);
  backbone.model.check(config);
  return config;
}

/** What a trained model can do, whatever it was loaded from. */
export function trainedModel<Config>(
  { recipe, backbone }: { readonly recipe: Recipe; readonly backbone: Backbone<Config> },
  loaded: LoadedLanguageModel<Config>,
  opened?: OpenedRun<Config>,
): TrainedLanguageModel {
  return {
    recipe,
    sample: (options) => sampleText(loaded, parseOptions("sample", sampleOptions, options)),
    async evaluate(given, context = {}) {
      const options = parseOptions("eval", evaluateOptions, given);
      const own = options.data === undefined;
      if (own && !opened) {
        throw new HeptagenError("options/value", "eval: expected data, got none: this model has no validation text of its own", {
          next: "Name a text with --data.",
        });
      }
      const texts = own && opened ? await validationTexts(opened) : await readTexts(options);
      const window = opened ? windowOf(opened.options) : loaded.context;
      return evaluateTexts(loaded, texts, { window, carried: carriesState(opened?.options ?? {}) }, context);
    },
    async inspect(given) {
      const options = parseOptions("inspect", inspectOptions, given);
      return inspectModel(loaded, options, opened);
    },
    export(format, out) {
      const name = format === "onnx" ? "model.onnx" : "safetensors";
      return exportLanguageModel(backbone, loaded, { format, out: out ?? opened?.run.path(name) ?? name });
    },
  };
}

/**
 * Loss, perplexity and bits of texts. Every token but the first is predicted once, in consecutive windows, as in validation.
 *
 * @throws HeptagenError `data/too-short`, `tokenizer/unknown-character`, `evaluate/interrupted`
 */
async function evaluateTexts<Config>(
  { model, config, params, tokenizer, device }: LoadedLanguageModel<Config>,
  texts: readonly string[],
  { window, carried }: { readonly window: number; readonly carried: boolean },
  context: EvaluateContext,
): Promise<Measure[]> {
  const ids = encodeTexts(texts, tokenizer);
  const predicted = ids.length - 1;
  if (predicted < 1) {
    throw new HeptagenError("data/too-short", `eval: expected a text of at least two tokens, got ${ids.length}`, {
      next: "Choose a longer text.",
    });
  }
  const size = { context: Math.min(window, predicted), batch: Math.min(scoringBatch, Math.ceil(predicted / window)), device };
  const { endOfText } = tokenizer;
  const scorer =
    carried && model.recurrence
      ? await compileCarriedScorer(model.recurrence, config, params, { context: window, device, endOfText })
      : await compileScorer(model, config, params, size);
  const look = (done: number) => {
    checkStop(context);
    context.onEvent?.({ kind: "progress", what: "reading", done });
  };
  const scores = await scorer.score(params, ids, look).finally(() => scorer.dispose());
  return measuresOf({ ...scores, ...predictedText(texts, tokenizer, ids) });
}

/** Length of the text that is predicted: all but the first token. */
export function predictedText(
  texts: readonly string[],
  tokenizer: Tokenizer,
  ids: Int32Array,
): Pick<ScoredText, "characters" | "bytes"> {
  const whole = measureText(texts.join(""));
  const first = measureText(tokenizer.decode(ids.subarray(0, 1)));
  return { characters: whole.characters - first.characters, bytes: whole.bytes - first.bytes };
}

/** Scores of a text as named numbers. */
function measuresOf(scored: ScoredText): Measure[] {
  const scores = languageScores(scored);
  return [
    { key: "loss", name: "loss (nats per token)", value: scores.nats, better: "lower" },
    { key: "perplexity", name: "perplexity", value: scores.perplexity, better: "lower" },
    { key: "bitsPerCharacter", name: "bits per character", value: scores.bitsPerCharacter, better: "lower" },
    { key: "bitsPerByte", name: "bits per byte", value: scores.bitsPerByte, better: "lower" },
    { key: "tokens", name: "tokens", value: scored.tokens },
  ];
}

/** The validation texts of a run. */
async function validationTexts<Config>({ options, run }: OpenedRun<Config>): Promise<string[]> {
  const { validation, fingerprint } = await splitSource(options);
  if (fingerprint !== run.config.data.fingerprint) {
    throw new HeptagenError(
      "data/changed",
      "the text this run was trained on has changed since, so its validation split is unknown",
      {
        facts: { expected: run.config.data.fingerprint, got: fingerprint },
        next: "Restore the text, or name another one with --data (--text for inspect).",
      },
    );
  }
  return validation;
}

async function inspectModel<Config>(
  loaded: LoadedLanguageModel<Config>,
  { text, out }: { readonly text?: string | undefined; readonly out?: string | undefined },
  opened: OpenedRun<Config> | undefined,
): Promise<Inspection> {
  const own = text === undefined && opened ? (await validationTexts(opened)).join("\n").trimStart() : text;
  const { recurrence } = loaded.model;
  const room = recurrence ? pictureTokens.states : Math.min(pictureTokens.attention, loaded.context);
  const tokens = text === undefined ? room : loaded.context;
  const ids = promptTokens(loaded.tokenizer, own?.slice(0, text === undefined ? pictureText : own.length)).slice(0, tokens);
  const stream = recurrence ? promptTokens(loaded.tokenizer, own?.slice(0, gradientText)) : ids;
  const folder = out ?? opened?.run.path("inspect") ?? "inspect";
  const { pictures, measures } = await drawStates(loaded, { ids, stream }, folder);
  return {
    config: opened?.options ?? (loaded.config as Options),
    parameters: parametersOf(loaded.params),
    curves: opened ? await curvesOf(opened.run) : [],
    pictures: [...(await drawAttention(loaded, ids, folder)), ...pictures],
    ...(measures.length > 0 && { measures }),
  };
}
