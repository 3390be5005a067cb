/**
 * Runs side by side: what each is, how it learnt, what it was measured at, and what it makes.
 *
 * Facts come from the runs' own files, so that comparing trains nothing and loads no model. Runs of different tasks cannot be measured
 * alike and stand in groups.
 */
import { readdir } from "node:fs/promises";
import { basename, join } from "node:path";
import { loadCheckpoint } from "../../train/checkpoints.node.ts";
import { type EvaluationRecord, openRun, type Run, readEvaluations, writeFileAtomically } from "../../train/index.ts";
import { runFiles } from "../../train/run-folder.node.ts";
import { HeptagenError } from "../../util/errors.ts";
import { sizeOf } from "../../util/ndarray.ts";
import { parseOptions } from "../options.ts";
import { checkStop, type EvaluateContext, type Inspection, type Measure, type Options } from "../recipe.ts";
import { openModel, recipeOf } from "../recipes.ts";
import { curvesOf } from "../training.ts";
import { evaluateRun, trainedSteps } from "./evaluate-run.ts";

/** Something that a model made. */
export interface ComparedSample {
  readonly kind: "picture" | "sound" | "text";
  readonly file: string;
}

/** A run among others. */
export interface ComparedRun {
  /** Unlike those of the other runs. */
  readonly name: string;
  readonly folder: string;
  /** `family/task` */
  readonly recipe: string;
  readonly parameters: number;
  /** Steps of the model that is used: the best, or the newest. */
  readonly step: number;
  /** Steps trained so far, and time spent on them where it is known. */
  readonly steps: number;
  readonly minutes: number | undefined;
  readonly data: string;
  readonly options: Options;
  /** The last measurements on validation data during training. */
  readonly validation: readonly Measure[];
  /** The evaluation that is compared; undefined when there is none. */
  readonly evaluation: EvaluationRecord | undefined;
  readonly curves: Inspection["curves"];
  readonly samples: readonly ComparedSample[];
}

/** Runs of one task. */
export interface ComparedGroup {
  readonly task: string;
  readonly runs: readonly ComparedRun[];
  /** Why figures of these runs do not compare, where they do not. */
  readonly cautions: readonly string[];
}

export interface Comparison {
  readonly groups: readonly ComparedGroup[];
}

export interface CompareOptions extends EvaluateContext {
  /** Evaluate runs that have no evaluation with these options (what a task does not know is left out), and let each make samples. */
  readonly evaluate?: Options | undefined;
  readonly seed?: number;
}

/**
 * Compares runs.
 *
 * @param folders at least one
 * @throws HeptagenError `options/runs`; `run/no-model` for a run that saved no model yet; those of `openRun` and `evaluateRun`
 * @example const { groups } = await compareRuns(["runs/vae", "runs/gan"], { evaluate: { samples: 1000 } });
 */
export async function compareRuns(folders: readonly string[], options: CompareOptions = {}): Promise<Comparison> {
  if (folders.length === 0) {
    throw new HeptagenError("options/runs", "compare: expected runs to compare, got none", {
      next: "Name the folders that training wrote, as in: heptagen compare runs/a runs/b",
    });
  }
  const opened: Run[] = [];
  for (const folder of folders) opened.push(await openRun(folder)); // all, before anything takes time
  const names = distinctNames(opened.map(({ folder }) => folder));
  const runs: ComparedRun[] = [];
  for (const [i, run] of opened.entries()) runs.push(await factsOf(run, names[i] as string, options));
  const tasks = [...new Set(runs.map(({ recipe }) => taskOf(recipe)))];
  const groups = tasks.map((task) => {
    const members = runs.filter(({ recipe }) => taskOf(recipe) === task);
    return { task, runs: members, cautions: cautionsOf(members) };
  });
  return { groups };
}

const taskOf = (recipe: string): string => recipe.split("/").at(-1) as string;

/** The shortest ends of paths that differ. */
function distinctNames(folders: readonly string[]): string[] {
  const parts = folders.map((folder) => folder.split(/[\\/]/));
  return parts.map((path, i) => {
    for (let length = 1; length < path.length; length++) {
      const end = path.slice(-length).join("/");
      if (parts.every((other, j) => j === i || other.slice(-length).join("/") !== end)) return end;
    }
    return folders[i] as string;
  });
}

async function factsOf(run: Run, name: string, { evaluate, seed = 0, ...context }: CompareOptions): Promise<ComparedRun> {
  const { folder, config } = run;
  const model = await loadModelFacts(run);
  const chosen = evaluate && (await fullOptions(folder, { ...evaluate, seed }));
  const fresh = chosen && (await makeSamples(run, model.step, seed, context));
  let evaluation = await storedEvaluation(run, chosen, model.step, context);
  if (chosen && !evaluation) {
    context.onEvent?.({ kind: "note", message: `evaluating ${name}` });
    evaluation = await evaluateRun(await openModel(folder), folder, chosen, context);
  }
  const curves = await curvesOf(run);
  const { data } = config;
  return {
    name,
    folder,
    recipe: config.recipe,
    ...model,
    data: String(data.source ?? [config.config.data ?? []].flat().join(", ")) || "the recipe's own",
    options: config.config,
    validation: curves.flatMap(({ name: curve, points }) => {
      const key = /^validation\/(.*)/.exec(curve)?.[1];
      const at = points.findLast(({ step }) => step <= model.step) ?? points.at(-1);
      return key === undefined || !at ? [] : [{ key, name: words(key), value: at.value }];
    }),
    evaluation,
    curves,
    samples: fresh ?? (await latestSamples(run, model.step)),
  };
}

