/** Runs the command line as a user does: built (`build.ts`), and as a process of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = resolve(fileURLToPath(import.meta.url), "../../..");

/** How a process ended. */
export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd?: string;
  readonly input?: string;
  /** Sees each line of standard output as it comes, and the process. */
  readonly onLine?: (line: string, child: ChildProcess) => void;
}

/** The built program. */
export const main = join(root, "dist/cli/main.js");

/** Runs `heptagen …` to its end. */
export function heptagen(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  return execute(process.execPath, [main, ...argv], options);
}

/** Runs any program to its end. */
export function execute(file: string, argv: readonly string[], { cwd, input, onLine }: RunOptions = {}): Promise<Outcome> {
  return new Promise((done, failed) => {
    const child = spawn(file, argv, { cwd: cwd ?? root, env: { ...process.env, NO_COLOR: "1", FORCE_COLOR: "0" } });
    let [stdout, stderr, rest] = ["", "", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) onLine?.(line, child);
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", failed);
    child.on("close", (code) => done({ code, stdout, stderr }));
    child.stdin.end(input ?? "");
  });
}

/** The JSON events a command printed. */
export function events(stdout: string): { kind: string; [key: string]: unknown }[] {
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line));
}

/** An empty folder, and how to remove it. */
export function temporaryFolder(): { folder: string; remove: () => void } {
  const folder = mkdtempSync(join(tmpdir(), "heptagen-e2e-"));
  return { folder, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** A short text that a tiny model learns something of; 31 characters are its vocabulary. */
export function writeText(file: string, sentences = 200): string {
  const words = ["the whale", "a ship", "old ahab", "the sea", "queequeg", "a harpoon", "the wind", "some bird"];
  const verbs = ["sees", "loves", "follows", "hunts", "fears", "jumps over", "mixes", "quizzes"];
  const lines = Array.from({ length: sentences }, (_, i) => {
    const [a, b, c] = [(i * 7) % 8, (i * 5 + (i >> 3)) % 8, (i * 3 + (i >> 2)) % 8];
    return `${words[a]} ${verbs[b]} ${words[c]}.\n`;
  });
  writeFileSync(file, lines.join(""));
  return file;
}

/** Options of a training that takes a second or two. */
export const tiny = [
  ["--tokenizer", "character"],
  ["--layers", "1"],
  ["--heads", "2"],
  ["--width", "16"],
  ["--context", "16"],
  ["--batch", "4"],
  ["--steps", "30"],
  ["--evaluate-every", "10"],
  ["--checkpoint-every", "10"],
  ["--sample-every", "0"],
].flat();

export const recipe = "transformer/language-model";
