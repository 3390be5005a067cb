/**
 * How many channels ONNX Runtime's CPU provider puts side by side in its convolutions over blocks of channels: 16 with AVX-512, 8
 * with AVX, none on some processors. Nothing tells, so it is seen from how the provider reorders a tiny image.
 */
import { input } from "../core/builtin.ts";
import { definePrimitive } from "../core/primitive.ts";
import { buildModel, encodeModel } from "../onnx/index.ts";
import { type Device, isNative, loadRuntime } from "./devices.ts";

/** An image of 32 channels with two places each, numbered in order. */
const shape = [1, 32, 1, 2] as const;

const reorderPrimitive = definePrimitive<null>({
  name: "reorder",
  infer: ([x]) => [x],
  key: () => null,
  lower: (b, [x]) => b.node("ReorderInput", [x], {}, "com.microsoft.nchwc"),
});

let known: Promise<number> | undefined;

/** Channels per block; 0 where there are no such convolutions. */
export function channelBlock(device: Device): Promise<number> {
  if (device !== "cpu" || !isNative(device)) return Promise.resolve(0);
  known ??= probe();
  return known;
}

async function probe(): Promise<number> {
  try {
    const ort = await loadRuntime("cpu");
    const x = input({ shape, dtype: "float32" });
    const model = buildModel({ inputs: [["x", x]], outputs: [["y", reorderPrimitive.bind([x], null)[0]]] }, { channelBlock: 1 });
    const options = { executionProviders: ["cpu"], intraOpNumThreads: 1, logSeverityLevel: 4 } as const;
    const session = await ort.InferenceSession.create(encodeModel(model), options);
    const numbers = Float32Array.from({ length: 64 }, (_, i) => i);
    const { y } = await session.run({ x: new ort.Tensor("float32", numbers, shape) });
    await session.release();
    // The second place of the first channel comes after the first places of a whole block.
    const block = Array.from((y as { data: Float32Array }).data).indexOf(1);
    return block === 8 || block === 16 ? block : 0;
  } catch {
    return 0;
  }
}
