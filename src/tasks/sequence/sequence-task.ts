/**
 * A task on sequences: what a user asks for, whatever network answers.
 *
 *   read → split → learn (tokenizer, labels) → encode ─┐
 *                                                      ├─ training step → run → evaluate, predict
 *   network + the task's own layers → model ───────────┘
 *
 * A task says how its examples are read and encoded, which layers it puts around a network, and what it measures and predicts.
 * Everything else (runs, resuming, fine-tuning, splits, the command line) is the same for all and lies beside this file.
 */
import type { z } from "zod";
import type { Tensor, TracedKey } from "../../core/index.ts";
import type { Tokenizer } from "../../data/index.ts";
import type { SequenceNetwork } from "../../models/sequence-network.ts";
import type { Device, Traced } from "../../runtime/index.ts";
import type { LossResult } from "../../train/index.ts";
import type { NdArray } from "../../util/ndarray.ts";
import type { Key } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import type { ModelGraph } from "../export/graphs.ts";
import type { EvaluateContext, Inspection, Measure, Options } from "../recipe.ts";

/** What was learnt from the training data besides parameters; kept with the run. */
export interface Assets<Facts = unknown> {
  /** Where a task reads text. */
  readonly tokenizer?: Tokenizer;
  /** Plain data that JSON can hold: labels, scales. */
  readonly facts: Facts;
}

/** The three parts of the data. */
export interface Sides<Raw> {
  readonly train: readonly Raw[];
  readonly validation: readonly Raw[];
  /** For the figure that counts; may be empty. */
  readonly test: readonly Raw[];
}

export type Side = keyof Sides<unknown>;

/** A task. `Raw` is an example as read, with the place it came from; `Example` is what the model is given. */
export interface SequenceTask<Given extends object, Raw, Facts, Example, Batch> {
  /** Its name in recipes: "translate". */
  readonly name: string;
  /** All options of training but the network's own: `sequenceOptions` and those of the task. */
  readonly options: z.ZodObject;
  readonly abilities: {
    readonly sample: z.ZodObject;
    readonly evaluate: z.ZodObject;
    readonly inspect: z.ZodObject;
    readonly predict: z.ZodObject;
  };
  /** Whether its model has a decoder that reads: networks then offer what a user may choose about that (`decoderOptions`). */
  readonly reads?: boolean;
  /** Options, besides `recordOptions`, that describe one set of data: what a preset or a run says there does not go for other data. */
  readonly dataOptions?: readonly string[];
  /** Options that describe data and that the model depends on: what a preset says there does not go for other data, but a run's does. */
  readonly columnOptions?: readonly string[];
  /** Options, besides those of data, that name files or runs: a run keeps their full paths, since it is resumed from any folder. */
  readonly pathOptions?: readonly string[];
  /** Ending of the files that samples are written to; without one, samples are text. */
  readonly sampleFile?: ".png";
  /**
   * Reads examples, those of the training's options or of an evaluation's.
   *
   * @param note takes what a user should know about what was read
   * @throws HeptagenError `data/…` with file and line
   */
  read(options: Given, note?: (message: string) => void): Promise<readonly Raw[]>;
  /** The example as text, place apart: what its fingerprint is made of. */
  identify(raw: Raw): string;
  /** @throws HeptagenError `data/…` when a side has nothing in it */
  split(raws: readonly Raw[], options: Given): Promise<Sides<Raw>>;
  /** What is learnt from the training side alone. `known` is the tokenizer of a run that training starts from. */
  learn(train: readonly Raw[], options: Given, known: Tokenizer | undefined): Promise<Assets<Facts>>;
  /** @throws HeptagenError `data/…` with file and line: an unknown label, a text of nothing */
  encode(raw: Raw, assets: Assets<Facts>, options: Given): Example;
  /** A line of what `predict` is given, as an example without an answer. `place` is for errors. */
  input(value: unknown, place: string, options: Given): Raw | Promise<Raw>;
  /** For people: what is learnt from what. */
  describe(sides: Sides<Example>, assets: Assets<Facts>, options: Given): Readonly<Record<string, string>>;
  /** What measures are called, by key. */
  readonly measureNames: Readonly<Record<string, string>>;
  /** What throughput counts: "words". */
  readonly unit: string;
  model<Config>(built: Built<Config, Given, Facts>): TaskModel<Raw, Example, Batch>;
}

/** What a task's model is made of. */
export interface Built<Config, Given, Facts> {
  readonly network: SequenceNetwork<Config>;
  readonly config: Config;
  readonly assets: Assets<Facts>;
  readonly options: Given;
}

/** A network with a task's layers around it. */
export interface TaskModel<Raw, Example, Batch> {
  /** Embeddings under `tokens`, what an encoder learns under `encoder`: so that other tasks can start from them. */
  init(key: Key): Tree<NdArray>;
  /** Traced once per shape of batches. */
  loss(params: Tree<Tensor>, batch: Traced<Batch>, key: TracedKey, step: Tensor): LossResult;
  /** Over how much of a batch the loss is a mean, where its examples do not depend on each other: as in `Objective`. */
  counts?(batch: Batch): number;
  batches(examples: readonly Example[], key: Key): Batches<Batch>;
  /**
   * Compiles what evaluation and prediction need, when they first need it.
   *
   * @param folder of a run that is done, where what takes long to make again may be kept
   */
  use(device: Device, folder?: string): TaskUse<Raw, Example>;
  /** What is exported as ONNX. */
  readonly graphs: readonly ModelGraph[];
}

/** Batches as a pure function of the step. */
export interface Batches<Batch> {
  batch(step: number): Batch;
  /** What throughput counts in a batch. */
  units(batch: Batch): number;
  /** Part of the places that is padding, over an epoch. */
  readonly padding: number;
}

/** A trained model at work. Parameters are given each time: while training goes on they change. */
export interface TaskUse<Raw, Example> {
  /** A quick look while training; the best run has the lowest score. */
  validate(
    params: Tree<NdArray>,
    examples: readonly Example[],
  ): Promise<{ readonly measures: Readonly<Record<string, number>>; readonly score: number }>;
  /** All that the field measures, with a baseline beside it. */
  evaluate(params: Tree<NdArray>, examples: readonly Example[], context: EvaluationContext<Raw>): Promise<readonly Measure[]>;
  /** Answers, as JSON can hold them, in the order of the examples. */
  predict(params: Tree<NdArray>, examples: readonly Example[], options: Options): Promise<readonly Options[]>;
  /** A few examples with the model's answers beside the true ones, for people. */
  show(params: Tree<NdArray>, examples: readonly Example[], options: Options): Promise<string | Uint8Array>;
  /** Draws what there is to see into a folder. */
  inspect(
    params: Tree<NdArray>,
    examples: readonly Example[],
    options: Options & { readonly out: string },
  ): Promise<Pick<Inspection, "pictures" | "measures">>;
  dispose(): Promise<void>;
}

export interface EvaluationContext<Raw> extends EvaluateContext {
  /** The evaluation's own options. */
  readonly options: Options;
  /** The examples as read. */
  readonly raws: readonly Raw[];
  /** What the run was trained on, for baselines; undefined when that data is no longer there. */
  training(): Promise<readonly Raw[] | undefined>;
}
