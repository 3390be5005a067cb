/** `heptagen inspect <run>`: what a run is made of, how it learned, and pictures of it at work. */
import asciichart from "asciichart";
import pc from "picocolors";
import type { Inspection } from "../../tasks/recipe.ts";
import { exitCodes, shownPath, type Terminal, table } from "../terminal.ts";
import { parseUse } from "./use.ts";

const chartHeight = 10;

export async function inspect(argv: readonly string[]): Promise<number> {
  const { options, terminal, open } = await parseUse(
    {
      name: "inspect",
      description: "Shows a run's options, parameters and curves, and draws pictures of the model at work.",
      schema: ({ abilities }) => abilities.inspect,
    },
    argv,
  );
  const inspection = await (await open()).inspect(options);
  terminal.event({ kind: "inspection", ...inspection });
  print(terminal, inspection);
  return exitCodes.ok;
}

function print(terminal: Terminal, { config, parameters, curves, pictures, measures = [] }: Inspection): void {
  terminal.say(pc.bold("Options"));
  terminal.say(
    table(
      Object.entries(config).map(([key, value]) => [key, format(value)]),
      ["option", "value"],
    ),
  );
  terminal.say(`\n${pc.bold("Parameters")}`);
  const total = parameters.reduce((sum, { count }) => sum + count, 0);
  const rows = parameters.map(({ name, shape, count }) => [name, shape.join(" × ") || "scalar", count] as const);
  terminal.say(table([...rows, ["total", "", total]], ["name", "shape", "count"]));
  for (const { name, points } of curves) {
    if (points.length < 2) continue;
    terminal.say(`\n${pc.bold(name)}, steps ${points[0]?.step} to ${points.at(-1)?.step}`);
    terminal.say(
      asciichart.plot(
        resample(
          points.map(({ value }) => value),
          Math.max(20, Math.min(100, terminal.columns - 14)),
        ),
        { height: chartHeight, format: (value) => value.toPrecision(3).padStart(9) },
      ),
    );
  }
  if (measures.length > 0) {
    terminal.say(`\n${pc.bold("Figures")}`);
    terminal.say(
      table(
        measures.map(({ name, value }) => [name, Number.isInteger(value) ? value : value.toPrecision(4)]),
        ["figure", "value"],
      ),
    );
  }
  if (pictures.length > 0) terminal.say(`\n${pc.bold("Pictures")}`);
  for (const { file, caption } of pictures) terminal.say(`${shownPath(file)}  ${pc.dim(caption)}`);
}

function format(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** At most `width` values: means of equal parts. */
function resample(values: readonly number[], width: number): number[] {
  const finite = values.filter(Number.isFinite);
  if (finite.length <= width) return [...finite];
  return Array.from({ length: width }, (_, i) => {
    const part = finite.slice(Math.floor((i * finite.length) / width), Math.floor(((i + 1) * finite.length) / width));
    return part.reduce((sum, value) => sum + value, 0) / part.length;
  });
}
