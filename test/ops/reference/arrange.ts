/** Reference semantics of primitives that make or move elements without computing with them. */
import { at, build, operand, read, readStretched, type Table } from "./value.ts";

export const arrange = {
  reshape(inputs, { shape }) {
    const { dtype, data } = operand(inputs, 0);
    return [{ dtype, shape, data }];
  },
  transpose(inputs, { perm }) {
    const x = operand(inputs, 0);
    const shape = perm.map((p) => at(x.shape, p));
    // Axis `perm[i]` of the operand is axis `i` of the result.
    return [
      build(x.dtype, shape, (to) =>
        read(
          x,
          x.shape.map((_, axis) => at(to, perm.indexOf(axis))),
        ),
      ),
    ];
  },
  broadcast(inputs, { shape }) {
    const x = operand(inputs, 0);
    return [build(x.dtype, shape, (i) => readStretched(x, i))];
  },
  concat(inputs, { axis }) {
    const { dtype, shape } = operand(inputs, 0);
    const size = inputs.reduce((n, x) => n + at(x.shape, axis), 0);
    return [
      build(dtype, replaced(shape, axis, size), (index) => {
        let place = at(index, axis);
        for (const x of inputs) {
          if (place < at(x.shape, axis)) return read(x, replaced(index, axis, place));
          place -= at(x.shape, axis);
        }
        throw new RangeError("past the last operand");
      }),
    ];
  },
  split(inputs, { sizes, axis }) {
    const x = operand(inputs, 0);
    let start = 0;
    return sizes.map((size) => {
      const from = start;
      start += size;
      return build(x.dtype, replaced(x.shape, axis, size), (i) => read(x, replaced(i, axis, at(i, axis) + from)));
    });
  },
  slice(inputs, { starts, stops, steps }) {
    const x = operand(inputs, 0);
    // The places each axis visits, as a loop `for (i = start; before stop; i += step)` would.
    const places = x.shape.map((_, axis) => {
      const [start, stop, step] = [at(starts, axis), at(stops, axis), at(steps, axis)];
      const visited: number[] = [];
      for (let i = start; step > 0 ? i < stop : i > stop; i += step) visited.push(i);
      return visited;
    });
    return [
      build(
        x.dtype,
        places.map((p) => p.length),
        (to) =>
          read(
            x,
            to.map((i, axis) => at(places[axis] ?? [], i)),
          ),
      ),
    ];
  },
  pad(inputs, { pads, value }) {
    const x = operand(inputs, 0);
    const shape = x.shape.map((d, axis) => d + (pads[axis]?.[0] ?? 0) + (pads[axis]?.[1] ?? 0));
    return [
      build(x.dtype, shape, (to) => {
        const from = to.map((i, axis) => i - (pads[axis]?.[0] ?? 0));
        return from.every((i, axis) => i >= 0 && i < at(x.shape, axis)) ? read(x, from) : value;
      }),
    ];
  },
  iota: (_, { count }) => [build("int32", [count], ([i]) => i ?? 0)],
  full: (_, { shape, value, dtype }) => [build(dtype, shape, () => value)],
  zeros: (_, { shape, dtype }) => [build(dtype, shape, () => 0)],
} satisfies Partial<Table>;

/** A list with one entry changed. */
export function replaced(list: readonly number[], place: number, value: number): number[] {
  return list.map((v, i) => (i === place ? value : v));
}
