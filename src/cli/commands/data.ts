/** `heptagen data list|get|show|remove`: the catalogue, fetching from it, and a look at any data before training on it. */
import { writeFile } from "node:fs/promises";
import { Command } from "commander";
import pc from "picocolors";
import sharp from "sharp";
import {
  catalogue,
  type DataKind,
  dataKinds,
  fetchedBytes,
  getData,
  locateData,
  namedData,
  removeData,
  sourceText,
  unknownDataSet,
} from "../../data/index.ts";
import { describeData } from "../../tasks/index.ts";
import { formatBytes } from "../../train/index.ts";
import { HeptagenError, nearest } from "../../util/errors.ts";
import { addCommonFlags, type CommonFlags } from "../common.ts";
import { parseFlags } from "../flags.ts";
import { openGetView } from "../get-progress.ts";
import { interruptible } from "../interrupt.ts";
import { preview } from "../preview.ts";
import { programName } from "../program-name.ts";
import { exitCodes, openTerminal, shownPath, type Terminal, table } from "../terminal.ts";

const parts: Readonly<Record<string, { readonly usage: string; readonly summary: string; readonly run: Run }>> = {
  list: { usage: "", summary: "list the data sets there are, and which are here", run: list },
  get: { usage: "<name>", summary: "fetch one: a name, an https address, or hf:owner/dataset", run: get },
  show: { usage: "<name>", summary: "show what one holds, or your own files do", run: show },
  remove: { usage: "<name>", summary: "remove a fetched one from this machine", run: remove },
};
type Run = (argv: readonly string[]) => Promise<number>;

export async function data(argv: readonly string[]): Promise<number> {
  const [name, ...rest] = argv;
  if (name === undefined || name.startsWith("-")) {
    const command = new Command("heptagen data").usage("<command> [options]").description("Finds, fetches and shows data.");
    const lines = Object.entries(parts).map(([part, { usage, summary }]) => `  ${`${part} ${usage}`.padEnd(14)}  ${summary}`);
    command.addHelpText("after", `\nCommands:\n${lines.join("\n")}`);
    addCommonFlags(command);
    parseFlags(command, argv);
    process.stdout.write(`${command.helpInformation()}\nCommands:\n${lines.join("\n")}\n`);
    return exitCodes.ok;
  }
  const part = Object.hasOwn(parts, name) ? parts[name] : undefined;
  if (part) return part.run(rest);
  const near = nearest(name, Object.keys(parts));
  throw new HeptagenError("usage/command", `data: there is no command "${name}"`, {
    next: near ? `Did you mean "data ${near}"?` : `There are: ${Object.keys(parts).join(", ")}.`,
  });
}

/** The first argument, which must not be a flag. */
function takeName(command: string, argv: readonly string[]): { readonly name: string; readonly rest: readonly string[] } {
  const [name, ...rest] = argv;
  if (name !== undefined && !name.startsWith("-")) return { name, rest };
  throw new HeptagenError("usage/argument", `data ${command}: expected a name right after the command, got ${name ?? "none"}`, {
    next: `For example: heptagen data ${command} fashion-mnist. See: heptagen data list`,
  });
}

const wantsHelp = (argv: readonly string[]) => argv.some((argument) => argument === "--help" || argument === "-h");

function checkedKind(kind: string | undefined): DataKind | undefined {
  if (kind === undefined) return undefined;
  const found = dataKinds.find((known) => known === kind);
  if (found) return found;
  const near = nearest(kind, dataKinds);
  throw new HeptagenError("options/value", `--kind: expected one of ${dataKinds.join(", ")}, got "${kind}"`, {
    ...(near && { next: `Did you mean "${near}"?` }),
  });
}

