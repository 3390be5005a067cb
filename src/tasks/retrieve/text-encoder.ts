/** Texts to vectors, many at a time, and the vectors of all passages kept in a run's folder so that they are made once. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Tensor } from "../../core/index.ts";
import type { Tokenizer } from "../../data/index.ts";
import { type DualEncoderConfig, type DualEncoderParams, embed, type TextKind } from "../../models/dual-encoder.ts";
import { type Device, jit } from "../../runtime/index.ts";
import { readSafetensorsFile, writeSafetensorsFile } from "../../train/index.ts";
import { isNdArray, type NdArray, ndarray } from "../../util/ndarray.ts";
import { flatten, type Tree } from "../../util/tree.ts";
import type { Passage } from "../sequence/corpus.ts";
import { inBatches, padRows } from "../sequence/in-batches.ts";
import { encodeText } from "../sequence/text.ts";
import type { Vectors } from "./search.ts";

/** @returns vectors of length 1, one after another, in the order of the texts */
export type TextEncoder = (
  params: Tree<NdArray>,
  kind: TextKind,
  texts: readonly Int32Array[],
  look?: (done: number) => void,
) => Promise<Vectors>;

export function textEncoder<Config>(model: DualEncoderConfig<Config>, device: Device): TextEncoder {
  const run = (kind: TextKind) =>
    jit<[Tree<NdArray>, NdArray, NdArray], Tensor>(
      (params, tokens, lengths) => embed(model, params as unknown as DualEncoderParams, kind, tokens, lengths),
      { device },
    );
  const runs = { query: run("query"), passage: run("passage") };
  const width = model.network.width(model.config);
  return async (params, kind, texts, look) => {
    const found = await inBatches(
      texts,
      (ids) => [ids.length],
      async (some, { rows, lengths: [length] }) => {
        const batch = padRows(some, { rows, length: length as number });
        const { data } = await runs[kind](params, batch.tokens, batch.lengths);
        return some.map((_, b) => (data as Float32Array).slice(b * width, (b + 1) * width));
      },
      look ? { look } : {},
    );
    const data = new Float32Array(texts.length * width);
    found.forEach((vector, i) => void data.set(vector, i * width));
    return { width, data };
  };
}

/** One vector of many. */
export const vectorAt = ({ width, data }: Vectors, i: number): Float32Array => data.subarray(i * width, (i + 1) * width);

/** Passages as tokens, the first `longest` of each. */
export function passageIds(tokenizer: Tokenizer, passages: readonly Passage[], longest: number): Int32Array[] {
  return passages.map(({ text, place }) => encodeText(tokenizer, text, longest, place));
}

/** What the vectors of a run's passages depend on. */
export function indexFingerprint(params: Tree<NdArray>, passages: readonly Passage[], longest: number): string {
  const hash = createHash("sha256").update(`${longest}\n`);
  for (const { path, leaf } of flatten(params, isNdArray)) {
    const { buffer, byteOffset, byteLength } = leaf.data as Float32Array;
    hash.update(path).update(new Uint8Array(buffer, byteOffset, byteLength));
  }
  for (const { text } of passages) hash.update(`${text.length}:`).update(text);
  return hash.digest("hex");
}

export interface KeptIndex {
  readonly vectors: Vectors;
  /** The best share of the cosine in a hybrid score, for the run's validation queries. */
  readonly weight: number;
}

const fileName = "index.safetensors";

/** The index in a run's folder, if it is of these parameters and passages. */
export async function readIndex(folder: string, fingerprint: string): Promise<KeptIndex | undefined> {
  const file = join(folder, fileName);
  if (!existsSync(file)) return undefined;
  const { tensors, metadata } = await readSafetensorsFile(file);
  const vectors = tensors.get("vectors");
  if (!vectors || metadata.fingerprint !== fingerprint) return undefined;
  return {
    vectors: { width: vectors.shape[1] as number, data: vectors.data as Float32Array },
    weight: Number(metadata.weight),
  };
}

export async function writeIndex(folder: string, fingerprint: string, { vectors, weight }: KeptIndex): Promise<void> {
  const { width, data } = vectors;
  const tensors = new Map([["vectors", ndarray("float32", [data.length / width, width], data)]]);
  await writeSafetensorsFile(join(folder, fileName), tensors, { fingerprint, weight: String(weight) });
}
