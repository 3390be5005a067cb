/**
 * Model folders in Hugging Face's layout, read and written:
 *
 *   config.json           what the model is; `model_type` says which layout it has
 *   model.safetensors     its arrays (F32, F16 or BF16), or several files listed by model.safetensors.index.json
 *   tokenizer.json        its tokenizer, or the older pair vocab.json and merges.txt
 */
import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { endOfTextName, type Tokenizer, tokenizerFromJSON } from "../../data/index.ts";
import { byteLevelJson } from "../../data/tokenizer.ts";
import type { HuggingFaceLayout, Json } from "../../models/hugging-face.ts";
import { errno, unreadable } from "../../train/durable.node.ts";
import { readSafetensorsFile, writeFileAtomically, writeSafetensorsFile } from "../../train/index.ts";
import { parseJson, stringifyJson } from "../../train/json.ts";
import { HeptagenError } from "../../util/errors.ts";
import type { NdArray } from "../../util/ndarray.ts";
import type { Tree } from "../../util/tree.ts";

/** A model with its tokenizer. */
export interface HuggingFaceModel<Config> {
  readonly config: Config;
  readonly params: Tree<NdArray>;
  readonly tokenizer: Tokenizer;
}

const files = {
  config: "config.json",
  weights: "model.safetensors",
  index: "model.safetensors.index.json",
  tokenizer: "tokenizer.json",
  vocabulary: "vocab.json",
  merges: "merges.txt",
  tokenizerConfig: "tokenizer_config.json",
} as const;

/** Whether a folder's config.json has the `model_type` of one of these layouts. False where it cannot be read. */
export async function isHuggingFaceFolder<Config>(
  folder: string,
  layouts: readonly HuggingFaceLayout<Config>[],
): Promise<boolean> {
  try {
    const { model_type: type } = await readJson(join(folder, files.config));
    return layouts.some(({ modelType }) => modelType === type);
  } catch {
    return false;
  }
}

/**
 * Loads a folder.
 *
 * @param layouts the kinds of model that the architecture can read
 * @throws HeptagenError `hugging-face/…`, `safetensors/…`, `tokenizer/…`, and those of the layout
 * @example const { config, params, tokenizer } = await loadHuggingFaceModel("models/gpt2", [gpt2]);
 */
export async function loadHuggingFaceModel<Config>(
  path: string,
  layouts: readonly HuggingFaceLayout<Config>[],
): Promise<HuggingFaceModel<Config>> {
  const folder = resolve(path);
  const source = join(folder, files.config);
  const json = await readJson(source);
  const layout = layouts.find(({ modelType }) => modelType === json.model_type);
  if (!layout) {
    const known = layouts.map(({ modelType }) => modelType);
    throw new HeptagenError(
      "hugging-face/model-type",
      `${source}: expected a model_type among ${known.join(", ")}, got ${JSON.stringify(json.model_type) ?? "none"}`,
      { facts: { source, known }, next: "Choose a model of a kind that Heptagen reads." },
    );
  }
  const config = layout.readConfig(json, source);
  const tokenizer = await readTokenizer(folder);
  const vocabulary = Number(json.vocab_size);
  if (tokenizer.vocabularySize > vocabulary) {
    throw new HeptagenError(
      "hugging-face/tokenizer",
      `${folder}: expected a tokenizer of at most ${vocabulary} tokens, got ${tokenizer.vocabularySize}`,
      { next: "Check that the tokenizer and the model belong together." },
    );
  }
  return { config, params: layout.readParams(config, await readWeights(folder, layout.skips), folder), tokenizer };
}

async function readWeights(folder: string, skips: (name: string) => boolean): Promise<Map<string, NdArray>> {
  const indexFile = join(folder, files.index);
  const index = await readText(indexFile);
  if (index === undefined) {
    const file = join(folder, files.weights);
    if (existsSync(file)) return (await readSafetensorsFile(file, { only: (name) => !skips(name) })).tensors;
    throw new HeptagenError("hugging-face/weights", `expected ${files.weights} or ${files.index} in ${folder}, got neither`, {
      facts: { folder },
      next: "Fetch it too, or convert pytorch_model.bin with the Python package safetensors.",
    });
  }
  const { weight_map: map } = parseJson(index, indexFile) as { weight_map?: unknown };
  if (typeof map !== "object" || map === null) {
    throw new HeptagenError("hugging-face/weights", `${indexFile}: expected weight_map, got none`);
  }
  const places = Object.entries(map);
  const stray = places.find(([, file]) => typeof file !== "string" || basename(file) !== file);
  if (stray) {
    throw new HeptagenError(
      "hugging-face/weights",
      `${indexFile}: expected the names of files beside it, got ${JSON.stringify(stray[1])} for "${stray[0]}"`,
    );
  }
  const where = new Map(places as [string, string][]);
  const tensors = new Map<string, NdArray>();
  for (const file of new Set(where.values())) {
    const only = (name: string) => where.get(name) === file && !skips(name);
    const part = await readSafetensorsFile(join(folder, file), { only });
    for (const [name, array] of part.tensors) tensors.set(name, array);
  }
  return tensors;
}

