/**
 * Compiling: a function of symbolic tensors becomes one graph that ONNX Runtime executes.
 *
 * The function is called once, with placeholders shaped like the example inputs; what it returns is lowered to ONNX and
 * loaded. Running feeds arrays in and gets arrays out. State that a step replaces (parameters, optimizer moments) can be
 * donated: its buffers are then reused for the new state, so that training never grows.
 */
import { input } from "../core/builtin.ts";
import { randomParams, TracedKey } from "../core/random.ts";
import { isTensor, reachable, type Tensor, typeName } from "../core/tensor.ts";
import { buildModel, canShareBuffer, encodeModel } from "../onnx/index.ts";
import { HeptagenError } from "../util/errors.ts";
import { allocate, isNdArray, type NdArray, sameShape, sizeOf } from "../util/ndarray.ts";
import { isKey, type Key } from "../util/random.ts";
import { flatten, mapTree, type Tree } from "../util/tree.ts";
import { channelBlock } from "./channel-block.ts";
import { type Device, defaultDevice, lacking } from "./devices.ts";
import { type Draw, type Graph, type GraphSource, loadGraph } from "./loaded-graph.ts";
import { SpareBuffers } from "./spare-buffers.ts";

/** What a compiled function takes as leaves: arrays, and keys for randomness. */
export type Leaf = NdArray | Key;

/** The type a function sees in place of a runtime value: arrays become tensors, keys become traced keys. */
export type Traced<T> = [Tree<NdArray>] extends [T]
  ? Tree<Tensor>
  : T extends NdArray
    ? Tensor
    : T extends Key
      ? TracedKey
      : { [K in keyof T]: Traced<T[K]> };

/** The type a caller gets in place of a symbolic value. */
export type Concrete<T> = [Tree<Tensor>] extends [T]
  ? Tree<NdArray>
  : T extends Tensor
    ? NdArray
    : { [K in keyof T]: Concrete<T[K]> };

export interface CompileOptions {
  /** Where to run; the best of this machine unless told (see `defaultDevice`). */
  readonly device?: Device;
  /** Arguments whose arrays are given up: output i (the function then returns an array) replaces argument i, in its buffers. */
  readonly donate?: readonly number[];
  /** Where buffers for what replaces them are taken from; the graph has its own unless told. */
  readonly spares?: SpareBuffers;
  /**
   * Whether memory that a run computed in is kept for the next; true unless told. Without, runs on a CPU take some 10 % longer, but
   * graphs that run in turn do not each hold what they need.
   */
  readonly keepMemory?: boolean;
  readonly threads?: number;
  /**
   * Whether the graph's threads go on spinning for a while after a run, ready for the next; true unless told. Better not where another
   * thread computes meanwhile.
   */
  readonly spin?: boolean;
  /** Writes ONNX Runtime's profile to files with this prefix. */
  readonly profile?: string;
  /**
   * Where the graph is loaded instead of here: in another thread (`openGraphThread`). A run then gives up the arrays of all its
   * arguments, as of donated ones; those that were taken from `spares` and become no output are there again afterwards.
   */
  readonly load?: (source: GraphSource, spares: SpareBuffers) => Promise<Graph>;
}

/** A compiled function. */
export interface Executable<Args extends readonly unknown[], Out> {
  readonly device: Device;
  /** The ONNX model behind it. */
  readonly model: Uint8Array;
  /**
   * Runs the graph on arrays shaped like the examples.
   *
   * @throws HeptagenError `runtime/input` when an array differs in shape or type, or was donated before
   */
  run(...args: Args): Promise<Out>;
  dispose(): Promise<void>;
}

const isLeaf = (value: unknown): value is Leaf => isNdArray(value) || isKey(value);

/** An argument leaf: where it is, what it must look like and its name in the graph. */
interface Slot {
  readonly path: string;
  readonly name: string;
  /** undefined for a key. */
  readonly tensor: Tensor | undefined;
}

/**
 * Compiles `fn` for inputs shaped like the examples.
 *
 * @param examples one tree of arrays (or keys) per argument; only shapes and types matter
 * @example
 * const step = await compile((w, x) => [sub(w, mul(grad(loss)(w, x), 0.1))], [w, x], { donate: [0] });
 * [w] = await step.run(w, x);
 */
