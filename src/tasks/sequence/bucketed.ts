/** Batches of examples of like length, as a task's model takes them. */
import { bucketBatches } from "../../data/index.ts";
import type { Key } from "../../util/random.ts";
import type { Batches } from "./sequence-task.ts";

export interface BucketedOptions<Example, Batch> {
  /** Examples in a batch. */
  readonly batch: number;
  /** Shapes there are, at most. */
  readonly shapes: number;
  /** One length, or two: of what is read and what is written. */
  lengthsOf(example: Example): readonly number[];
  /** Makes a batch: its lengths, and which rows count (others only fill it up). */
  collate(examples: readonly Example[], lengths: readonly number[], counted: readonly boolean[]): Batch;
  units(batch: Batch): number;
}
