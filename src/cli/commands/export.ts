/** `heptagen export <run>`: writes a model for other programs. */
import { Option } from "commander";
import pc from "picocolors";
import { type ExportFormat, exportFormats } from "../../tasks/recipe.ts";
import { formatBytes } from "../../train/index.ts";
import { exitCodes, shownPath } from "../terminal.ts";
import { parseUse } from "./use.ts";

export async function exportModel(argv: readonly string[]): Promise<number> {
  const { flags, terminal, open } = await parseUse(
    {
      name: "export",
      description: "Writes a trained model for other programs.",
      schema: () => undefined,
      own: (command) =>
        command
          .addOption(new Option("--format <name>", "what to write").choices(exportFormats).default("onnx"))
          .option("--out <path>", "where to; in the run's folder unless set"),
    },
    argv,
  );
  const files = await (await open()).export(flags.format as ExportFormat, flags.out as string | undefined);
  for (const { file, bytes, note } of files) {
    terminal.event({ kind: "exported", file, bytes });
    terminal.say(`${pc.bold(shownPath(file))}  ${formatBytes(bytes)}  ${pc.dim(note)}`);
  }
  return exitCodes.ok;
}
