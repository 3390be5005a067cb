/** What the commands that use a trained run share: finding the run, deriving flags from its recipe, opening it. */
import { Command } from "commander";
import type { z } from "zod";
import { parseDevice } from "../../runtime/index.ts";
import { parseOptions } from "../../tasks/options.ts";
import type { Options, Recipe, TrainedModel } from "../../tasks/recipe.ts";
import { recipeOf, recipes } from "../../tasks/recipes.ts";
import { HeptagenError } from "../../util/errors.ts";
import { addCommonFlags, type CommonFlags } from "../common.ts";
import { addFlags, type Given, parseFlags } from "../flags.ts";
import { openTerminal, type Terminal } from "../terminal.ts";

export interface Use {
  readonly folder: string;
  readonly options: Options;
  /** Flags of the command itself. */
  readonly flags: Given;
  readonly terminal: Terminal;
  /** Opens the run on the device asked for. */
  open(): Promise<TrainedModel>;
}

/** How a command is called. */
export interface UseCommand {
  readonly name: string;
  readonly description: string;
  /** The options that a recipe adds. */
  readonly schema: (recipe: Recipe) => z.ZodObject | undefined;
  /** Adds the command's own flags; these are not checked by the schema. */
  readonly own?: (command: Command) => void;
}

/**
 * Reads `heptagen <name> <run> [flags]`.
 *
 * @throws HeptagenError `usage/…`, `options/…`, `run/missing`
 */
export async function parseUse({ name, description, schema, own }: UseCommand, argv: readonly string[]): Promise<Use> {
  const [folder, ...rest] = argv;
  const named = folder !== undefined && !folder.startsWith("-");
  const recipe = named ? await recipeOf(folder) : recipes[0];
  const options = recipe && schema(recipe);
  const command = new Command(`heptagen ${name}`).usage("<run> [options]").description(description);
  own?.(command);
  const ownKeys = new Set(command.options.map((option) => option.attributeName()));
  if (options) addFlags(command, options, defaultsOf(options));
  addCommonFlags(command, { device: true });
  const given = parseFlags(command, named ? rest : argv);
  if (!named || !recipe) {
    throw new HeptagenError("usage/argument", `${name}: expected a run right after the command, got ${folder ?? "none"}`, {
      next: `For example: heptagen ${name} runs/quickstart-1`,
    });
  }
  const { json, debug: _debug, color: _color, device, ...mine } = given as CommonFlags & Given;
  const terminal = openTerminal({ json: json === true });
  const [flags, asked]: [Given, Given] = [{}, {}];
  for (const [key, value] of Object.entries(mine)) (ownKeys.has(key) ? flags : asked)[key] = value;
  const context = { ...(device !== undefined && { device: parseDevice(device) }), onWarning: terminal.warn };
  return {
    folder,
    flags,
    terminal,
    options: options ? parseOptions(name, options, asked) : {},
    open: () => recipe.open(folder, context),
  };
}

/** Defaults that a schema declares, for the help text. */
function defaultsOf(schema: z.ZodObject): Options {
  const { data } = schema.safeParse({});
  return Object.fromEntries(Object.entries(data ?? {}).filter(([, value]) => !Array.isArray(value)));
}
