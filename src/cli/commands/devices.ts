/** `heptagen devices`: where this machine can compute, and why not elsewhere. */
import { Command } from "commander";
import pc from "picocolors";
import { defaultDevice, listDevices } from "../../runtime/index.ts";
import { addCommonFlags, type CommonFlags } from "../common.ts";
import { parseFlags } from "../flags.ts";
import { exitCodes, openTerminal } from "../terminal.ts";

export async function devices(argv: readonly string[]): Promise<number> {
  const command = new Command("heptagen devices").description("Lists the devices and says why each can or cannot be used.");
  addCommonFlags(command);
  const { json } = parseFlags(command, argv) as CommonFlags;
  const terminal = openTerminal({ json: json === true });
  const [statuses, chosen] = [await listDevices(), await defaultDevice()];
  for (const { name, usable, reason } of statuses) {
    const isDefault = name === chosen.device;
    terminal.event({ kind: "device", name, usable, reason, default: isDefault });
    const mark = usable ? pc.green("✓") : pc.red("✗");
    terminal.say(`${mark} ${pc.bold(name.padEnd(7))} ${reason}${isDefault ? pc.cyan("  (default)") : ""}`);
  }
  terminal.say(pc.dim(`\nUnless --device says otherwise: ${chosen.device}, ${chosen.reason}.`));
  return exitCodes.ok;
}
