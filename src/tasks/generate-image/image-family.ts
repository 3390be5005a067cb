/**
 * A family of image models: what the image task asks of it, so that VAE, GAN, PixelCNN and diffusion are interchangeable.
 *
 * The task reads pictures, trains, evaluates, samples, draws and exports, and never names a family. A recipe joins the task with
 * a family and presets.
 *
 * Legend: B pictures at once, C channels (1 grey, 3 RGB), H height, W width. Pictures are float32 [B, C, H, W] from 0 (black) to 1
 * (white); labels are int32 [B], and all 0 where a model does not know classes.
 */
import type { z } from "zod";
import type { Tensor, TracedKey } from "../../core/index.ts";
import type { Device } from "../../runtime/index.ts";
import type { Counted, LossResult } from "../../train/index.ts";
import type { NdArray } from "../../util/ndarray.ts";
import type { Key } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import type { ModelGraph } from "../export/graphs.ts";
import type { Measure, Options } from "../recipe.ts";

/** Sizes that follow from the data. */
export interface ImageSizes {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** Number of classes that pictures are made of on demand; 0 for a model that does not know classes. */
  readonly classes: number;
}

/** Pictures with their classes. */
export interface Pictures<Leaf = NdArray> {
  readonly images: Leaf;
  readonly labels: Leaf;
}

/** What a family minimises. The task adds optimizer, schedule and clipping. */
export interface ImageObjective {
  readonly name: string;
  /** As in `Objective`: the top-level entry of the parameters that it changes, and how often. */
  readonly trains?: string;
  readonly every?: number;
  /** Its learning rate, relative to the one the user sets; 1 unless told. */
  readonly rate?: number;
  /** Traced. `step` is a float32 scalar, counted from 1. */
  loss(params: Tree<Tensor>, batch: Pictures<Tensor>, key: TracedKey, step: Tensor): LossResult;
  /** As in `Objective`: over how many pictures the loss is a mean, where they do not depend on each other. */
  counts?(batch: Pictures): number;
}

/** What to make in one run of a sampler. */
export interface PictureRequest {
  readonly seed: number;
  /** int32 [B] */
  readonly labels: NdArray;
  /** Pictures to start from, and which of their parts to make anew: float32 [B, 1, H, W], 1 for anew, 0 for kept. */
  readonly given?: { readonly images: NdArray; readonly mask: NdArray };
  readonly signal?: AbortSignal | undefined;
  /** Called with the part that is done, from 0 to 1, where sampling takes steps, and with what there is to see by then. */
  readonly onProgress?: ((done: number, images?: NdArray) => void) | undefined;
}

/** A compiled sampler. */
export interface PictureSampler {
  /** Makes pictures: float32 [B, C, H, W]. The same request makes the same pictures. */
  run(params: Tree<NdArray>, request: PictureRequest): Promise<NdArray>;
  dispose(): Promise<void>;
}

export interface SamplerSettings {
  /** B: pictures made at once. */
  readonly count: number;
  /** Checked by `sampling`. */
  readonly options: Options;
  /** Whether requests carry pictures to start from. */
  readonly given: boolean;
  readonly device: Device | undefined;
}

/** What a family's pictures for `inspect` are drawn from. */
export interface InspectedModel<Config> {
  readonly config: Config;
  readonly params: Tree<NdArray>;
  readonly device: Device | undefined;
  /** Held-out pictures in their own order, B up to a few thousand. */
  readonly validation: Pictures;
  /** Pictures that the model learnt from, B up to as many: to tell whether it knows them by heart. */
  readonly training: Pictures;
  /** Names of the classes; empty without. */
  readonly classes: readonly string[];
  readonly seed: number;
}

/** A picture for `inspect`: a PNG and what it shows. */
export interface InspectionPicture {
  /** Of the file, without its ending: `reconstructions`. */
  readonly name: string;
  readonly caption: string;
  readonly content: Uint8Array;
}

export interface ImageFamily<Config = unknown> {
  /** The family's name in recipes. */
  readonly name: string;
  /** What a user may choose about architecture and loss, each described. Keys never coincide with those of the task. */
  readonly options: z.ZodObject;
  /** What a user may choose in sampling, each with a default and described. */
  readonly sampling: z.ZodObject;
  /** What a user may choose in evaluation, each with a default and described; nothing unless told. */
  readonly evaluation?: z.ZodObject;
  /** Whether its sampler can start from pictures: to change them, or to make masked parts anew. */
  readonly startsFrom: boolean;
  /**
   * The full configuration.
   *
   * @throws HeptagenError `options/value` naming the first value that does not fit
   */
  configure(options: Options, sizes: ImageSizes): Config;
  init(config: Config, key: Key): Tree<NdArray>;
  objectives(config: Config): readonly ImageObjective[];
  /**
   * Traced: sums and counts over held-out pictures, by the key of a measure. `mask` is float32 [B], 0 for pictures that only fill
   * up the batch. Likelihoods are nats per picture; the task adds bits per dimension to the measure `nats`. `options` are those of
   * `evaluation`; there are none while training, where measures should take little time.
   */
  measure?(
    config: Config,
    params: Tree<Tensor>,
    batch: Pictures<Tensor> & { readonly mask: Tensor },
    key: TracedKey,
    options: Options | undefined,
  ): Readonly<Record<string, Counted>>;
  /** What the measures are called, for people. */
  readonly measureNames: Readonly<Record<string, string>>;
  /** The measure that decides which parameters are the best (lower is better); the newest are, unless told. */
  readonly score?: string | ((config: Config) => string);
  /** Compiles a sampler. Of `params`, only shapes matter. */
  openSampler(config: Config, params: Tree<NdArray>, settings: SamplerSettings): Promise<PictureSampler>;
  /** Pictures of the model at work, and figures that need no picture. */
  inspect(
    model: InspectedModel<Config>,
  ): Promise<{ readonly pictures: readonly InspectionPicture[]; readonly measures: readonly Measure[] }>;
  /** What is exported. */
  graphs(config: Config): readonly ModelGraph[];
  /**
   * Looks for what goes wrong in this family (posterior collapse, mode collapse). Called for each new run; the function it returns
   * sees the figures of every step and of every evaluation (keys as in metrics.jsonl) and returns a warning with advice, once.
   */
  watch?(config: Config): (step: number, values: Readonly<Record<string, number>>) => string | undefined;
}
