/**
 * Parts of a model as ONNX files that any runtime executes, or its parameters as safetensors.
 *
 *   onnx          one file per part (`decoder.onnx`), any sizes of its open dimensions, with the parameters that part needs
 *   safetensors   model.safetensors, under our own names
 *
 * What is written is run at several sizes and compared with the model itself before anyone gets it.
 */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { input } from "../../core/builtin.ts";
import { reachable, type Tensor } from "../../core/tensor.ts";
import { buildModel, buildOpen, encodeModel, type OpenDimension } from "../../onnx/index.ts";
import { compile, type Device, defaultDevice } from "../../runtime/index.ts";
import { Session } from "../../runtime/session.ts";
import { flattenParameters, writeFileAtomically, writeSafetensorsFile } from "../../train/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import { isNdArray, type NdArray, sizeOf } from "../../util/ndarray.ts";
import { fillNormal, fold, key, randint } from "../../util/random.ts";
import { mapTree, type Tree } from "../../util/tree.ts";
import type { ExportedFile, ExportFormat } from "../recipe.ts";

/** Sizes to trace at (see `buildOpen`) and to compare at, for each open dimension in its order. */
const traced = [
  [37, 41, 31, 43],
  [23, 29, 19, 17],
  [11, 13, 7, 9],
] as const;
const checked = [
  [1, 3, 2, 4],
  [5, 8, 7, 3],
  [4, 6, 5, 7],
] as const;

/** A part of a model that other programs run: `decoder`, `generator`. */
export interface ModelGraph {
  readonly name: string;
  /** Name, type and shape of each input; a name in a shape ("batch", "length") stands for any number. */
  readonly inputs: readonly {
    readonly name: string;
    readonly dtype: "float32" | "int32";
    readonly shape: readonly (number | string)[];
    readonly note: string;
    /** For int32: numbers from 0 to below this; 2 unless told. For checking only. */
    readonly below?: number | string;
  }[];
  readonly output: { readonly name: string; readonly note: string };
  /** Traced: the inputs in their order → the output. */
  apply(params: Tree<Tensor>, ...inputs: readonly Tensor[]): Tensor;
}
/** Relative to the largest output: what another order of summation may change. */
const tolerance = 1e-4;

