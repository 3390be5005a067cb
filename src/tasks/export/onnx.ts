/**
 * A language model as an ONNX file that any runtime executes.
 *
 *   input    tokens   int64   [batch, time]              token ids; batch from 1, time from 1 to the context
 *   output   logits   float32 [batch, time, vocabulary]  scores of the next token at every position
 *
 * Of an architecture that keeps its past in a state, the state is an input and an output too, one array a layer: texts can be
 * read in pieces, and written token by token, by giving back as `state.…` what came as `next_state.…` (zeros to begin with).
 *
 * Batch and time are open: one file serves every size. Only standard operators are used, parameters are stored under their dotted
 * names, and the model's metadata says what it is. What is written is run at several sizes and compared with the model itself
 * before anyone gets it.
 *
 * Legend: B batch, T time, V vocabulary.
 */
import { input } from "../../core/builtin.ts";
import { isTensor, type Tensor } from "../../core/index.ts";
import type { LanguageModel } from "../../models/language-model.ts";
import { buildModel, buildOpen, encodeModel, type GraphSpec, moveOut, storedBytes } from "../../onnx/index.ts";
import { cast } from "../../ops/index.ts";
import { compile, defaultDevice } from "../../runtime/index.ts";
import { Session } from "../../runtime/session.ts";
import { HeptagenError } from "../../util/errors.ts";
import { isNdArray, type NdArray } from "../../util/ndarray.ts";
import { fillUniform, fold, key, randint } from "../../util/random.ts";
import { flatten, mapTree, type Tree } from "../../util/tree.ts";
import type { LoadedLanguageModel } from "../language-model/sample.ts";

/** An exported model. */
export interface OnnxExport {
  /** Bytes of the .onnx file. */
  readonly model: Uint8Array;
  /** A large model's numbers: bytes of the file `dataFile` beside it, in pieces. */
  readonly data: readonly Uint8Array[] | undefined;
  /** The sizes it was run at, and how far its logits were from the model's own: the largest difference, and their magnitude. */
  readonly checks: readonly OnnxCheck[];
}

export interface OnnxCheck {
  readonly batch: number;
  readonly time: number;
  readonly difference: number;
  readonly magnitude: number;
}

export interface OnnxExportOptions {
  /** Name of the file beside the model that holds the numbers of a large one. */
  readonly dataFile?: string;
  /** Models with more bytes of numbers than this keep them in that file; 1.5 GB unless told (a file holds 2 GB at most). */
  readonly largest?: number;
}

/** Models with more bytes of numbers are checked without loading a copy of them. */
const fedAbove = 2.5e8;

/** Relative to the largest logit: what another order of summation may change. */
const tolerance = 1e-4;

/**
 * Writes a model as ONNX.
 *
 * @throws HeptagenError `export/context` for a context below 6, `export/mismatch` when what was written does not compute what
 *   the model computes, `onnx/open-dimensions` for an architecture that cannot keep its sizes open
 * @example await writeFile("model.onnx", (await exportOnnx(loaded)).model);
 */
export async function exportOnnx<Config>(
  loaded: LoadedLanguageModel<Config>,
  { dataFile = "model.onnx.data", largest = 1.5e9 }: OnnxExportOptions = {},
): Promise<OnnxExport> {
  const { model, config, tokenizer, context } = loaded;
  const open = [
    { name: "batch", input: "tokens", axis: 0 },
    { name: "time", input: "tokens", axis: 1 },
  ];
  const metadata = {
    "heptagen.architecture": model.name,
    "heptagen.config": JSON.stringify(config),
    "heptagen.tokenizer": tokenizer.kind,
    "heptagen.context": String(context),
  };
  /** The graph with its parameters stored, or as further inputs. */
  const build = (storing: boolean) =>
    buildOpen(open, tracedSizes(context), (sizes, watch) => {
      const { stored, ...spec } = trace(loaded, sizes);
      const fed = stored.map(([name, tensor]) => [name, tensor] as const);
      const graph = storing ? { ...spec, stored } : { ...spec, inputs: [...spec.inputs, ...fed] };
      return buildModel(graph, { contrib: false, open, metadata, watch });
    });
  const built = build(true);
  const bytes = storedBytes(built);
  // A runtime cannot be given a second file as bytes, and copies what it is given: large models are run with parameters as inputs.
  const apart = bytes > Math.min(largest, fedAbove);
  const early = apart ? await check(loaded, encodeModel(build(false)), loaded.params) : [];
  const data = bytes > largest ? moveOut(built, dataFile) : undefined;
  const file = encodeModel(built);
  return { model: file, data, checks: apart ? early : await check(loaded, file, {}) };
}

/** Sizes [batch, time] to trace at: apart from each other, above 1, and below the context, where a table would not be cut. */
function tracedSizes(context: number): [number, number][] {
  if (context < 6) {
    throw new HeptagenError("export/context", `export: expected a context of at least 6 tokens, got ${context}`, {
      next: "ONNX export keeps the length open, which takes some room.",
    });
  }
  const [a, b, c] = context >= 32 ? [23, 29, 19] : [context - 1, context - 2, context - 3];
  return [
    [37, a],
    [41, b],
    [31, c],
    [43, a],
  ];
}

