/** A benchmark peer: a process that runs cases on request, one JSON object a line each way (peers/README.md). */
import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { createInterface } from "node:readline";

/** What a run of a case reports; times in milliseconds, memory in bytes. */
export interface Answer {
  readonly ms: readonly number[];
  readonly flops?: number;
  readonly tokens?: number;
  readonly parameters?: number;
  readonly loss?: number;
  readonly peakRss?: number;
  readonly processPeakRss?: number;
}

export interface Command {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
}

export class Peer {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #waiting: { resolve(line: string): void; reject(error: Error): void }[] = [];
  #stderr = "";

  constructor({ command, args, cwd, env }: Command) {
    this.#child = spawn(command, args, { cwd, env: { ...process.env, ...env } });
    createInterface({ input: this.#child.stdout }).on("line", (line) => {
      // Libraries greet on standard output; answers are objects.
      if (line.startsWith("{")) this.#waiting.shift()?.resolve(line);
    });
    this.#child.stderr.on("data", (chunk) => {
      this.#stderr = `${this.#stderr}${chunk}`.slice(-2000);
    });
    const fail = (what: string) => {
      const last = this.#stderr.trim().split("\n").at(-1) ?? "";
      for (const { reject } of this.#waiting.splice(0)) reject(new Error(last ? `${what}: ${last}` : what));
    };
    this.#child.on("error", ({ message }) => fail(message));
    this.#child.on("exit", (code, signal) => fail(`${command} ended (${signal ?? code})`));
    this.#child.stdin.on("error", () => undefined); // the exit says more
  }

  /** Versions, threads, device. Any answer without `error`. */
  check(): Promise<Record<string, unknown>> {
    return this.#ask({ cmd: "check" });
  }

  async cases(): Promise<string[]> {
    return (await this.#ask({ cmd: "list" })).cases as string[];
  }

  async run(name: string, iterations: number): Promise<Answer> {
    return (await this.#ask({ cmd: "run", name, iterations })) as unknown as Answer;
  }

  async drop(name: string): Promise<void> {
    await this.#ask({ cmd: "drop", name });
  }

  close(): void {
    this.#child.stdin.end();
    this.#child.kill();
  }

  async #ask(request: Record<string, unknown>): Promise<Record<string, unknown>> {
    if (this.#child.exitCode !== null || this.#child.signalCode) throw new Error(`the process has ended: ${this.#stderr.trim()}`);
    const line = new Promise<string>((resolve, reject) => this.#waiting.push({ resolve, reject }));
    this.#child.stdin.write(`${JSON.stringify(request)}\n`);
    const answer = JSON.parse(await line) as Record<string, unknown>;
    if (typeof answer.error === "string") throw new Error(answer.error);
    return answer;
  }
}
