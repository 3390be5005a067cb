/** Sums at repeated places lose nothing, however many threads add: the gradient of an embedding, the same in every run. */
import { expect, test } from "vitest";
import type { Tensor } from "../../src/core/tensor.ts";
import { scatterAdd, scatterAddAlongAxis } from "../../src/ops/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { ndarray } from "../../src/util/ndarray.ts";

const size = 2000;
const places = 3;

test.each([
  ["cpu", 1],
  ["cpu", 16],
  ["wasm", 1],
  ["wasm", 16],
] as const)("on %s, rows of %i", async (device, width) => {
  const rows = 2 ** 16;
  const updates = ndarray("float32", [rows, width], new Float32Array(rows * width).fill(1));
  const indices = ndarray(
    "int32",
    [rows],
    Int32Array.from({ length: rows }, (_, i) => i % places),
  );
  const fn = (u: Tensor, i: Tensor) => [scatterAdd(u, i, { size }), scatterAddAlongAxis(i, i, { size })];
  const executable = await compile(fn, [updates, indices] as const, { device });
  for (let run = 0; run < 5; run++) {
    const [sums, whole] = await executable.run(updates, indices);
    for (let place = 0; place < places; place++) {
      const count = Math.ceil((rows - place) / places);
      expect(sums?.data.slice(place * width, (place + 1) * width)).toEqual(new Float32Array(width).fill(count));
      expect(whole?.data[place]).toBe(count * place);
    }
  }
  await executable.dispose();
});
