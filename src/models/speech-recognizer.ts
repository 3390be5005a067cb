/**
 * Speech recogniser: hears log-mel features and says, for each stretch of time, which character it heard or that it heard none.
 *
 * Two convolutions over time and bands leave a quarter of the frames, any network that reads whole sequences makes sense of them, a
 * linear map gives the scores of the characters. Where each character lies in time need not be known: the loss sums over all
 * possibilities (CTC).
 *
 * Papers: Graves & Jaitly 2014 (characters by CTC), Amodei et al. 2016 (Deep Speech 2: convolutions in front), Park et al. 2019
 * (SpecAugment).
 *
 * Legend: B sounds, T frames, F mel bands, N = ⌈T / 4⌉ frames that are left, W width, V characters with the blank (class 0), U
 * characters said.
 */
import type { Tensor } from "../core/tensor.ts";
import { type CtcTargets, ctcLosses } from "../nn/ctc.ts";
import { initLinear, type Linear, linear } from "../nn/linear.ts";
import { type SpecAugmentOptions, specAugment, specAugmentDefaults } from "../nn/spec-augment.ts";
import { initSubsampling, type Subsampling, subsample } from "../nn/subsampling.ts";
import { cast, div, maximum, mean, mul, sum } from "../ops/index.ts";
import { HeptagenError } from "../util/errors.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";
import type { Tree } from "../util/tree.ts";
import type { ForwardOptions } from "./language-model.ts";
import type { SequenceNetwork } from "./sequence-network.ts";

export interface SpeechRecognizerConfig<Network> {
  /** F */
  readonly bands: number;
  /** V */
  readonly vocabulary: number;
  /** What the network between front and scores is made of. */
  readonly network: Network;
  /** What is hidden of the features in training. */
  readonly augment: SpecAugmentOptions;
}

/** Parameters: a plain tree whose dotted paths are the names in `model.safetensors`. */
export interface SpeechRecognizerParams<Leaf = Tensor> {
  readonly subsampling: Subsampling<Leaf>;
  readonly encoder: Tree<Leaf>;
  /** [W, V] */
  readonly output: Linear<Leaf>;
}

/** Sounds as a recogniser reads them. */
export interface Sounds<Leaf = Tensor> {
  /** Normalised log-mel features [B, T, F]. */
  readonly features: Leaf;
  /** How many frames of each count, int32 [B]. */
  readonly frames: Leaf;
}

/** What is said in them. */
export interface Said<Leaf = Tensor> extends Pick<CtcTargets<Leaf>, "labels" | "labelLengths"> {
  /** How much each sound counts, [B]: 0 for rows that only fill a batch up. All alike unless given. */
  readonly weights?: Leaf;
}

export interface SpeechRecognizer<Network> {
  readonly defaults: SpeechRecognizerConfig<Network>;
  /** Throws a HeptagenError `speech/config` (or the network's own) naming the first value that does not fit. */
  check(config: SpeechRecognizerConfig<Network>): void;
  init(config: SpeechRecognizerConfig<Network>, key: Key): SpeechRecognizerParams<NdArray>;
  /** Scores [B, N, V], and how many frames of each sound count, int32 [B]. With a key, features are hidden as in training. */
  forward(
    config: SpeechRecognizerConfig<Network>,
    params: SpeechRecognizerParams,
    sounds: Sounds,
    options?: ForwardOptions,
  ): { readonly logits: Tensor; readonly lengths: Tensor };
  /** CTC loss in nats per character, a scalar; infinite if what was said does not fit into the frames of some sound. */
  loss(
    config: SpeechRecognizerConfig<Network>,
    params: SpeechRecognizerParams,
    sounds: Sounds,
    said: Said,
    options?: ForwardOptions,
  ): Tensor;
}

/**
 * A recogniser around a network.
 *
 * @example
 * const model = speechRecognizer(transformerNetwork);
 * const { logits, lengths } = model.forward(config, params, { features, frames });
 */
export function speechRecognizer<Network>(network: SequenceNetwork<Network>): SpeechRecognizer<Network> {
  const forward: SpeechRecognizer<Network>["forward"] = (config, params, { features, frames }, options = {}) => {
    const heard = specAugment(features, frames, config.augment, options.key?.fold("augment"));
    const { states, lengths } = subsample(params.subsampling, heard, frames); // [B, N, W]
    const encoded = network.encoder.forward(config.network, params.encoder, states, lengths, {
      ...options,
      key: options.key?.fold("encoder"),
    });
    return { logits: linear(params.output, encoded.states), lengths };
  };
  const check = (config: SpeechRecognizerConfig<Network>): void => {
    network.check(config.network);
    const { augment, ...rest } = config;
    const whole = { bands: [rest.bands, 1], vocabulary: [rest.vocabulary, 2] } as const;
    const hidden = {
      "augment.frequencyMasks": [augment.frequencyMasks, 0],
      "augment.bands": [augment.bands, 0],
      "augment.timeMasks": [augment.timeMasks, 0],
      "augment.frames": [augment.frames, 0],
    } as const;
    for (const [name, [value, least]] of Object.entries({ ...whole, ...hidden })) {
      if (!(Number.isInteger(value) && value >= least)) throw misfit(name, `a whole number from ${least}`, value);
    }
    if (!(augment.warp >= 0 && augment.warp < 1)) throw misfit("augment.warp", "a part from 0 to below 1", augment.warp);
    if (!(augment.fraction >= 0 && augment.fraction <= 1))
      throw misfit("augment.fraction", "a part from 0 to 1", augment.fraction);
  };
  return {
    defaults: { bands: 80, vocabulary: 29, network: network.defaults, augment: specAugmentDefaults },
    check,
    init(config, key) {
      check(config);
      const width = network.width(config.network);
      return {
        subsampling: initSubsampling(fold(key, "subsampling"), config.bands, width),
        encoder: network.encoder.init(config.network, fold(key, "encoder")),
        output: initLinear(fold(key, "output"), width, config.vocabulary),
      };
    },
    forward,
    loss(config, params, sounds, said, options) {
      const { logits, lengths } = forward(config, params, sounds, options);
      const losses = ctcLosses(logits, { ...said, lengths });
      const each = div(losses, cast(maximum(said.labelLengths, 1), "float32")); // [B]
      return said.weights ? div(sum(mul(each, said.weights)), maximum(sum(said.weights), 1e-6)) : mean(each);
    },
  };
}

function misfit(name: string, expected: string, value: unknown): HeptagenError {
  return new HeptagenError("speech/config", `speech recogniser: expected ${name} to be ${expected}, got ${value}`, {
    facts: { name, value },
    next: `Set ${name}.`,
  });
}
