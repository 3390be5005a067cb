/** Many callers at once: graphs that load and run side by side all come back, with the numbers they give alone. */
import { expect, test } from "vitest";
import type { Tensor } from "../../src/core/tensor.ts";
import { compile } from "../../src/runtime/index.ts";
import { toArray } from "../ops/reference/value.ts";
import { asOperands, listOf, type Sample, sampleKey, samples } from "../ops/samples.ts";

const several = [...samples.scan, ...samples.whileLoop, ...samples.matmul];

test.each(["cpu", "wasm"] as const)("on %s", async (device) => {
  const load = ({ inputs, call }: Sample) =>
    compile((xs: readonly Tensor[], key) => listOf(call(asOperands(xs), key)), [inputs.map(toArray), sampleKey] as const, {
      device,
    });
  const loaded = await Promise.all(several.map(load));
  const run = (i: number) => loaded[i]?.run((several[i] as Sample).inputs.map(toArray), sampleKey);
  const together = await Promise.all([...loaded.keys(), ...loaded.keys()].map(run));
  for (const i of loaded.keys()) {
    expect(together[i], several[i]?.name).toEqual(await run(i));
    expect(together[i + loaded.length], several[i]?.name).toEqual(together[i]);
  }
  await Promise.all(loaded.map((executable) => executable.dispose()));
});
