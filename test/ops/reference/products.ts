/** Reference semantics of matrix products, convolutions and pooling. */

import type { ParamsOf } from "../../../src/ops/primitives.ts";
import type { Shape } from "../../../src/util/ndarray.ts";
import { addAt, at, blank, build, forEachIndex, offset, operand, read, readStretched, type Table, type Value } from "./value.ts";

type Geometry = ParamsOf<"conv">;
type Window = ParamsOf<"maxPool">;

/**
 * All triples of positions that a convolution multiplies and adds up: in the image [B, C, ...S], the kernel [O, C/G, ...K]
 * and the output [B, O, ...P].
 */
function forEachTap(
  { strides, pads, dilations, groups }: Geometry,
  image: Shape,
  kernel: Shape,
  out: Shape,
  visit: (image: number[], kernel: number[], out: number[]) => void,
): void {
  const perGroup = at(kernel, 1);
  const outPerGroup = at(kernel, 0) / groups;
  forEachIndex(out, (place) => {
    const [b = 0, o = 0, ...p] = place;
    const group = Math.floor(o / outPerGroup);
    forEachIndex(kernel.slice(1), (tap) => {
      const [c = 0, ...k] = tap;
      const s = p.map((at0, i) => at0 * at(strides, i) + at(k, i) * at(dilations, i) - (pads[i]?.[0] ?? 0));
      const inside = s.every((v, i) => v >= 0 && v < at(image, i + 2));
      if (inside) visit([b, group * perGroup + c, ...s], [o, c, ...k], [b, o, ...p]);
    });
  });
}

function outputShape({ strides, pads, dilations }: Geometry, image: Shape, kernel: Shape): number[] {
  const dims = image.slice(2).map((s, i) => {
    const reach = (at(kernel, i + 2) - 1) * at(dilations, i) + 1;
    return Math.floor((s + (pads[i]?.[0] ?? 0) + (pads[i]?.[1] ?? 0) - reach) / at(strides, i)) + 1;
  });
  return [at(image, 0), at(kernel, 0), ...dims];
}

/** The positions in the image that each window covers, with the output's position; padding is left out. */
function forEachWindow({ kernel, strides, pads }: Window, x: Value, visit: (out: number[], covered: number[][]) => void): Shape {
  const dims = x.shape.slice(2).map((s, i) => Math.floor((s + 2 * at(pads, i) - at(kernel, i)) / at(strides, i)) + 1);
  const shape = [...x.shape.slice(0, 2), ...dims];
  forEachIndex(shape, (out) => {
    const covered: number[][] = [];
    forEachIndex(kernel, (k) => {
      const s = k.map((tap, i) => at(out, i + 2) * at(strides, i) + tap - at(pads, i));
      if (s.every((v, i) => v >= 0 && v < at(x.shape, i + 2))) covered.push([...out.slice(0, 2), ...s]);
    });
    visit(out, covered);
  });
  return shape;
}

export const products = {
  matmul(inputs, { ta, tb }) {
    const [a, b] = [operand(inputs, 0), operand(inputs, 1)];
    const [m, inner] = ta
      ? [at(a.shape, a.shape.length - 1), at(a.shape, a.shape.length - 2)]
      : [at(a.shape, a.shape.length - 2), at(a.shape, a.shape.length - 1)];
    const n = at(b.shape, b.shape.length - (tb ? 2 : 1));
    const rank = Math.max(a.shape.length, b.shape.length) - 2;
    const batch = Array.from({ length: rank }, (_, i) => {
      const [x, y] = [a, b].map(({ shape }) => shape[i - rank + shape.length - 2] ?? 1);
      return x === 1 ? (y ?? 1) : (x ?? 1);
    });
    return [
      build("float32", [...batch, m, n], (index) => {
        const outer = index.slice(0, -2);
        const [row, column] = [at(index, rank), at(index, rank + 1)];
        let sum = 0;
        for (let k = 0; k < inner; k++) {
          sum +=
            readStretched(a, [...outer, ...(ta ? [k, row] : [row, k])]) *
            readStretched(b, [...outer, ...(tb ? [column, k] : [k, column])]);
        }
        return sum;
      }),
    ];
  },
  conv(inputs, geometry) {
    const [x, w] = [operand(inputs, 0), operand(inputs, 1)];
    const out = blank("float32", outputShape(geometry, x.shape, w.shape));
    forEachTap(geometry, x.shape, w.shape, out.shape, (i, k, o) => addAt(out, o, read(x, i) * read(w, k)));
    const bias = inputs[2];
    return [bias ? build("float32", out.shape, (i) => read(out, i) + read(bias, [at(i, 1)])) : out];
  },
  convTranspose(inputs, { spatial, ...geometry }) {
    const [g, w] = [operand(inputs, 0), operand(inputs, 1)];
    const out = blank("float32", [at(g.shape, 0), at(w.shape, 1) * geometry.groups, ...spatial]);
    forEachTap(geometry, out.shape, w.shape, g.shape, (i, k, o) => addAt(out, i, read(g, o) * read(w, k)));
    return [out];
  },
  convKernelGradient(inputs, { kernel, ...geometry }) {
    const [x, g] = [operand(inputs, 0), operand(inputs, 1)];
    const out = blank("float32", [at(g.shape, 1), at(x.shape, 1) / geometry.groups, ...kernel]);
    forEachTap(geometry, x.shape, out.shape, g.shape, (i, k, o) => addAt(out, k, read(x, i) * read(g, o)));
    return [out];
  },
  maxPool(inputs, window) {
    const x = operand(inputs, 0);
    const values: number[] = [];
    const winners: number[] = [];
    const shape = forEachWindow(window, x, (_, covered) => {
      const found = covered.map((index) => read(x, index));
      const best = Math.max(...found);
      values.push(best);
      // The winner's place in the whole image, flattened.
      winners.push(offset(x.shape, covered[found.indexOf(best)] ?? []));
    });
    return [
      { dtype: x.dtype, shape, data: Float64Array.from(values) },
      { dtype: "int32", shape, data: Float64Array.from(winners) },
    ];
  },
  avgPool(inputs, window) {
    const x = operand(inputs, 0);
    const values: number[] = [];
    const size = window.kernel.reduce((n, k) => n * k, 1);
    const shape = forEachWindow(window, x, (_, covered) => {
      values.push(covered.reduce((sum, index) => sum + read(x, index), 0) / size);
    });
    return [{ dtype: x.dtype, shape, data: Float64Array.from(values) }];
  },
} satisfies Partial<Table>;