export interface GraphExport {
  readonly format: ExportFormat;
  /** The folder to write. */
  readonly out: string;
  readonly device: Device | undefined;
  /** Free text by name, kept in the files. */
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Exports a model.
 *
 * @throws HeptagenError `export/mismatch` when what was written does not compute what the model computes,
 *   `onnx/open-dimensions` for a part that cannot keep its sizes open, `storage/…`
 */
export async function exportGraphs(
  graphs: readonly ModelGraph[],
  params: Tree<NdArray>,
  { format, out, device, metadata }: GraphExport,
): Promise<ExportedFile[]> {
  const folder = resolve(out);
  await mkdir(folder, { recursive: true });
  if (format === "safetensors") {
    const file = join(folder, "model.safetensors");
    const { bytes } = await writeSafetensorsFile(file, flattenParameters(params), { format: "pt", ...metadata });
    return [{ file, bytes, note: "Heptagen's names; the metadata holds the configuration" }];
  }
  const target = device ?? (await defaultDevice()).device;
  const files: ExportedFile[] = [];
  for (const graph of graphs) {
    const open = openDimensions(graph);
    const samples = (traced[0] as readonly number[]).map((_, i) => open.map((_, d) => traced[d]?.[i] as number));
    const model = buildOpen(open, samples, (sizes, watch) => trace(graph, params, { open, sizes }, metadata, watch));
    const encoded = encodeModel(model);
    const difference = await check(graph, params, encoded, target);
    const file = join(folder, `${graph.name}.onnx`);
    const { bytes } = await writeFileAtomically(file, encoded);
    const taken = graph.inputs.map(({ name, dtype, shape }) => `${name} ${dtype} [${shape.join(", ")}]`).join(", ");
    const note = `${taken} → ${graph.output.name}; checked at ${checked[0].length} sizes, largest difference ${difference.toExponential(0)}`;
    files.push({ file, bytes, note });
  }
  return files;
}

/** The open dimensions of a part: where each can be read first. */
function openDimensions({ name, inputs }: ModelGraph): OpenDimension[] {
  const open: OpenDimension[] = [];
  for (const { name: input, shape } of inputs) {
    shape.forEach((size, axis) => {
      if (typeof size === "string" && !open.some((known) => known.name === size)) open.push({ name: size, input, axis });
    });
  }
  if (open.length > 0 && open.length <= traced.length) return open;
  throw new Error(`export: expected "${name}" to have one to ${traced.length} open dimensions, got ${open.length}`);
}

interface Sizes {
  readonly open: readonly OpenDimension[];
  readonly sizes: readonly number[];
}

/** A shape at given sizes of the open dimensions. */
function shapeAt(shape: readonly (number | string)[], { open, sizes }: Sizes): number[] {
  return shape.map((size) => (typeof size === "number" ? size : (sizes[open.findIndex(({ name }) => name === size)] as number)));
}

/** A part at fixed sizes, with the parameters that it uses. */
function trace(
  graph: ModelGraph,
  params: Tree<NdArray>,
  at: Sizes,
  metadata: Readonly<Record<string, string>>,
  watch: Parameters<Parameters<typeof buildOpen>[2]>[1],
) {
  const all: [string, Tensor, NdArray][] = [];
  const weights = mapTree(params, isNdArray, (array: NdArray, path) => {
    const tensor = input(array);
    all.push([path, tensor, array]);
    return tensor;
  });
  const inputs = graph.inputs.map(({ name, dtype, shape }) => [name, input({ dtype, shape: shapeAt(shape, at) })] as const);
  const output = graph.apply(weights as Tree<Tensor>, ...inputs.map(([, tensor]) => tensor));
  const used = new Set(reachable([output]).flatMap(({ inputs: read }) => read));
  const docs = Object.fromEntries([...graph.inputs, graph.output].map(({ name, note }) => [name, note]));
  return buildModel(
    { inputs, outputs: [[graph.output.name, output]], stored: all.filter(([, tensor]) => used.has(tensor)), docs },
    { contrib: false, open: at.open, metadata, watch },
  );
}

/** Runs a file at several sizes on drawn inputs and compares with the part itself: the largest difference. */
async function check(graph: ModelGraph, params: Tree<NdArray>, file: Uint8Array, device: Device): Promise<number> {
  const session = await Session.create(file, { device });
  let largest = 0;
  const open = openDimensions(graph);
  for (let i = 0; i < checked[0].length; i++) {
    const sizes = open.map((_, d) => checked[d]?.[i] as number);
    const inputs = graph.inputs.map(({ dtype, shape, below = 2 }, n): NdArray => {
      const own = shapeAt(shape, { open, sizes });
      const drawn = fold(fold(key(i), "export"), n);
      if (dtype === "float32") {
        const data = new Float32Array(sizeOf(own));
        fillNormal(drawn, data);
        return { dtype, shape: own, data };
      }
      const data = new Int32Array(sizeOf(own));
      randint(drawn, 0, shapeAt([below], { open, sizes })[0] as number, data);
      return { dtype, shape: own, data };
    });
    const reference = await compile<[Tree<NdArray>, NdArray[]], Tensor>((p, x) => graph.apply(p, ...x), [params, inputs], {
      device,
    });
    const expected = await reference.run(params, inputs);
    await reference.dispose();
    const named = new Map(graph.inputs.map(({ name }, i) => [name, inputs[i] as NdArray]));
    const got = (await session.run(named, new Map([[graph.output.name, undefined]]))).get(graph.output.name) as NdArray;
    largest = Math.max(largest, compare(graph.name, got, expected, `${sizes}`));
  }
  await session.dispose();
  return largest;
}

function compare(name: string, got: NdArray, expected: NdArray, sizes: string): number {
  let [difference, magnitude] = [0, 1];
  const same = `${got.shape}` === `${expected.shape}`;
  expected.data.forEach((value, i) => {
    magnitude = Math.max(magnitude, Math.abs(Number(value)));
    const distance = same ? Math.abs(Number(value) - Number(got.data[i])) : Number.POSITIVE_INFINITY;
    if (!(distance <= difference)) difference = Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance;
  });
  if (difference <= tolerance * magnitude) return difference;
  throw new HeptagenError(
    "export/mismatch",
    `export: expected the written ${name} to compute what the model computes at sizes [${sizes}], got other numbers: ` +
      `shape [${got.shape}] where [${expected.shape}] was expected, largest difference ${difference}`,
    {
      facts: { part: name, sizes, difference, magnitude },
      next: "Parameters that are not finite do this; otherwise it is a defect of the export, please report it.",
    },
  );
}
