/** `heptagen train <recipe>`: trains a new run, or goes on with one. */
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import pc from "picocolors";
import { parseDevice } from "../../runtime/index.ts";
import { type Options, presetOptions, type Recipe, type TrainContext, type TrainResult } from "../../tasks/recipe.ts";
import { findRecipe, recipes } from "../../tasks/recipes.ts";
import { formatDuration, openRun } from "../../train/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import { addCommonFlags, type CommonFlags } from "../common.ts";
import { addFlags, type Given, parseFlags } from "../flags.ts";
import { interruptible } from "../interrupt.ts";
import { programName } from "../program-name.ts";
import { measureLine, openProgress } from "../progress.ts";
import { exitCodes, openTerminal, shownPath, type Terminal } from "../terminal.ts";

interface TrainFlags extends CommonFlags {
  readonly preset?: string;
  readonly config?: string;
  readonly out?: string;
  readonly resume?: string;
}

export async function train(argv: readonly string[]): Promise<number> {
  const { recipe, rest } = takeRecipe(argv);
  const command = trainCommand(recipe);
  const given = parseFlags(command, rest);
  const { preset, config, out, resume, json, debug: _debug, color: _color, device: name, ...own } = given as TrainFlags & Given;
  const terminal = openTerminal({ json: json === true });
  const device = name === undefined ? {} : { device: parseDevice(name) };

  if (resume !== undefined) {
    const changed = Object.keys({ ...own, ...(preset && { preset }), ...(config && { config }), ...(out && { out }) })[0];
    if (changed !== undefined) {
      throw new HeptagenError("usage/resume", `train --resume: expected no other option, got "${changed}"`, {
        next: "A run goes on with the options it began with. To change them, start a new one with --init-from.",
      });
    }
    const trained = findRecipe((await openRun(resume)).config.recipe);
    const result = await runTraining(terminal, (context) => trained.resume(resume, { ...context, ...device }));
    return conclude(terminal, result);
  }
  if (!recipe) {
    throw new HeptagenError("usage/argument", "train: expected a recipe, got none", {
      next: `For example: heptagen train ${recipes[0]?.name}. See: heptagen recipes`,
    });
  }
  const file = config === undefined ? {} : await readConfig(config, recipe);
  const chosen = preset === undefined ? {} : { preset };
  const folder = out ?? freshFolder(preset ?? Object.keys(recipe.presets)[0] ?? "run");
  const result = await runTraining(terminal, (context) =>
    recipe.train({ ...file, ...own }, { ...context, ...device, ...chosen, out: folder }),
  );
  return conclude(terminal, result);
}

/** The recipe is the first argument; after flags it is found only if its name is right. */
function takeRecipe(argv: readonly string[]): { recipe: Recipe | undefined; rest: string[] } {
  const known = recipes.map(({ name }) => name);
  const at = argv[0]?.startsWith("-") ? argv.findIndex((argument) => known.includes(argument)) : 0;
  const name = argv[at];
  if (name === undefined) return { recipe: undefined, rest: [...argv] };
  return { recipe: findRecipe(name), rest: argv.filter((_, i) => i !== at) };
}

function trainCommand(recipe: Recipe | undefined): Command {
  const command = new Command(`heptagen train${recipe ? ` ${recipe.name}` : ""}`)
    .usage(recipe ? "[options]" : "<recipe> [options]")
    .description(
      recipe?.summary ?? "Trains a model. The options below `--resume` depend on the recipe: heptagen train <recipe> --help",
    )
    .option("--preset <name>", `options that belong together (${Object.keys(recipe?.presets ?? {}).join(", ")})`)
    .option("--config <file>", "JSON file with options; flags win over it")
    .option("--out <folder>", "where the run is written; a new folder in runs/ unless set")
    .option("--resume <run>", "go on with an interrupted run");
  addCommonFlags(command, { device: true });
  if (recipe) addFlags(command, recipe.options, presetOptions(recipe, undefined));
  return command;
}

/** Reads `--config`: an object of options, or a run's own config.json. */
async function readConfig(file: string, recipe: Recipe): Promise<Options> {
  const next = `It should hold one JSON object with options of ${recipe.name}, such as {"steps": 1000}.`;
  let parsed: unknown;
  try {
    parsed = JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new HeptagenError("options/file", `--config: cannot read ${file}: ${reason}`, { next, cause });
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw new HeptagenError("options/file", `--config: expected an object in ${file}, got ${JSON.stringify(parsed)}`, { next });
  }
  return "format" in parsed && "config" in parsed ? (parsed.config as Options) : (parsed as Options);
}

/** `runs/quickstart-1`, or the next number that is free. */
export function freshFolder(name: string): string {
  for (let number = 1; ; number++) {
    const folder = join("runs", `${name}-${number}`);
    if (!existsSync(folder)) return folder;
  }
}

/** Runs a training with progress shown and Ctrl-C heeded. */
export async function runTraining(
  terminal: Terminal,
  start: (context: TrainContext) => Promise<TrainResult>,
): Promise<TrainResult> {
  const view = openProgress(terminal);
  try {
    return await interruptible(
      (signal) => start({ signal, onEvent: view.show }),
      () => {
        view.end();
        terminal.say(pc.yellow("Finishing the step and saving; press Ctrl-C again to leave at once."));
      },
    );
  } finally {
    view.end();
  }
}

/** Says how training ended and what to do next; returns the exit code. */
export function conclude(terminal: Terminal, { run, ended, step, seconds, measures }: TrainResult): number {
  const folder = shownPath(run);
  terminal.event({ kind: "end", run, ended, step, seconds, measures });
  if (ended === "interrupted") {
    terminal.say(
      `Interrupted after step ${step}; the run is saved in ${folder}. Go on with:\n\n  ${programName()} train --resume ${folder}`,
    );
    return exitCodes.interrupted;
  }
  const how = ended === "stopped-early" ? "Stopped early: the validation loss no longer falls" : "Done";
  terminal.say(`${how}: ${step} steps in ${formatDuration(seconds)}${measures.length > 0 ? `; ${measureLine(measures)}` : ""}`);
  terminal.say(`The run is in ${pc.bold(folder)}: parameters, metrics, samples. Try:\n`);
  for (const command of ["sample", "eval", "inspect", "export"]) terminal.say(`  ${programName()} ${command} ${folder}`);
  return exitCodes.ok;
}
