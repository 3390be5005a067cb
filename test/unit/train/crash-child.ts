/** Trains on in a tight loop until it is killed, saving at every step; tells what is saved. */
import { restoreTree } from "../../../src/train/parameters.ts";
import { createRun, resumeRun } from "../../../src/train/training-run.node.ts";
import { HeptagenError } from "../../../src/util/errors.ts";
import { ndarray } from "../../../src/util/ndarray.ts";
import { runConfig } from "./storage.ts";

const folder = process.argv[2] ?? "";

/** Every number tells the step. */
function trees(step: number) {
  const filled = (size: number) => ndarray("float32", [size], new Float32Array(size).fill(step));
  return { model: { layers: [filled(20_000), filled(3)] }, optimizer: { m: filled(20_000), step: ndarray("int32", [], [step]) } };
}

const { run, checkpoint } = await resumeRun(folder).catch(async (error: unknown) => {
  if (error instanceof HeptagenError && error.code === "run/missing")
    return { run: await createRun(folder, runConfig), checkpoint: undefined };
  throw error;
});
let step = checkpoint?.step ?? 0;
if (checkpoint) {
  restoreTree(trees(0).model, checkpoint.model);
  restoreTree(trees(0).optimizer, checkpoint.optimizer);
  const numbers = new Set(
    [...checkpoint.model.values(), ...checkpoint.optimizer.values()].flatMap(({ data }) => Array.from(data, Number)),
  );
  const { records } = await run.readMetrics();
  const whole = numbers.size === 1 && numbers.has(step) && records.length === step && records.at(-1)?.step === step;
  if (!whole || checkpoint.warnings.length > 0)
    console.log("torn", step, [...numbers].slice(0, 5), records.length, checkpoint.warnings);
}
console.log("resumed", step);
while (true) {
  step++;
  run.appendMetrics({ step, loss: 1 / step });
  await run.saveCheckpoint({ step, ...trees(step), state: { step } }, { best: step % 7 === 0 });
  console.log("saved", step);
}