async function readTokenizer(folder: string): Promise<Tokenizer> {
  const file = join(folder, files.tokenizer);
  const text = await readText(file);
  if (text !== undefined) return tokenizerFromJSON(parseJson(text, file), file);
  const [vocabFile, mergesFile] = [join(folder, files.vocabulary), join(folder, files.merges)];
  const [vocab, merges] = [await readText(vocabFile), await readText(mergesFile)];
  if (vocab === undefined || merges === undefined) {
    throw new HeptagenError(
      "hugging-face/tokenizer",
      `expected ${files.tokenizer}, or ${files.vocabulary} and ${files.merges}, in ${folder}, got neither`,
      { facts: { folder }, next: "Fetch it too." },
    );
  }
  const ids = parseJson(vocab, vocabFile) as Record<string, number>;
  const lines = merges.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#version"));
  const pairs = lines.map((line) => line.trim().split(" ") as [string, string]);
  const end = ids[endOfTextName];
  const data = byteLevelJson(ids, pairs, { split: true, ...(end !== undefined && { endOfText: end }) });
  return tokenizerFromJSON(data, vocabFile);
}

/**
 * Writes a folder that Hugging Face's libraries, and `loadHuggingFaceModel`, read. config.json comes last: a folder without it
 * is not complete.
 *
 * @returns the files with their sizes
 * @throws HeptagenError when the layout has no place for the model (see `HuggingFaceLayout.obstacle`); `storage/…`
 */
export async function saveHuggingFaceModel<Config>(
  path: string,
  { config, params, tokenizer }: HuggingFaceModel<Config>,
  layout: HuggingFaceLayout<Config>,
): Promise<{ file: string; bytes: number }[]> {
  const folder = resolve(path);
  const end = tokenizer.endOfText;
  const ends = end === undefined ? {} : { bos_token_id: end, eos_token_id: end };
  const json = { ...layout.writeConfig(config), ...ends, torch_dtype: "float32" };
  await mkdir(folder, { recursive: true });
  const written: { file: string; bytes: number }[] = [];
  const text = async (name: string, value: unknown) => {
    const file = join(folder, name);
    written.push({ file, bytes: (await writeFileAtomically(file, `${stringifyJson(value, name)}\n`)).bytes });
  };
  const weights = join(folder, files.weights);
  const { bytes } = await writeSafetensorsFile(weights, layout.writeParams(config, params), { format: "pt" });
  written.push({ file: weights, bytes });
  await text(files.tokenizer, tokenizer.toJSON());
  await text(files.tokenizerConfig, {
    tokenizer_class: "PreTrainedTokenizerFast",
    ...(end !== undefined && { bos_token: endOfTextName, eos_token: endOfTextName }),
  });
  await text(files.config, json);
  return written;
}

async function readJson(file: string): Promise<Json> {
  const text = await readText(file);
  if (text === undefined) {
    throw new HeptagenError("hugging-face/missing", `expected ${file}, got nothing`, {
      facts: { file },
      next: "Name a folder with config.json, model.safetensors and tokenizer.json.",
    });
  }
  const json = parseJson(text, file);
  if (typeof json === "object" && json !== null && !Array.isArray(json)) return json as Json;
  throw new HeptagenError("hugging-face/missing", `${file}: expected a JSON object, got ${text.slice(0, 20)}`);
}

/** The text of a file; undefined where there is none. */
async function readText(file: string): Promise<string | undefined> {
  return readFile(file, "utf8").catch((error: unknown) => {
    if (errno(error) === "ENOENT" || errno(error) === "ENOTDIR") return undefined;
    throw unreadable(error, file);
  });
}
