/** Where a model looks: attention weights on a text, drawn as one picture a layer. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tensor } from "../../core/index.ts";
import { compile } from "../../runtime/index.ts";
import type { NdArray } from "../../util/ndarray.ts";
import type { Tree } from "../../util/tree.ts";
import { drawHeatMaps } from "../drawing/heat-map.node.ts";
import type { LoadedLanguageModel } from "./sample.ts";

/** The attention of one layer. */
export interface AttentionMap {
  /** As the model names it: `blocks.0.attention`. */
  readonly name: string;
  /** float32 [H, T, T]: how much token i (row) of each head H looks at token j; rows sum to 1. */
  readonly weights: NdArray;
}

/**
 * Attention weights on a text; empty for a model without attention.
 *
 * @param ids at least one token, at most the model's context
 */
async function attentionMaps<Config>(
  { model, config, params, device }: LoadedLanguageModel<Config>,
  ids: Int32Array,
): Promise<AttentionMap[]> {
  const time = ids.length;
  const tokens: NdArray = { dtype: "int32", shape: [1, time], data: ids };
  // Probes name tensors with dots, which a tree would take for its own structure.
  const names: string[] = [];
  const look = (weights: Tree<Tensor>, read: Tensor) => {
    const maps: Tensor[] = [];
    const probe = (name: string, tensor: Tensor) => {
      const [, , rows, columns] = tensor.shape;
      if (tensor.shape.length !== 4 || rows !== time || columns !== time) return;
      names.push(name);
      maps.push(tensor);
    };
    model.forward(config, weights, read, { probe });
    return maps;
  };
  const executable = await compile<[Tree<NdArray>, NdArray], Tensor[]>(look, [params, tokens], device ? { device } : {});
  const maps: readonly NdArray[] = await executable.run(params, tokens);
  await executable.dispose();
  return maps.map(({ dtype, shape, data }, i) => ({ name: names[i] as string, weights: { dtype, shape: shape.slice(1), data } }));
}

/**
 * Draws the attention on a text into a folder, one PNG a layer.
 *
 * @returns the files, with a caption each
 */
export async function drawAttention<Config>(
  loaded: LoadedLanguageModel<Config>,
  ids: Int32Array,
  folder: string,
): Promise<{ file: string; caption: string }[]> {
  const maps = await attentionMaps(loaded, ids);
  if (maps.length === 0) return [];
  await mkdir(folder, { recursive: true });
  const labels = Array.from(ids, (id) => loaded.tokenizer.decode([id]));
  const pictures: { file: string; caption: string }[] = [];
  for (const { name, weights } of maps) {
    const file = join(folder, `${name.replace(/[^\w]+/g, "-")}.png`);
    await writeFile(file, await drawHeatMaps(weights, { title: `${name}: each row shows where that token looks`, labels }));
    pictures.push({ file, caption: `${weights.shape[0]} heads, ${ids.length} tokens` });
  }
  return pictures;
}
