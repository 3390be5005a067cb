/**
 * A small convolutional classifier of pictures. Its last hidden layer says what a picture shows in few numbers, so that sets of
 * pictures can be compared by them (FID and its kin) where the usual Inception network is not at hand or knows other things.
 *
 *   picture → [3×3 convolution, ReLU, 2×2 max pooling] × stages → linear, ReLU = features → linear = scores of classes
 *
 * After LeNet (LeCun et al. 1998, "Gradient-based learning applied to document recognition").
 *
 * Legend: B pictures, C channels, H height, W width, K classes, F features.
 */
import type { TracedKey } from "../core/random.ts";
import type { Tensor } from "../core/tensor.ts";
import { type Conv, conv, crossEntropy, dropout, initConv, initLinear, type Linear, linear } from "../nn/index.ts";
import { maxPool, mul, relu, reshape, sub } from "../ops/index.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold, type Key } from "../util/random.ts";

export interface PictureClassifierConfig {
  readonly channels: number;
  readonly height: number;
  readonly width: number;
  /** K, at least 2. */
  readonly classes: number;
  /** Channels of each stage; each halves height and width. */
  readonly stages: readonly number[];
  /** F */
  readonly features: number;
  /** Chance that a feature is left out in training. */
  readonly dropout: number;
}

/** Two stages of 32 and 64 channels, a third of 128 for pictures larger than 32; 128 features, a quarter of them dropped. */
export function pictureClassifierConfig(
  sizes: Pick<PictureClassifierConfig, "channels" | "height" | "width" | "classes">,
): PictureClassifierConfig {
  const stages = Math.max(sizes.height, sizes.width) > 32 ? [32, 64, 128] : [32, 64];
  return { ...sizes, stages, features: 128, dropout: 0.25 };
}

export interface PictureClassifierParams<Leaf = Tensor> {
  readonly stages: readonly Conv<Leaf>[];
  readonly hidden: Linear<Leaf>;
  readonly output: Linear<Leaf>;
}

export function init(config: PictureClassifierConfig, key: Key): PictureClassifierParams<NdArray> {
  const { channels, height, width, classes, stages, features } = config;
  const halved = (side: number) => stages.reduce((size) => Math.floor(size / 2), side);
  const flat = (stages.at(-1) as number) * halved(height) * halved(width);
  return {
    stages: stages.map((to, i) => initConv(fold(fold(key, "stages"), i), stages[i - 1] ?? channels, to, [3, 3])),
    hidden: initLinear(fold(key, "hidden"), flat, features, { deviation: Math.sqrt(2 / flat) }),
    output: initLinear(fold(key, "output"), features, classes, { deviation: Math.sqrt(1 / features) }),
  };
}

/** What the classifier sees in pictures: [B, C, H, W] in [0, 1] → [B, F] */
export function featuresOf(params: PictureClassifierParams, images: Tensor): Tensor {
  let x = mul(sub(images, 0.5), 2);
  for (const stage of params.stages) x = maxPool(relu(conv(stage, x, { padding: 1 })), 2);
  return relu(linear(params.hidden, reshape(x, [x.shape[0] as number, -1]))); // [B, C' H' W'] → [B, F]
}

/** Scores of the classes: [B, C, H, W] → [B, K]. With a key (training), features are dropped. */
export function forward(
  config: PictureClassifierConfig,
  params: PictureClassifierParams,
  images: Tensor,
  key?: TracedKey,
): Tensor {
  return linear(params.output, dropout(featuresOf(params, images), config.dropout, key));
}

/** Mean cross-entropy in nats; labels int32 [B]. */
export function loss(
  config: PictureClassifierConfig,
  params: PictureClassifierParams,
  { images, labels }: { readonly images: Tensor; readonly labels: Tensor },
  key?: TracedKey,
): Tensor {
  return crossEntropy(forward(config, params, images, key), labels);
}
