/**
 * A crash at every single operation that changes the disk: creating a run and saving checkpoints is cut off at the first
 * operation, at the second, and so on to the last. A write that is cut off has written half, a folder that is being removed
 * has lost one file, and what was not flushed when the power went is gone. After each the run must load and go on.
 */
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, truncateSync } from "node:fs";
import type { FileHandle } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test, vi } from "vitest";
import { createRun, openRun, readSafetensorsFile, resumeRun } from "../../src/train/index.ts";
import { ndarray } from "../../src/util/ndarray.ts";
import { runConfig } from "../unit/train/storage.ts";

type Disk = typeof import("node:fs/promises");

/** The machine: it stops for good at operation `stopsAt`. */
const machine = vi.hoisted(() => ({
  stopsAt: Number.POSITIVE_INFINITY,
  operations: 0,
  stopped: () => {},
  /** Inodes of files whose bytes are not all on the disk. */
  unflushed: new Set<number>(),
  handles: [] as { close(): Promise<void> }[],
}));

vi.mock("node:fs/promises", async (original) => {
  const disk = await original<Disk>();
  const never = new Promise<never>(() => {});
  const stops = (): boolean => {
    const now = ++machine.operations >= machine.stopsAt;
    if (now) machine.stopped();
    return now;
  };
  const gate =
    <Args extends unknown[], Out>(operation: (...args: Args) => Promise<Out>) =>
    (...args: Args): Promise<Out> =>
      stops() ? never : operation(...args);
  const open: Disk["open"] = async (path, flags) => {
    if (flags !== "wx") return disk.open(path, flags);
    if (stops()) return never;
    const handle = await disk.open(path, flags);
    machine.handles.push(handle);
    const { ino } = await handle.stat();
    const file = {
      async write(bytes: Uint8Array, at: number, length: number) {
        machine.unflushed.add(ino);
        if (!stops()) return handle.write(bytes, at, length);
        await handle.write(bytes, at, length >> 1);
        return never;
      },
      async sync() {
        await handle.sync();
        machine.unflushed.delete(ino);
      },
      close: () => handle.close(),
    };
    return file as unknown as FileHandle; // all that is used of one
  };
  const rm: Disk["rm"] = async (path, options) => {
    if (!stops()) return disk.rm(path, options);
    const [first] = await disk.readdir(path).catch(() => []);
    if (first !== undefined) await disk.rm(join(String(path), first));
    return never;
  };
  const gated = (["mkdir", "rename", "link", "copyFile"] as const).map(
    (name) => [name, gate(disk[name] as (...args: unknown[]) => Promise<unknown>)] as const,
  );
  return { ...disk, ...Object.fromEntries(gated), open, rm };
});

/** A run of six checkpoints, the first of them the best, so that the second, third and fourth are removed on the way. */
async function train(folder: string, saved: (step: number) => void): Promise<void> {
  const run = await createRun(folder, runConfig);
  for (const step of [1, 2, 3, 4, 5, 6]) {
    run.appendMetrics({ step, loss: 1 / step });
    await run.saveCheckpoint(content(step), { best: step === 1 });
    saved(step);
  }
  await run.close();
}

function content(step: number) {
  const w = ndarray("float32", [300], new Float32Array(300).fill(step));
  return { step, model: { w }, optimizer: { m: w }, state: { step } };
}

/** Runs until the machine stops at an operation, or to the end; returns the last step that was saved for sure. */
async function trainUntil(operation: number, folder: string): Promise<number> {
  let last = 0;
  Object.assign(machine, { stopsAt: operation, operations: 0 });
  const stopped = new Promise<void>((resolve) => {
    machine.stopped = resolve;
  });
  await Promise.race([
    stopped,
    train(folder, (step) => {
      last = step;
    }),
  ]);
  await new Promise((resolve) => setTimeout(resolve, 2)); // half a write ends
  machine.stopsAt = Number.POSITIVE_INFINITY;
  for (const handle of machine.handles.splice(0)) await handle.close().catch(() => undefined);
  for (const entry of existsSync(folder) ? readdirSync(folder, { recursive: true, withFileTypes: true }) : []) {
    const path = join(entry.parentPath, entry.name);
    if (machine.unflushed.has(statSync(path).ino)) truncateSync(path);
    if (entry.name.startsWith(".lock-")) rmSync(path); // the process it names is dead now
  }
  machine.unflushed.clear();
  return last;
}

const parent = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "heptagen-crash-"));
afterAll(() => rmSync(parent, { recursive: true }));

test("a crash or power cut at any operation leaves a run that loads and goes on", { timeout: 60_000 }, async () => {
  expect(await trainUntil(Number.POSITIVE_INFINITY, join(parent, "whole"))).toBe(6);
  const operations = machine.operations;
  expect(operations).toBeGreaterThan(80);
  const outcomes = new Set<string>();
  for (let operation = 1; operation <= operations; operation++) {
    const folder = join(parent, String(operation));
    const saved = await trainUntil(operation, folder);
    if (!existsSync(join(folder, "config.json"))) {
      expect(saved).toBe(0);
      await (await createRun(folder, runConfig)).close(); // the folder can be used
      outcomes.add("no run");
      continue;
    }
    const checkpoints = readdirSync(join(folder, "checkpoints")).filter((name) => name.startsWith("step-"));
    for (const name of checkpoints) expect(readdirSync(join(folder, "checkpoints", name)).length).toBe(4); // no half one
    if (checkpoints.length > 0) {
      const { step, warnings } = await (await openRun(folder)).loadCheckpoint("last"); // as it lies there, before any repair
      expect({ operation, warnings }).toEqual({ operation, warnings: [] });
      expect([saved, saved + 1]).toContain(step);
    } else expect(saved).toBe(0);

    const { run, checkpoint } = await resumeRun(folder);
    const step = checkpoint?.step ?? 0;
    outcomes.add(`${step - saved} more than was known`);
    if (checkpoint) {
      expect(checkpoint.warnings).toEqual([]);
      expect(new Set([...(checkpoint.model.get("w")?.data ?? []), ...(checkpoint.optimizer.get("m")?.data ?? [])])).toEqual(
        new Set([step]),
      );
      expect(checkpoint.state).toEqual({ step });
      expect((await run.loadCheckpoint("best")).step).toBe(1);
      expect((await readSafetensorsFile(run.path("model.safetensors"))).tensors.get("w")?.data[0]).toBe(1);
    }
    expect((await run.readMetrics()).records.map((record) => record.step)).toEqual(Array.from({ length: step }, (_, i) => i + 1));
    const everything = [folder, run.path("checkpoints"), run.path("samples")].flatMap((inside) => readdirSync(inside));
    expect(everything.filter((name) => name.startsWith(".tmp-"))).toEqual([]);
    expect(readdirSync(run.path("checkpoints")).length).toBeLessThanOrEqual(3); // also when it was cut off before removing
    await run.saveCheckpoint(content(step + 1));
    expect(readdirSync(run.path("checkpoints")).length).toBeLessThanOrEqual(3);
    await run.close();
    rmSync(folder, { recursive: true });
  }
  expect(outcomes).toEqual(new Set(["no run", "0 more than was known", "1 more than was known"]));
});
