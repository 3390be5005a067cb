/**
 * What tasks on sequences reach: the latest evaluation of runs, put together.
 *
 *     npm run bench:tasks -- runs/a runs/b …     adds these runs to bench/results/tasks.{json,md}; one of the same recipe, preset and variant is
 *                                                replaced
 *
 * A run is trained by its recipe and evaluated by `heptagen eval` on the test part of its data, with the baseline that stands beside it.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";
import { fileURLToPath } from "node:url";
import type { Measure, Options } from "../src/tasks/recipe.ts";
import { findRecipe } from "../src/tasks/recipes.ts";
import { openRun, readEvaluations } from "../src/train/index.ts";
import { describeMachine } from "./machine.ts";

interface Row {
  readonly recipe: string;
  /** The preset whose data it learnt from. */
  readonly preset: string;
  /** Options that differ from the preset's. */
  readonly options: Options;
  /** Of the model that was evaluated: the best one. */
  readonly step: number | null;
  readonly steps: number;
  readonly time: string;
  /** Options of the evaluation. */
  readonly evaluation: Options;
  readonly measures: readonly Measure[];
}

/** Measures of single classes, voices and series stay in the JSON file. */
const shown = ({ key }: Measure): boolean => !key.includes(".");

async function rowOf(folder: string): Promise<Row> {
  const { config } = await openRun(folder);
  const last = (await readEvaluations(folder)).records.at(-1);
  if (!last) throw new Error(`${folder} has not been evaluated: heptagen eval ${folder}`);
  const { presets } = findRecipe(config.recipe);
  const options = config.config as Options;
  const text = (value: unknown) => JSON.stringify([value].flat()); // one name of data is as good as a list of one
  const differing = (preset: Options) =>
    Object.entries(options).filter(([key, value]) => key in preset && text(value) !== text(preset[key]));
  const [preset, { options: usual }] = Object.entries(presets).reduce((best, other) =>
    differing(other[1].options).length < differing(best[1].options).length ? other : best,
  );
  const changed = Object.fromEntries(differing(usual).filter(([key]) => !/^(data|testData|validationData|.*Every)$/.test(key)));
  return {
    recipe: config.recipe,
    preset,
    options: { ...changed, ...(typeof options.initFrom === "string" && { initFrom: basename(options.initFrom) }) },
    step: last.step,
    steps: Number(options.steps),
    time: last.time,
    evaluation: last.options as Options,
    measures: last.measures as readonly Measure[],
  };
}

/** What stands beside the preset as it is: without its condition, at another rate, started from another run, or on other data. */
function nameOf({ recipe, preset, options, evaluation }: Row): string {
  const unconditioned = options.condition === false ? ", without condition" : "";
  const started = options.initFrom === undefined ? "" : ", started from another run";
  const rate = options.rate === undefined ? "" : `, at ${options.rate} Hz`;
  const elsewhere = evaluation.data === undefined ? "" : `, on ${evaluation.data}`;
  return `${recipe}, ${preset}${unconditioned}${rate}${started}${elsewhere}`;
}

function toMarkdown(rows: readonly Row[]): string {
  const { processor, cores, node } = describeMachine();
  const lines = rows.flatMap((row) => [
    `## ${nameOf(row)}`,
    "",
    aboutOf(row),
    "",
    "| measure | value |",
    "|---|---|",
    ...row.measures
      .filter(shown)
      .map(({ name, value }) => `| ${name} | ${Number.isInteger(value) ? value : value.toPrecision(4)} |`),
    "",
  ]);
  const head = ["# Tasks", "", `\`npm run bench:tasks\` on ${processor}, ${cores} cores, Node ${node}.`, ""];
  return `${[...head, ...lines].join("\n")}`;
}

/** How far it was trained, and how it was evaluated. */
function aboutOf({ step, steps, time, evaluation, options }: Row): string {
  const differing = Object.keys(options).length > 0 ? `; other than the preset: ${JSON.stringify(options)}` : "";
  return `${step ?? "?"} of ${steps} steps, evaluated ${time.slice(0, 16)} with ${JSON.stringify(evaluation)}${differing}.`;
}

const file = (ending: string) => fileURLToPath(new URL(`./results/tasks.${ending}`, import.meta.url));
const known: Row[] = existsSync(file("json")) ? JSON.parse(readFileSync(file("json"), "utf8")) : [];
const byName = new Map(known.map((row) => [nameOf(row), row]));
for (const folder of process.argv.slice(2)) {
  const row = await rowOf(folder);
  byName.set(nameOf(row), row);
  console.log(`${basename(folder)}: ${nameOf(row)}`);
}
const place = (row: Row) => `${row.recipe.split("/")[1]} ${row.preset} ${nameOf(row)}`;
const rows = [...byName.values()].sort((a, b) => (place(a) < place(b) ? -1 : 1));
writeFileSync(file("json"), `${JSON.stringify(rows, null, 2)}\n`);
writeFileSync(file("md"), toMarkdown(rows));
