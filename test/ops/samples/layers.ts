/** Samples of layers and losses: how models put ops together. */
import type { Tensor } from "../../../src/core/tensor.ts";
import { attention, attentionInParts, causalMask, paddingMask, rotaryAngles, rotate } from "../../../src/nn/attention.ts";
import { batchNorm, batchNormInference } from "../../../src/nn/batch-norm.ts";
import { conv, convTranspose } from "../../../src/nn/conv.ts";
import {
  bernoulliEntropy,
  bernoulliLogProb,
  categoricalEntropy,
  categoricalLogProb,
  gaussianDivergence,
  gaussianEntropy,
  gaussianLogProb,
  logisticMixtureLogProb,
} from "../../../src/nn/distributions.ts";
import { dropout } from "../../../src/nn/dropout.ts";
import { groupNorm } from "../../../src/nn/group-norm.ts";
import { embedding, linear } from "../../../src/nn/linear.ts";
import {
  bce,
  bceWithLogits,
  crossEntropy,
  gaussianKl,
  hinge,
  huber,
  meanAbsoluteError,
  meanSquaredError,
} from "../../../src/nn/losses.ts";
import { rmsNorm } from "../../../src/nn/norm.ts";
import * as ops from "../../../src/ops/index.ts";
import { exactly, integers, nonzero, normal, type Sample, sample, uniform } from "./make.ts";

export const layers: readonly Sample[] = [
  sample("linear", [normal(2, 2, 3), normal(3, 4), normal(4)], ([x, weight, bias]) => linear({ weight, bias }, x)),
  sample("embedding", [normal(5, 3), integers(0, 5, 2, 4)], ([weight, ids]) => embedding({ weight }, ids)),
  sample("dropout", [normal(4, 5)], ([x], key) => dropout(x, 0.4, key.fold("d"))),
  sample("rmsNorm", [normal(2, 2, 4), nonzero(4)], ([x, weight]) => rmsNorm({ weight }, x)),
  sample("attention, causal", [normal(1, 2, 3, 2), normal(1, 2, 3, 2), normal(1, 2, 3, 2)], ([q, k, v]) =>
    Object.values(attention(q, k, v, causalMask(3, 3))),
  ),
  sample(
    "attention of grouped queries, padded keys",
    [normal(2, 4, 2, 2), normal(2, 2, 3, 2), normal(2, 2, 3, 2), exactly("bool", [2, 1, 1, 1, 3], [1, 1, 0, 0, 1, 1])],
    ([q, k, v, seen]) => Object.values(attention(q, k, v, paddingMask(seen as Tensor))),
  ),
  sample("attention in parts", [normal(1, 2, 2, 2), normal(1, 1, 3, 2), normal(1, 1, 2, 2), normal(3)], ([q, k, more, mask]) =>
    attentionInParts(q, [
      { k, v: ops.sin(k), mask: mask as Tensor },
      { k: more, v: more, mask: ops.zeros([2]) },
    ]),
  ),
  sample("rotary positions", [normal(1, 2, 3, 4)], ([x]) => rotate(x, rotaryAngles(ops.arange(3, "float32"), 4))),
  sample("crossEntropy", [normal(2, 2, 4), exactly("int32", [2, 2], [3, -1, 0, 2])], ([logits, targets]) => [
    crossEntropy(logits, targets),
    crossEntropy(logits, targets, { labelSmoothing: 0.1, ignoreIndex: 2 + 98 }),
  ]),
  sample("meanSquaredError and meanAbsoluteError", [nonzero(2, 3)], ([x]) => [
    meanSquaredError(x, ops.square(x)),
    meanAbsoluteError(x, ops.neg(x)),
  ]),
  sample("huber", [exactly("float32", [4], [0.3, -0.4, 2.5, -3])], ([x]) => [
    huber(x, ops.zeros([4])),
    huber(x, ops.zeros([4]), 0.5),
  ]),
  sample("bceWithLogits", [normal(6), uniform(0, 1, 6)], ([x, y]) => bceWithLogits(x, y)),
  sample(
    "bceWithLogits at zero and far out",
    [exactly("float32", [4], [0, 0, 60, -60]), uniform(0, 1, 4)],
    ([x, y]) => bceWithLogits(x, y),
    {
      kink: "log(1 + e^x) is pieced together at 0, so its second derivative there is not differences'",
    },
  ),
  sample("bce", [uniform(0.1, 0.9, 6), uniform(0, 1, 6)], ([p, y]) => bce(p, y)),
  sample("gaussianKl", [normal(2, 3), normal(2, 3)], ([mu, logVariance]) => gaussianKl(mu, logVariance)),
  sample("hinge", [exactly("float32", [4], [0.3, -0.4, 2.5, -3])], ([x]) => [hinge(x, 1), hinge(x, -1)]),
  sample("conv with bias", [normal(1, 2, 3, 3), normal(2, 2, 2, 2), normal(2)], ([x, weight, bias]) => [
    conv({ weight, bias }, x, { padding: 1, stride: 2 }),
    convTranspose({ weight, bias }, x, { stride: 2, outputPadding: 1 }),
  ]),
  sample("batchNorm", [normal(3, 2, 2, 1), nonzero(2), normal(2)], ([x, weight, bias]) => batchNorm({ weight, bias }, x).y),
  sample("batchNorm, weights by example", [normal(3, 2, 2, 1), nonzero(3, 2), normal(3, 2)], ([x, weight, bias]) => {
    return batchNorm({ weight, bias }, x).y;
  }),
  sample("batchNorm in inference", [normal(3, 2, 2), nonzero(2), normal(2), normal(2), uniform(0.5, 2, 2)], (given) => {
    const [x, weight, bias, runningMean, runningVariance] = given as [Tensor, Tensor, Tensor, Tensor, Tensor];
    return batchNormInference({ weight, bias, runningMean, runningVariance }, x);
  }),
  sample("groupNorm", [normal(2, 4, 2, 1), nonzero(4), normal(4)], ([x, weight, bias]) => [
    groupNorm({ weight, bias }, x, { groups: 2 }),
    groupNorm({ weight }, x, { groups: 1, epsilon: 1e-3 }),
  ]),
  sample(
    "normal distributions",
    [normal(2, 3), normal(2, 3), normal(2, 3), normal(3), normal(3)],
    ([x, mean, logVariance, otherMean, otherLogVariance]) => [
      gaussianLogProb({ mean, logVariance }, x),
      gaussianEntropy({ logVariance }),
      gaussianDivergence({ mean, logVariance }, { mean: otherMean as Tensor, logVariance: otherLogVariance as Tensor }),
    ],
  ),
  sample("bernoulli and categorical", [normal(2, 3), integers(0, 3, 2)], ([logits, classes]) => [
    bernoulliLogProb(logits, ops.sigmoid(ops.neg(logits))),
    bernoulliEntropy(logits),
    categoricalLogProb(logits, classes),
    categoricalEntropy(logits),
  ]),
  sample(
    "logisticMixture",
    [normal(4, 2), normal(4, 1, 2), normal(4, 1, 2), exactly("float32", [4, 1], [-1, -0.2, 0.6, 1])],
    ([logits, means, logScales, x]) => logisticMixtureLogProb({ logits, means, logScales }, x as Tensor, { levels: 11 }),
  ),
];
