/** A trained retriever as a part of another task. */
import type { Tokenizer } from "../../data/index.ts";
import type { DualEncoderConfig } from "../../models/dual-encoder.ts";
import { init } from "../../models/dual-encoder.ts";
import type { Device } from "../../runtime/index.ts";
import { openRun, restoreTree } from "../../train/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import type { NdArray } from "../../util/ndarray.ts";
import { key } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import { gruSequence, lstmSequence, rnnSequence, type SequenceBackbone, transformerSequence } from "../backbones/sequence.ts";
import type { Passage } from "../sequence/corpus.ts";
import { networkConfig, readAssets } from "../sequence/kept.ts";
import { specialTokens } from "../sequence/special-tokens.ts";
import { readSides } from "../sequence/train.ts";
import { encodePair } from "./data.ts";
import type { TrainingOptions } from "./options.ts";
import { retrieveTask } from "./retrieve.ts";
import { useRetriever } from "./use.ts";

/** Finds the k best of some passages for each question: their places in the list, the best first. */
export type FindPassages = (questions: readonly string[], k: number) => Promise<number[][]>;

const backbones: readonly SequenceBackbone<never>[] = [transformerSequence, lstmSequence, gruSequence, rnnSequence] as never;

/**
 * Opens a run of a recipe `…/retrieve` to search in passages, by cosines and BM25 together in the shares that are best for its
 * validation queries.
 *
 * @throws HeptagenError `run/…`; `options/value` when the run is of another task
 */
export async function openRetriever(folder: string, passages: readonly Passage[], device: Device): Promise<FindPassages> {
  const run = await openRun(folder);
  const { recipe } = run.config;
  const backbone = backbones.find(({ name }) => recipe === `${name}/${retrieveTask.name}`);
  if (!backbone) {
    throw new HeptagenError("options/value", `expected a run of a recipe that retrieves, got ${folder}, which is of ${recipe}`, {
      next: "Name one that was trained with transformer/retrieve, or bm25.",
    });
  }
  const options = run.config.config as unknown as TrainingOptions;
  const tokenizer = (await readAssets(run)).tokenizer as Tokenizer;
  const model: DualEncoderConfig<never> = {
    network: backbone.network,
    config: networkConfig({ task: retrieveTask, backbone }, options),
    vocabulary: specialTokens(tokenizer).vocabulary,
    shared: options.encoders === "shared",
  };
  const { model: stored } = await run.loadModel();
  const params = restoreTree<unknown>(init(model, key(0)), stored, "model") as Tree<NdArray>;
  const own = async () => (await readSides(retrieveTask, options)).sides;
  const retriever = useRetriever(model, { tokenizer, options, device, folder: run.folder, own });
  const index = await retriever.index(params, passages);
  const { weight } = await retriever.own(params);
  return async (questions, k) => {
    const examples = questions.map((query) =>
      encodePair({ query, text: undefined, placed: { place: "the question" } }, tokenizer, options),
    );
    const hits = await retriever.search(params, index, examples, { k, mode: "hybrid", weight });
    return hits.map((some) => some.map(({ passage }) => passage));
  };
}
