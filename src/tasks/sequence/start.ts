/** From what a user sets to every option of a training, and the run that it starts from. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { z } from "zod";
import { type Tokenizer, tokenizerFromJSON } from "../../data/index.ts";
import { flattenParameters, openRun } from "../../train/index.ts";
import { parseJson } from "../../train/json.ts";
import { HeptagenError } from "../../util/errors.ts";
import { isNdArray, type NdArray, sameShape } from "../../util/ndarray.ts";
import { mapTree, type Tree } from "../../util/tree.ts";
import { parseOptions } from "../options.ts";
import type { Options } from "../recipe.ts";
import { withoutData } from "./records.ts";

/** A run that training starts from. */
export interface Origin {
  readonly folder: string;
  readonly tokenizer: Tokenizer | undefined;
  readonly params: ReadonlyMap<string, NdArray>;
  /** Its options. */
  readonly options: Options;
}

/** @throws HeptagenError `run/…` */
export async function loadOrigin(folder: string): Promise<Origin> {
  const run = await openRun(folder);
  const text = await run.readTokenizer();
  const file = run.path("tokenizer.json");
  return {
    folder: resolve(folder),
    tokenizer: text === undefined ? undefined : tokenizerFromJSON(parseJson(text, file), file),
    params: (await run.loadModel()).model,
    options: run.config.config as Options,
  };
}

/** Options that follow from the run that training starts from, since its parameters have their shapes. */
const ofTokenizer = ["tokenizer", "vocabulary", "lowercase"];

/**
 * Every option with its value.
 *
 * What the user sets wins over the network of the run that training starts from, which wins over the preset. With the user's own data,
 * a preset's files and columns for splitting are left out, since they belong to the preset's. A preset's warm-up takes at most a tenth
 * of the steps, so that a short run needs no second option.
 *
 * @param names the options that decide about the network, and those of the task that describe its data
 * @throws HeptagenError `options/…`, `run/…`
 */
export async function resolveOptions(
  schema: z.ZodObject,
  { networkOptions, dataOptions }: { readonly networkOptions: readonly string[]; readonly dataOptions: readonly string[] },
  { preset, given }: { readonly preset: Options; readonly given: Options },
): Promise<{ readonly options: Options; readonly origin: Origin | undefined }> {
  const parsed = parseOptions("train", schema.partial(), given) as Options; // with defaults, which a preset goes before
  const asked = Object.fromEntries(Object.entries(parsed).filter(([name]) => name in given)) as Options;
  const origin = typeof asked.initFrom === "string" ? await loadOrigin(asked.initFrom) : undefined;
  const inherited = [...networkOptions, ...(origin?.tokenizer ? ofTokenizer : [])].filter((name) => name in schema.shape);
  const from = Object.fromEntries(
    inherited.flatMap((name) => (origin?.options[name] === undefined ? [] : [[name, origin.options[name]]])),
  );
  const steps = (asked.steps ?? preset.steps) as number;
  const warmup = Math.min(preset.warmup as number, Math.floor(steps / 10));
  const usual = asked.data === undefined ? preset : withoutData(preset, dataOptions);
  const options = parseOptions("train", schema, { ...usual, warmup, ...from, ...asked }) as Options;
  return { options: withFullPath(options), origin };
}

/** A run is resumed from any folder, so it keeps full paths. */
function withFullPath({ initFrom, ...options }: Options): Options {
  return typeof initFrom === "string" && existsSync(initFrom) ? { ...options, initFrom: resolve(initFrom) } : options;
}

/** Parameters that tasks share, by the contract: where one of these has another shape, the network is another. */
const shared = /^(tokens|encoder)\./;

/**
 * Fresh parameters, with those of another run in their place where name and shape are the same.
 *
 * @returns also the names of those that stay fresh
 * @throws HeptagenError `parameters/mismatch` when none fits, or one of the shared network has another shape
 */
export function startFrom(fresh: Tree<NdArray>, origin: Origin): { readonly params: Tree<NdArray>; readonly added: string[] } {
  const added: string[] = [];
  const unlike: string[] = [];
  let taken = 0;
  const params = mapTree(fresh, isNdArray, (leaf: NdArray, path) => {
    const known = origin.params.get(path);
    if (known && known.dtype === leaf.dtype && sameShape(known.shape, leaf.shape)) {
      taken++;
      return known;
    }
    if (known && shared.test(path)) unlike.push(`${path}: expected [${leaf.shape}], got [${known.shape}]`);
    added.push(path);
    return leaf;
  }) as Tree<NdArray>;
  if (taken > 0 && unlike.length === 0) return { params, added };
  const names = [...flattenParameters(fresh).keys()].slice(0, 5);
  const problem = unlike[0] ?? "no parameter has the name and shape of one of this model";
  throw new HeptagenError("parameters/mismatch", `${origin.folder} does not fit this model: ${problem}`, {
    facts: { expected: names, got: [...origin.params.keys()].slice(0, 5), unlike },
    next: "Start from a run of the same network, and leave out options that change its size: they follow from that run.",
  });
}
