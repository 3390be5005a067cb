/** Evaluating a run and keeping the result with it, so that runs can be compared later. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { appendEvaluation, type EvaluationRecord, readSafetensorsHeader } from "../../train/index.ts";
import { runFiles } from "../../train/run-folder.node.ts";
import { HeptagenError } from "../../util/errors.ts";
import { parseOptions } from "../options.ts";
import type { EvaluateContext, Options, TrainedModel } from "../recipe.ts";

/**
 * Evaluates a trained model and adds the result to its run's `evaluations.jsonl`. A folder that is no run, or that cannot be
 * written, gets none; a note says so.
 *
 * @throws HeptagenError `options/…` and those of evaluating
 * @example const { measures } = await evaluateRun(await openModel("runs/a"), "runs/a", { samples: 1000 });
 */
export async function evaluateRun(
  model: TrainedModel,
  folder: string,
  given: Options,
  context: EvaluateContext = {},
): Promise<EvaluationRecord> {
  const options = parseOptions("eval", model.recipe.abilities.evaluate, given);
  const started = performance.now();
  const measures = await model.evaluate(options, context);
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  const record = { time: new Date().toISOString(), step: await trainedSteps(folder), options, seconds, measures };
  if (!existsSync(join(folder, runFiles.config))) return record;
  try {
    await appendEvaluation(folder, record);
  } catch (error) {
    if (!(error instanceof HeptagenError)) throw error;
    context.onEvent?.({ kind: "note", message: `the result is not kept with the run: ${error.message}` });
  }
  return record;
}

/** Steps that a run's best model was trained for, if its file says so. */
export async function trainedSteps(folder: string): Promise<number | null> {
  const file = join(folder, runFiles.model);
  if (!existsSync(file)) return null;
  const { metadata } = await readSafetensorsHeader(file);
  return metadata.step === undefined ? null : Number(metadata.step);
}
