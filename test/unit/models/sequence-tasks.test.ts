/** Models around networks: what must hold by construction, whatever the network's numbers are. */
import { describe, expect, test } from "vitest";
import { constant, grad, type Tensor } from "../../../src/core/index.ts";
import { init as initMasked, forward as masked } from "../../../src/models/masked-language-model.ts";
import { rnnNetwork } from "../../../src/models/recurrent-network.ts";
import {
  type ClassifierConfig,
  type ClassifierParams,
  forward as classify,
  init as initClassifier,
  pairTable,
  readers,
} from "../../../src/models/sequence-classifier.ts";
import { init as initTagger, tag } from "../../../src/models/sequence-tagger.ts";
import { square, sum } from "../../../src/ops/index.ts";
import { learnPairs } from "../../../src/tasks/classify/data.ts";
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
  const pairs = pairTable([
    [1, 2],
    [3, 7],
  ]);
  const model: ClassifierConfig<typeof network.config> = {
    ...network,
    vocabulary: 9,
    mask: 8,
    classes: 3,
    dropout: 0.5,
    tokenDropout: 0.5,
    pooling: "summary",
    bag: 0,
    pairs,
  };
  const drawn = (config: typeof model) => constants<Parameters<typeof classify>[1]>(initClassifier(config, key(2)));
  const logits = (config: typeof model, shape: readonly [number, number], tokens: readonly number[], length = shape[1]) =>
    numbers(
      (ids, n) => classify(config, drawn(config), ids as Tensor, n as Tensor),
      whole(shape, tokens),
      whole([1], [length]),
    )[0] ?? [];

  test.each([
    { pooling: "summary", bag: 0 },
    { pooling: "mean-max", bag: 0 },
    { pooling: "summary", bag: 0.5 },
    { pooling: "summary", bag: 1 },
  ] as const)("pooling $pooling with a bag of $bag does not see what lies behind a text", (choice) => {
    const alone = logits({ ...model, ...choice }, [1, 3], [1, 2, 3]);
    expect(new Set(alone).size).toBe(3);
    close(logits({ ...model, ...choice }, [1, 6], [1, 2, 3, 7, 7, 0], 3), alone); // 3, 7 would be a known pair
  });

  test("a bag is the mean of the vectors of tokens and known pairs", () => {
    const only = { ...model, bag: 1 };
    const params = initClassifier(only, key(2));
    const row = ({ data, shape }: NdArray, r: number) => {
      const width = shape.at(-1) as number;
      return Array.from({ length: width }, (_, i) => Number(data[r * width + i]));
    };
    const { bag } = params;
    if (!bag?.head.bias) throw new Error("no bag");
    // Of 1, 2, 4, 1 the neighbours 1, 2 are a known pair, the first; 2, 4 and 4, 1 are none.
    const features = [1, 2, 4, 1].map((token) => row(bag.tokens.weight, token));
    const all = [...features, row(bag.pairs.weight, 1)];
    const mean = (all[0] as number[]).map((_, i) => all.reduce((sum, vector) => sum + (vector[i] as number), 0) / all.length);
    const weights = mean.map((_, i) => row((bag as NonNullable<typeof bag>).head.weight, i));
    const expected = row(bag.head.bias, 0).map((bias, c) =>
      mean.reduce((sum, value, i) => sum + value * ((weights[i] as number[])[c] as number), bias),
    );
    close(logits(only, [1, 4], [1, 2, 4, 1]), expected);
    expect(logits(only, [1, 4], [2, 1, 4, 1])).not.toEqual(logits(only, [1, 4], [1, 2, 4, 1])); // 2, 1 is no pair
  });

  test("of the bag's loss the network learns nothing, and of its own the bag nothing", () => {
    const both = { ...model, bag: 0.5 };
    const params = initClassifier(both, key(2));
    const gradients = (reader: number) =>
      numbers(
        (ids, n) => {
          const tree = mapTree(params as unknown as Tree<NdArray>, isNdArray, (leaf: NdArray) => constant(leaf));
          const back = grad((p: Tree<Tensor>) =>
            sum(
              square(readers(both, p as unknown as Parameters<typeof classify>[1], ids as Tensor, n as Tensor)[reader] as Tensor),
            ),
          )(tree as Tree<Tensor>) as unknown as ClassifierParams;
          return [sum(square(back.tokens.weight)), sum(square(back.bag?.tokens.weight as Tensor))];
        },
        whole([1, 3], [1, 2, 3]),
        whole([1], [3]),
      ).map(([value]) => value as number);
    const [own = 0, others] = gradients(0);
    expect(own).toBeGreaterThan(0);
    expect(others).toBe(0);
    const [networks, bags = 0] = gradients(1);
    expect(networks).toBe(0);
    expect(bags).toBeGreaterThan(0);
  });

  test("pairs are learnt when they occur in several texts, the most frequent first", () => {
    const texts = [
      [1, 2, 3, 1, 2],
      [1, 2, 3],
      [1, 2, 5],
      [5, 5],
    ].map((ids) => Int32Array.from(ids));
    expect(learnPairs(texts, 9)).toEqual([
      [1, 2],
      [2, 3],
    ]);
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
    whole([2, 1], [2, 0]),
  );
  close(some, [...all.slice(14, 21), ...all.slice(21, 28)]);
});
