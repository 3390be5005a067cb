/**
 * What is learnt: Heptagen's presets and their PyTorch counterparts train on the same data and are measured on the same held-out
 * data, with several seeds each.
 *
 *     npm run bench:quality                                       everything; saves bench/results/quality.{json,md}
 *     npm run bench:quality -- --only moby-lstm --seeds 1,2,3     presets whose name contains one of the words; prints only
 *
 * Further options: --steps <n> (fewer, to try it out), --threads 2, --save <name> (also for a selection), --without-pytorch. Fashion-MNIST must have been fetched
 * (heptagen data get fashion-mnist). Everything takes about three quarters of an hour on two cores.
 *
 * Heptagen trains through its recipes and measures as `heptagen eval` does; PyTorch is `peers/torch_quality.py`.
 */
import { execFile, execSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs, promisify } from "node:util";
import { dataFolder } from "../src/data/cache-folder.node.ts";
import { consecutiveAudio } from "../src/data/index.ts";
import { frechetDistance } from "../src/metrics/index.ts";
import { receptiveField } from "../src/models/wavenet.ts";
import { configure, encodeClips, prepareAudio, windowOptions } from "../src/tasks/generate-audio/data.ts";
import type { TrainingOptions as AudioOptions } from "../src/tasks/generate-audio/options.ts";
import { labelledPictures, readSource } from "../src/tasks/generate-image/data.ts";
import type { TrainingOptions as ImageOptions } from "../src/tasks/generate-image/options.ts";
import { featureClassifier } from "../src/tasks/generate-image/picture-features.ts";
import type { Measure, Options } from "../src/tasks/recipe.ts";
import { openModel, recipes } from "../src/tasks/recipes.ts";
import type { NdArray } from "../src/util/ndarray.ts";
import { optionsOf } from "./families.ts";
import { describeMachine } from "./machine.ts";

const { values: given } = parseArgs({
  options: {
    only: { type: "string", multiple: true, default: [] },
    seeds: { type: "string", default: "1,2,3" },
    steps: { type: "string" },
    threads: { type: "string", default: "2" },
    save: { type: "string" },
    "without-pytorch": { type: "boolean", default: false },
  },
});
const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const run = promisify(execFile);

/** Held-out pictures, at most: likelihoods of all 10,000 would take longer than learning. */
const pictures = 2000;
/** Largest difference of the means, in standard deviations of runs, that counts as none. */
const noise = 2;

/** How a preset is trained and measured. */
interface Trial {
  /** As the preset has it, or fewer where it leaves them open. */
  readonly steps: number;
  /** Options of training beside the preset's. */
  readonly training: Options;
  readonly evaluation: Options;
  /** The key of the measure, and what it is. */
  readonly measure: string;
  readonly unit: string;
  /** What PyTorch is given as its data. */
  data(scratch: string): string | Promise<string>;
  /** Measures the pictures that PyTorch made, where it cannot do that itself. */
  judge?(pixels: Uint8Array): Promise<number>;
}

const testPictures = { data: "fashion-mnist:test", limit: pictures };
const text = here("../assets/moby-dick.txt");
const characters: Trial = {
  steps: 1000,
  training: { data: text },
  evaluation: {},
  measure: "loss",
  unit: "nats per character",
  data: () => text,
};
const garments = (steps: number, measure: string, unit: string, training: Options = {}): Trial => ({
  steps,
  training: { data: "fashion-mnist", validation: 0, ...training },
  evaluation: { ...testPictures, samples: 0 },
  measure,
  unit,
  data: () => dataFolder("fashion-mnist"),
});
const trials: Readonly<Record<string, Trial>> = {
  "moby-rnn": characters,
  "moby-gru": characters,
  "moby-lstm": characters,
  "fashion-vae": garments(938, "nats", "nats per picture, upper bound"),
  "fashion-pixelcnn": garments(300, "nats", "nats per picture"),
  "fashion-gan": {
    ...garments(300, "fid", "FID of 2,000 pictures"),
    evaluation: { ...testPictures, samples: pictures },
    data: writePictures,
    judge: fidOf,
  },
  "fashion-ddpm": garments(150, "loss", "squared error of the noise"),
  "speech-wavenet": {
    steps: 300,
    training: {},
    evaluation: { clips: 0 },
    measure: "nats",
    unit: "nats per sample",
    data: writeSound,
  },
};

interface Result {
  readonly seed: number;
  readonly measure: number;
  readonly seconds: number;
}

