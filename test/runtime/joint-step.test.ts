/** Objectives that train in the same steps: one graph, the same numbers as one step after the other. */
import { expect, it } from "vitest";
import type { Tensor, TracedKey } from "../../src/core/index.ts";
import { definePrimitive } from "../../src/core/primitive.ts";
import { normal } from "../../src/ops/index.ts";
import type { Objective } from "../../src/train/objective.ts";
import { beginStates, othersOf, trainedTogether } from "../../src/train/states.ts";
import { compileJointStep, compileStep } from "../../src/train/step.ts";
import { isNdArray, type NdArray } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";
import { flatten } from "../../src/util/tree.ts";
import { type Batch, onlyObjective, regression } from "./regression.ts";

const training = regression();
const batch = training.batch(0) as Batch;
const settings = { accumulate: 1, averaging: 0.9, compile: { device: "cpu" } } as const;
const player = (name: "up" | "down"): Objective<Batch> => ({ ...onlyObjective(), name, trains: name });
const begin = (objectives: readonly Objective<Batch>[]) =>
  beginStates(training.params, objectives, { averaging: true, from: undefined });
const numbers = (tree: unknown) =>
  flatten(tree, isNdArray).flatMap(({ leaf }) => Array.from((leaf as NdArray).data as Float32Array));

it("takes the steps that they would take one after the other", async () => {
  const objectives = [player("up"), { ...player("down"), learningRate: () => 0.03 }];
  const [joined, apart] = [begin(objectives), begin(objectives)];
  const joint = await compileJointStep(objectives, joined.states, {}, batch, settings);
  const single = await Promise.all(
    objectives.map((one, i) => compileStep(one, apart.states[i] as never, othersOf(objectives, apart, [one]), batch, settings)),
  );
  for (let step = 1; step <= 3; step++) {
    const at = { step, key: key(step) };
    const together = await joint.run(joined.states, {}, batch, at);
    for (const [i, one] of single.entries()) {
      const others = othersOf(objectives, apart, [objectives[i] as Objective<Batch>]);
      const { state, report } = await one.run(apart.states[i] as never, others, batch, at);
      apart.states[i] = state;
      joined.states[i] = together[i]?.state as never;
      expect(together[i]?.report.loss).toBeCloseTo(report.loss, 6);
      expect(together[i]?.report).toMatchObject({ learningRate: report.learningRate, gradients: 2, broken: [] });
    }
    const [got, expected] = [numbers(joined.states), numbers(apart.states)];
    expect(got.length).toBe(expected.length);
    got.forEach((value, k) => {
      expect(value).toBeCloseTo(expected[k] as number, 6);
    });
  }
  for (const one of [joint, ...single]) await one.dispose();
});

it("computes once what they compute alike, from the same random numbers", async () => {
  let lowered = 0;
  const counted = definePrimitive<null>({
    name: "counted",
    infer: ([x]) => [x],
    vjp: ([ct]) => [ct],
    lower(b, [x]) {
      lowered++;
      return b.node("Identity", [x]);
    },
  });
  const noisy = (name: "up" | "down", draws: string): Objective<Batch> => ({
    ...player(name),
    loss(params, { x, y }, random: TracedKey, ...rest) {
      const noise = counted.bind([normal(random.fold(draws), x.shape)], null)[0] as Tensor;
      return onlyObjective().loss(params, { x: noise, y }, random, ...rest);
    },
  });
  for (const [second, times] of [
    ["noise", 1],
    ["noise of its own", 2],
  ] as const) {
    lowered = 0;
    const objectives = [noisy("up", "noise"), noisy("down", second)];
    await (await compileJointStep(objectives, begin(objectives).states, {}, batch, settings)).dispose();
    expect(lowered).toBe(times);
  }
});

it("joins objectives that follow each other and train equally often", () => {
  const named = (name: string, every?: number) => ({ name, ...(every && { every }) });
  const groups = trainedTogether([named("a"), named("b", 1), named("c", 3), named("d", 3), named("e")]);
  expect(groups.map((group) => group.map(({ name }) => name))).toEqual([["a", "b"], ["c", "d"], ["e"]]);
});
