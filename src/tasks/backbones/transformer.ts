/** The Transformer as a backbone: its options, and the few values that follow from others. */
import { z } from "zod";
import { gpt2 } from "../../models/gpt2.ts";
import { type TransformerConfig, transformer, transformerDefaults } from "../../models/transformer.ts";
import type { Backbone } from "../backbone.ts";

const positive = z.int().min(1);

const options = z.strictObject({
  layers: positive.describe("blocks of attention and MLP"),
  heads: positive.describe("attention heads; must divide the width"),
  keyValueHeads: positive.optional().describe("key/value heads, must divide the heads; as many as heads unless set"),
  width: positive.describe("numbers per token in the residual stream"),
  hidden: positive.optional().describe("hidden width of the MLP; 4 times the width unless set"),
  positions: z.enum(["learned", "rotary"]).describe("how a token knows its place"),
  rotaryBase: z.number().gt(0).describe("base of the rotary frequencies"),
  norm: z.enum(["layer", "rms"]).describe("LayerNorm or RMSNorm"),
  epsilon: z.number().gt(0).describe("added to the variance in norms"),
  activation: z.enum(["gelu", "gelu-tanh", "swiglu"]).describe("nonlinearity of the MLP"),
  bias: z.boolean().describe("biases in linear maps and layer norms"),
  tied: z.boolean().describe("output head shares the token vectors"),
  dropout: z.number().min(0).lt(1).describe("fraction of activations dropped in training"),
});

/** What a user may choose about a Transformer. */
export type TransformerOptions = z.output<typeof options>;

export const transformerBackbone: Backbone<TransformerConfig> = {
  name: "transformer",
  model: transformer,
  options,
  configure(given, sizes) {
    const chosen = options.parse(given);
    const { keyValueHeads = chosen.heads, hidden = 4 * chosen.width } = chosen;
    return { ...transformerDefaults, ...chosen, ...sizes, keyValueHeads, hidden };
  },
  describe: (config) => ({ ...config }),
  layouts: [gpt2],
};
