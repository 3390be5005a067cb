/**
 * How many threads a native operator should use.
 *
 * ONNX Runtime asks the processor itself (CPUID) for its cores. Virtual machines often answer that there is one, and everything then
 * runs on a single thread without a word; the operating system knows better.
 *
 * `HEPTAGEN_THREADS` sets another number: two trainings on one machine run best with half of the cores each, since ONNX Runtime's
 * threads wait for each other by spinning.
 */
import { HeptagenError } from "../util/errors.ts";

/**
 * The number of threads that the user set, if any.
 *
 * @throws HeptagenError `runtime/threads` for anything but a whole number from 1
 */
export function threadsOf(environment: Readonly<Record<string, string | undefined>>): number | undefined {
  const given = environment.HEPTAGEN_THREADS;
  if (given === undefined || given === "") return undefined;
  const threads = Number(given);
  if (Number.isInteger(threads) && threads > 0) return threads;
  throw new HeptagenError("runtime/threads", `expected HEPTAGEN_THREADS to be a whole number from 1, got "${given}"`, {
    next: "Set it to the number of cores to use, or unset it to use all.",
  });
}

/**
 * Physical cores that this process may use, as Linux lists them; undefined where it lists none.
 *
 * @param list text of `/proc/cpuinfo`
 * @param allowed processors that the process may run on
 */
export function countCores(list: string, allowed: number): number | undefined {
  const cores = new Set<string>();
  let socket = "";
  for (const line of list.split("\n")) {
    const [key = "", value = ""] = line.split(":").map((part) => part.trim());
    if (key === "physical id") socket = value;
    else if (key === "core id") cores.add(`${socket}.${value}`);
  }
  return cores.size > 0 ? Math.min(cores.size, allowed) : undefined;
}

/** Threads that operators should use: what the user set, else this machine's cores; undefined where ONNX Runtime should decide. */
export function usableCores(): number | undefined {
  const set = threadsOf(process.env);
  if (set !== undefined) return set;
  if (process.platform !== "linux") return undefined;
  const fs = process.getBuiltinModule?.("node:fs");
  const os = process.getBuiltinModule?.("node:os");
  if (!fs || !os) return undefined;
  try {
    return countCores(fs.readFileSync("/proc/cpuinfo", "utf8"), os.availableParallelism());
  } catch {
    return undefined;
  }
}
