/**
 * Models from elsewhere: what an architecture must tell so that folders in Hugging Face's layout (`config.json`,
 * `model.safetensors`) can be read and written. The files themselves are the task's business.
 */
import type { NdArray } from "../util/ndarray.ts";
import type { Tree } from "../util/tree.ts";

/** Plain data, as JSON holds it. */
export type Json = Readonly<Record<string, unknown>>;

/** How one kind of model is laid out there, for an architecture configured by `Config`. */
export interface HuggingFaceLayout<Config> {
  /** `model_type` in config.json. */
  readonly modelType: string;
  /**
   * The configuration that computes the same.
   *
   * @param source the file's name, for messages
   * @throws HeptagenError naming the first setting that this architecture does not have
   */
  readConfig(json: Json, source: string): Config;
  /** Whether an array of the file is no parameter and need not be read. */
  skips(name: string): boolean;
  /**
   * The parameters out of the file's arrays.
   *
   * @throws HeptagenError naming every missing, unexpected or differently shaped array
   */
  readParams(config: Config, tensors: ReadonlyMap<string, NdArray>, source: string): Tree<NdArray>;
  /** Why a model of this configuration cannot be laid out so; undefined when it can. */
  obstacle(config: Config): string | undefined;
  /** config.json of a model that can. */
  writeConfig(config: Config): Json;
  /** The arrays of its model.safetensors, by name. */
  writeParams(config: Config, params: Tree<NdArray>): Map<string, NdArray>;
}
