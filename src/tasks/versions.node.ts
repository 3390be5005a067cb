/** The versions of everything that can change a run's numbers. */
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";

/** Of Heptagen, Node and ONNX Runtime, by name. */
export async function versions(): Promise<Record<string, string>> {
  const own = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8")) as { version: string };
  return { heptagen: own.version, node: process.versions.node, ...packageVersion("onnxruntime-node") };
}

function packageVersion(name: string): Record<string, string> {
  try {
    const { version } = createRequire(import.meta.url)(`${name}/package.json`) as { version: string };
    return { [name]: version };
  } catch {
    return {}; // an optional package that is not installed
  }
}
