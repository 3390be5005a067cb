/** Real processes, really killed: whatever moment SIGKILL comes, the run loads and at most the checkpoint being written is lost. */
import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { openRun } from "../../../src/train/index.ts";

const child = fileURLToPath(new URL("crash-child.ts", import.meta.url));
const rounds = 15;

interface Life {
  readonly output: string;
  /** Milliseconds from its start to when it had resumed, if it came so far. */
  readonly startup?: number;
}

/** Starts the child and kills it `delay` ms after its start (to hit the resuming itself) or after it saved `saves` times. */
function live(folder: string, { delay, after }: { delay: number; after: "start" | { saves: number } }): Promise<Life> {
  const process_ = spawn(process.execPath, ["--import", "tsx", child, folder], { stdio: ["ignore", "pipe", "inherit"] });
  const begin = performance.now();
  let output = "";
  let startup: number | undefined;
  let due = false;
  const kill = () => {
    if (due) return;
    due = true;
    setTimeout(() => process_.kill("SIGKILL"), delay);
  };
  if (after === "start") kill();
  process_.stdout.on("data", (text) => {
    output += text;
    if (!output.includes("resumed")) return;
    startup ??= performance.now() - begin;
    if (after !== "start" && output.split("saved").length > after.saves) kill();
  });
  return new Promise((resolve) => process_.once("close", () => resolve({ output, ...(startup && { startup }) })));
}

/** Kills one run again and again, at moments drawn from `seed`; returns how many checkpoints were saved. */
async function killAgainAndAgain(folder: string, seed: number): Promise<number> {
  let state = seed;
  const random = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  let known = 0;
  let startup = 300;
  for (let round = 0; round < rounds; round++) {
    const early = round % 4 === 3;
    // On a machine of any speed: after none to four further checkpoints, and anywhere in the one that follows.
    const saves = Math.floor(5 * random());
    const delay = early ? startup * (0.8 + 0.4 * random()) : 40 * random();
    const { output, startup: took } = await live(folder, { delay, after: early ? "start" : { saves } });
    startup = took ?? startup;
    expect(output).not.toContain("torn");
    const resumed = /resumed (\d+)/.exec(output)?.[1];
    if (resumed !== undefined) {
      expect(Number(resumed)).toBeGreaterThanOrEqual(known); // nothing that was saved is lost
      expect(Number(resumed)).toBeLessThanOrEqual(known + 1);
      known = Number(resumed);
    } else expect(early).toBe(true);
    known = Math.max(known, ...[...output.matchAll(/saved (\d+)\n/g)].map(([, step]) => Number(step)));
    if (known === 0) continue;
    const { step, model, optimizer, state: position, warnings } = await (await openRun(folder)).loadCheckpoint("last");
    expect([known, known + 1]).toContain(step);
    expect(warnings).toEqual([]);
    expect([model.get("layers.1")?.data[2], optimizer.get("step")?.data[0], position]).toEqual([step, step, { step }]);
    const kept = (await readdir(join(folder, "checkpoints"))).filter((name) => name.startsWith("step-"));
    expect(kept.length).toBeLessThanOrEqual(4);
  }
  return known;
}

test("killed at 30 random moments, a run loads each time and loses at most one checkpoint", { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), "heptagen-kill-"));
  const saved = await Promise.all([1, 2].map((seed) => killAgainAndAgain(join(folder, String(seed)), seed)));
  for (const steps of saved) expect(steps).toBeGreaterThan(rounds);
  await rm(folder, { recursive: true });
});
