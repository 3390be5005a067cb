/**
 * How many threads a native operator should use.
 *
 * ONNX Runtime asks the processor itself (CPUID) for its cores. Virtual machines often answer that there is one, and everything then
 * runs on a single thread without a word; the operating system knows better.
 */

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

/** Cores of this machine that operators should use; undefined where ONNX Runtime should decide (anywhere but on Linux). */
export function usableCores(): number | undefined {
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
