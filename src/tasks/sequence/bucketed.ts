/** Batches of examples of like length, as a task's model takes them. */
import { bucketBatches } from "../../data/index.ts";
import type { Key } from "../../util/random.ts";
import type { Batches } from "./sequence-task.ts";

export interface BucketedOptions<Example, Batch> {
  /** Examples in a batch. */
  readonly batch: number;
  /** Shapes there are, at most. */
  readonly shapes: number;
  /** Batches in a row whose gradients are accumulated, and which have one shape therefore; 1 unless told. */
  readonly accumulate?: number;
  /** One length, or two: of what is read and what is written. */
  lengthsOf(example: Example): readonly number[];
  /** Makes a batch of rows padded to these lengths; rows that are not counted only fill it up. */
  collate(examples: readonly Example[], lengths: readonly number[], counted: readonly boolean[]): Batch;
  units(batch: Batch): number;
}

/** @throws HeptagenError `data/empty` */
export function bucketed<Example, Batch>(
  examples: readonly Example[],
  key: Key,
  { lengthsOf, collate, units, ...options }: BucketedOptions<Example, Batch>,
): Batches<Batch> {
  const { batch, padding } = bucketBatches(examples.map(lengthsOf), options, key);
  return {
    padding,
    units,
    batch(step) {
      const { indices, shape, counted } = batch(step);
      return collate(
        Array.from(indices, (i) => examples[i] as Example),
        shape,
        counted,
      );
    },
  };
}
