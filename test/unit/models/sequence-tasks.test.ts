/** Models around networks: what must hold by construction, whatever the network's numbers are. */
import { describe, expect, test } from "vitest";
import { constant, type Tensor } from "../../../src/core/index.ts";
import { init as initMasked, forward as masked } from "../../../src/models/masked-language-model.ts";
import { rnnNetwork } from "../../../src/models/recurrent-network.ts";
import { type ClassifierConfig, forward as classify, init as initClassifier } from "../../../src/models/sequence-classifier.ts";
import { init as initTagger, tag } from "../../../src/models/sequence-tagger.ts";
import { isNdArray, type NdArray } from "../../../src/util/ndarray.ts";
import { key } from "../../../src/util/random.ts";
import { mapTree, type Tree } from "../../../src/util/tree.ts";
import { numbers, whole } from "../../ops/run.ts";

const network = { network: rnnNetwork, config: { ...rnnNetwork.defaults, layers: 1, width: 4, dropout: 0 } };
const constants = <Params>(params: unknown): Params =>
  mapTree(params as Tree<NdArray>, isNdArray, (leaf: NdArray) => constant(leaf)) as Params;
const close = (got: readonly number[], expected: readonly number[]) =>
  got.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i] as number, 6);
  });

describe("classifier", () => {
  test.each(["summary", "mean-max", "summary-words"] as const)("pooling %s does not see what lies behind a text", (pooling) => {
    const model: ClassifierConfig<typeof network.config> = {
      ...network,
      vocabulary: 9,
      mask: 8,
      classes: 3,
      dropout: 0.5,
      tokenDropout: 0.5,
      pooling,
    };
    const params = constants<Parameters<typeof classify>[1]>(initClassifier(model, key(2)));
    const logits = (shape: readonly [number, number], tokens: readonly number[]) =>
      numbers((ids, n) => classify(model, params, ids as Tensor, n as Tensor), whole(shape, tokens), whole([1], [3]))[0] ?? [];
    const alone = logits([1, 3], [1, 2, 3]);
    expect(new Set(alone).size).toBe(3);
    close(logits([1, 6], [1, 2, 3, 7, 7, 0]), alone);
  });
});

describe("tagger", () => {
  const names = ["O", "B-X", "I-X", "B-Y", "I-Y"];
  const model = {
    ...network,
    vocabulary: 9,
    mask: 8,
    letters: 6,
    letterFeatures: 3,
    tags: names,
    types: 0,
    crf: false,
    dropout: 0.5,
    tokenDropout: 0.5,
  };
  const params = constants<Parameters<typeof tag>[1]>(initTagger(model, key(3)));
  const run = (words: number, tokens: readonly number[], letters: readonly number[]) =>
    numbers(
      (t, l, n) => tag(model, params, { tokens: t as Tensor, letters: l as Tensor, lengths: n as Tensor }),
      whole([1, words, 2], tokens),
      whole([1, words, 3], letters),
      whole([1], [2]),
    );

  test("without a CRF's scores too, no inside follows anything but its own type", () => {
    for (let seed = 0; seed < 20; seed++) {
      const other = constants<Parameters<typeof tag>[1]>(initTagger(model, key(100 + seed)));
      const [tags = []] = numbers(
        (t, l, n) => tag(model, other, { tokens: t as Tensor, letters: l as Tensor, lengths: n as Tensor }).tags,
        whole([1, 6, 1], [1, 2, 3, 4, 5, 6]),
        whole([1, 6, 1], [1, 2, 3, 4, 5, 1]),
        whole([1], [6]),
      );
      tags.forEach((now, t) => {
        if (names[now]?.startsWith("I")) expect([names[now], `B${names[now]?.slice(1)}`]).toContain(names[tags[t - 1] as number]);
      });
    }
  });

  test("what lies behind a sentence, and pieces and letters that are none, have no influence", () => {
    const [tags = [], marginals = []] = run(2, [1, -1, 2, 3], [1, 0, 0, 2, 3, 0]);
    const [longerTags = [], longer = []] = run(4, [1, -1, 2, 3, 5, 5, 6, -1], [1, 0, 0, 2, 3, 0, 4, 4, 4, 5, 0, 0]);
    expect(longerTags).toEqual([...tags, -1, -1]);
    close(longer.slice(0, marginals.length), marginals);
    for (const t of [0, 1]) expect(marginals.slice(5 * t, 5 * t + 5).reduce((a, b) => a + b)).toBeCloseTo(1, 6);
  });
});

test("a masked language model scores asked places as it scores all", () => {
  const model = { ...network, vocabulary: 7 };
  const params = constants<Parameters<typeof masked>[1]>(initMasked(model, key(4)));
  const [all = [], some = []] = numbers(
    (tokens, lengths, places) => [
      masked(model, params, { tokens: tokens as Tensor, lengths: lengths as Tensor }),
      masked(model, params, { tokens: tokens as Tensor, lengths: lengths as Tensor, places: places as Tensor }),
    ],
    whole([2, 3], [1, 2, 3, 4, 5, 6]),
    whole([2], [3, 2]),
    whole([2, 1], [2, 3]),
  );
  close(some, [...all.slice(14, 21), ...all.slice(21, 28)]);
});