/** The model as a graph: tokens in, logits out, parameters stored. */
function trace<Config>(
  { model, config, params }: LoadedLanguageModel<Config>,
  sizes: readonly number[],
): GraphSpec & Required<Pick<GraphSpec, "stored">> {
  const tokens = input({ shape: sizes, dtype: "int64" });
  const stored: [string, Tensor, NdArray][] = [];
  const weights = mapTree(params, isNdArray, (array: NdArray, path) => {
    const tensor = input(array);
    stored.push([path, tensor, array]);
    return tensor;
  });
  const read = cast(tokens, "int32");
  const docs = {
    tokens: "Token ids, [batch, time].",
    logits: "Scores of the next token at every position, [batch, time, vocabulary]; softmax makes probabilities of them.",
  };
  if (!model.recurrence) {
    const logits = model.forward(config, weights as Tree<Tensor>, read);
    return { inputs: [["tokens", tokens]], outputs: [["logits", logits]], stored, docs };
  }
  const before = mapTree(model.recurrence.blank(config, sizes[0] as number), isNdArray, input);
  const { logits, state } = model.recurrence.forward(config, weights as Tree<Tensor>, read, { state: before as Tree<Tensor> });
  const given = flatten(before, isTensor).map(({ path, leaf }) => [`state.${path}`, leaf as Tensor] as const);
  const next = flatten(state, isTensor).map(({ path, leaf }) => [`next_state.${path}`, leaf as Tensor] as const);
  const notes = [
    ...given.map(([name]) => [name, "State before the first token, [batch, width]: zeros, or what the last run gave."] as const),
    ...next.map(([name]) => [name, "State after the last token, [batch, width]: give it to the next run to go on."] as const),
  ];
  return {
    inputs: [["tokens", tokens], ...given],
    outputs: [["logits", logits], ...next],
    stored,
    docs: { ...docs, ...Object.fromEntries(notes) },
  };
}

/** Runs the exported model, with these further inputs, at several sizes; compares with the model compiled for each. */
async function check<Config>(
  { model, config, params, tokenizer, context }: LoadedLanguageModel<Config>,
  exported: Uint8Array,
  fed: Tree<NdArray>,
): Promise<OnnxCheck[]> {
  const { device } = await defaultDevice();
  const session = await Session.create(exported, { device });
  const weights = flatten(fed, isNdArray).map(({ path, leaf }) => [path, leaf] as const);
  const checks: OnnxCheck[] = [];
  for (const [batch, time] of checkedSizes(context)) {
    const shape = [batch, time];
    const drawn: NdArray = { dtype: "int32", shape, data: new Int32Array(batch * time) };
    const before = startingStates(model, config, batch);
    const reference = await compile<[Tree<NdArray>, NdArray, Tree<NdArray>], Readonly<Record<string, Tensor>>>(
      (p, x, given) => outputsOf(model, config, p, x, given),
      [params, drawn, before],
      { device },
    );
    const ids = drawn.data as Int32Array;
    randint(fold(key(batch), time), 0, tokenizer.vocabularySize, ids);
    const expected: Readonly<Record<string, NdArray>> = await reference.run(params, drawn, before);
    await reference.dispose();
    const tokens: NdArray = { dtype: "int64", shape, data: BigInt64Array.from(ids, BigInt) };
    const states = flatten(before, isNdArray).map(({ path, leaf }) => [`state.${path}`, leaf as NdArray] as const);
    const wanted = new Map(Object.keys(expected).map((name) => [name, undefined]));
    const results = await session.run(new Map([["tokens", tokens], ...states, ...weights]), wanted);
    const found = Object.entries(expected).map(([name, want]) => compare(name, results.get(name) as NdArray, want, batch, time));
    checks.push(found.reduce((a, b) => (b.difference > a.difference ? b : a)));
  }
  await session.dispose();
  return checks;
}

/** States to check with, drawn at random; none of an architecture without. */
function startingStates<Config>({ recurrence }: LanguageModel<Config>, config: Config, batch: number): Tree<NdArray> {
  return mapTree(recurrence?.blank(config, batch) ?? {}, isNdArray, (blank: NdArray, path) => {
    const data = new Float32Array(blank.data.length);
    fillUniform(fold(key(batch), path), data);
    return { ...blank, data };
  }) as Tree<NdArray>;
}

/** What the exported model computes, under the same names. */
function outputsOf<Config>(
  model: LanguageModel<Config>,
  config: Config,
  params: Tree<Tensor>,
  tokens: Tensor,
  before: Tree<Tensor>,
): Readonly<Record<string, Tensor>> {
  if (!model.recurrence) return { logits: model.forward(config, params, tokens) };
  const { logits, state } = model.recurrence.forward(config, params, tokens, { state: before });
  const next = flatten(state, isTensor).map(({ path, leaf }) => [`next_state.${path}`, leaf as Tensor] as const);
  return { logits, ...Object.fromEntries(next) };
}

/** The smallest size, the whole context (or a good part of a long one), and one between, drawn at random. */
function checkedSizes(context: number): [number, number][] {
  const drawn = new Int32Array(2);
  randint(fold(key(0), "export"), 2, Math.min(context, 48), drawn);
  return [
    [1, 1],
    [2, Math.min(context, 128)],
    [2 + ((drawn[0] as number) % 4), drawn[1] as number],
  ];
}

function compare(name: string, got: NdArray, expected: NdArray, batch: number, time: number): OnnxCheck {
  let [difference, magnitude] = [0, 1];
  const same = `${got.shape}` === `${expected.shape}`;
  expected.data.forEach((value, i) => {
    magnitude = Math.max(magnitude, Math.abs(Number(value)));
    const distance = same ? Math.abs(Number(value) - Number(got.data[i])) : Number.POSITIVE_INFINITY;
    if (!(distance <= difference)) difference = Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance;
  });
  if (difference <= tolerance * magnitude) return { batch, time, difference, magnitude };
  throw new HeptagenError(
    "export/mismatch",
    `export: expected the written model to give the model's ${name} for tokens [${batch}, ${time}], got others: ` +
      `shape [${got.shape}] where [${expected.shape}] was expected, largest difference ${difference}`,
    {
      facts: { batch, time, difference, magnitude },
      next: "Parameters that are not finite do this; otherwise it is a defect of the export, please report it.",
    },
  );
}
