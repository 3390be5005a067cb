/**
 * Networks for sequences as backbones: RNN, GRU, LSTM and Transformer with what a user may choose about them.
 *
 * Every task on sequences takes any of them, and names none.
 */
import { z } from "zod";
import {
  gruNetwork,
  lstmNetwork,
  type RecurrentNetworkConfig,
  type RnnNetworkConfig,
  rnnNetwork,
} from "../../models/recurrent-network.ts";
import type { SequenceNetwork } from "../../models/sequence-network.ts";
import { type TransformerNetworkConfig, transformerNetwork } from "../../models/transformer-network.ts";

/** A network for sequences, and its options. */
export interface SequenceBackbone<Config = unknown> {
  /** The family's name in recipes. */
  readonly name: string;
  readonly network: SequenceNetwork<Config>;
  /** The options a user may set, each described. Keys never coincide with those of a task. */
  readonly options: z.ZodObject;
  /** Further ones, of decoders that read: a task without such a decoder does not offer them. */
  readonly decoderOptions: z.ZodObject;
  /** The network's full configuration, of `options` and, where there are any, `decoderOptions`. */
  configure(options: Readonly<Record<string, unknown>>): Config;
}

const positive = z.int().min(1);

const recurrentOptions = z.strictObject({
  layers: positive.describe("recurrent layers upon each other"),
  width: positive.describe("numbers in each vector and each state; even"),
  dropout: z.number().min(0).lt(1).describe("fraction of each layer's input dropped in training"),
});

const rnnOptions = recurrentOptions.extend({
  activation: z.enum(["tanh", "relu"]).describe("nonlinearity of the cell"),
});

const recurrentDecoderOptions = z.strictObject({
  attention: z
    .enum(["additive", "none"])
    .describe("whether the decoder looks at each place of its source, or knows its summary only"),
});

const transformerOptions = z.strictObject({
  layers: positive.describe("blocks of attention and MLP"),
  heads: positive.describe("attention heads; must divide the width into even parts"),
  width: positive.describe("numbers per place in the residual stream"),
  hidden: positive.optional().describe("hidden width of the MLP; 4 times the width unless set"),
  dropout: z.number().min(0).lt(1).describe("fraction of activations dropped in training"),
});

/** What a user may choose about a GRU or an LSTM for sequences; `attention` where a decoder reads. */
export type RecurrentSequenceOptions = z.output<typeof recurrentOptions> & Partial<z.output<typeof recurrentDecoderOptions>>;
/** What a user may choose about an RNN for sequences. */
export type RnnSequenceOptions = RecurrentSequenceOptions & z.output<typeof rnnOptions>;
/** What a user may choose about a Transformer for sequences. */
export type TransformerSequenceOptions = z.output<typeof transformerOptions>;

function recurrent<Config extends RecurrentNetworkConfig>(
  network: SequenceNetwork<Config>,
  options: z.ZodObject,
): SequenceBackbone<Config> {
  const all = z.strictObject({ ...options.shape, ...recurrentDecoderOptions.partial().shape });
  return {
    name: network.name,
    network,
    options,
    decoderOptions: recurrentDecoderOptions,
    configure: (given) => ({ ...network.defaults, ...all.parse(given) }),
  };
}

export const rnnSequence: SequenceBackbone<RnnNetworkConfig> = recurrent(rnnNetwork, rnnOptions);
export const gruSequence: SequenceBackbone<RecurrentNetworkConfig> = recurrent(gruNetwork, recurrentOptions);
export const lstmSequence: SequenceBackbone<RecurrentNetworkConfig> = recurrent(lstmNetwork, recurrentOptions);

export const transformerSequence: SequenceBackbone<TransformerNetworkConfig> = {
  name: transformerNetwork.name,
  network: transformerNetwork,
  options: transformerOptions,
  decoderOptions: z.strictObject({}),
  configure(given) {
    const chosen = transformerOptions.parse(given);
    return { ...chosen, hidden: chosen.hidden ?? 4 * chosen.width };
  },
};
