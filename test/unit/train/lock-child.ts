/** Takes the lock of a folder again and again; a file shows whether anybody else has it at the same time. */
import { closeSync, openSync, rmSync } from "node:fs";
import { join } from "node:path";
import { lockRun } from "../../../src/train/run-lock.node.ts";
import { HeptagenError } from "../../../src/util/errors.ts";

const folder = process.argv[2] ?? "";
const inside = join(folder, "inside");
const until = performance.now() + 600;
const counts = { held: 0, refused: 0, overlaps: 0 };
while (performance.now() < until) {
  try {
    const lock = await lockRun(folder);
    counts.held++;
    try {
      closeSync(openSync(inside, "wx"));
      await new Promise((resolve) => setTimeout(resolve, 1));
      rmSync(inside);
    } catch {
      counts.overlaps++;
    }
    await lock.release();
  } catch (error) {
    if (!(error instanceof HeptagenError && error.code === "run/locked")) throw error;
    counts.refused++;
  }
}
console.log(JSON.stringify(counts));
