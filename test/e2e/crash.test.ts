/** Killed at any instant, training goes on from its last checkpoint and ends with the same bytes as if nothing had happened. */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { openRun } from "../../src/train/index.ts";
import { key, randint } from "../../src/util/random.ts";

const child = fileURLToPath(new URL("./train-child.ts", import.meta.url));

/** Runs the training; kills it with SIGKILL after so many milliseconds from its first checkpoint on (never, unless told). */
function train(folder: string, killAfter?: number): Promise<boolean> {
  const process = spawn(globalThis.process.execPath, ["--import", "tsx", child, folder], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const before = checkpoints(folder).join();
  let out = "";
  process.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  const watch = setInterval(() => {
    if (killAfter === undefined || checkpoints(folder).join() === before) return;
    clearInterval(watch);
    setTimeout(() => process.kill("SIGKILL"), killAfter);
  }, 2);
  return new Promise((resolve) => {
    process.on("exit", () => {
      clearInterval(watch);
      resolve(out.includes("done"));
    });
  });
}

function checkpoints(folder: string): string[] {
  try {
    return readdirSync(join(folder, "checkpoints")).filter((name) => name.startsWith("step-"));
  } catch {
    return [];
  }
}

it("survives SIGKILL at random moments, again and again", async () => {
  const folder = mkdtempSync(join(tmpdir(), "heptagen-crash-"));
  try {
    const [straight, killed] = [join(folder, "straight"), join(folder, "killed")];
    expect(await train(straight)).toBe(true);
    const delays = new Int32Array(12);
    randint(key(5), 0, 120, delays);
    let kills = 0;
    for (const delay of delays) {
      if (await train(killed, delay)) break;
      kills++;
      const run = await openRun(killed);
      const { step, warnings } = await run.loadCheckpoint("last");
      expect(warnings).toEqual([]);
      expect(step % 25).toBe(0);
    }
    expect(kills).toBeGreaterThanOrEqual(5);
    while (!(await train(killed))) expect(kills++).toBeLessThan(20);
    for (const file of ["model.safetensors", "metrics.jsonl", "checkpoints/step-00000600/optimizer.safetensors"]) {
      expect(readFileSync(join(killed, file)).equals(readFileSync(join(straight, file))), file).toBe(true);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
