/** What the tests of files share. */
import { execFileSync } from "node:child_process";
import type { RunConfig } from "../../../src/train/index.ts";

export const runConfig: RunConfig = {
  recipe: "transformer/language-model",
  seed: 1,
  config: { layers: 2 },
  versions: { heptagen: "0.1.0" },
  data: { files: ["moby-dick.txt"] },
};

export const isRoot = process.getuid?.() === 0;

/** Runs a line of shell. */
export function shell(line: string, ...args: string[]): string {
  return execFileSync("bash", ["-c", line, "bash", ...args], { encoding: "utf8", stdio: "pipe" });
}

/** Mounts a small disk in memory over a folder. Returns how to unmount it, or why it cannot be had. */
export function tryMount(folder: string, options: string): (() => void) | string {
  if (process.platform !== "linux") return `this is ${process.platform}`;
  if (!isRoot) return "only the superuser may";
  try {
    shell(`mount -t tmpfs -o "$1" tmpfs "$2"`, options, folder);
    return () => void shell(`umount -l "$1"`, folder);
  } catch (error) {
    return error instanceof Error ? (error.message.split("\n")[1] ?? error.message) : String(error);
  }
}