export async function compile<Args extends readonly unknown[], Out>(
  fn: (...args: { [I in keyof Args]: Traced<Args[I]> }) => Out,
  examples: Args,
  {
    device,
    donate = [],
    spares = new SpareBuffers(),
    keepMemory = true,
    threads,
    spin = true,
    profile,
    load = loadGraph,
  }: CompileOptions = {},
): Promise<Executable<Args, Concrete<Out>>> {
  const target = device ?? (await defaultDevice()).device;
  const slots: Slot[] = [];
  const traced = mapTree(examples, isLeaf, (leaf: Leaf, path) => {
    const position = slots.length;
    const tensor = isKey(leaf) ? undefined : input({ shape: leaf.shape, dtype: leaf.dtype });
    slots.push({ path, name: `in_${position}_${path}`, tensor });
    return tensor ?? new TracedKey(position);
  });
  // The mapped type of the arguments follows the examples' structure, which mapTree keeps.
  const out = fn(...(traced as unknown as { [I in keyof Args]: Traced<Args[I]> }));
  const outputs = flatten(out, isTensor).map(({ leaf, path }) => ({ tensor: leaf, path, name: `out_${path}` }));

  const randoms = findDraws(outputs.map(({ tensor }) => tensor));
  const tensorSlots = slots.filter((slot): slot is Slot & { tensor: Tensor } => slot.tensor !== undefined);
  const model = buildModel(
    {
      inputs: [
        ...tensorSlots.map(({ name, tensor }) => [name, tensor] as const),
        ...randoms.flatMap(({ draw, tensors }) => tensors.map((tensor) => [draw.name, tensor] as const)),
      ],
      outputs: outputs.map(({ name, tensor }) => [name, tensor] as const),
    },
    { lacks: lacking[target], channelBlock: await channelBlock(target) },
  );
  const donations = pairDonations(donate, tensorSlots, outputs);
  const shared = canShareBuffer(model, donations);
  const bytes = encodeModel(model);
  const session = { device: target, keepMemory, spin, ...(threads && { threads }), ...(profile && { profile }) };
  const graph = await load({ model: bytes, draws: randoms.map(({ draw }) => draw), session }, spares);

  /** For each output that replaces an input: the input, and whether it is written over. */
  const replaced = new Map(donations.map(([from, to], i) => [to, { input: from, inPlace: shared[i] === true }] as const));
  const consumed = new WeakSet<NdArray>();

  return {
    device: target,
    model: bytes,
    async run(...args) {
      const leaves = flatten(args, isLeaf);
      checkArguments(leaves, slots, consumed);
      const feeds = new Map<string, NdArray>();
      const keys = new Map<number, Key>();
      leaves.forEach(({ leaf }, i) => {
        if (isKey(leaf)) keys.set(i, leaf);
        else feeds.set((slots[i] as Slot).name, leaf);
      });
      const fetches = new Map<string, NdArray | undefined>();
      for (const { name, tensor } of outputs) {
        const place = replaced.get(name);
        if (place) fetches.set(name, place.inPlace ? feeds.get(place.input) : spares.take(tensor));
        else fetches.set(name, graph.writesInPlace && sizeOf(tensor.shape) > 0 ? blank(tensor) : undefined);
      }
      if (graph.takesArrays) for (const array of feeds.values()) consumed.add(array);
      const results = new Map(await graph.run({ feeds, keys, fetches }));
      for (const [name, { input: from, inPlace }] of replaced) {
        const old = feeds.get(from) as NdArray;
        consumed.add(old);
        if (!inPlace && !graph.takesArrays) spares.give(old);
        const written = results.get(name) as NdArray;
        // A new object for the new state: the old one stays marked as given up.
        results.set(name, { dtype: written.dtype, shape: written.shape, data: written.data });
      }
      let next = 0;
      return mapTree(out, isTensor, () => results.get((outputs[next++] as { name: string }).name)) as Concrete<Out>;
    },
    dispose: () => graph.dispose(),
  };
}

function blank({ dtype, shape }: Tensor): NdArray {
  return { dtype, shape, data: allocate(dtype, sizeOf(shape)) };
}

