/**
 * `heptagen devices`: where this machine can compute, and why not elsewhere.
 *
 * Native libraries print on standard error, or crash, when they meet a driver they do not like. So another process tries the
 * devices, and this one shows what it found.
 */
import { spawnSync } from "node:child_process";
import { Command } from "commander";
import pc from "picocolors";
import { type DeviceStatus, defaultDevice, listDevices } from "../../runtime/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import { addCommonFlags, type CommonFlags } from "../common.ts";
import { parseFlags } from "../flags.ts";
import { exitCodes, openTerminal } from "../terminal.ts";

/** Set in the process that tries the devices. */
const probing = "HEPTAGEN_PROBES_DEVICES";

export async function devices(argv: readonly string[]): Promise<number> {
  const command = new Command("heptagen devices").description("Lists the devices and says why each can or cannot be used.");
  addCommonFlags(command);
  const { json } = parseFlags(command, argv) as CommonFlags;
  if (process.env[probing]) {
    process.stdout.write(JSON.stringify(await listDevices()));
    return exitCodes.ok;
  }
  const terminal = openTerminal({ json: json === true });
  const chosen = await defaultDevice();
  for (const { name, usable, reason } of probeApart()) {
    const isDefault = name === chosen.device;
    terminal.event({ kind: "device", name, usable, reason, default: isDefault });
    const mark = usable ? pc.green("✓") : pc.red("✗");
    terminal.say(`${mark} ${pc.bold(name.padEnd(7))} ${reason}${isDefault ? pc.cyan("  (default)") : ""}`);
  }
  terminal.say(pc.dim(`\nUnless --device says otherwise: ${chosen.device}, ${chosen.reason}.`));
  return exitCodes.ok;
}

/** Tries the devices in another process, whose standard error is dropped. */
function probeApart(): DeviceStatus[] {
  const { stdout, status, signal } = spawnSync(process.execPath, [...process.execArgv, process.argv[1] as string, "devices"], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "ignore"],
    env: { ...process.env, [probing]: "1" },
  });
  try {
    return JSON.parse(stdout) as DeviceStatus[];
  } catch (cause) {
    throw new HeptagenError("device/probe", `trying the devices failed (exit code ${status}, signal ${signal})`, {
      next: "A graphics driver may have crashed. Computing on the CPU is not affected: --device cpu.",
      cause,
    });
  }
}
