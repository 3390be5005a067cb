/**
 * A GPT-2 folder in Hugging Face's layout (test/golden/fixtures/gpt2-tiny) against what PyTorch makes of it: tokens, logits, loss,
 * and the text that follows a prompt.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import type { Tensor } from "../../src/core/index.ts";
import { gpt2 } from "../../src/models/gpt2.ts";
import { transformer } from "../../src/models/transformer.ts";
import { crossEntropy } from "../../src/nn/losses.ts";
import { slice } from "../../src/ops/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { generate } from "../../src/tasks/language-model/generate.ts";
import {
  isHuggingFaceFolder,
  loadHuggingFaceModel,
  saveHuggingFaceModel,
} from "../../src/tasks/language-model/hugging-face.node.ts";
import { flattenParameters, readSafetensors, writeSafetensors } from "../../src/train/index.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import type { Tree } from "../../src/util/tree.ts";

const folder = fileURLToPath(new URL("./fixtures/gpt2-tiny/", import.meta.url));
const expected = JSON.parse(readFileSync(join(folder, "expected.json"), "utf8")) as {
  text: string;
  prompt: string;
  promptIds: number[];
  ids: number[];
  loss: number;
  greedy: number[];
  greedyText: string;
  encodings: { text: string; ids: number[] }[];
};
const answers = readSafetensors(readFileSync(join(folder, "expected.safetensors")), "expected").tensors;
const loaded = await loadHuggingFaceModel(folder, [gpt2]);

const scratch = mkdtempSync(join(tmpdir(), "heptagen-hugging-face-"));
afterAll(() => rmSync(scratch, { recursive: true }));

/** A copy of the folder to change. */
function copy(name: string): string {
  const to = join(scratch, name);
  cpSync(folder, to, { recursive: true });
  return to;
}

describe("what PyTorch answers", () => {
  it.each(expected.encodings.map(({ text, ids }) => [text, ids] as const))("tokens of %j", (text, ids) => {
    expect([...loaded.tokenizer.encode(text)]).toEqual(ids);
    expect(loaded.tokenizer.decode(ids)).toBe(text);
  });

  it.each(["cpu", "wasm"] as const)("logits and loss on %s", async (device) => {
    const { config, params } = loaded;
    const ids = answers.get("ids") as NdArray;
    const model = await compile<[Tree<NdArray>, NdArray], { logits: Tensor; loss: Tensor }>(
      (p, x) => {
        const logits = transformer.forward(config, p, x);
        return { logits, loss: crossEntropy(slice(logits, { 1: { stop: -1 } }), slice(x, { 1: { start: 1 } })) };
      },
      [params, ids],
      { device },
    );
    const { logits, loss } = await model.run(params, ids);
    await model.dispose();
    const want = (answers.get("logits") as NdArray).data as Float32Array;
    const furthest = (logits.data as Float32Array).reduce((m, v, i) => Math.max(m, Math.abs(v - (want[i] as number))), 0);
    const magnitude = want.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    console.log(`gpt2-tiny on ${device}: logits differ by at most ${furthest.toExponential(1)} of ${magnitude.toFixed(1)}`);
    expect(furthest).toBeLessThan(2e-6 * magnitude);
    expect(Math.abs(Number(loss.data[0]) - expected.loss)).toBeLessThan(1e-6);
  });

  it("the continuation of a prompt, taking the likeliest token each time", async () => {
    const { config, params, tokenizer } = loaded;
    const prompt = tokenizer.encode(expected.prompt);
    expect([...prompt]).toEqual(expected.promptIds);
    const written: number[] = [];
    const options = { temperature: 0, maxTokens: expected.greedy.length, context: config.context, device: "cpu" } as const;
    for await (const { tokens } of generate(transformer, config, params, prompt, options)) written.push(...(tokens[0] ?? []));
    expect(written).toEqual(expected.greedy);
    expect(tokenizer.decode(written)).toBe(expected.greedyText);
  });
});

