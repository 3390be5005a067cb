/** Killed at any instant, training goes on from its last checkpoint and ends with the same bytes as if nothing had happened. */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";
import { openRun } from "../../src/train/index.ts";
import { fold, type Key, key, randint } from "../../src/util/random.ts";

const script = fileURLToPath(new URL("./train-child.mjs", import.meta.url));

/** When to kill: so many milliseconds after the process was started, or after its first checkpoint. */
interface Kill {
  readonly after: "start" | "checkpoint";
  readonly delay: number;
}

/** Runs the training, to be killed with SIGKILL or until its end; tells whether it got there. */
function train(folder: string, kill?: Kill): Promise<boolean> {
  const child = spawn(process.execPath, [script, folder], { stdio: ["ignore", "pipe", "inherit"] });
  const before = checkpoints(folder).join();
  let out = "";
  child.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
  });
  const watch = setInterval(() => {
    if (!kill || (kill.after === "checkpoint" && checkpoints(folder).join() === before)) return;
    clearInterval(watch);
    setTimeout(() => child.kill("SIGKILL"), kill.delay);
  }, 2);
  return new Promise((resolve) => {
    child.on("exit", () => {
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

/** Twelve moments: most soon after a checkpoint, where files are written, some anywhere from the start of the process on. */
function seededKills(seed: Key): Kill[] {
  const [soon, anywhere] = [new Int32Array(12), new Int32Array(12)];
  randint(fold(seed, "soon"), 0, 60, soon);
  randint(fold(seed, "anywhere"), 0, 1500, anywhere);
  return Array.from(soon, (delay, i) =>
    i % 4 === 0 ? { after: "start", delay: anywhere[i] as number } : { after: "checkpoint", delay },
  );
}

it("survives SIGKILL at random moments, again and again", async () => {
  const folder = mkdtempSync(join(tmpdir(), "heptagen-crash-"));
  try {
    const [straight, killed] = [join(folder, "straight"), join(folder, "killed")];
    expect(await train(straight)).toBe(true);
    let [kills, resumed] = [0, 0];
    for (const kill of seededKills(key(5))) {
      if (await train(killed, kill)) break;
      kills++;
      if (checkpoints(killed).length === 0) continue; // killed before its first: it begins again
      resumed++;
      const { step, warnings } = await (await openRun(killed)).loadCheckpoint("last");
      expect(warnings).toEqual([]);
      expect(step % 25).toBe(0);
    }
    expect(kills).toBeGreaterThanOrEqual(10);
    expect(resumed).toBeGreaterThanOrEqual(8);
    expect(await train(killed)).toBe(true);
    for (const file of ["model.safetensors", "metrics.jsonl", "checkpoints/step-00001200/optimizer.safetensors"]) {
      expect(readFileSync(join(killed, file)).equals(readFileSync(join(straight, file))), file).toBe(true);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
