/** Flags that every command has. */
import type { Command } from "commander";
import { deviceNames } from "../runtime/index.ts";

export interface CommonFlags {
  readonly json?: boolean;
  readonly debug?: boolean;
  readonly color?: boolean;
  readonly device?: string;
}

export function addCommonFlags(command: Command, { device = false }: { readonly device?: boolean } = {}): void {
  if (device) command.option("--device <name>", `where to compute (${deviceNames.join(", ")}); the best there is unless set`);
  command
    .option("--json", "print one JSON event a line, for programs")
    .option("--debug", "print stack traces with errors")
    .option("--no-color", "print without colours (NO_COLOR does the same)");
}