async function list(argv: readonly string[]): Promise<number> {
  const command = new Command("heptagen data list").description("Lists the data sets there are, and which of them are here.");
  command.option("--kind <kind>", `only of this kind (${dataKinds.filter((kind) => kind !== "files").join(", ")})`);
  addCommonFlags(command);
  const { json, kind: asked } = parseFlags(command, argv) as CommonFlags & { readonly kind?: string };
  const kind = checkedKind(asked);
  const terminal = openTerminal({ json: json === true });
  const rows: string[][] = [];
  for (const set of catalogue) {
    if (kind !== undefined && set.kind !== kind) continue;
    const vendored = set.source.from === "heptagen";
    const here = (await locateData({ set, part: undefined, whole: set.name })) !== undefined;
    const bytes = fetchedBytes(set);
    const { name, summary, licence, licenceNote, citation, source } = set;
    terminal.event({ kind: "data", name, holds: set.kind, summary, source, bytes, licence, licenceNote, citation, here });
    const size = vendored ? "–" : bytes === undefined ? "varies" : formatBytes(bytes);
    rows.push([name, set.kind, size, licence, vendored ? "comes along" : here ? "here" : ""]);
  }
  terminal.say(table(rows, ["name", "kind", "to fetch", "licence", "here?"]));
  terminal.say(pc.dim(`\nFetch one: ${programName()} data get <name>. What one holds: ${programName()} data show <name>`));
  return exitCodes.ok;
}

async function get(argv: readonly string[]): Promise<number> {
  const command = new Command("heptagen data get")
    .usage("<name> [options]")
    .description("Fetches data into the cache: a name of the catalogue, an https address, or hf:owner/dataset of Hugging Face.")
    .option("--refresh", "fetch it again, although it is here")
    .option("--sha256 <hex>", "what the SHA-256 of an address's file must be")
    .option("--from <file...>", "use files that you fetched yourself, one for each package");
  addCommonFlags(command);
  if (wantsHelp(argv)) parseFlags(command, argv);
  const { name, rest } = takeName("get", argv);
  const flags = parseFlags(command, rest) as CommonFlags & GetFlags;
  const terminal = openTerminal({ json: flags.json === true });
  const view = openGetView(terminal);
  let fetched = false;
  try {
    const { set, path } = await interruptible(
      (signal) =>
        getData(name, {
          signal,
          refresh: flags.refresh,
          sha256: flags.sha256,
          files: flags.from,
          onEvent: (event) => {
            if (event.kind === "ready") fetched = event.fetched;
            view.show(event);
          },
        }),
      () => {
        view.end();
        terminal.say(pc.yellow("Stopping; what has arrived is kept."));
      },
    );
    const where = shownPath(path);
    terminal.say(fetched ? `${pc.bold(name)} is here: ${where}` : `${pc.bold(name)} was here already: ${where}`);
    const known = set.kind === "images" ? "generate-image" : set.kind === "audio" ? "generate-audio" : undefined;
    terminal.say(
      `\n  ${programName()} data show ${name}${known ? `\n  ${programName()} train <family>/${known} --data ${name}` : ""}`,
    );
    return exitCodes.ok;
  } catch (error) {
    view.end();
    if (error instanceof HeptagenError && error.code === "data/interrupted") {
      terminal.say(`Go on with: ${programName()} data get ${name}`);
      return exitCodes.interrupted;
    }
    throw error;
  } finally {
    view.end();
  }
}

interface GetFlags {
  readonly refresh?: boolean;
  readonly sha256?: string;
  readonly from?: readonly string[];
}

/** Files named one by one, unless asked for all. */
const shownBad = 20;
/** Classes named one by one. */
const shownClasses = 12;