describe("folders", () => {
  const sameParams = (other: Tree<NdArray>) => {
    const [a, b] = [flattenParameters(loaded.params), flattenParameters(other)];
    expect([...b.keys()]).toEqual([...a.keys()]);
    for (const [path, { data }] of a) expect(b.get(path)?.data, path).toEqual(data);
  };

  it("are told by their model_type", async () => {
    expect(await isHuggingFaceFolder(folder, [gpt2])).toBe(true);
    expect(await isHuggingFaceFolder(folder, [])).toBe(false);
    expect(await isHuggingFaceFolder(scratch, [gpt2])).toBe(false);
  });

  it("written and read again hold the same model", async () => {
    const to = join(scratch, "again");
    const written = await saveHuggingFaceModel(to, loaded, gpt2);
    expect(written.map(({ file }) => file.slice(to.length + 1)).sort()).toEqual([
      "config.json",
      "model.safetensors",
      "tokenizer.json",
      "tokenizer_config.json",
    ]);
    const again = await loadHuggingFaceModel(to, [gpt2]);
    expect(again.config).toEqual(loaded.config);
    sameParams(again.params);
    expect(again.tokenizer.toJSON()).toEqual(loaded.tokenizer.toJSON());
    const names = [...readSafetensors(readFileSync(join(to, "model.safetensors")), to).tensors.keys()];
    expect(names).toContain("transformer.h.1.attn.c_attn.weight");
    const { eos_token_id } = JSON.parse(readFileSync(join(to, "config.json"), "utf8"));
    expect(eos_token_id).toBe(loaded.tokenizer.endOfText);
  });

  it("may have their weights in several files", async () => {
    const to = copy("sharded");
    const { tensors } = readSafetensors(readFileSync(join(to, "model.safetensors")), to);
    rmSync(join(to, "model.safetensors"));
    const weightMap: Record<string, string> = {};
    const parts = [0, 1].map((part) => {
      const own = [...tensors].filter((_, i) => i % 2 === part);
      for (const [name] of own) weightMap[name] = `model-0000${part + 1}-of-00002.safetensors`;
      return new Map(own);
    });
    for (const [i, part] of parts.entries()) {
      writeFileSync(join(to, `model-0000${i + 1}-of-00002.safetensors`), writeSafetensors(part));
    }
    writeFileSync(join(to, "model.safetensors.index.json"), JSON.stringify({ metadata: {}, weight_map: weightMap }));
    sameParams((await loadHuggingFaceModel(to, [gpt2])).params);

    weightMap["wte.weight"] = "../elsewhere.safetensors";
    writeFileSync(join(to, "model.safetensors.index.json"), JSON.stringify({ weight_map: weightMap }));
    await expect(loadHuggingFaceModel(to, [gpt2])).rejects.toMatchObject({ code: "hugging-face/weights" });
  });

  it("may have the older pair of tokenizer files", async () => {
    const to = copy("pair");
    const { model } = JSON.parse(readFileSync(join(to, "tokenizer.json"), "utf8")) as {
      model: { vocab: object; merges: string[] };
    };
    rmSync(join(to, "tokenizer.json"));
    writeFileSync(join(to, "vocab.json"), JSON.stringify(model.vocab));
    writeFileSync(join(to, "merges.txt"), ["#version: 0.2", ...model.merges, ""].join("\n"));
    const { tokenizer } = await loadHuggingFaceModel(to, [gpt2]);
    expect(tokenizer.endOfText).toBe(loaded.tokenizer.endOfText);
    for (const { text, ids } of expected.encodings) expect([...tokenizer.encode(text)]).toEqual(ids);
  });

  it.each([
    ["config.json", "hugging-face/missing", "config.json, got nothing"],
    ["model.safetensors", "hugging-face/weights", "expected model.safetensors or model.safetensors.index.json"],
    ["tokenizer.json", "hugging-face/tokenizer", "expected tokenizer.json, or vocab.json and merges.txt"],
  ])("without %s are refused", async (file, code, message) => {
    const to = copy(`no-${file}`);
    rmSync(join(to, file));
    await expect(loadHuggingFaceModel(to, [gpt2])).rejects.toMatchObject({ code, message: expect.stringContaining(message) });
  });

  it("of other models, or with too large a tokenizer, are refused", async () => {
    const to = copy("other");
    const config = JSON.parse(readFileSync(join(to, "config.json"), "utf8")) as object;
    writeFileSync(join(to, "config.json"), JSON.stringify({ ...config, model_type: "bert" }));
    await expect(loadHuggingFaceModel(to, [gpt2])).rejects.toMatchObject({
      code: "hugging-face/model-type",
      message: expect.stringContaining('expected a model_type among gpt2, got "bert"'),
    });
    writeFileSync(join(to, "config.json"), JSON.stringify({ ...config, vocab_size: 290 }));
    await expect(loadHuggingFaceModel(to, [gpt2])).rejects.toMatchObject({
      code: "hugging-face/tokenizer",
      message: expect.stringContaining("at most 290 tokens, got 297"),
    });
  });
});
