/** `heptagen quickstart` (`npm start`): from nothing to a model that writes, in two minutes. */
import { Command } from "commander";
import pc from "picocolors";
import type { Recipe } from "../../tasks/recipe.ts";
import { recipes } from "../../tasks/recipes.ts";
import { addCommonFlags, type CommonFlags } from "../common.ts";
import { parseFlags } from "../flags.ts";
import { programName } from "../program-name.ts";
import { openTerminal, type Terminal } from "../terminal.ts";
import { conclude, freshFolder, runTraining } from "./train.ts";

const preset = "quickstart";
const prompts = ["The whale", "“Captain Ahab,” said", "It was a dark"];
const tokens = 90;

export async function quickstart(argv: readonly string[]): Promise<number> {
  const command = new Command("heptagen quickstart").description(
    "Trains a small model on Moby Dick in about two minutes and lets it write.",
  );
  addCommonFlags(command);
  const { json } = parseFlags(command, argv) as CommonFlags;
  const terminal = openTerminal({ json: json === true });
  const recipe = recipes.find(({ presets }) => preset in presets) as Recipe;
  const out = freshFolder(preset);
  terminal.say(`${pc.bold("Heptagen")} trains ${recipe.name} on Moby Dick: ${recipe.presets[preset]?.summary}.\n`);
  const result = await runTraining(terminal, (context) => recipe.train({}, { ...context, preset, out }));
  if (result.ended === "interrupted") return conclude(terminal, result);

  terminal.say(`\n${pc.bold("What it writes now")}`);
  await write(terminal, recipe, result.run);
  const code = conclude(terminal, result);
  const own = `train ${recipe.name} --data your-text.txt`;
  terminal.say(`\nTrain on a text of yours:\n\n  ${programName()} ${own}\n`);
  return code;
}

async function write(terminal: Terminal, recipe: Recipe, run: string): Promise<void> {
  const model = await recipe.open(run);
  for (const [seed, prompt] of prompts.entries()) {
    let text = "";
    const options = recipe.abilities.sample.parse({ prompt, maxTokens: tokens, seed, temperature: 0.7, topP: 0.9 });
    for await (const event of model.sample(options)) {
      terminal.event({ ...event, prompt });
      if (event.kind === "text") text += event.text;
    }
    terminal.say(`\n${pc.bold(prompt)}${text.trimEnd()} …`);
  }
  terminal.say();
}