async function show(argv: readonly string[]): Promise<number> {
  const command = new Command("heptagen data show")
    .usage("<name or path> [options]")
    .description("Shows what data holds: facts, classes, files that cannot be used, and a picture of it.")
    .option("--out <file>", "write the contact sheet to this .png")
    .option("--kind <kind>", `what the files are read as (${dataKinds.join(", ")}); guessed unless set`)
    .option("--column <text>", "which column of Parquet files holds the content")
    .option("--label-column <text>", "which column of Parquet files holds the classes");
  addCommonFlags(command);
  if (wantsHelp(argv)) parseFlags(command, argv);
  const { name, rest } = takeName("show", argv);
  const { json, out, kind, column, labelColumn } = parseFlags(command, rest) as CommonFlags & ShowFlags;
  if (out !== undefined && !out.endsWith(".png")) {
    throw new HeptagenError("options/value", `--out: expected a file that ends in .png, got ${out}`);
  }
  const terminal = openTerminal({ json: json === true });
  const described = await describeData(name, { kind: checkedKind(kind), column, labelColumn });
  const { facts, classes, bad, lines, sheet, glance, path, set } = described;
  terminal.event({ ...described, sheet: undefined, glance: undefined, set: undefined, kind: "data", holds: described.kind });
  terminal.say(pc.bold(name));
  const width = Math.max(...Object.keys(facts).map((fact) => fact.length), 7);
  const say = (fact: string, value: string) =>
    terminal.say(`${pc.dim(fact.padEnd(width))}  ${value.replaceAll("\n", `\n${" ".repeat(width + 2)}`)}`);
  for (const [fact, value] of Object.entries(facts)) say(fact, value);
  if (classes.length > 0) {
    const named = classes.slice(0, shownClasses).map((each) => `${each.name} (${each.count.toLocaleString("en")})`);
    say("classes", `${classes.length}: ${named.join(", ")}${classes.length > shownClasses ? ", …" : ""}`);
  }
  if (path !== undefined) say("path", shownPath(path));
  sayBad(terminal, bad);
  for (const line of lines) terminal.say(`  ${pc.dim("│")} ${line.slice(0, 160)}`);
  if (path === undefined) terminal.say(`\nIt is not here yet. Fetch it: ${programName()} data get ${set?.name ?? name}`);
  if (glance) await preview(terminal, glance);
  if (sheet) await writeSheet(terminal, sheet, out);
  return exitCodes.ok;
}

interface ShowFlags {
  readonly out?: string;
  readonly kind?: string;
  readonly column?: string;
  readonly labelColumn?: string;
}

function sayBad(terminal: Terminal, bad: readonly { readonly file: string; readonly reason: string }[]): void {
  if (bad.length === 0) return;
  terminal.say(
    pc.yellow(`${bad.length} ${bad.length === 1 ? "file" : "files"} cannot be used (training leaves them out with --skip-bad):`),
  );
  for (const { file, reason } of bad.slice(0, shownBad)) terminal.say(`  ${file}: ${reason}`);
  if (bad.length > shownBad) terminal.say(`  … and ${bad.length - shownBad} more`);
}

async function writeSheet(terminal: Terminal, sheet: Uint8Array, out: string | undefined): Promise<void> {
  if (out === undefined) return terminal.say(pc.dim("\nMore of it as a picture: --out sheet.png"));
  await writeFile(out, sheet);
  const { width, height } = await sharp(sheet).metadata();
  terminal.event({ kind: "sheet", file: out, width, height });
  terminal.say(`\nContact sheet: ${shownPath(out)} (${width} × ${height} pixels)`);
}

async function remove(argv: readonly string[]): Promise<number> {
  const command = new Command("heptagen data remove")
    .usage("<name> [options]")
    .description("Removes fetched data from this machine's cache.");
  addCommonFlags(command);
  if (wantsHelp(argv)) parseFlags(command, argv);
  const { name, rest } = takeName("remove", argv);
  const { json } = parseFlags(command, rest) as CommonFlags;
  const terminal = openTerminal({ json: json === true });
  const named = namedData(name);
  if (!named) throw unknownDataSet(name);
  const { set } = named;
  if (set.source.from === "heptagen") {
    throw new HeptagenError("data/source", `${set.name} ${sourceText(set.source)} and is not in the cache`);
  }
  const found = await removeData(set.name);
  terminal.event({ kind: "removed", name: set.name, found });
  terminal.say(found ? `${pc.bold(name)} is removed.` : `${pc.bold(name)} was not here.`);
  return exitCodes.ok;
}
