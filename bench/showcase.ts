/**
 * The showcase: the recipes that the README shows are trained, measured and drawn, one after the other, on a quiet machine.
 *
 *     npm run showcase                              everything; saves bench/results/showcase.{json,md} and pictures for the docs
 *     npm run showcase -- --only vae --only gan     rows whose name contains one of the words; the others keep what they had
 *     npm run showcase -- --time                    no training: how long a step takes, for machines that were busy while training
 *
 * Further options: --runs <folder> for the runs (runs/showcase unless set; a run that is there goes on, a finished one is only measured
 * and drawn again). Fashion-MNIST must have been fetched (heptagen data get fashion-mnist). Everything takes an hour and a half.
 *
 * The image families have a quarter of an hour each: their presets `fashion` take as many steps as fit into it on two cores, which
 * the report checks.
 */
import { execSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { evaluateRun } from "../src/tasks/compare/evaluate-run.ts";
import type { Measure, Options, TrainEvent } from "../src/tasks/recipe.ts";
import { findRecipe } from "../src/tasks/recipes.ts";
import { describeMachine } from "./machine.ts";

const { values: given } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    runs: { type: "string", default: "runs/showcase" },
    time: { type: "boolean", default: false },
  },
});
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const results = here("./results");
const pictures = here("../docs/images");

interface Row {
  readonly recipe: string;
  readonly preset: string;
  readonly evaluate: Options;
  /** What is drawn for the docs: options of sampling for a sheet of samples, or the name of a picture that `inspect` draws. */
  readonly sheet?: Options;
  readonly inspected?: string;
  /** A text to show. */
  readonly text?: Options;
  /** Most minutes of training. */
  readonly minutes?: number;
}

const text = (family: string, inspected?: string): Row => ({
  recipe: `${family}/language-model`,
  preset: "quickstart",
  evaluate: {},
  text: { prompt: "The whale", maxTokens: 300, temperature: 0.7, seed: 1 },
  ...(inspected && { inspected }),
});
/** Four of each of ten classes: a row a class. */
const garments = (family: string, more: Options = {}): Row => ({
  recipe: `${family}/generate-image`,
  preset: "fashion",
  evaluate: { data: "fashion-mnist:test", samples: 2000 },
  sheet: { numSamples: 60, columns: 10, scale: 2, seed: 1, ...more },
  minutes: 15,
});

const rows: Readonly<Record<string, Row>> = {
  transformer: text("transformer"),
  rnn: text("rnn", "gradient-norms"),
  gru: text("gru"),
  lstm: text("lstm", "gradient-norms"),
  wavenet: {
    recipe: "wavenet/generate-audio",
    preset: "percussion",
    evaluate: {},
    inspected: "spectrograms",
  },
  vae: garments("vae", { temperature: 0.8 }), // what lies far from the middle of the prior is seldom a garment
  gan: garments("gan"),
  pixelcnn: garments("pixelcnn"),
  diffusion: garments("diffusion"),
};

/** What is kept of a row. */
interface Shown {
  readonly name: string;
  readonly recipe: string;
  readonly preset: string;
  readonly command: string;
  readonly steps: number;
  readonly parameters: number;
  /** From the first step to the last, with evaluations, samples and whatever else the machine did meanwhile. */
  readonly minutes: number;
  /** Milliseconds of a step on a machine that does nothing else (`--time`). */
  readonly stepTime?: number;
  readonly measures: readonly Measure[];
  readonly text?: string;
  readonly picture?: string;
  readonly commit: string;
  readonly date: string;
}

async function show(name: string, row: Row): Promise<Shown> {
  const recipe = findRecipe(row.recipe);
  const folder = join(given.runs, name);
  const onEvent = (event: TrainEvent): void => {
    if (event.kind === "evaluation") {
      console.log(`${name}, step ${event.step}: ${event.measures.map((m) => `${m.name} ${m.value.toPrecision(4)}`).join(", ")}`);
    } else if (event.kind === "step" && event.step % 500 === 0) {
      console.log(`${name}, step ${event.step}: ${Math.round(event.secondsLeft)} s left`);
    } else if (event.kind === "warning") console.log(`${name}: ${event.message}`);
  };
  const { seconds, step } = existsSync(join(folder, "config.json"))
    ? await recipe.resume(folder, { onEvent })
    : await recipe.train({}, { out: folder, preset: row.preset, onEvent });
  const model = await recipe.open(folder);
  const { measures } = await evaluateRun(model, folder, row.evaluate);
  const inspection = await model.inspect({});
  const parameters = inspection.parameters.reduce((sum, { count }) => sum + count, 0);

  let picture: string | undefined;
  let written: string | undefined;
  mkdirSync(pictures, { recursive: true });
  if (row.sheet) {
    picture = `showcase-${name}.png`;
    for await (const _ of model.sample({ ...row.sheet, out: join(pictures, picture) }));
  }
  if (row.inspected) {
    const drawn = inspection.pictures.find(({ file }) => file.endsWith(`${row.inspected}.png`));
    if (drawn) copyFileSync(drawn.file, join(pictures, `showcase-${name}.png`));
    picture = `showcase-${name}.png`;
  }
  if (row.text) {
    written = "";
    for await (const event of model.sample(row.text)) if (event.kind === "text") written += event.text;
  }
  const flag = row.preset === Object.keys(recipe.presets)[0] ? "" : ` --preset ${row.preset}`;
  return {
    name,
    recipe: row.recipe,
    preset: row.preset,
    command: `heptagen train ${row.recipe}${flag}`,
    steps: step,
    parameters,
    minutes: Math.round(seconds / 6) / 10,
    measures,
    ...(written !== undefined && { text: written }),
    ...(picture !== undefined && { picture }),
    commit: execSync("git rev-parse --short HEAD").toString().trim(),
    date: new Date().toISOString().slice(0, 16),
  };
}

