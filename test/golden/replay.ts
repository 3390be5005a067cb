/**
 * Replaying what PyTorch did (test/golden/fixtures): the numbers of a fixture as trees, how far apart two trees are, and a training
 * of as many Adam steps as the fixture has.
 */
import { readFileSync } from "node:fs";
import { expect } from "vitest";
import type { Tensor } from "../../src/core/index.ts";
import { adamw } from "../../src/optim/index.ts";
import type { ObjectiveState } from "../../src/train/objective.ts";
import { flattenParameters, restoreTree } from "../../src/train/parameters.ts";
import { readSafetensors } from "../../src/train/safetensors.ts";
import { compileStep } from "../../src/train/step.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import { key } from "../../src/util/random.ts";
import type { Tree } from "../../src/util/tree.ts";

/** What the JSON files of models have in common. `Gap` names what PyTorch's float32 was compared with its float64 on. */
export interface ModelFixture<Config, Gap extends string> {
  readonly config: Config;
  readonly loss: number;
  readonly lossAfter: number;
  readonly losses: readonly number[];
  readonly optimizer: { readonly betas: readonly [number, number]; readonly epsilon: number; readonly learningRate: number };
  readonly float32Gap: Readonly<Record<Gap, { readonly max: number }>>;
}

const folder = new URL("./fixtures/", import.meta.url);

/** A fixture's facts, its tensors, and those under a prefix: by path, or in the structure of a template. */
export function loadFixture<Facts>(name: string) {
  const facts = JSON.parse(readFileSync(new URL(`${name}.json`, folder), "utf8")) as Facts;
  const { tensors } = readSafetensors(readFileSync(new URL(`${name}.safetensors`, folder)), name);
  const under = (prefix: string): Map<string, NdArray> => {
    const own = [...tensors].filter(([path]) => path.startsWith(`${prefix}/`));
    return new Map(own.map(([path, array]) => [path.slice(prefix.length + 1), { ...array, data: array.data.slice() }]));
  };
  return {
    facts,
    under,
    tree: <Params>(template: Params, prefix: string): Params => restoreTree<unknown>(template, under(prefix), prefix) as Params,
    tensor: (path: string): NdArray => tensors.get(path) as NdArray,
    optional: (path: string): NdArray | undefined => tensors.get(path),
  };
}

/**
 * The largest difference between two trees of arrays of the same paths; infinite where a number is missing or not a number.
 *
 * @param counts which elements to look at: all unless told
 */
export function gap(got: unknown, expected: unknown, counts: (path: string, i: number) => boolean = () => true): number {
  const found = flattenParameters(got);
  let largest = 0;
  for (const [path, { data }] of flattenParameters(expected)) {
    const own = found.get(path)?.data;
    data.forEach((value, i) => {
      if (!counts(path, i)) return;
      const distance = Math.abs(Number(own?.[i]) - Number(value));
      if (!(distance <= largest)) largest = Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance;
    });
  }
  return largest;
}

/**
 * Trains on the cpu as the fixture was trained, on one batch.
 *
 * @returns the loss before each step and after the last, and the parameters after the fixture's steps
 */
export async function replaySteps<Params, Batch>(
  { losses, optimizer: { betas, epsilon, learningRate } }: Pick<ModelFixture<unknown, never>, "losses" | "optimizer">,
  params: Params,
  batch: Batch,
  loss: (params: never, batch: never, step: Tensor) => Tensor,
): Promise<{ losses: number[]; lossAfter: number; params: Tree<NdArray> }> {
  const optimizer = adamw({ beta1: betas[0], beta2: betas[1], epsilon, weightDecay: 0 });
  const start = params as unknown as Tree<NdArray>;
  let state: ObjectiveState = { params: start, optimizer: optimizer.init(start) };
  const step = await compileStep<Batch>(
    {
      name: "model",
      loss: (own, data, _key, at) => ({ loss: loss(own as never, data as never, at) }), // the mapped types follow the trees' structure
      optimizer,
      learningRate: () => learningRate,
    },
    state,
    {},
    batch,
    { accumulate: 1, averaging: 0, compile: { device: "cpu" } },
  );
  const run = async (number: number): Promise<number> => {
    const { state: next, report } = await step.run(state, {}, batch, { step: number, key: key(0) });
    state = next;
    return report.loss;
  };
  const seen: number[] = [];
  for (const i of losses.keys()) seen.push(await run(i + 1));
  const after = new Map(
    [...flattenParameters(state.params)].map(([path, array]) => [path, { ...array, data: array.data.slice() }]),
  );
  const kept = restoreTree(start, after as never, "after");
  const lossAfter = await run(losses.length + 1);
  await step.dispose();
  return { losses: seen, lossAfter, params: kept };
}

/** What the fixtures of models for sequences have in common: loss and norm of the gradients before each step of AdamW with clipping. */
export interface ClippedTraining {
  readonly optimizer: {
    readonly learningRate: number;
    readonly betas: readonly [number, number];
    readonly epsilon: number;
    readonly weightDecay: number;
    readonly clip: number;
  };
  readonly steps: readonly { readonly loss: number; readonly gradNorm: number }[];
}

/**
 * Trains on the cpu as the fixture was trained, on one batch, and expects the loss and the norm of the gradients of each step.
 *
 * @returns the parameters after the last step
 */
export async function replayClipped<Batch>(
  { optimizer: { betas, epsilon, weightDecay, clip, learningRate }, steps }: ClippedTraining,
  start: unknown,
  batch: Batch,
  loss: (params: never, batch: never, random: never) => Tensor,
): Promise<Tree<NdArray>> {
  const optimizer = adamw({ beta1: betas[0], beta2: betas[1], epsilon, weightDecay });
  const params = start as Tree<NdArray>;
  let state: ObjectiveState = { params, optimizer: optimizer.init(params) };
  const step = await compileStep<Batch>(
    {
      name: "model",
      loss: (own, given, random) => ({ loss: loss(own as never, given as never, random as never) }), // as in `replaySteps`
      optimizer,
      learningRate: () => learningRate,
      clip,
    },
    state,
    {},
    batch,
    { accumulate: 1, averaging: 0, compile: { device: "cpu" } },
  );
  for (const [i, expected] of steps.entries()) {
    const { state: next, report } = await step.run(state, {}, batch, { step: i + 1, key: key(0) });
    state = next;
    expect(Math.abs(report.loss - expected.loss), `loss of step ${i}`).toBeLessThan(1e-5);
    expect(Math.abs(report.gradNorm - expected.gradNorm) / expected.gradNorm, `norm of step ${i}`).toBeLessThan(1e-4);
  }
  await step.dispose();
  return state.params;
}