interface Row {
  readonly preset: string;
  /** When it was measured, and of which commit. */
  readonly date: string;
  readonly commit: string;
  readonly steps: number;
  readonly unit: string;
  readonly heptagen: readonly Result[];
  readonly pytorch: readonly Result[];
}

/** Clips to draw windows from and windows to measure on, as the audio task makes them. */
async function writeSound(scratch: string): Promise<string> {
  const options = optionsOf("speech-wavenet") as AudioOptions;
  const { dataset, facts } = await prepareAudio(options);
  const config = configure(options, facts);
  const windows = windowOptions(config, options);
  const clips = encodeClips(config, dataset.train, facts.labels, options.rate).map(({ values }) => values as Int32Array);
  const validation = encodeClips(config, dataset.validation, facts.labels, options.rate);
  const held = consecutiveAudio(validation, { ...windows, context: receptiveField(config) });
  const folder = join(scratch, "sound");
  mkdirSync(folder);
  const bytes = (arrays: readonly NdArray["data"][]) =>
    Buffer.concat(arrays.map(({ buffer, byteOffset, byteLength }) => Buffer.from(buffer as ArrayBuffer, byteOffset, byteLength)));
  writeFileSync(join(folder, "clips.i32"), bytes(clips));
  writeFileSync(join(folder, "samples.i32"), bytes(held.map(({ samples }) => samples.data)));
  writeFileSync(join(folder, "targets.i32"), bytes(held.map(({ targets }) => targets.data)));
  writeFileSync(join(folder, "counted.f32"), bytes(held.map(({ counted }) => counted.data)));
  const { window, silence } = windows;
  writeFileSync(join(folder, "facts.json"), JSON.stringify({ window, silence, lengths: clips.map(({ length }) => length) }));
  return folder;
}

/** The options of the GAN, which sees garments scaled to 32 × 32. */
const scaled = () => ({ ...optionsOf("fashion-gan"), ...trials["fashion-gan"]?.training }) as ImageOptions;

/** The pictures as the image task scales them, 8 bits a pixel. */
async function writePictures(scratch: string): Promise<string> {
  const file = join(scratch, "pictures.u8");
  writeFileSync(file, (await readSource(scaled())).pixels);
  return file;
}

/** Distance of generated from held-out pictures, as `heptagen eval` measures it. */
async function fidOf(pixels: Uint8Array): Promise<number> {
  const classifier = await featureClassifier(await labelledPictures(scaled(), undefined, {}), { device: "cpu" });
  const real = await readSource({ ...scaled(), ...testPictures });
  const { channels, height, width } = real;
  const made = { channels, height, width, count: pixels.length / (channels * height * width), pixels };
  const distance = frechetDistance(await classifier.of(real, ""), await classifier.of(made, ""));
  await classifier.dispose();
  return distance;
}

async function trainHeptagen(preset: string, seed: number, scratch: string): Promise<Result> {
  const { training, evaluation, measure } = trials[preset] as Trial;
  const steps = stepsOf(preset);
  const recipe = recipes.find(({ presets }) => preset in presets) as (typeof recipes)[number];
  const out = join(scratch, `${preset}-${seed}`);
  const often = { evaluateEvery: steps, checkpointEvery: steps, sampleEvery: 0 };
  const start = performance.now();
  const { seconds } = await recipe.train({ ...training, ...often, seed, steps }, { preset, out, device: "cpu" });
  const model = await openModel(out, { device: "cpu" });
  const measures: readonly Measure[] = await model.evaluate(evaluation);
  rmSync(out, { recursive: true });
  const found = measures.find(({ key }) => key === measure);
  if (!found) throw new Error(`${preset}: expected the measure ${measure}, got ${measures.map(({ key }) => key).join(", ")}`);
  return { seed, measure: found.value, seconds: seconds ?? (performance.now() - start) / 1000 };
}

async function trainTorch(preset: string, seed: number, { data, scratch }: { data: string; scratch: string }): Promise<Result> {
  const steps = stepsOf(preset);
  const script = here("./peers/torch_quality.py");
  const samples = join(scratch, "samples.u8");
  const options = { data, steps, seed, threads: given.threads, pictures, samples };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, `${value}`]);
  const { stdout } = await run("/usr/bin/python3", [script, preset, ...args]);
  const { measure, seconds } = JSON.parse(stdout.trim().split("\n").at(-1) as string) as Result;
  return { seed, measure: (await trials[preset]?.judge?.(readFileSync(samples))) ?? measure, seconds };
}