/** The random draws a graph needs; equal draws (same key, names, distribution and shape) share one input. */
function findDraws(outputs: readonly Tensor[]): { readonly draw: Draw; readonly tensors: Tensor[] }[] {
  const draws = new Map<string, { draw: Draw; tensors: Tensor[] }>();
  for (const node of reachable(outputs)) {
    const [tensor] = node.outputs;
    const params = tensor && randomParams(tensor);
    if (!tensor || !params) continue;
    const key = JSON.stringify(params);
    const found = draws.get(key) ?? { draw: { ...params, name: `random_${draws.size}`, dtype: tensor.dtype }, tensors: [] };
    found.tensors.push(tensor);
    draws.set(key, found);
  }
  return [...draws.values()];
}

/** Pairs each leaf of a donated argument with the output that replaces it. */
function pairDonations(
  donate: readonly number[],
  slots: readonly (Slot & { tensor: Tensor })[],
  outputs: readonly { name: string; path: string; tensor: Tensor }[],
): (readonly [string, string])[] {
  return donate.flatMap((argument) => {
    const belongs = (path: string) => path === `${argument}` || path.startsWith(`${argument}.`);
    const mine = slots.filter(({ path }) => belongs(path));
    const theirs = new Map(outputs.filter(({ path }) => belongs(path)).map((output) => [output.path, output]));
    return mine.map(({ path, name, tensor }) => {
      const output = theirs.get(path);
      if (!output || typeName(output.tensor) !== typeName(tensor)) {
        throw new HeptagenError(
          "compile/donate",
          `compile: argument ${argument} is donated, so output ${argument} must have its structure; expected ${typeName(tensor)} at "${path}", got ${output ? typeName(output.tensor) : "nothing"}`,
          { next: "Return an array whose element at the donated position is the new value of that argument." },
        );
      }
      return [name, output.name] as const;
    });
  });
}

function checkArguments(
  leaves: readonly { leaf: Leaf; path: string }[],
  slots: readonly Slot[],
  consumed: WeakSet<NdArray>,
): void {
  slots.forEach(({ path, tensor }, i) => {
    const given = leaves[i];
    const fits = given?.path === path && (tensor ? isNdArray(given.leaf) && sameType(given.leaf, tensor) : isKey(given.leaf));
    if (!fits) {
      const got = !given
        ? "nothing"
        : given.path !== path
          ? `"${given.path}"`
          : isKey(given.leaf)
            ? "a key"
            : typeName(given.leaf);
      throw new HeptagenError("runtime/input", `run: expected ${tensor ? typeName(tensor) : "a key"} at "${path}", got ${got}`, {
        next: "A compiled function takes the shapes it was compiled for; compile again for others.",
      });
    }
    if (isNdArray(given.leaf) && consumed.has(given.leaf)) {
      throw new HeptagenError(
        "runtime/donated",
        `run: the array at "${path}" was given up to an earlier run, which reused its memory`,
        {
          next: "Use the array that run returned in its place.",
        },
      );
    }
  });
  if (leaves.length > slots.length) {
    throw new HeptagenError(
      "runtime/input",
      `run: expected ${slots.length} arrays, got ${leaves.length}: "${leaves[slots.length]?.path}" is one too many`,
    );
  }
}

function sameType(array: NdArray, tensor: Tensor): boolean {
  return array.dtype === tensor.dtype && sameShape(array.shape, tensor.shape);
}

/**
 * A function that compiles itself for each new signature (shapes, types and structure of its arguments) and keeps what it
 * compiled.
 *
 * @example const f = jit((x: Tensor) => softmax(x)); await f(a); await f(b);
 */
export function jit<Args extends readonly unknown[], Out>(
  fn: (...args: { [I in keyof Args]: Traced<Args[I]> }) => Out,
  options: CompileOptions = {},
): (...args: Args) => Promise<Concrete<Out>> {
  const cache = new Map<string, Promise<Executable<Args, Concrete<Out>>>>();
  return async (...args) => {
    const signature = flatten(args, isLeaf)
      .map(({ leaf, path }) => `${path}:${isKey(leaf) ? "key" : typeName(leaf)}`)
      .join(" ");
    const executable = cache.get(signature) ?? compile<Args, Out>(fn, args, options);
    cache.set(signature, executable);
    return (await executable).run(...args);
  };
}
