/** What a measurement should say about the machine, and waiting until nobody else is using it. */
import { readFileSync } from "node:fs";
import { cpus, loadavg, platform, release, totalmem } from "node:os";
import { setTimeout as sleep } from "node:timers/promises";

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  /** Wide vector instructions the processor has, widest first. */
  readonly vectors: string;
}

export function describeMachine(): Machine {
  const flags =
    readText("/proc/cpuinfo")
      .match(/^(?:flags|Features)\s*:(.*)$/m)?.[1]
      ?.split(" ") ?? [];
  const known = { avx512f: "AVX-512", avx2: "AVX2", asimd: "NEON" };
  return {
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${platform()} ${release()}`,
    node: process.version,
    vectors: Object.entries(known).find(([flag]) => flags.includes(flag))?.[1] ?? "unknown",
  };
}

/** Processes wanting to run, averaged over the last minute. */
export function load(): number {
  return loadavg()[0] ?? 0;
}

/**
 * Waits until the machine has been idle for a tenth of a second, but not longer than `limit` seconds.
 *
 * @returns the fraction of the last tenth of a second in which processors were busy (0 where it cannot be told)
 */
export async function quiet(limit = 10): Promise<number> {
  const end = performance.now() + limit * 1000;
  for (;;) {
    const before = ticks();
    await sleep(100);
    const after = ticks();
    if (!before || !after) return 0;
    const busy = (after.busy - before.busy) / Math.max(1, after.total - before.total);
    if (busy < 0.08 || performance.now() > end) return busy;
  }
}

/** Clock ticks of all processors since the start: busy ones and all. Linux only. */
function ticks(): { busy: number; total: number } | undefined {
  const fields = readText("/proc/stat").split("\n")[0]?.trim().split(/\s+/).slice(1).map(Number);
  if (!fields || fields.length < 5) return undefined;
  const total = fields.slice(0, 8).reduce((sum, x) => sum + x, 0);
  return { busy: total - (fields[3] as number) - (fields[4] as number), total };
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
