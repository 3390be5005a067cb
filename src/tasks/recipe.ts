/**
 * A recipe: a family and a task with defaults that work, named `family/task`.
 *
 * The command line and the server know tasks through this interface only: options are zod objects, results are text, numbers,
 * pictures and files.
 */
import type { z } from "zod";
import type { Device } from "../runtime/index.ts";
import { HeptagenError, nearest } from "../util/errors.ts";

/** Options by key, checked by the schema they belong to. */
export type Options = Readonly<Record<string, unknown>>;

export interface Recipe<Given extends object = Options, Model extends TrainedModel = TrainedModel> {
  /** `family/task` */
  readonly name: string;
  readonly summary: string;
  /** Everything that training takes. */
  readonly options: z.ZodObject;
  /** Named sets of options that belong together; the first is used unless another is asked for. */
  readonly presets: Readonly<Record<string, Preset>>;
  /** What a trained run takes when it samples, is evaluated and is inspected. */
  readonly abilities: {
    readonly sample: z.ZodObject;
    readonly evaluate: z.ZodObject;
    readonly inspect: z.ZodObject;
    /** Where a model answers questions put to it: a sentence to translate, a text to classify. */
    readonly predict?: z.ZodObject;
  };
  /** Ending of the files that samples are written to (option `out`): `.png`, `.wav`. Without one, samples are text. */
  readonly sampleFile?: string;
  /**
   * Trains a new run.
   *
   * @param given the options to set; the preset has the others
   * @returns when training is done or was interrupted
   */
  train(given: Given, context: NewRun): Promise<TrainResult>;
  /** Goes on with a run. */
  resume(run: string, context: TrainContext): Promise<TrainResult>;
  /** Opens a trained run to use it. */
  open(run: string, context?: OpenContext): Promise<Model>;
  /** Whether a folder that is not a run holds a model in another layout that this recipe opens. */
  recognises?(folder: string): Promise<boolean>;
}

/** A named set of options. */
export interface Preset {
  readonly summary: string;
  readonly options: Options;
}

export interface OpenContext {
  readonly device?: Device;
  readonly onWarning?: (message: string) => void;
}

export interface TrainContext {
  readonly device?: Device;
  /** Stops training after the step under way, with a checkpoint. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: TrainEvent) => void;
}

export interface NewRun extends TrainContext {
  /** Where the run is written: a new or empty folder. */
  readonly out: string;
  /** The recipe's first unless set. */
  readonly preset?: string;
}

/** What happens while a run trains. */
export type TrainEvent =
  | {
      readonly kind: "start";
      readonly run: string;
      /** Steps already done, and steps in all. */
      readonly step: number;
      readonly steps: number;
      readonly device: string;
      /** What is trained on what, for people: name and value. */
      readonly facts: Readonly<Record<string, string | number>>;
    }
  | {
      readonly kind: "step";
      readonly step: number;
      readonly loss: number;
      readonly learningRate: number;
      /** In `unit` per second. */
      readonly throughput: number;
      readonly unit: string;
      readonly secondsLeft: number;
    }
  | { readonly kind: "evaluation"; readonly step: number; readonly measures: readonly Measure[]; readonly best: boolean }
  | { readonly kind: "sample"; readonly step: number; readonly text?: string; readonly file: string }
  | { readonly kind: "checkpoint"; readonly step: number }
  /** What is done besides training. */
  | { readonly kind: "note"; readonly message: string }
  | { readonly kind: "warning"; readonly message: string };

/** A number with a name. */
export interface Measure {
  /** Stable, for programs: `bitsPerCharacter`. */
  readonly key: string;
  /** For people: "bits per character". */
  readonly name: string;
  readonly value: number;
  /** Which values are the better ones, where some are. */
  readonly better?: "lower" | "higher";
}

export interface TrainResult {
  readonly run: string;
  readonly ended: "finished" | "interrupted" | "stopped-early";
  readonly step: number;
  readonly seconds: number;
  /** Of the best parameters, on the validation data. */
  readonly measures: readonly Measure[];
}

