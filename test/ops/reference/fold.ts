/** Reference semantics of primitives that fold or normalise axes. */
import { replaced } from "./arrange.ts";
import { at, blank, build, forEachIndex, offset, operand, type Rule, read, type Table, type Value } from "./value.ts";

/** Combines all elements along some axes, which disappear. */
function fold(combine: (a: number, b: number) => number, start: number): Rule<{ readonly axes: readonly number[] }> {
  return (inputs, { axes }) => {
    const x = operand(inputs, 0);
    const keeps = x.shape.flatMap((_, axis) => (axes.includes(axis) ? [] : [axis]));
    const out = build(
      x.dtype,
      keeps.map((axis) => at(x.shape, axis)),
      () => start,
    );
    forEachIndex(x.shape, (index) => {
      const place = offset(
        out.shape,
        keeps.map((axis) => at(index, axis)),
      );
      out.data[place] = combine(at(out.data, place), read(x, index));
    });
    return [out];
  };
}

/** The elements of the line through a position along an axis. */
function line(x: Value, index: readonly number[], axis: number): number[] {
  return Array.from({ length: at(x.shape, axis) }, (_, i) => read(x, replaced(index, axis, i)));
}

const sumOf = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

/** log Σ e^v, with the largest taken out first. */
function logSumExp(values: readonly number[]): number {
  const peak = Math.max(...values);
  return peak + Math.log(sumOf(values.map((v) => Math.exp(v - peak))));
}

export const folds = {
  sum: fold((a, b) => a + b, 0),
  reduceMax: fold(Math.max, Number.NEGATIVE_INFINITY),
  reduceMin: fold(Math.min, Number.POSITIVE_INFINITY),
  argmax(inputs, { axis }) {
    const x = operand(inputs, 0);
    const shape = x.shape.filter((_, i) => i !== axis);
    return [
      build("int32", shape, (index) => {
        const values = line(x, [...index.slice(0, axis), 0, ...index.slice(axis)], axis);
        return values.indexOf(Math.max(...values));
      }),
    ];
  },
  cumsum(inputs, { axis, reverse }) {
    const x = operand(inputs, 0);
    return [
      build(x.dtype, x.shape, (index) => {
        const values = line(x, index, axis);
        const here = at(index, axis);
        return sumOf(reverse ? values.slice(here) : values.slice(0, here + 1));
      }),
    ];
  },
  softmax(inputs, { axis }) {
    const x = operand(inputs, 0);
    return [build(x.dtype, x.shape, (index) => Math.exp(read(x, index) - logSumExp(line(x, index, axis))))];
  },
  logSoftmax(inputs, { axis }) {
    const x = operand(inputs, 0);
    return [build(x.dtype, x.shape, (index) => read(x, index) - logSumExp(line(x, index, axis)))];
  },
  layerNorm(inputs, { epsilon }) {
    const [x, scale, bias] = [operand(inputs, 0), operand(inputs, 1), inputs[2]];
    const last = x.shape.length - 1;
    const kept = replaced(x.shape, last, 1);
    const mean = blank(x.dtype, kept);
    const inverse = blank(x.dtype, kept);
    let row = 0;
    forEachIndex(kept, (index) => {
      const values = line(x, index, last);
      const centre = sumOf(values) / values.length;
      const variance = sumOf(values.map((v) => (v - centre) ** 2)) / values.length;
      mean.data[row] = centre;
      inverse.data[row] = 1 / Math.sqrt(variance + epsilon);
      row++;
    });
    const y = build(x.dtype, x.shape, (index) => {
      const [own, channel] = [replaced(index, last, 0), at(index, last)];
      const normal = (read(x, index) - read(mean, own)) * read(inverse, own);
      return normal * read(scale, [channel]) + (bias ? read(bias, [channel]) : 0);
    });
    return [y, mean, inverse];
  },
} satisfies Partial<Table>;
