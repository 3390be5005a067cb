/** RNN, GRU and LSTM as backbones: their options. */
import { z } from "zod";
import { gru, gruDefaults } from "../../models/gru.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { lstm, lstmDefaults } from "../../models/lstm.ts";
import type { RecurrentModelConfig } from "../../models/recurrent-language-model.ts";
import { rnn, rnnDefaults } from "../../models/rnn.ts";
import type { Backbone } from "../backbone.ts";

const positive = z.int().min(1);

const options = z.strictObject({
  layers: positive.describe("recurrent layers upon each other"),
  width: positive.describe("numbers in the state of each layer"),
  embedding: positive.describe("numbers per token"),
  norm: z.enum(["none", "layer"]).describe("layer normalisation inside the cell, or none"),
  dropout: z.number().min(0).lt(1).describe("fraction of activations dropped between layers in training"),
});

/** What a user may choose about a GRU or an LSTM. */
export type RecurrentOptions = z.output<typeof options>;

const rnnOptions = options.extend({
  activation: z.enum(["tanh", "relu"]).describe("nonlinearity of the cell"),
});

/** What a user may choose about an RNN. */
export type RnnOptions = z.output<typeof rnnOptions>;

/** A configuration that remembers how long its windows were, which the network itself does not care about. */
type Windowed<Config> = Config & { readonly context: number };

function backbone<Config extends RecurrentModelConfig>(
  model: LanguageModel<Config>,
  defaults: Config,
  own: z.ZodObject,
): Backbone<Windowed<Config>> {
  return {
    name: model.name,
    model: model as LanguageModel<Windowed<Config>>,
    options: own,
    configure: (given, sizes) => ({ ...defaults, ...own.parse(given), ...sizes }),
    describe({ bidirectional: _, ...config }) {
      return config;
    },
    layouts: [],
  };
}

export const rnnBackbone = backbone(rnn, rnnDefaults, rnnOptions);
export const gruBackbone = backbone(gru, gruDefaults, options);
export const lstmBackbone = backbone(lstm, lstmDefaults, options);
