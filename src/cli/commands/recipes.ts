/** `heptagen recipes`: what can be trained. */
import { Command } from "commander";
import pc from "picocolors";
import { recipes as all } from "../../tasks/recipes.ts";
import { addCommonFlags, type CommonFlags } from "../common.ts";
import { parseFlags } from "../flags.ts";
import { exitCodes, openTerminal } from "../terminal.ts";

export async function recipes(argv: readonly string[]): Promise<number> {
  const command = new Command("heptagen recipes").description("Lists what can be trained, and the presets of each.");
  addCommonFlags(command);
  const { json } = parseFlags(command, argv) as CommonFlags;
  const terminal = openTerminal({ json: json === true });
  for (const { name, summary, presets } of all) {
    terminal.event({ kind: "recipe", name, summary, presets });
    terminal.say(`${pc.bold(name)}  ${summary}`);
    const width = Math.max(...Object.keys(presets).map((preset) => preset.length));
    for (const [preset, { summary: what }] of Object.entries(presets))
      terminal.say(`  --preset ${preset.padEnd(width)}  ${pc.dim(what)}`);
  }
  terminal.say(pc.dim(`\nOptions of a recipe: heptagen train ${all[0]?.name} --help`));
  return exitCodes.ok;
}
