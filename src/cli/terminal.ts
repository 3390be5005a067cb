/**
 * Where a command writes: people's text, or one JSON event a line for programs (`--json`).
 *
 * Results go to standard output, warnings and errors to standard error, so that `heptagen sample … > story.txt` holds the
 * story alone.
 */
import { relative } from "node:path";
import pc from "picocolors";
import { HeptagenError } from "../util/errors.ts";

export interface Terminal {
  /** Whether events are printed as JSON instead of text. */
  readonly json: boolean;
  /** Whether a person watches: lines may then be repainted. */
  readonly interactive: boolean;
  readonly columns: number;
  /** Prints text for people; nothing with `--json`. */
  say(text?: string): void;
  /** Prints text for people without a line end. */
  write(text: string): void;
  /** Prints an event for programs; nothing without `--json`. */
  event(event: object): void;
  warn(text: string): void;
}

export function openTerminal({ json = false }: { readonly json?: boolean } = {}): Terminal {
  const { stdout, stderr } = process;
  return {
    json,
    interactive: !json && stdout.isTTY === true,
    columns: stdout.columns ?? 80,
    say: (text = "") => {
      if (!json) stdout.write(`${text}\n`);
    },
    write: (text) => {
      if (!json) stdout.write(text);
    },
    event: (event) => {
      if (json) stdout.write(`${JSON.stringify(event, plainNumber)}\n`);
    },
    warn: (text) => {
      stderr.write(`${pc.yellow("warning:")} ${text}\n`);
      if (json) stdout.write(`${JSON.stringify({ kind: "warning", message: text })}\n`);
    },
  };
}

/** JSON has no NaN and no infinity. */
function plainNumber(_key: string, value: unknown): unknown {
  return typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
}

/** Exit codes: what a script may rely on. */
export const exitCodes = { ok: 0, failed: 1, usage: 2, interrupted: 130 } as const;

/** Areas of error codes that mean the command was called wrongly. */
const usageAreas = new Set(["usage", "options", "recipe"]);

/**
 * Reports a failure and returns the exit code that belongs to it.
 *
 * @param debug print stack traces too
 */
export function reportError(error: unknown, { json, debug }: { readonly json: boolean; readonly debug: boolean }): number {
  const ours = error instanceof HeptagenError;
  const message = error instanceof Error ? error.message : String(error);
  if (json) {
    const detail = ours ? { code: error.code, facts: error.facts } : { code: "internal" };
    process.stdout.write(`${JSON.stringify({ kind: "error", message, ...detail }, plainNumber)}\n`);
  }
  process.stderr.write(`${pc.red("error:")} ${message}\n`);
  if (debug && error instanceof Error) process.stderr.write(`${pc.dim(error.stack ?? "")}\n`);
  if (!ours && !debug)
    process.stderr.write("  → This is a fault of Heptagen's. Repeat it with --debug and report what it prints.\n");
  return ours && usageAreas.has(error.code.split("/")[0] ?? "") ? exitCodes.usage : exitCodes.failed;
}

/** Columns aligned by padding; numbers to the right. */
export function table(rows: readonly (readonly (string | number)[])[], header: readonly string[]): string {
  const cells = [header, ...rows].map((row) => row.map((cell) => (typeof cell === "number" ? cell.toLocaleString("en") : cell)));
  const widths = header.map((_, i) => Math.max(...cells.map((row) => row[i]?.length ?? 0)));
  const right = header.map((_, i) => rows.length > 0 && rows.every((row) => typeof row[i] === "number"));
  const line = (row: readonly string[]) =>
    row
      .map((cell, i) => (right[i] ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join("  ")
      .trimEnd();
  return cells.map((row, i) => (i === 0 ? pc.dim(line(row)) : line(row))).join("\n");
}

/** A path as a user would type it here. */
export function shownPath(path: string): string {
  const near = relative(process.cwd(), path);
  return near === "" || near.startsWith("..") ? path : near;
}
