/** Saves a small checkpoint, then one that the limit on file sizes refuses; prints what happens. */
import { createRun, openRun } from "../../../src/train/index.ts";
import { HeptagenError } from "../../../src/util/errors.ts";
import { ndarray } from "../../../src/util/ndarray.ts";
import { runConfig } from "./storage.ts";

const folder = process.argv[2] ?? "";
const run = await createRun(folder, runConfig);
for (const [step, size] of [
  [1, 10],
  [2, 1 << 20],
] as const) {
  const w = ndarray("float32", [size], new Float32Array(size));
  await run.saveCheckpoint({ step, model: { w }, optimizer: {}, state: {} }).catch((error: unknown) => {
    if (error instanceof HeptagenError) console.log(error.code, error.message);
    else throw error;
  });
}
await run.close();
console.log("last good step", (await (await openRun(folder)).loadCheckpoint("last")).step);
