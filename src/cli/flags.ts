/**
 * Flags of a command, derived from the zod object that checks its options: `learningRate` becomes `--learning-rate`.
 *
 * Values arrive as text; numbers and booleans are converted here, and what does not convert is passed on as text, so that the
 * schema's own message says what was expected.
 */
import { type Command, CommanderError, Option } from "commander";
import type { z } from "zod";
import { type OptionSpec, optionSpecs } from "../tasks/options.ts";
import { HeptagenError, nearest } from "../util/errors.ts";

/** Options in camelCase, as a schema takes them. */
export type Given = Record<string, unknown>;

/** `learningRate` → `learning-rate` */
function flagName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** Adds the flags of a schema to a command. `defaults` are shown in the help only. */
export function addFlags(command: Command, schema: z.ZodObject, defaults: Readonly<Given> = {}): void {
  for (const spec of optionSpecs(schema)) for (const option of flagsOf(spec, defaults[spec.key])) command.addOption(option);
}

function flagsOf(spec: OptionSpec, shown: unknown): Option[] {
  const flag = flagName(spec.key);
  const choices = spec.choices ? ` (${spec.choices.join(", ")})` : "";
  const description = `${spec.description}${choices}${shown === undefined ? "" : ` [${String(shown)}]`}`;
  if (spec.type === "boolean") {
    return [new Option(`--${flag}`, description), new Option(`--no-${flag}`).hideHelp()];
  }
  const value = spec.type === "integer" ? "n" : spec.type === "number" ? "x" : "text";
  const option = new Option(`--${flag} <${value}${spec.list ? "..." : ""}>`, description);
  if (spec.type === "string") return [option];
  return [
    option.argParser((text: string, before: unknown) =>
      spec.list ? [...((before as unknown[]) ?? []), number(text)] : number(text),
    ),
  ];
}

/** A number if the text is one, else the text. */
function number(text: string): number | string {
  return text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}

/**
 * Parses arguments with a command that only has flags.
 *
 * @returns the flags that were given, in camelCase
 * @throws HeptagenError `usage/option` suggesting the nearest flag, `usage/argument`
 */
export function parseFlags(command: Command, argv: readonly string[]): Given {
  command.exitOverride().configureOutput({ writeErr: () => undefined });
  try {
    command.parse(argv.map(kebab), { from: "user" });
  } catch (error) {
    throw usageError(error, command);
  }
  return command.opts<Given>();
}

/** A user who knows the key from JSON may write `--learningRate`. */
function kebab(argument: string): string {
  if (!argument.startsWith("--")) return argument;
  const [name = "", ...value] = argument.split("=");
  return [flagName(name), ...value].join("=");
}

/** Commander's complaint as an error of ours; help and version pass through. */
function usageError(error: unknown, command: Command): unknown {
  if (!(error instanceof CommanderError) || error.exitCode === 0) return error;
  const name = path(command);
  const message = error.message.replace(/^error: /, "").split("\n")[0] ?? "";
  const [, unknown] = /unknown option '(--?[^'=]*)/.exec(message) ?? [];
  if (unknown === undefined) {
    return new HeptagenError("usage/argument", `${name}: ${message}`, { next: `See: ${name} --help` });
  }
  const known = command.options.flatMap(({ long }) => (long ? [long] : []));
  const near = nearest(unknown, known);
  return new HeptagenError("usage/option", `${name}: there is no option ${unknown}`, {
    facts: { option: unknown },
    next: near ? `Did you mean ${near}?` : `See: ${name} --help`,
  });
}

/** `heptagen train` */
function path(command: Command): string {
  return command.parent ? `${path(command.parent)} ${command.name()}` : command.name();
}