/** Seconds of training from which the time of a step is told, and those before them that do not count. */
const timed = { warm: 8, seconds: 30 };

/** Milliseconds of a step: the median over half a minute of training that is then thrown away. */
async function timeStep(row: Row): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), "heptagen-showcase-"));
  const stop = new AbortController();
  const times: number[] = [];
  let [first, last] = [0, 0];
  const onEvent = (event: TrainEvent): void => {
    if (event.kind !== "step") return;
    const now = performance.now();
    first ||= now;
    if (now - first > 1000 * timed.warm) times.push(now - last);
    last = now;
    if (now - first > 1000 * (timed.warm + timed.seconds)) stop.abort();
  };
  const options = { evaluateEvery: 1_000_000, sampleEvery: 0, checkpointEvery: 1_000_000 };
  await findRecipe(row.recipe).train(options, { out: join(folder, "run"), preset: row.preset, onEvent, signal: stop.signal });
  rmSync(folder, { recursive: true, force: true });
  times.sort((a, b) => a - b);
  return times[times.length >> 1] as number;
}

/** Minutes of training alone on the machine, where that was measured. */
function minutesOf({ minutes, steps, stepTime }: Shown): number {
  return stepTime === undefined ? minutes : Math.round((steps * stepTime) / 6000) / 10;
}

function toMarkdown(all: readonly Shown[]): string {
  const { processor, cores, node } = describeMachine();
  const cell = ({ measures }: Shown, key: string) => measures.find((measure) => measure.key === key)?.value.toPrecision(4) ?? "";
  const table = (some: readonly Shown[], keys: readonly string[]) => [
    `| | command | parameters | steps | minutes | ${keys.join(" | ")} |`,
    `|---|---|---|---|---|${keys.map(() => "---|").join("")}`,
    ...some.map((row) => {
      const most = rows[row.name]?.minutes;
      const alone = minutesOf(row);
      const minutes = `${alone}${most !== undefined && alone > most ? ` (more than ${most})` : ""}`;
      const facts = [
        row.name,
        `\`${row.command}\``,
        row.parameters.toLocaleString("en"),
        row.steps.toLocaleString("en"),
        minutes,
      ];
      return `| ${[...facts, ...keys.map((key) => cell(row, key))].join(" | ")} |`;
    }),
  ];
  const pick = (suffix: string) => all.filter(({ recipe }) => recipe.endsWith(suffix));
  return `${[
    "# Showcase",
    "",
    `\`npm run showcase\` on ${processor}, ${cores} cores, Node ${node}. Minutes are those of all steps, at the time of a step that is measured alone (--time; without that, those that passed).`,
    "",
    "## Pictures: Fashion-MNIST, measured on its test set",
    "",
    ...table(pick("generate-image"), ["fid", "fidOfReal", "kid", "precision", "recall", "bitsPerDimension"]),
    "",
    "## Text: Moby Dick, its last tenth held out",
    "",
    ...table(pick("language-model"), ["bitsPerCharacter", "bitsPerByte"]),
    "",
    "## Sound",
    "",
    ...table(pick("generate-audio"), ["bitsPerSample"]),
    "",
    ...all.flatMap(({ name, text: sample }) => (sample ? [`### ${name} writes`, "", "```", sample.trim(), "```", ""] : [])),
  ].join("\n")}\n`;
}

const file = join(results, "showcase.json");
const known = existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Shown[]) : [];
const byName = new Map(known.map((row) => [row.name, row]));
for (const [name, row] of Object.entries(rows)) {
  if (given.only.length > 0 && !given.only.some((word) => name.includes(word))) continue;
  const before = byName.get(name);
  if (!given.time) byName.set(name, await show(name, row));
  else if (before) byName.set(name, { ...before, stepTime: await timeStep(row) });
  else console.log(`${name} is not in the results yet: train it first, without --time`);
  const all = Object.keys(rows).flatMap((each) => byName.get(each) ?? []);
  mkdirSync(results, { recursive: true });
  writeFileSync(file, `${JSON.stringify(all, null, 2)}\n`);
  writeFileSync(join(results, "showcase.md"), toMarkdown(all));
}
console.log(readFileSync(join(results, "showcase.md"), "utf8"));
