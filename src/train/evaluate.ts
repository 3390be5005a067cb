/**
 * Measuring parameters on held-out data, in a graph of its own.
 *
 * A measure is a sum and a count of what it sums over (tokens, pixels, images). Sums and counts of all batches are added up in
 * double precision and divided once, so that the mean is exact whatever the batches' sizes and however much of them is padding.
 * Random numbers depend on the seed and the batch alone: evaluations at different steps see the same noise.
 */
import type { Tensor, TracedKey } from "../core/index.ts";
import { type CompileOptions, compile, type Traced } from "../runtime/index.ts";
import { HeptagenError } from "../util/errors.ts";
import type { NdArray } from "../util/ndarray.ts";
import { fold, type Key, key } from "../util/random.ts";
import type { Tree } from "../util/tree.ts";
import { compiledShapes } from "./compiled-shapes.ts";

/** A sum and how many terms it has: float32 or int32 scalars. */
export interface Counted<Leaf = Tensor> {
  readonly sum: Leaf;
  readonly count: Leaf;
}

/** Traced: what to measure of parameters on a batch. For models with dropout: their evaluation form. */
export type Measure<Batch> = (params: Tree<Tensor>, batch: Traced<Batch>, key: TracedKey) => Readonly<Record<string, Counted>>;

export interface Evaluation<Batch> {
  /**
   * Means over all batches.
   *
   * @param batches of the example's shapes or others, which are compiled for when they are first met
   * @throws HeptagenError `evaluate/empty` when there was nothing to count
   */
  run(params: Tree<NdArray>, batches: Iterable<Batch> | AsyncIterable<Batch>): Promise<Record<string, number>>;
  dispose(): Promise<void>;
}

/**
 * Compiles an evaluation.
 *
 * @param params only shapes matter, as with the example
 * @example
 * const evaluation = await compileEvaluation(
 *   (params, { x, y }) => ({ error: { sum: sum(square(sub(forward(params, x), y))), count: constant(scalar(16)) } }),
 *   params, batch);
 * const { error } = await evaluation.run(params, batches);
 */
export async function compileEvaluation<Batch>(
  measure: Measure<Batch>,
  params: Tree<NdArray>,
  example: Batch,
  { seed = 0, ...options }: Omit<CompileOptions, "donate"> & { readonly seed?: number } = {},
): Promise<Evaluation<Batch>> {
  const shapes = compiledShapes((batch: Batch) =>
    compile<[Tree<NdArray>, Batch, Key], Readonly<Record<string, Counted>>>(
      measure as never, // the mapped argument types of a generic batch cannot be followed
      [params, batch, key(seed)],
      options,
    ),
  );
  await shapes.of(example);
  const root = fold(key(seed), "evaluation");
  return {
    async run(own, batches) {
      const totals = new Map<string, { sum: number; count: number }>();
      let at = 0;
      for await (const batch of batches) {
        const executable = await shapes.of(batch);
        const measured = (await executable.run(own, batch, fold(root, at++))) as Readonly<Record<string, Counted<NdArray>>>;
        for (const [name, { sum, count }] of Object.entries(measured)) {
          const total = totals.get(name) ?? { sum: 0, count: 0 };
          totals.set(name, { sum: total.sum + Number(sum.data[0]), count: total.count + Number(count.data[0]) });
        }
      }
      const empty = [...totals].find(([, { count }]) => count === 0)?.[0];
      if (totals.size === 0 || empty !== undefined) {
        const got = empty === undefined ? `${at} batches` : `a count of 0 for "${empty}"`;
        throw new HeptagenError("evaluate/empty", `evaluation: expected something to count, got ${got}`, {
          facts: { batches: at },
          next: "Give at least one batch that is not all padding.",
        });
      }
      return Object.fromEntries([...totals].map(([name, { sum, count }]) => [name, sum / count]));
    },
    dispose: () => shapes.dispose(),
  };
}
