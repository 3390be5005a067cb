/** Running the tools that fetch packages. */
import { spawn } from "node:child_process";
import { interrupted } from "./cache-folder.node.ts";

export interface ToolResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface ToolOptions {
  readonly cwd?: string;
  readonly environment?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
  /** Called four times a second while it runs. */
  readonly onTick?: () => Promise<void>;
}

/**
 * Runs a program to its end.
 *
 * @returns undefined if there is no such program
 * @throws HeptagenError `data/interrupted`
 */
export function runTool(
  program: string,
  argv: readonly string[],
  { cwd, environment, signal, onTick }: ToolOptions = {},
): Promise<ToolResult | undefined> {
  return new Promise((done, failed) => {
    const child = spawn(program, argv, {
      stdio: ["ignore", "pipe", "pipe"],
      env: { ...process.env, ...environment },
      ...(cwd !== undefined && { cwd }),
      ...(signal && { signal }),
    });
    const ticks = onTick && setInterval(() => void onTick().catch(() => undefined), 250);
    let [stdout, stderr] = ["", ""];
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    child.on("error", (error: NodeJS.ErrnoException) => {
      clearInterval(ticks);
      if (error.code === "ENOENT") done(undefined);
      else failed(error.name === "AbortError" ? interrupted() : error);
    });
    child.on("close", (code) => {
      clearInterval(ticks);
      done({ code: code ?? 1, stdout, stderr });
    });
  });
}
