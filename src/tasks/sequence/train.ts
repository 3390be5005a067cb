/** Training a task on sequences: what the training loop needs to know, the same for every task. */
import type { Tensor, TracedKey } from "../../core/index.ts";
import { lastingSource, sha256 } from "../../data/index.ts";
import { schedule } from "../../optim/index.ts";
import { type Checkpoint, createRun, resumeRun, type Training, type TrainingRun, trainLoop } from "../../train/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import { fold, key } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import type { SequenceBackbone } from "../backbones/sequence.ts";
import type { NewRun, Options, TrainContext, TrainResult } from "../recipe.ts";
import { chooseDevice, clipOf, namedMeasures, type Optimization, optimizerOf, parameterCount, trainEvent } from "../training.ts";
import { versions } from "../versions.node.ts";
import { networkConfig, readAssets } from "./kept.ts";
import type { Assets, SequenceTask, Sides } from "./sequence-task.ts";
import { type Origin, startFrom } from "./start.ts";

/** A task with the backbone that it is trained with. */
export interface Joined<Config, Given extends object, Raw, Facts, Example, Batch> {
  readonly task: SequenceTask<Given, Raw, Facts, Example, Batch>;
  readonly backbone: SequenceBackbone<Config>;
  /** The recipe's name. */
  readonly name: string;
}

/** What every task's options have. */
type Common = Optimization & { readonly initFrom?: string; readonly batch: number };

/** Examples to look at while training. */
const shown = 4;

/** Trains a new run. */
export async function trainRun<Config, Given extends object, Raw, Facts, Example, Batch>(
  joined: Joined<Config, Given, Raw, Facts, Example, Batch>,
  { options, origin }: { readonly options: Given; readonly origin: Origin | undefined },
  context: NewRun,
): Promise<TrainResult> {
  const { task, backbone, name } = joined;
  const config = networkConfig(joined, options as Options); // checked before anything is written
  const { sides, fingerprint } = await readSides(task, options, (message) => context.onEvent?.({ kind: "note", message }));
  const assets = await task.learn(sides.train, options, origin?.tokenizer);
  task.model({ network: backbone.network, config, assets, options }); // checked too
  const encoded = encodeSides(task, sides, assets, options);
  const run = await createRun(context.out, {
    recipe: name,
    seed: (options as unknown as Common).seed,
    config: withFullPaths(options as Options, task.pathOptions),
    versions: await versions(),
    data: { fingerprint, examples: countsOf(sides), facts: assets.facts },
  });
  try {
    if (assets.tokenizer) await run.writeTokenizer(assets.tokenizer.toJSON());
    return await trainOn(joined, { run, options, sides: encoded, assets, checkpoint: undefined, origin }, context);
  } finally {
    await run.close();
  }
}

/** Goes on with a run from its last checkpoint. */
export async function resumeTraining<Config, Given extends object, Raw, Facts, Example, Batch>(
  joined: Joined<Config, Given, Raw, Facts, Example, Batch>,
  folder: string,
  loadOrigin: (folder: string) => Promise<Origin>,
  context: TrainContext,
): Promise<TrainResult> {
  const { run, checkpoint } = await resumeRun(folder);
  try {
    for (const { message } of checkpoint?.warnings ?? []) context.onEvent?.({ kind: "warning", message });
    const options = run.config.config as unknown as Given & Common; // checked when the run was made
    const { sides, fingerprint } = await readSides(joined.task, options);
    checkUnchanged(fingerprint, run.config.data.fingerprint, folder);
    const assets = await readAssets<Facts>(run);
    const encoded = encodeSides(joined.task, sides, assets, options);
    // A run that ended before its first checkpoint begins again where it began.
    const origin = checkpoint || options.initFrom === undefined ? undefined : await loadOrigin(options.initFrom);
    return await trainOn(joined, { run, options, sides: encoded, assets, checkpoint, origin }, context);
  } finally {
    await run.close();
  }
}

/** Named sets as they are, paths in full: of whatever options name files or runs. */
function withFullPaths(options: Options, pathOptions: readonly string[] = []): Options {
  const lasting = (source: unknown) => (source === "-" ? source : lastingSource(String(source)));
  return Object.fromEntries(
    Object.entries(options).map(([name, value]) => {
      if (value === undefined) return [name, value];
      if (pathOptions.includes(name)) return [name, Array.isArray(value) ? value.map(lasting) : lasting(value)];
      return [name, dataFiles.has(name) ? [value].flat().map(lasting) : value];
    }),
  );
}

/** Options that name data to read, in any task. */
const dataFiles = new Set(["data", "validationData", "testData"]);

