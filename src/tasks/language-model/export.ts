/**
 * Writing a language model for other programs.
 *
 *   onnx          model.onnx: tokens [batch, time] → logits [batch, time, vocabulary], any batch and length; with the state of a
 *                 network that has one
 *   safetensors   a folder with model.safetensors, config.json and tokenizer.json: in Hugging Face's layout where the
 *                 architecture has one that computes the same, else under our own names
 */
import { mkdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { flattenParameters, writeFileAtomically, writeSafetensorsFile } from "../../train/index.ts";
import { stringifyJson } from "../../train/json.ts";
import type { Backbone } from "../backbone.ts";
import { exportOnnx } from "../export/onnx.ts";
import type { ExportedFile, ExportFormat } from "../recipe.ts";
import { saveHuggingFaceModel } from "./hugging-face.node.ts";
import type { LoadedLanguageModel } from "./sample.ts";

/**
 * Exports a model.
 *
 * @param out the file (onnx) or folder (safetensors) to write
 * @throws HeptagenError `export/…`, `storage/…`
 */
export function exportLanguageModel<Config>(
  backbone: Backbone<Config>,
  loaded: LoadedLanguageModel<Config>,
  { format, out }: { readonly format: ExportFormat; readonly out: string },
): Promise<ExportedFile[]> {
  return format === "onnx" ? writeOnnx(loaded, resolve(out)) : writeSafetensors(backbone, loaded, resolve(out));
}

async function writeOnnx<Config>(loaded: LoadedLanguageModel<Config>, file: string): Promise<ExportedFile[]> {
  const dataFile = `${file}.data`;
  const { model, data, checks } = await exportOnnx(loaded, { dataFile: dataFile.slice(dirname(file).length + 1) });
  await mkdir(dirname(file), { recursive: true });
  const files: ExportedFile[] = [];
  if (data) {
    const { bytes } = await writeFileAtomically(dataFile, data);
    files.push({ file: dataFile, bytes, note: "the numbers of the model; keep it beside the other file" });
  }
  const { bytes } = await writeFileAtomically(file, model);
  const state = loaded.model.recurrence ? ["state", "next_state"].map((name) => `, ${name}.… float32 [batch, width]`) : ["", ""];
  const signature = `tokens int64 [batch, time]${state[0]} → logits float32 [batch, time, vocabulary]${state[1]}`;
  const difference = Math.max(...checks.map((check) => check.difference)).toExponential(0);
  files.push({ file, bytes, note: `${signature}; checked at ${checks.length} sizes, largest difference ${difference}` });
  return files;
}

async function writeSafetensors<Config>(
  backbone: Backbone<Config>,
  loaded: LoadedLanguageModel<Config>,
  folder: string,
): Promise<ExportedFile[]> {
  const layout = backbone.layouts.find(({ obstacle }) => obstacle(loaded.config) === undefined);
  if (layout) {
    const note = `Hugging Face's layout of ${layout.modelType}`;
    return (await saveHuggingFaceModel(folder, loaded, layout)).map((file) => ({ ...file, note }));
  }
  await mkdir(folder, { recursive: true });
  const note = "Heptagen's names";
  const text = async (name: string, value: unknown) => {
    const file = join(folder, name);
    return { file, note, bytes: (await writeFileAtomically(file, `${stringifyJson(value, name)}\n`)).bytes };
  };
  const weights = join(folder, "model.safetensors");
  const { bytes } = await writeSafetensorsFile(weights, flattenParameters(loaded.params), { format: "pt" });
  return [
    { file: weights, bytes, note },
    await text("config.json", { model_type: `heptagen-${backbone.name}`, ...backbone.describe(loaded.config) }),
    await text("tokenizer.json", loaded.tokenizer.toJSON()),
  ];
}
