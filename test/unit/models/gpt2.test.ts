/** GPT-2's layout: settings and arrays that fit, and clear words for those that do not. */
import { describe, expect, it } from "vitest";
import { gpt2 } from "../../../src/models/gpt2.ts";
import { type TransformerConfig, transformer, transformerDefaults } from "../../../src/models/transformer.ts";
import { flattenParameters } from "../../../src/train/parameters.ts";
import { type NdArray, ndarray } from "../../../src/util/ndarray.ts";
import { key } from "../../../src/util/random.ts";

const json = {
  model_type: "gpt2",
  activation_function: "gelu_new",
  n_layer: 2,
  n_head: 2,
  n_embd: 8,
  n_positions: 6,
  vocab_size: 11,
  layer_norm_epsilon: 1e-5,
};
const config = gpt2.readConfig(json, "config.json");
const params = transformer.init(config, key(1));
const tensors = () => gpt2.writeParams(config, params);
const read = (arrays: ReadonlyMap<string, NdArray>, own: TransformerConfig = config) =>
  flattenParameters(gpt2.readParams(own, arrays, "model"));
const zeros = (...shape: number[]) => ndarray("float32", shape, new Float32Array(shape.reduce((a, b) => a * b)));

describe("config.json", () => {
  it("becomes a configuration, and back", () => {
    expect(config).toEqual({
      ...transformerDefaults,
      vocabulary: 11,
      context: 6,
      layers: 2,
      heads: 2,
      keyValueHeads: 2,
      width: 8,
      hidden: 32,
      activation: "gelu-tanh",
      bias: true,
      dropout: 0.1,
    });
    const others = { ...json, n_inner: 24, activation_function: "gelu", tie_word_embeddings: false, resid_pdrop: 0 };
    for (const one of [json, others]) {
      const own = gpt2.readConfig(one, "config.json");
      expect(gpt2.readConfig(gpt2.writeConfig(own), "config.json")).toEqual(own);
    }
  });

  it.each([
    [
      { activation_function: "relu" },
      'expected activation_function to be one of gelu_new, gelu_pytorch_tanh, gelu_fast, gelu, got "relu"',
    ],
    [{ scale_attn_by_inverse_layer_idx: true }, "expected scale_attn_by_inverse_layer_idx false, got true"],
    [{ scale_attn_weights: false }, "expected scale_attn_weights true, got false"],
    [{ add_cross_attention: true }, "expected add_cross_attention false, got true"],
    [{ model_type: "gptj" }, 'expected model_type "gpt2", got "gptj"'],
    [{ n_layer: 0 }, "expected n_layer to be a whole number above 0, got 0"],
    [{ n_embd: undefined }, "expected n_embd to be a whole number above 0, got nothing"],
    [{ resid_pdrop: 1 }, "expected resid_pdrop from 0 to below 1, got 1"],
  ])("with %o is refused", (change, message) => {
    expect(() => gpt2.readConfig({ ...json, ...change }, "gpt2/config.json")).toThrow(`gpt2/config.json: ${message}`);
  });

  it("whose sizes do not fit each other is refused", () => {
    expect(() => gpt2.readConfig({ ...json, n_head: 3 }, "config.json")).toThrow("width 8 is not a multiple of heads 3");
  });
});

describe("arrays", () => {
  it("come back as they were, with or without the prefix", () => {
    const plain = new Map([...tensors()].map(([name, array]) => [name.replace(/^transformer\./, ""), array]));
    expect(plain.has("h.0.attn.c_attn.weight")).toBe(true);
    for (const arrays of [tensors(), plain]) {
      const got = read(arrays);
      for (const [path, { shape, data }] of flattenParameters(params)) {
        expect(got.get(path)?.shape, path).toEqual(shape);
        expect(got.get(path)?.data, path).toEqual(data);
      }
    }
  });

  it("that are masks are skipped, biases are not", () => {
    expect(["h.0.attn.bias", "transformer.h.11.attn.bias", "h.3.attn.masked_bias"].every(gpt2.skips)).toBe(true);
    expect(["h.0.attn.c_attn.bias", "ln_f.bias", "h.0.ln_1.bias"].some(gpt2.skips)).toBe(false);
    const arrays = tensors()
      .set("transformer.h.0.attn.bias", zeros(1, 1, 6, 6))
      .set("transformer.h.0.attn.masked_bias", zeros(1));
    expect(read(arrays).size).toBe(flattenParameters(params).size);
  });

  it("may repeat the token vectors as the head, but not others", () => {
    const tokens = tensors().get("transformer.wte.weight") as NdArray;
    expect(read(tensors().set("lm_head.weight", tokens)).has("head.weight")).toBe(false);
    expect(() => read(tensors().set("lm_head.weight", zeros(11, 8)))).toThrow("expected lm_head.weight to equal wte.weight");
  });

  it("hold a head of its own where the configuration says so", () => {
    const own = gpt2.readConfig({ ...json, tie_word_embeddings: false }, "config.json");
    const untied = transformer.init(own, key(2));
    const arrays = gpt2.writeParams(own, untied);
    expect(arrays.get("lm_head.weight")?.shape).toEqual([11, 8]);
    expect(read(arrays, own).get("head.weight")).toEqual(flattenParameters(untied).get("head.weight"));
    expect(() => read(tensors(), own)).toThrow("missing: lm_head.weight");
  });

  it("that are missing, unexpected or of another shape are all named", () => {
    const arrays = tensors();
    arrays.delete("transformer.h.1.ln_1.weight");
    arrays.set("transformer.h.1.ln_1.wieght", zeros(8));
    arrays.set("transformer.wpe.weight", zeros(5, 8));
    expect(() => read(arrays)).toThrowErrorMatchingInlineSnapshot(`
      [HeptagenError: model: expected the arrays of the GPT-2 that config.json describes
        missing: h.1.ln_1.weight (there is h.1.ln_1.wieght)
        different: wpe.weight: expected float32 [6,8], got float32 [5,8]
        not expected: h.1.ln_1.wieght
        → Check that config.json and the weights belong to one model.]
    `);
  });
});

describe("writing", () => {
  it("gives a model without biases biases of 0", () => {
    const own: TransformerConfig = { ...config, bias: false };
    const arrays = gpt2.writeParams(own, transformer.init(own, key(1)));
    expect(arrays.get("transformer.h.0.mlp.c_fc.bias")?.data).toEqual(new Float32Array(32));
    expect(arrays.get("transformer.ln_f.bias")?.data).toEqual(new Float32Array(8));
    expect([...arrays.keys()].sort()).toEqual([...tensors().keys()].sort());
  });

  it.each([
    [{ positions: "rotary" }, "rotary positions"],
    [{ norm: "rms" }, "rms norm"],
    [{ activation: "swiglu" }, "a SwiGLU"],
    [{ keyValueHeads: 1 }, "grouped queries"],
  ] as const)("refuses %o", (change, reason) => {
    const own = { ...config, ...change };
    expect(gpt2.obstacle(own)).toContain(reason);
    expect(() => gpt2.writeConfig(own)).toThrow(`this model cannot be written as a GPT-2: it has ${reason}`);
  });
});