/** @throws HeptagenError `data/changed` */
export function checkUnchanged(got: string, expected: unknown, folder: string): void {
  if (got === expected) return;
  throw new HeptagenError("data/changed", `the data has changed since ${folder} was trained on it`, {
    facts: { expected, got },
    next: "Restore the files, or start a new run from this one with --init-from.",
  });
}

/** A task's own data, in its three parts, and what identifies it. */
export async function readSides<Given extends object, Raw>(
  task: Pick<SequenceTask<Given, Raw, unknown, unknown, unknown>, "read" | "split" | "identify">,
  options: Given,
  note?: (message: string) => void,
): Promise<{ readonly sides: Sides<Raw>; readonly fingerprint: string }> {
  const raws = await task.read(options, note);
  return { sides: await task.split(raws, options), fingerprint: await sha256(raws.map((raw) => task.identify(raw))) };
}

function encodeSides<Given extends object, Raw, Facts, Example>(
  task: Pick<SequenceTask<Given, Raw, Facts, Example, unknown>, "encode">,
  sides: Sides<Raw>,
  assets: Assets<Facts>,
  options: Given,
): Sides<Example> {
  const encode = (raws: readonly Raw[]) => raws.map((raw) => task.encode(raw, assets, options));
  return { train: encode(sides.train), validation: encode(sides.validation), test: encode(sides.test) };
}

const countsOf = ({ train, validation, test }: Sides<unknown>) => ({
  train: train.length,
  validation: validation.length,
  test: test.length,
});

interface Prepared<Given, Facts, Example> {
  readonly run: TrainingRun;
  readonly options: Given;
  readonly sides: Sides<Example>;
  readonly assets: Assets<Facts>;
  readonly checkpoint: Checkpoint | undefined;
  readonly origin: Origin | undefined;
}

async function trainOn<Config, Given extends object, Raw, Facts, Example, Batch>(
  joined: Joined<Config, Given, Raw, Facts, Example, Batch>,
  { run, options, sides, assets, checkpoint, origin }: Prepared<Given, Facts, Example>,
  { device, signal, onEvent = () => undefined }: TrainContext,
): Promise<TrainResult> {
  const { task, backbone } = joined;
  const common = options as unknown as Common;
  const root = key(common.seed);
  const config = networkConfig(joined, options as Options);
  const target = device ?? (await chooseDevice(onEvent));
  const model = task.model({ network: backbone.network, config, assets, options });
  const fresh = model.init(fold(root, "parameters"));
  const { params, added } = origin ? startFrom(fresh, origin) : { params: fresh, added: [] };
  if (origin) onEvent({ kind: "note", message: noteOf(origin, added) });
  const batches = model.batches(sides.train, fold(root, "batches"));
  const use = model.use(target);
  const held = sides.validation;

  const training: Training<Batch> = {
    params,
    objectives: [
      {
        name: "model",
        loss: (weights: Tree<Tensor>, batch, random: TracedKey, step) => model.loss(weights, batch, random, step),
        ...(model.counts && { counts: model.counts }),
        optimizer: optimizerOf(common),
        learningRate: schedule(common),
        clip: clipOf(common),
      },
    ],
    batch: (step) => batches.batch(step),
    unitsPerBatch: (batch) => batches.units(batch),
    ...(held.length > 0 && { evaluate: (weights) => use.validate(weights, held) }),
    async sample(weights, step) {
      const from = held.length > 0 ? held : sides.train;
      const content = await use.show(weights, from, { numSamples: shown, seed: step });
      return { name: `step-${String(step).padStart(8, "0")}${task.sampleFile ?? ".txt"}`, content };
    },
  };
  const whole = (value: number) => value.toLocaleString("en");
  const facts = {
    ...task.describe(sides, assets, options),
    batches: `${whole(common.batch)} examples each, ${(100 * batches.padding).toFixed(1)} % padding`,
    model: `${whole(parameterCount(params))} parameters`,
    device: `${target} (others: heptagen devices)`,
  };
  const words = { run: run.folder, facts, unit: task.unit, measureNames: task.measureNames };
  try {
    const settings = {
      ...common,
      compile: { device: target },
      ...(signal && { signal }),
      onEvent: (event: Parameters<typeof trainEvent>[0]) => onEvent(trainEvent(event, words)),
    };
    const { ended, step, seconds, best } = await trainLoop(run, training, settings, checkpoint);
    return { run: run.folder, ended, step, seconds, measures: namedMeasures(best?.measures ?? {}, task.measureNames) };
  } finally {
    await use.dispose();
  }
}

function noteOf(origin: Origin, added: readonly string[]): string {
  const fresh =
    added.length === 0 ? "all parameters" : `all parameters but ${added.slice(0, 6).join(", ")}${added.length > 6 ? ", …" : ""}`;
  return `starts from ${origin.folder}: ${fresh}`;
}