/** What an evaluation tells, and what ends it early. */
export interface EvaluateContext {
  /** Ends the evaluation with `evaluate/interrupted`; nothing is left half done. */
  readonly signal?: AbortSignal;
  readonly onEvent?: (event: EvaluateEvent) => void;
}

/** What happens while a model is evaluated. */
export type EvaluateEvent =
  /** How much of something that takes long is done, from 0 to 1. */
  | { readonly kind: "progress"; readonly what: string; readonly done: number }
  /** What a user should know: what is done besides measuring, and what is not measured and why. */
  | { readonly kind: "note"; readonly message: string };

/** @throws HeptagenError `evaluate/interrupted` when the signal says so */
export function checkStop({ signal }: Pick<EvaluateContext, "signal">): void {
  if (signal?.aborted) throw new HeptagenError("evaluate/interrupted", "the evaluation was interrupted; nothing was stored");
}

/** A trained run, ready to use. Options are checked by the schemas of `Recipe.abilities`. */
export interface TrainedModel {
  readonly recipe: Recipe;
  /** Samples as they are made, piece by piece. */
  sample(options: Options): AsyncIterable<SampleEvent>;
  evaluate(options: Options, context?: EvaluateContext): Promise<readonly Measure[]>;
  inspect(options: Options): Promise<Inspection>;
  /** Answers to inputs, in their order, as records that JSON can hold; where the recipe has the ability. */
  predict?(inputs: Iterable<PredictInput> | AsyncIterable<PredictInput>, options: Options): AsyncIterable<Options>;
  /** Writes the model for other programs, into the run's folder unless told. */
  export(format: ExportFormat, out?: string): Promise<readonly ExportedFile[]>;
}

/** Something to answer: a text, or a record with the fields that the task reads. `place` says where it came from, for errors. */
export interface PredictInput {
  readonly value: unknown;
  readonly place: string;
}

/** A piece of one sample, which `end` closes; or a file that was written: a picture, a sheet of pictures, a recording. */
export type SampleEvent =
  | { readonly kind: "text"; readonly sample: number; readonly text: string; readonly logProbabilities?: readonly TokenScore[] }
  | { readonly kind: "end"; readonly sample: number; readonly reason: "stop" | "length" }
  | { readonly kind: "file"; readonly file: string; readonly caption: string }
  /** How much is done where samples take long, from 0 to 1. */
  | { readonly kind: "progress"; readonly done: number };

export interface TokenScore {
  readonly token: string;
  /** In nats. */
  readonly logProbability: number;
}

/** What there is to see of a run. */
export interface Inspection {
  readonly config: Options;
  readonly parameters: readonly { readonly name: string; readonly shape: readonly number[]; readonly count: number }[];
  /** Measurements over training, oldest first. */
  readonly curves: readonly {
    readonly name: string;
    readonly points: readonly { readonly step: number; readonly value: number }[];
  }[];
  readonly pictures: readonly { readonly file: string; readonly caption: string }[];
  /** Figures of what the pictures show, where a family has some. */
  readonly measures?: readonly Measure[];
}

export const exportFormats = ["onnx", "safetensors"] as const;
export type ExportFormat = (typeof exportFormats)[number];

export interface ExportedFile {
  readonly file: string;
  readonly bytes: number;
  /** What it holds and how to use it. */
  readonly note: string;
}

/**
 * The options of a preset; of the first one when no name is given.
 *
 * @throws HeptagenError `recipe/preset`, suggesting the nearest
 */
export function presetOptions({ name, presets }: Pick<Recipe, "name" | "presets">, preset: string | undefined): Options {
  const names = Object.keys(presets);
  const found = presets[preset ?? (names[0] as string)];
  if (found) return found.options;
  const near = preset === undefined ? undefined : nearest(preset, names);
  throw new HeptagenError("recipe/preset", `${name} has no preset "${preset}"`, {
    facts: { preset, known: names },
    next: near ? `Did you mean "${near}"?` : `There are: ${names.join(", ")}.`,
  });
}
