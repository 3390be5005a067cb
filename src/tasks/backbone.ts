/**
 * A backbone: an architecture together with what a user may choose about it.
 *
 * Tasks work with backbones and never name one. A recipe joins a task with a backbone and presets; the registry of recipes is
 * the only place that lists architectures.
 */
import type { z } from "zod";
import type { HuggingFaceLayout } from "../models/hugging-face.ts";
import type { LanguageModel } from "../models/language-model.ts";

/** Sizes that follow from the data and the task rather than from the user's choice of architecture. */
export interface SequenceSizes {
  /** Number of different tokens. */
  readonly vocabulary: number;
  /** Tokens the model reads at once in training. */
  readonly context: number;
}

/** An architecture for sequences, and its options. */
export interface Backbone<Config = unknown> {
  /** The family's name in recipes. */
  readonly name: string;
  readonly model: LanguageModel<Config>;
  /** The options a user may set, each described. Keys never coincide with those of a task. */
  readonly options: z.ZodObject;
  /** The architecture's full configuration. */
  configure(options: Readonly<Record<string, unknown>>, sizes: SequenceSizes): Config;
  /** The other way: options and sizes that give this configuration. */
  describe(config: Config): Readonly<Record<string, unknown>> & SequenceSizes;
  /** Layouts of Hugging Face's in which it reads and writes models. */
  readonly layouts: readonly HuggingFaceLayout<Config>[];
}
