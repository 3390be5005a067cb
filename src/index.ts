/**
 * What every other entry point shares: arrays of numbers, trees of them, keys of random numbers, and the one error class.
 *
 * The rest is reached by layer: `heptagen/core`, `heptagen/ops`, `heptagen/models/transformer`, `heptagen/train`, …
 */
export { type ErrorDetail, HeptagenError } from "./util/errors.ts";
export {
  type DType,
  isNdArray,
  type NdArray,
  type NumericArray,
  ndarray,
  type Shape,
  sameShape,
  scalar,
  sizeOf,
} from "./util/ndarray.ts";
export { fold, type Key, key } from "./util/random.ts";
export { flatten, type IsLeaf, type Mapped, mapTree, type Tree, unflatten, zipTrees } from "./util/tree.ts";
