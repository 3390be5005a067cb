/** The command line: finds the command, runs it, and turns whatever happens into a message and an exit code. */
import { readFileSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { HeptagenError, nearest } from "../util/errors.ts";
import { compare } from "./commands/compare.ts";
import { data } from "./commands/data.ts";
import { devices } from "./commands/devices.ts";
import { evaluate } from "./commands/evaluate.ts";
import { exportModel } from "./commands/export.ts";
import { inspect } from "./commands/inspect.ts";
import { predict } from "./commands/predict.ts";
import { quickstart } from "./commands/quickstart.ts";
import { recipes } from "./commands/recipes.ts";
import { sample } from "./commands/sample.ts";
import { train } from "./commands/train.ts";
import { exitCodes, reportError } from "./terminal.ts";

interface Entry {
  readonly usage: string;
  readonly summary: string;
  readonly run: (argv: readonly string[]) => Promise<number>;
}

const commands: Readonly<Record<string, Entry>> = {
  quickstart: { usage: "", summary: "train a small model on Moby Dick and let it write", run: quickstart },
  recipes: { usage: "", summary: "list what can be trained", run: recipes },
  data: { usage: "<list|get|show>", summary: "find, fetch and look at data to learn from", run: data },
  train: { usage: "<recipe>", summary: "train a model, or go on with a run", run: train },
  sample: { usage: "<run>", summary: "make samples with a trained model: text, pictures, sound", run: sample },
  predict: { usage: "<run>", summary: "answer inputs with a trained model: translate, classify, forecast", run: predict },
  eval: { usage: "<run>", summary: "measure a trained model on any data", run: evaluate },
  compare: { usage: "<run…>", summary: "put runs side by side: figures, samples, curves", run: compare },
  inspect: { usage: "<run>", summary: "show options, parameters, curves and pictures of a model at work", run: inspect },
  export: { usage: "<run>", summary: "write a model for other programs", run: exportModel },
  devices: { usage: "", summary: "list where this machine can compute", run: devices },
};

/**
 * Runs a command line.
 *
 * @param argv what follows the program's name
 * @returns the exit code
 */
export async function run(argv: readonly string[]): Promise<number> {
  process.stdout.off("error", leaveQuietly).on("error", leaveQuietly);
  const [name, ...rest] = argv;
  try {
    if (name === undefined || name === "help" || name.startsWith("-")) {
      overview().parse([...argv], { from: "user" });
      if (name === undefined || name === "help") process.stdout.write(overview().helpInformation());
      return exitCodes.ok;
    }
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
    if (command) return await command.run(rest);
    const near = nearest(name, Object.keys(commands));
    throw new HeptagenError("usage/command", `there is no command "${name}"`, {
      next: near ? `Did you mean "${near}"?` : `There are: ${Object.keys(commands).join(", ")}.`,
    });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.ok; // --help, --version
    return reportError(error, { json: argv.includes("--json"), debug: argv.includes("--debug") });
  }
}

/** Whoever read what is printed has read enough (`| head`). */
function leaveQuietly(error: NodeJS.ErrnoException): void {
  if (error.code === "EPIPE") process.exit(exitCodes.ok);
  throw error;
}

/** The program as a whole: what `heptagen --help` prints. */
function overview(): Command {
  const command = new Command("heptagen")
    .usage("<command> [options]")
    .description("Trains, evaluates, samples and exports generative models.")
    .version(version(), "--version")
    .argument("[command]")
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  const lines = Object.entries(commands).map(([name, { usage, summary }]) => `  ${`${name} ${usage}`.padEnd(20)}  ${summary}`);
  command.configureHelp({ visibleArguments: () => [] });
  command.addHelpText("after", `\nCommands:\n${lines.join("\n")}\n\nOptions of a command: heptagen <command> --help`);
  return command;
}

function version(): string {
  const text = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return (JSON.parse(text) as { version: string }).version;
}
