/**
 * Parts of a model as ONNX files that any runtime executes, or its parameters as safetensors.
 *
 *   onnx          one file per part (`decoder.onnx`), any batch size, with the parameters that part needs
 *   safetensors   model.safetensors, under our own names
 *
 * What is written is run at several batch sizes and compared with the model itself before anyone gets it.
 */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { input } from "../../core/builtin.ts";
import { reachable, type Tensor } from "../../core/tensor.ts";
import { buildModel, buildOpen, encodeModel } from "../../onnx/index.ts";
import { compile, type Device, defaultDevice } from "../../runtime/index.ts";
import { Session } from "../../runtime/session.ts";
import { flattenParameters, writeFileAtomically, writeSafetensorsFile } from "../../train/index.ts";
import { HeptagenError } from "../../util/errors.ts";
import { isNdArray, type NdArray, sizeOf } from "../../util/ndarray.ts";
import { fillNormal, fold, key, randint } from "../../util/random.ts";
import { mapTree, type Tree } from "../../util/tree.ts";
import type { ImageGraph } from "../generate-image/image-family.ts";
import type { ExportedFile, ExportFormat } from "../recipe.ts";

/** Batch sizes to trace at (see `buildOpen`) and to compare at. */
const tracedBatches = [[37], [41], [31], [43]] as const;
const checkedBatches = [1, 3] as const;
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
 *   `onnx/open-dimensions` for a part that cannot keep its batch size open, `storage/…`
 */
export async function exportGraphs(
  graphs: readonly ImageGraph[],
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
    const model = buildOpen([{ name: "batch", input: openInput(graph), axis: 0 }], tracedBatches, ([batch], watch) => {
      return trace(graph, params, batch as number, metadata, watch);
    });
    const encoded = encodeModel(model);
    const difference = await check(graph, params, encoded, target);
    const file = join(folder, `${graph.name}.onnx`);
    const { bytes } = await writeFileAtomically(file, encoded);
    const taken = graph.inputs.map(({ name, dtype, shape }) => `${name} ${dtype} [${shape.join(", ")}]`).join(", ");
    const note = `${taken} → ${graph.output.name}; checked at ${checkedBatches.length} sizes, largest difference ${difference.toExponential(0)}`;
    files.push({ file, bytes, note });
  }
  return files;
}

function openInput({ name, inputs }: ImageGraph): string {
  const open = inputs.find(({ shape }) => shape[0] === "batch");
  if (!open) throw new Error(`export: expected an input of "${name}" with a batch axis in front`);
  return open.name;
}

/** A part at a fixed batch size, with the parameters that it uses. */
function trace(
  graph: ImageGraph,
  params: Tree<NdArray>,
  batch: number,
  metadata: Readonly<Record<string, string>>,
  watch: Parameters<Parameters<typeof buildOpen>[2]>[1],
) {
  const all: [string, Tensor, NdArray][] = [];
  const weights = mapTree(params, isNdArray, (array: NdArray, path) => {
    const tensor = input(array);
    all.push([path, tensor, array]);
    return tensor;
  });
  const inputs = graph.inputs.map(
    ({ name, dtype, shape }) => [name, input({ dtype, shape: shape.map((size) => (size === "batch" ? batch : size)) })] as const,
  );
  const output = graph.apply(weights as Tree<Tensor>, ...inputs.map(([, tensor]) => tensor));
  const used = new Set(reachable([output]).flatMap(({ inputs: read }) => read));
  const docs = Object.fromEntries([...graph.inputs, graph.output].map(({ name, note }) => [name, note]));
  const open = [{ name: "batch", input: openInput(graph), axis: 0 }];
  return buildModel(
    { inputs, outputs: [[graph.output.name, output]], stored: all.filter(([, tensor]) => used.has(tensor)), docs },
    { contrib: false, open, metadata, watch },
  );
}

/** Runs a file at several sizes on drawn inputs and compares with the part itself: the largest difference. */
async function check(graph: ImageGraph, params: Tree<NdArray>, file: Uint8Array, device: Device): Promise<number> {
  const session = await Session.create(file, { device });
  let largest = 0;
  for (const batch of checkedBatches) {
    const inputs = graph.inputs.map(({ dtype, shape }, i): NdArray => {
      const sizes = shape.map((size) => (size === "batch" ? batch : size));
      const drawn = fold(fold(key(batch), "export"), i);
      if (dtype === "float32") {
        const data = new Float32Array(sizeOf(sizes));
        fillNormal(drawn, data);
        return { dtype, shape: sizes, data };
      }
      const data = new Int32Array(sizeOf(sizes));
      randint(drawn, 0, 2, data);
      return { dtype, shape: sizes, data };
    });
    const reference = await compile<[Tree<NdArray>, NdArray[]], Tensor>((p, x) => graph.apply(p, ...x), [params, inputs], {
      device,
    });
    const expected = await reference.run(params, inputs);
    await reference.dispose();
    const named = new Map(graph.inputs.map(({ name }, i) => [name, inputs[i] as NdArray]));
    const got = (await session.run(named, new Map([[graph.output.name, undefined]]))).get(graph.output.name) as NdArray;
    largest = Math.max(largest, compare(graph.name, got, expected, batch));
  }
  await session.dispose();
  return largest;
}

function compare(name: string, got: NdArray, expected: NdArray, batch: number): number {
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
    `export: expected the written ${name} to compute what the model computes at a batch of ${batch}, got other numbers: ` +
      `shape [${got.shape}] where [${expected.shape}] was expected, largest difference ${difference}`,
    {
      facts: { part: name, batch, difference, magnitude },
      next: "Parameters that are not finite do this; otherwise it is a defect of the export, please report it.",
    },
  );
}
