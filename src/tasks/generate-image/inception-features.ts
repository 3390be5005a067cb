/**
 * Features of the Inception network (Szegedy et al. 2016, arXiv:1512.00567) that the user supplies as an ONNX file, for the FID that
 * papers report. Heptagen neither ships nor fetches it: the weights are others' work, 90 MB, and each export differs.
 *
 * The file takes one float32 input [N, 3, H, W] or [N, H, W, 3] and gives features [N, F] (or [N, F, 1, 1]); with several outputs the
 * one of 2,048 features is taken. H and W are 299 where the file leaves them open. Pictures are brought there as in pytorch-fid:
 * bilinear, centres of pixels aligned; larger ones are averaged when reduced (as clean-fid does).
 */
import { readFile } from "node:fs/promises";
import { type Device, defaultDevice } from "../../runtime/index.ts";
import { type Port, Session } from "../../runtime/session.ts";
import { unreadable } from "../../train/durable.node.ts";
import { HeptagenError } from "../../util/errors.ts";
import type { NdArray } from "../../util/ndarray.ts";
import type { EvaluateContext } from "../recipe.ts";
import { featuresInBatches, type PictureFeatures } from "./picture-features.ts";

/** Pictures looked at in one run, where the file leaves it open. */
const atOnce = 32;
const usualSide = 299;
const usualFeatures = 2048;

/** What the file takes: 0 to 1, -1 to 1, or 0 to 255. */
export type InceptionInput = "unit" | "signed" | "bytes";

const scales: Readonly<Record<InceptionInput, (value: number) => number>> = {
  unit: (value) => value,
  signed: (value) => 2 * value - 1,
  bytes: (value) => 255 * value,
};

export interface InceptionOptions {
  readonly input: InceptionInput;
  readonly context?: EvaluateContext;
  readonly device?: Device | undefined;
}

/**
 * Loads the network.
 *
 * @throws HeptagenError `features/onnx` when the file's inputs or outputs are others, `storage/unreadable`, `runtime/load`
 * @example const features = await inceptionFeatures("inception.onnx", { input: "unit" });
 */
export async function inceptionFeatures(
  file: string,
  { input: range, context = {}, device }: InceptionOptions,
): Promise<PictureFeatures> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw unreadable(error, file);
  });
  const session = await Session.create(bytes, { device: device ?? (await defaultDevice()).device, foreign: true });
  try {
    const { inputs, outputs } = session.ports;
    const input = inputOf(file, inputs);
    const output = outputOf(file, outputs);
    const { first, side, size } = input;
    const shape = first ? [size, 3, side, side] : [size, side, side, 3];
    const scale = scales[range];
    const run = async (images: Float32Array): Promise<Float32Array> => {
      const data = (first ? images : channelsLast(images, size, side)).map(scale);
      const results = await session.run(
        new Map<string, NdArray>([[input.name, { dtype: "float32", shape, data }]]),
        new Map([[output, undefined]]),
      );
      const { dtype, shape: made, data: features } = results.get(output) as NdArray;
      if (dtype !== "float32" || made[0] !== size || made.slice(2).some((length) => length !== 1)) {
        throw wrong(file, `features float32 [${size}, F]`, `${dtype} [${made.join(", ")}]`);
      }
      return features as Float32Array;
    };
    return {
      of: (pictures, what) =>
        featuresInBatches(pictures, { channels: 3, side, atOnce: size, run, what: `${what} with Inception`, context }),
      dispose: () => session.dispose(),
    };
  } catch (error) {
    await session.dispose();
    throw error;
  }
}

/** How the file takes pictures. */
function inputOf(file: string, inputs: readonly Port[]) {
  const [port] = inputs;
  const shape = port?.shape ?? [];
  const open = (length: number | string | undefined): number | undefined =>
    typeof length === "number" && length > 0 ? length : undefined;
  const first = shape[1] === 3;
  const [height, width] = (first ? shape.slice(2) : shape.slice(1, 3)).map(open);
  const fits = shape.length === 4 && (first || shape[3] === 3) && height === width;
  if (!port || inputs.length !== 1 || port.dtype !== "float32" || !fits) {
    throw wrong(file, "one input float32 [N, 3, H, H] or [N, H, H, 3]", described(inputs));
  }
  return { name: port.name, first, side: height ?? usualSide, size: open(shape[0]) ?? atOnce };
}

function outputOf(file: string, outputs: readonly Port[]): string {
  const usual = outputs.find(({ shape }) => shape[1] === usualFeatures);
  const chosen = usual ?? (outputs.length === 1 ? outputs[0] : undefined);
  if (chosen) return chosen.name;
  throw wrong(file, `one output, or one of ${usualFeatures} features among several`, described(outputs));
}

const described = (ports: readonly Port[]): string =>
  ports.map(({ name, dtype, shape }) => `${name} ${dtype ?? "(no tensor)"} [${shape.join(", ")}]`).join(", ") || "none";

function wrong(file: string, expected: string, got: string): HeptagenError {
  return new HeptagenError("features/onnx", `${file}: expected ${expected}, got ${got}`, {
    facts: { file },
    next: "Export the network up to its last pooling, the layer of 2,048 features: docs/metrics.md says how.",
  });
}

/** [N, 3, H, H] → [N, H, H, 3] */
function channelsLast(images: Float32Array, count: number, side: number): Float32Array {
  const plane = side * side;
  const out = new Float32Array(images.length);
  for (let n = 0; n < count; n++)
    for (let c = 0; c < 3; c++)
      for (let i = 0; i < plane; i++) out[(n * plane + i) * 3 + c] = images[(n * 3 + c) * plane + i] as number;
  return out;
}