/** `bitsPerDimension` → "bits per dimension" */
const words = (key: string): string => key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);

/** Size, steps and time from the run's checkpoints, which also proves that they are whole. */
async function loadModelFacts(run: Run): Promise<Pick<ComparedRun, "parameters" | "step" | "steps" | "minutes">> {
  const step = await trainedSteps(run.folder);
  if ((await run.listCheckpoints()).length === 0 && step === null) {
    throw new HeptagenError("run/no-model", `${run.folder}: expected a trained model, got a run that has saved none yet`, {
      facts: { folder: run.folder },
      next: `Go on with it (heptagen train --resume ${run.folder}), or leave it out.`,
    });
  }
  const { model } = await run.loadModel();
  const parameters = [...model.values()].reduce((total, { shape }) => total + sizeOf(shape), 0);
  const checkpoints = (await run.listCheckpoints()).length > 0;
  const last = checkpoints ? await loadCheckpoint(run.path(runFiles.checkpoints), "last", { modelOnly: true }) : undefined;
  const { seconds } = (last?.state ?? {}) as { readonly seconds?: number };
  const steps = last?.step ?? step ?? 0;
  return { parameters, step: step ?? steps, steps, minutes: seconds === undefined ? undefined : seconds / 60 };
}

/** What an evaluation of a run takes, of what was asked for, with every option's value. */
async function fullOptions(folder: string, asked: Options): Promise<Options> {
  const schema = (await recipeOf(folder)).abilities.evaluate;
  return parseOptions("eval", schema, Object.fromEntries(Object.entries(asked).filter(([key]) => key in schema.shape)));
}

/** The newest evaluation of the run's model, with these options if they matter. */
async function storedEvaluation(
  run: Run,
  wanted: Options | undefined,
  step: number,
  { onEvent }: EvaluateContext,
): Promise<EvaluationRecord | undefined> {
  const { records, warnings } = await readEvaluations(run.folder);
  for (const { message } of warnings) onEvent?.({ kind: "note", message });
  return records.findLast(
    (record) => (record.step ?? step) === step && (!wanted || canonical(record.options) === canonical(wanted)),
  );
}

const canonical = (options: Options): string =>
  JSON.stringify(Object.entries(options).sort(([a], [b]) => (a < b ? -1 : Number(a > b))));

/** What a run made to be compared, or else while it trained: the last picture, sound or text. */
async function latestSamples(run: Run, step: number): Promise<ComparedSample[]> {
  const names = await readdir(run.path(runFiles.samples)).catch(() => [] as string[]);
  const usable = names.filter((name) => kindOf(name)).sort();
  const last =
    usable.findLast((name) => name.startsWith(`compare-step-${step}-`)) ?? usable.findLast((name) => /^step-\d+/.test(name));
  return last === undefined ? [] : [{ kind: kindOf(last) as ComparedSample["kind"], file: run.path(runFiles.samples, last) }];
}

const kinds: Readonly<Record<string, ComparedSample["kind"]>> = { png: "picture", wav: "sound", txt: "text" };
const kindOf = (file: string): ComparedSample["kind"] | undefined => kinds[file.split(".").at(-1) ?? ""];

/** Lets the model make what it makes by default, all runs under the same seed; what it made for this before is used again. */
async function makeSamples(run: Run, step: number, seed: number, context: EvaluateContext): Promise<ComparedSample[]> {
  const stem = `compare-step-${step}-seed-${seed}`;
  const folder = run.path(runFiles.samples);
  const made = async () =>
    (await readdir(folder).catch(() => [] as string[])).filter((name) => name.startsWith(stem) && kindOf(name)).sort();
  if ((await made()).length === 0) {
    const { sampleFile } = await recipeOf(run.folder);
    const out = sampleFile === undefined ? {} : { out: join(folder, `${stem}${sampleFile}`) };
    let text = "";
    for await (const event of (await openModel(run.folder)).sample({ seed, ...out })) {
      checkStop(context);
      if (event.kind === "text") text += event.text;
      if (event.kind === "progress") {
        context.onEvent?.({ kind: "progress", what: `${basename(run.folder)}: making samples`, done: event.done });
      }
    }
    if (sampleFile === undefined) await writeFileAtomically(join(folder, `${stem}.txt`), text);
  }
  return (await made()).map((name) => ({ kind: kindOf(name) as ComparedSample["kind"], file: join(folder, name) }));
}

/** What keeps figures from being compared. */
function cautionsOf(runs: readonly ComparedRun[]): string[] {
  if (runs.length < 2) return [];
  const cautions: string[] = [];
  const prints = new Set(runs.map(({ data }) => data));
  if (prints.size > 1) cautions.push(`trained on different data: ${[...prints].join("; ")}`);
  const evaluated = runs.filter(({ evaluation }) => evaluation);
  const missing = runs.filter(({ evaluation }) => !evaluation).map(({ name }) => name);
  if (missing.length > 0) cautions.push(`not evaluated: ${missing.join(", ")} (--evaluate does it, with equal options for all)`);
  const shared = ["data", "samples", "seed", "limit", "features"];
  const differing = shared.filter(
    (key) => new Set(evaluated.map(({ evaluation }) => JSON.stringify(evaluation?.options[key] ?? null))).size > 1,
  );
  if (differing.length > 0) cautions.push(`evaluated with different ${differing.join(", ")}`);
  const classifiers = evaluated.map(
    ({ evaluation }) => evaluation?.measures.find(({ key }) => key === "classifierAccuracy")?.value,
  );
  if (new Set(classifiers.filter((value) => value !== undefined)).size > 1) {
    cautions.push("FID and its kin are in features of different classifiers");
  }
  return cautions;
}
