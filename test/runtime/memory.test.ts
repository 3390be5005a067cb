import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { mul } from "../../src/ops/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { ndarray } from "../../src/util/ndarray.ts";

test("state written in place is not copied out as well", async () => {
  const size = 4 << 20;
  let x = ndarray("float32", [size], new Float32Array(size).fill(1));
  const double = await compile((a) => [mul(a, 2)], [x], { donate: [0], device: "cpu" });
  const data = x.data;
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 3; i++) [x] = (await double.run(x)) as [typeof x];
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(size);
  expect(x.data).toBe(data);
  expect(x.data[size - 1]).toBe(8);
  await double.dispose();
});

test.each([
  ["in a loop", 0],
  ["written out, with dropout", 0.1],
])("accumulating gradients over eight micro-batches takes the memory of one: %s", (_, dropout) => {
  const child = fileURLToPath(new URL("accumulate-child.ts", import.meta.url));
  const measure = (count: number) => {
    const { stdout, stderr } = spawnSync(process.execPath, ["--import", "tsx", child, `${count}`, `${dropout}`], {
      encoding: "utf8",
    });
    expect(stderr).toBe("");
    return (JSON.parse(stdout) as { peak: number }).peak;
  };
  const [one, eight] = [measure(1), measure(8)];
  console.log(`one micro-batch: ${one.toFixed(0)} MB, eight: ${eight.toFixed(0)} MB`);
  expect(eight).toBeLessThan(2 * one);
});
