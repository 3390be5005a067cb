/** A trained run of a task on sequences: opened, then evaluated, asked, inspected and exported. */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { defaultDevice } from "../../runtime/index.ts";
import { openRun, restoreTree, writeFileAtomically } from "../../train/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import type { NdArray } from "../../util/ndarray.ts";
import { key } from "../../util/random.ts";
import type { Tree } from "../../util/tree.ts";
import { exportGraphs } from "../export/graphs.ts";
import { parseOptions } from "../options.ts";
import type { EvaluateContext, OpenContext, Options, PredictInput, Recipe, SampleEvent, TrainedModel } from "../recipe.ts";
import { curvesOf, parametersOf } from "../training.ts";
import { networkConfig, readAssets } from "./kept.ts";
import { withoutData } from "./records.ts";
import type { Side, Sides } from "./sequence-task.ts";
import { checkUnchanged, type Joined, readSides } from "./train.ts";

/** Takes what a user should know about what is read, how far that is among it. */
type Note = (message: string) => void;

/** Inputs that are answered at once. */
const chunk = 256;
/** Milliseconds without an input after which those that came are answered. */
const idleTime = 20;

/**
 * Opens a run.
 *
 * @throws HeptagenError `run/…`, `parameters/mismatch`
 */
export async function openTask<Config, Given extends object, Raw, Facts, Example, Batch>(
  joined: Joined<Config, Given, Raw, Facts, Example, Batch>,
  recipe: Recipe,
  folder: string,
  { device, onWarning }: OpenContext,
): Promise<TrainedModel> {
  const { task, backbone } = joined;
  const run = await openRun(folder);
  const options = run.config.config as unknown as Given;
  const assets = await readAssets<Facts>(run);
  const model = task.model({ network: backbone.network, config: networkConfig(joined, options as Options), assets, options });
  const loaded = await run.loadModel();
  for (const { message } of loaded.warnings) onWarning?.(message);
  const params = restoreTree<unknown>(model.init(key(0)), loaded.model, "model") as Tree<NdArray>;
  const use = model.use(device ?? (await defaultDevice()).device, run.folder);

  const readOwn = async (note?: Note): Promise<Sides<Raw>> => {
    const { sides, fingerprint } = await readSides(task, options, note);
    checkUnchanged(fingerprint, run.config.data.fingerprint, folder);
    return sides;
  };
  let kept: Promise<Sides<Raw>> | undefined;
  /** The run's own data, as it was: read once, since sounds take minutes. */
  const own = (note?: Note): Promise<Sides<Raw>> => {
    kept ??= readOwn(note).catch((error) => {
      kept = undefined; // once what was missing is there, it can be read
      throw error;
    });
    return kept;
  };
  const ownSide = async (side: Side | undefined, note?: Note): Promise<readonly Raw[]> => {
    const sides = await own(note);
    const chosen = sides[side ?? (sides.test.length > 0 ? "test" : "validation")];
    if (chosen.length > 0) return chosen;
    throw new HeptagenError("data/empty", `the run has no ${side ?? "test or validation"} part`, {
      next: "Name other data with --data, or another part with --side.",
    });
  };
  const encode = (raws: readonly Raw[]): Example[] => raws.map((raw) => task.encode(raw, assets, options));

  return {
    recipe,
    async *sample(given): AsyncIterable<SampleEvent> {
      const asked = parseOptions("sample", task.abilities.sample, given) as Options;
      const content = await use.show(params, encode(await ownSide(asked.side as Side | undefined)), asked);
      if (typeof content === "string") {
        yield { kind: "text", sample: 0, text: content };
        yield { kind: "end", sample: 0, reason: "stop" };
        return;
      }
      const file = typeof asked.out === "string" ? asked.out : run.path("samples", `sample${task.sampleFile ?? ""}`);
      await writeFileAtomically(file, content);
      yield { kind: "file", file, caption: `${task.name} of held-out examples` };
    },
    async evaluate(given, context: EvaluateContext = {}) {
      const asked = parseOptions("eval", task.abilities.evaluate, given) as Options;
      const note: Note = (message) => context.onEvent?.({ kind: "note", message });
      const others = { ...withoutData(options as Options, task.dataOptions), ...withoutNothing(asked) } as Given;
      const raws = asked.data === undefined ? await ownSide(asked.side as Side | undefined, note) : await task.read(others, note);
      return use.evaluate(params, encode(raws), {
        ...context,
        options: asked,
        raws,
        training: async () => (await own().catch(() => undefined))?.train,
      });
    },
    async inspect(given) {
      const asked = parseOptions("inspect", task.abilities.inspect, given) as Options;
      const out = typeof asked.out === "string" ? asked.out : run.path("inspect");
      await mkdir(out, { recursive: true });
      const drawn = await use.inspect(params, encode(await ownSide(undefined)), { ...asked, out });
      return { config: options as Options, parameters: parametersOf(params), curves: await curvesOf(run), ...drawn };
    },
    async *predict(inputs, given) {
      const asked = parseOptions("predict", task.abilities.predict, given) as Options;
      for await (const some of inChunks(inputs)) {
        const raws = await Promise.all(some.map(({ value, place }) => task.input(value, place, options)));
        yield* await use.predict(params, encode(raws), asked);
      }
    },
    export(format, out) {
      const metadata = { "heptagen.recipe": recipe.name, "heptagen.config": JSON.stringify(options) };
      return exportGraphs(model.graphs, params, { format, out: out ?? join(run.folder, format), device, metadata });
    },
  };
}

/**
 * Inputs in pieces of at most `chunk`; as many as there are when no more come for a moment, since whoever asks may be waiting. Those
 * before an input that cannot be read are answered first.
 */
async function* inChunks(inputs: Iterable<PredictInput> | AsyncIterable<PredictInput>): AsyncGenerator<PredictInput[]> {
  let some: PredictInput[] = [];
  const iterator = Symbol.asyncIterator in inputs ? inputs[Symbol.asyncIterator]() : inputs[Symbol.iterator]();
  for (;;) {
    const next: Promise<{ value?: PredictInput; done?: boolean; error?: unknown }> = Promise.resolve(iterator.next()).catch(
      (error: unknown) => ({ done: true, error }),
    );
    const idle = some.length > 0 && (await Promise.race([next.then(() => false), delay(idleTime, true)]));
    if (idle || some.length === chunk) {
      yield some;
      some = [];
    }
    const { value, done, error } = await next;
    if (!done) {
      some.push(value as PredictInput);
      continue;
    }
    if (some.length > 0) yield some;
    if (error !== undefined) throw error;
    return;
  }
}

function withoutNothing(options: Options): Options {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}
