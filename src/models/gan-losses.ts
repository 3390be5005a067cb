/**
 * What the two players of a GAN minimise.
 *
 *                     discriminator                              generator
 *   non-saturating    -log σ(D(x)) - log(1 - σ(D(G(z))))         -log σ(D(G(z)))      Goodfellow et al. 2014
 *   hinge             max(0, 1 - D(x)) + max(0, 1 + D(G(z)))     -D(G(z))             Lim & Ye 2017, Miyato et al. 2018
 *   wasserstein       D(G(z)) - D(x)                             -D(G(z))             Arjovsky et al. 2017
 *
 * The discriminator may be held back by a penalty on its slope: (|∇D| - 1)² between real and generated pictures (WGAN-GP,
 * Gulrajani et al. 2017), or |∇D|² at real ones (R1, Mescheder et al. 2018). Training then takes the gradient of a gradient.
 *
 * Legend: see `gan.ts`.
 */
import { grad, stopGradient, type Tensor } from "../core/index.ts";
import {
  add,
  arange,
  cast,
  div,
  equal,
  greater,
  less,
  matmul,
  maximum,
  mean,
  mul,
  neg,
  relu,
  reshape,
  softplus,
  sqrt,
  square,
  sub,
  sum,
} from "../ops/index.ts";
import {
  type Buffers,
  type Discriminator,
  discriminate,
  type GanConfig,
  type GanParams,
  generate,
  spectrallyNormalized,
} from "./gan.ts";

/** What a step is computed from. */
export interface GanBatch<Leaf = Tensor> {
  /** [B, C, H, W] from -1 to 1 */
  readonly images: Leaf;
  /** int32 [B]: of the real pictures, and of those generated. */
  readonly labels: Leaf;
  /** [B, Z], standard normal. */
  readonly latents: Leaf;
  /** [B, 1, 1, 1], from 0 to 1: where between a real and a generated picture the gradient penalty looks. */
  readonly mix?: Leaf;
}

export interface PlayerLoss {
  /** A scalar. */
  readonly loss: Tensor;
  /** Scalars to report. */
  readonly metrics: Readonly<Record<string, Tensor>>;
  /** New values of buffers of the player that trains, by dotted path. */
  readonly buffers: Buffers;
}

/** What pictures go through before they are judged: `augmentation`, or nothing. */
export type Augment = (images: Tensor, name: string) => Tensor;
const unchanged: Augment = (images) => images;

/**
 * The discriminator's loss. Generated pictures are made as in the generator's own training, and do not train it.
 *
 * Reports the mean scores, how many are right (above 0 for real, below for generated; not for Wasserstein, whose scores have no
 * zero), the penalty, and the diversity: the mean distance between two generated pictures (of a class, where
 * there are some) over that between two real ones.
 */
export function discriminatorLoss(
  config: GanConfig,
  { generator, discriminator }: GanParams,
  { images, labels, latents, mix }: GanBatch,
  augment: Augment = unchanged,
): PlayerLoss {
  const buffers: Buffers = {};
  const classes = config.classes > 0 ? labels : undefined;
  const params = spectrallyNormalized(discriminator, buffers);
  const fakes = stopGradient(generate(generator, latents, { labels: classes, buffers: {} }));
  const [real, fake] = [augment(images, "real"), augment(fakes, "fake")];
  const [realScores, fakeScores] = [discriminate(config, params, real, classes), discriminate(config, params, fake, classes)];
  const game = {
    "non-saturating": () => add(mean(softplus(neg(realScores))), mean(softplus(fakeScores))),
    hinge: () => add(mean(relu(sub(1, realScores))), mean(relu(add(1, fakeScores)))),
    wasserstein: () => sub(mean(fakeScores), mean(realScores)),
  }[config.loss]();
  const penalties: Tensor[] = [];
  if (config.gradientPenalty > 0 && mix) {
    const between = add(mul(mix, real), mul(sub(1, mix), fake));
    const slope = sqrt(add(squaredSlopes(config, params, between, classes), 1e-12));
    penalties.push(mul(mean(square(sub(slope, 1))), config.gradientPenalty));
  }
  if (config.r1 > 0) penalties.push(mul(mean(squaredSlopes(config, params, real, classes)), config.r1 / 2));
  const share = (right: Tensor) => mean(cast(right, "float32"));
  return {
    loss: penalties.reduce((a, b) => add(a, b), game),
    metrics: {
      realScore: mean(realScores),
      fakeScore: mean(fakeScores),
      ...(config.loss !== "wasserstein" && {
        realAccuracy: share(greater(realScores, 0)),
        fakeAccuracy: share(less(fakeScores, 0)),
      }),
      ...(penalties.length > 0 && { penalty: penalties.reduce((a, b) => add(a, b)) }),
      diversity: diversity(fakes, images, classes && { of: classes, classes: config.classes }),
    },
    buffers,
  };
}

/** The generator's loss: how far the discriminator is from taking its pictures for real. */
export function generatorLoss(
  config: GanConfig,
  { generator, discriminator }: GanParams,
  { labels, latents }: Pick<GanBatch, "labels" | "latents">,
  augment: Augment = unchanged,
): PlayerLoss {
  const buffers: Buffers = {};
  const classes = config.classes > 0 ? labels : undefined;
  const fakes = generate(generator, latents, { labels: classes, buffers });
  const scores = discriminate(config, spectrallyNormalized(discriminator), augment(fakes, "fake"), classes);
  const loss = config.loss === "non-saturating" ? mean(softplus(neg(scores))) : neg(mean(scores));
  return { loss, metrics: {}, buffers };
}

/** |∇D|² at each picture: [B]. The gradient of the sum of scores, as each picture is judged on its own. */
export function squaredSlopes(config: GanConfig, params: Discriminator, images: Tensor, labels?: Tensor): Tensor {
  const slopes = grad((x: Tensor) => sum(discriminate(config, params, x, labels)))(images);
  return sum(square(slopes), [1, 2, 3]);
}

/**
 * How much generated pictures differ among each other, relative to real ones: the root of the ratio of the mean squared distances
 * of two pictures (twice the variance, summed over pixels). 1 is as much; towards 0 the generator makes one picture only.
 *
 * With classes, two pictures are of one class: a generator that makes one picture for each would differ as much as real ones otherwise.
 *
 * @param labels int32 [B], the same for both
 */
export function diversity(fakes: Tensor, reals: Tensor, labels?: { readonly of: Tensor; readonly classes: number }): Tensor {
  const flat = (x: Tensor) => reshape(x, [x.shape[0] as number, -1]); // [B, C H W]
  const around = (x: Tensor): Tensor => {
    if (!labels) return mean(x, 0, { keepDims: true });
    const hot = cast(equal(reshape(labels.of, [-1, 1]), arange(labels.classes)), "float32"); // [B, classes]
    const counts = reshape(maximum(sum(hot, 0), 1), [-1, 1]);
    return matmul(hot, div(matmul(hot, x, { transposeA: true }), counts));
  };
  const spread = (x: Tensor) => sum(square(sub(flat(x), around(flat(x)))));
  return sqrt(div(spread(fakes), add(spread(reals), 1e-12)));
}
