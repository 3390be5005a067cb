/** What the tests of files share. */
import { execFileSync } from "node:child_process";
import type { RunConfig } from "../../../src/train/index.node.ts";

export const runConfig: RunConfig = {
  recipe: "transformer/language-model",
  seed: 1,
  config: { layers: 2 },
  versions: { heptagen: "0.1.0" },
  data: { files: ["moby-dick.txt"] },
};

export const isRoot = process.getuid?.() === 0;

/** Mounts a small disk in memory over a folder. Returns how to unmount it, or why it cannot be had. */
export function tryMount(folder: string, options: string): (() => void) | string {
  if (process.platform !== "linux") return `this is ${process.platform}`;
  if (!isRoot) return "only the superuser may";
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder], { stdio: "pipe" });
    return () => void execFileSync("umount", ["-l", folder]);
  } catch (error) {
    return error instanceof Error ? (error.message.split("\n")[1] ?? error.message) : String(error);
  }
}
