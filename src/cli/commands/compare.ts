/** `heptagen compare <run…>`: runs side by side, on the terminal, as an HTML report and as JSON. */
import { extname, resolve } from "node:path";
import { Command } from "commander";
import pc from "picocolors";
import { z } from "zod";
import { compareRuns } from "../../tasks/compare/compare.ts";
import { comparisonReport, factRows } from "../../tasks/compare/comparison-report.node.ts";
import { parseOptions } from "../../tasks/options.ts";
import { writeFileAtomically } from "../../train/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import { addCommonFlags } from "../common.ts";
import { addFlags, parseFlags } from "../flags.ts";
import { openTerminal, shownPath, table } from "../terminal.ts";
import { stoppable } from "./evaluate.ts";

const compareOptions = z.strictObject({
  out: z.string().default("comparison.html").describe("the report to write: .html, or .json for the facts alone"),
  evaluate: z.boolean().default(false).describe("evaluate runs that are not yet, with equal options, and let each make samples"),
  samples: z.int().min(0).optional().describe("with --evaluate: pictures to make for FID and its kin"),
  data: z.array(z.string()).optional().describe("with --evaluate: what to evaluate on; each run's validation split unless set"),
  seed: z.int().default(0).describe("with --evaluate: the seed of evaluations and samples"),
});

export async function compare(argv: readonly string[]): Promise<number> {
  const first = argv.findIndex((argument) => argument.startsWith("-"));
  const folders = first < 0 ? argv : argv.slice(0, first);
  const command = new Command("heptagen compare")
    .usage("<run…> [options]")
    .description("Puts runs side by side: a table, samples and curves, as an HTML report that needs nothing else, or as JSON.");
  addFlags(command, compareOptions, { out: "comparison.html", seed: 0 });
  addCommonFlags(command);
  const { json, debug: _debug, color: _color, ...given } = parseFlags(command, argv.slice(folders.length));
  const { out, evaluate, samples, data, seed } = parseOptions("compare", compareOptions, given);
  const kind = extname(out).toLowerCase();
  if (kind !== ".html" && kind !== ".json") {
    throw new HeptagenError("options/value", `compare: expected out to end in .html or .json, got ${out}`, {
      next: "Name the report to write, as in --out report.html.",
    });
  }
  if (!evaluate && (samples !== undefined || data !== undefined)) {
    throw new HeptagenError("options/value", "compare: expected --evaluate with --samples or --data, got none", {
      next: "Add --evaluate; without it, runs are compared as they were evaluated before.",
    });
  }
  const terminal = openTerminal({ json: json === true });
  return stoppable(terminal, async (signal, onEvent) => {
    const asked = evaluate ? { ...(samples !== undefined && { samples }), ...(data && { data }) } : undefined;
    const comparison = await compareRuns(folders, { signal, onEvent, seed, evaluate: asked });
    terminal.event({ kind: "comparison", ...comparison });
    for (const { task, runs, cautions } of comparison.groups) {
      if (comparison.groups.length > 1) terminal.say(`\n${pc.bold(task)}`);
      for (const caution of cautions) terminal.warn(caution);
      const rows = factRows(runs).flatMap(({ title, rows: inside }) => [
        [pc.dim(title), ...runs.map(() => "")],
        ...inside.map(({ name, cells, best }) => [`  ${name}`, ...cells.map((cell, i) => (best?.[i] ? `${cell} *` : cell))]),
      ]);
      terminal.say(table(rows, ["", ...runs.map(({ name }) => name)]));
    }
    const file = resolve(out);
    const numbers = (_key: string, value: unknown) =>
      typeof value === "number" && !Number.isFinite(value) ? String(value) : value;
    await writeFileAtomically(
      file,
      kind === ".html" ? await comparisonReport(comparison) : `${JSON.stringify(comparison, numbers, 2)}\n`,
    );
    terminal.event({ kind: "file", file });
    terminal.say(`\n${shownPath(file)}  ${pc.dim(kind === ".html" ? "open it in any browser" : "the facts as JSON")}`);
  });
}
