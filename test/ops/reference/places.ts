/** Reference semantics of primitives that read or write at places given by other tensors. */
import { replaced } from "./arrange.ts";
import { addAt, at, blank, build, forEachIndex, offset, operand, read, type Table } from "./value.ts";

export const places = {
  gather(inputs, { axis }) {
    const [x, indices] = [operand(inputs, 0), operand(inputs, 1)];
    const rank = indices.shape.length;
    const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
    return [
      build(x.dtype, shape, (to) => {
        const place = read(indices, to.slice(axis, axis + rank));
        return read(x, [...to.slice(0, axis), place, ...to.slice(axis + rank)]);
      }),
    ];
  },
  scatterAdd(inputs, { size }) {
    const [updates, indices] = [operand(inputs, 0), operand(inputs, 1)];
    const out = blank(updates.dtype, replaced(updates.shape, 0, size));
    forEachIndex(updates.shape, (from) => {
      const [row = 0, ...rest] = from;
      addAt(out, [read(indices, [row]), ...rest], read(updates, from));
    });
    return [out];
  },
  takeAlongAxis(inputs, { axis }) {
    const [x, indices] = [operand(inputs, 0), operand(inputs, 1)];
    return [build(x.dtype, indices.shape, (to) => read(x, replaced(to, axis, read(indices, to))))];
  },
  scatterAddAlongAxis(inputs, { axis, size }) {
    const [updates, indices] = [operand(inputs, 0), operand(inputs, 1)];
    const out = blank(updates.dtype, replaced(updates.shape, axis, size));
    forEachIndex(updates.shape, (from) => {
      addAt(out, replaced(from, axis, read(indices, from)), read(updates, from));
    });
    return [out];
  },
  topK(inputs, { k, axis }) {
    const x = operand(inputs, 0);
    const shape = replaced(x.shape, axis, k);
    const values = blank(x.dtype, shape);
    const indices = blank("int32", shape);
    forEachIndex(replaced(x.shape, axis, 1), (index) => {
      const element = (i: number) => read(x, replaced(index, axis, i));
      const order = Array.from({ length: at(x.shape, axis) }, (_, i) => i);
      order.sort((a, b) => element(b) - element(a) || a - b);
      order.slice(0, k).forEach((place, rank) => {
        const to = offset(shape, replaced(index, axis, rank));
        values.data[to] = element(place);
        indices.data[to] = place;
      });
    });
    return [values, indices];
  },
} satisfies Partial<Table>;
