/** Rematerialisation: trade time for memory by computing a function's inside again in the backward pass. */
import { flatten, mapTree } from "../util/tree.ts";
import { barrier, custom, zerosLike } from "./builtin.ts";
import { vjp } from "./grad.ts";
import { isTensor, type Tensor } from "./tensor.ts";

/**
 * Makes a function that keeps only its arguments for the backward pass and recomputes everything else there (gradient
 * checkpointing, Chen et al. 2016). Put it around each block of a deep model. All float tensors it uses must be arguments:
 * what it closes over gets no gradient through it.
 *
 * @example const y = remat(block)(params.blocks[0], x);
 */
export function remat<Args extends readonly unknown[], Out>(fn: (...args: Args) => Out): (...args: Args) => Out {
  return (...args) => {
    const inputs = flatten(args, isTensor).map(({ leaf }) => leaf);
    const value = fn(...args);
    const outputs = flatten(value, isTensor).map(({ leaf }) => leaf);
    const results = custom(inputs, outputs, inputs, (kept, cts) => {
      const after = cts.find((ct) => ct !== null);
      if (!after) return [];
      const fresh = barrier([after], kept);
      let next = 0;
      const again = vjp(fn, ...(mapTree(args, isTensor, () => fresh[next++] as Tensor) as unknown as Args));
      const againOutputs = flatten(again.value, isTensor).map(({ leaf }) => leaf);
      const pulled = again.pullback(againOutputs.map((o, i) => cts[i] ?? zerosLike(o)));
      const given = flatten(pulled, isTensor).map(({ leaf }) => leaf);
      // None is handed on before all are there: else what was computed again would be kept for gradients left for later.
      const floats = given.filter(({ dtype }) => dtype === "float32");
      return floats.length > 1 ? barrier(floats, given) : given;
    });
    let next = 0;
    return mapTree(value, isTensor, () => results[next++] as Tensor) as Out;
  };
}
