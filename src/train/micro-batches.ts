/** Micro-batches: several batches as one. */
import { HeptagenError } from "../util/errors.ts";
import { allocate, isNdArray, type NdArray, sameShape, sizeOf } from "../util/ndarray.ts";
import { flatten, mapTree } from "../util/tree.ts";

/**
 * The batch of one step: a single one, or all its micro-batches along a new leading axis.
 *
 * @param batch a pure function of the micro-step, counted from 0
 * @throws HeptagenError `train/micro-batches` when their shapes differ
 */
export async function batchOf<Batch>(
  { batch }: { batch(step: number): Batch | Promise<Batch> },
  accumulate: number,
  step: number,
): Promise<Batch> {
  if (accumulate === 1) return batch(step);
  return stack(await Promise.all(Array.from({ length: accumulate }, (_, k) => batch(step * accumulate + k))));
}

function stack<Batch>(batches: readonly Batch[]): Batch {
  const flat = batches.map((batch) => new Map(flatten(batch, isNdArray).map(({ path, leaf }) => [path, leaf as NdArray])));
  return mapTree(batches[0], isNdArray, (first: NdArray, path) => {
    const { dtype, shape } = first;
    const data = allocate(dtype, batches.length * sizeOf(shape));
    flat.forEach((leaves, k) => {
      const leaf = leaves.get(path);
      if (!leaf || leaf.dtype !== dtype || !sameShape(leaf.shape, shape)) {
        const got = leaf ? `${leaf.dtype}[${leaf.shape}]` : "nothing";
        throw new HeptagenError(
          "train/micro-batches",
          `expected micro-batches of one shape, got ${dtype}[${shape}] and ${got} at "${path}"`,
          {
            next: "Micro-batches of a step must agree in shape: fill up the last of an epoch, and choose each step's from one length bucket.",
          },
        );
      }
      data.set(leaf.data as never, k * sizeOf(shape)); // of one type, as just checked
    });
    return { dtype, shape: [batches.length, ...shape], data };
  }) as Batch;
}