function stepsOf(preset: string): number {
  return given.steps === undefined ? (trials[preset] as Trial).steps : Number(given.steps);
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** Standard deviation of runs about the mean of their own side, pooled over both sides. */
function spread(sides: readonly (readonly number[])[]): number {
  const squares = sides.flatMap((side) => side.map((x) => (x - mean(side)) ** 2));
  return Math.sqrt(squares.reduce((a, b) => a + b, 0) / Math.max(1, squares.length - sides.length));
}

function toMarkdown(rows: readonly Row[], about: string): string {
  const cell = (results: readonly Result[]) =>
    results.length === 0
      ? ""
      : `**${mean(results.map(({ measure }) => measure)).toPrecision(5)}** (${results.map(({ measure }) => measure.toPrecision(5)).join(", ")}), ${mean(results.map(({ seconds }) => seconds)).toFixed(0)} s`;
  const verdict = ({ heptagen, pytorch }: Row) => {
    if (pytorch.length === 0) return "";
    const sides = [heptagen, pytorch].map((side) => side.map(({ measure }) => measure));
    const [ours, theirs] = sides.map(mean) as [number, number];
    // Of the difference of two means.
    const error = spread(sides) * Math.sqrt(1 / heptagen.length + 1 / pytorch.length);
    if (!(error > 0)) return `${(ours - theirs).toPrecision(2)} (more seeds would tell the noise)`;
    const met = ours - theirs <= noise * error;
    return `${(ours - theirs).toPrecision(2)} (${((ours - theirs) / error).toFixed(1)} standard errors) ${met ? "✓" : "✗"}`;
  };
  const line = (cells: readonly (string | number)[]) => `| ${cells.join(" | ")} |`;
  const header = ["preset", "measured", "steps", "held-out measure (lower is better)", "Heptagen", "PyTorch", "difference"];
  return [
    "# What is learnt",
    "",
    about,
    "",
    `The mean over seeds, each seed in parentheses, and the seconds of training. ✓: not above PyTorch's by more than ${noise} standard errors.`,
    "",
    line(header),
    line(header.map(() => "---")),
    ...rows.map((row) =>
      line([row.preset, `${row.date}, ${row.commit}`, row.steps, row.unit, cell(row.heptagen), cell(row.pytorch), verdict(row)]),
    ),
    "",
  ].join("\n");
}

const chosen = Object.keys(trials).filter((name) => given.only.length === 0 || given.only.some((word) => name.includes(word)));
if (chosen.length === 0) {
  console.error(`no preset's name contains ${given.only.join(" or ")}; there are: ${Object.keys(trials).join(", ")}`);
  process.exit(1);
}
const seeds = given.seeds.split(",").map(Number);
const machine = describeMachine();
const commit = execSync("git rev-parse --short HEAD", { encoding: "utf8" }).trim();
const name = given.save ?? (given.only.length === 0 ? "quality" : undefined);
const file = here(`./results/${name}.json`);
/** Presets that are not trained this time keep what they had. */
const known: readonly Row[] = name && existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as { rows: Row[] }).rows : [];
const byPreset = new Map(known.map((row) => [row.preset, row]));
const about = `${machine.processor}, ${machine.cores} cores, ${given.threads} threads, \`npm run bench:quality\`.`;

/** Saves after each preset: an interruption loses one at most. */
function report(): string {
  const rows = Object.keys(trials).flatMap((preset) => byPreset.get(preset) ?? []);
  const text = toMarkdown(rows, about);
  if (name) {
    writeFileSync(file, `${JSON.stringify({ machine, rows }, null, 1)}\n`);
    writeFileSync(here(`./results/${name}.md`), text);
  }
  return text;
}

const scratch = mkdtempSync(join(tmpdir(), "heptagen-quality-"));
try {
  for (const preset of chosen) {
    const { unit, data } = trials[preset] as Trial;
    const source = await data(scratch);
    const [heptagen, pytorch]: [Result[], Result[]] = [[], []];
    for (const seed of seeds) {
      heptagen.push(await trainHeptagen(preset, seed, scratch));
      if (!given["without-pytorch"]) pytorch.push(await trainTorch(preset, seed, { data: source, scratch }));
      const last = (results: Result[]) => results.at(-1)?.measure.toPrecision(5) ?? "left out";
      console.log(`${preset}, seed ${seed}: heptagen ${last(heptagen)}, pytorch ${last(pytorch)} ${unit}`);
    }
    const date = new Date().toISOString().slice(0, 16).replace("T", " ");
    byPreset.set(preset, { preset, date, commit, steps: stepsOf(preset), unit, heptagen, pytorch });
    report();
  }
} finally {
  rmSync(scratch, { recursive: true });
}
console.log(`\n${report()}`);
