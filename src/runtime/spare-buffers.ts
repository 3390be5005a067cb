/** Buffers to use again. */
import { type TensorType, typeName } from "../core/tensor.ts";
import { allocate, type NdArray, sizeOf } from "../util/ndarray.ts";

/**
 * Buffers that nothing uses at the moment, by type: what replaces an argument that is given up is written into one where it cannot be
 * written over the argument, whose buffer is then spare. Graphs that work on the same state in turn share them.
 */
export class SpareBuffers {
  readonly #types = new Map<string, { readonly free: NdArray[]; lent: number }>();

  /** A buffer that nothing uses, or a new one. Its content is whatever was there. */
  take({ dtype, shape }: TensorType): NdArray {
    const type = this.#type({ dtype, shape });
    type.lent++;
    return type.free.pop() ?? { dtype, shape, data: allocate(dtype, sizeOf(shape)) };
  }

  /** Takes a buffer back, under a new object. No more are kept than were taken. */
  give({ dtype, shape, data }: NdArray): void {
    const type = this.#type({ dtype, shape });
    if (type.lent === 0) return;
    type.lent--;
    type.free.push({ dtype, shape, data });
  }

  /** The content of an array in a buffer of its own. */
  copy(array: NdArray): NdArray {
    const own = this.take(array);
    // Both have the same element type.
    (own.data as Float32Array).set(array.data as Float32Array);
    return own;
  }

  #type(type: TensorType) {
    const name = typeName(type);
    const known = this.#types.get(name) ?? { free: [], lent: 0 };
    this.#types.set(name, known);
    return known;
  }
}
