/**
 * Devices: where compiled functions can run, and why or why not.
 *
 * `cpu`, `webgpu` and `cuda` are execution providers of onnxruntime-node; `wasm` is onnxruntime-web, which needs nothing
 * native and also runs in the browser (where `webgpu` is onnxruntime-web's too).
 */
import { accumulate, input } from "../core/builtin.ts";
import { buildModel, encodeModel } from "../onnx/index.ts";
import { HeptagenError, nearest } from "../util/errors.ts";

export const deviceNames = ["cpu", "webgpu", "cuda", "wasm"] as const;
export type Device = (typeof deviceNames)[number];

/**
 * Forms of ONNX operators that a device's provider refuses or, worse, computes wrongly; primitives then lower to others.
 * Found with ONNX Runtime 1.30 by comparing every op with its reference on every device.
 */
export const lacking: Readonly<Record<Device, readonly string[]>> = {
  cpu: [],
  webgpu: ["MaxPool with indices", "ConvTranspose of groups", "ConvTranspose 3-d"],
  cuda: [],
  wasm: [],
};

/** What both ONNX Runtime packages export; their types are the same. */
export type Ort = typeof import("onnxruntime-web");

export interface DeviceStatus {
  readonly name: Device;
  readonly usable: boolean;
  /** Why it can or cannot be used, and what to do. */
  readonly reason: string;
}

const inNode = typeof process !== "undefined" && Boolean(process.versions?.node);

/** Whether a device is served by onnxruntime-node rather than onnxruntime-web. */
export const isNative = (device: Device): boolean => inNode && device !== "wasm";

/** Whether graphs of this device can run in several threads at the same time. */
export const runsInThreads = (device: Device): boolean => device === "cpu" && isNative(device);

/** The fix for a missing native runtime, in one line. */
const installNative = "npm install onnxruntime-node --onnxruntime-node-install=skip";

/** Loads onnxruntime-node; undefined with the reason when it is not there or does not load. */
async function loadNative(): Promise<{ ort?: Ort; reason: string }> {
  if (!inNode) return { reason: "onnxruntime-node runs in Node only" };
  // Since 1.29 its Linux builds send what models are loaded to Microsoft unless told not to, which whoever wants it can take back.
  process.env.ORT_DISABLE_TELEMETRY ??= "1";
  try {
    const loaded = await import("onnxruntime-node");
    // onnxruntime-node types its exports apart from onnxruntime-web, but both re-export onnxruntime-common.
    const ort = (loaded.default ?? loaded) as unknown as Ort;
    // Missing provider libraries come back as errors, which listDevices words; they need not be printed as well.
    ort.env.logLevel = "fatal";
    return { ort, reason: "onnxruntime-node" };
  } catch (cause) {
    const message = cause instanceof Error ? cause.message.split("\n")[0] : String(cause);
    return { reason: `onnxruntime-node could not be loaded (${message}); install it with: ${installNative}` };
  }
}

/**
 * The ONNX Runtime that serves a device.
 *
 * @throws HeptagenError `device/unknown` or `device/unavailable`
 */
export async function loadRuntime(device: Device): Promise<Ort> {
  if (!isNative(device)) {
    const ort = await import("onnxruntime-web");
    ort.env.logLevel = "error";
    return ort;
  }
  const { ort, reason } = await loadNative();
  if (ort) return ort;
  throw new HeptagenError("device/unavailable", `device "${device}" needs onnxruntime-node: ${reason}`, {
    next: `Install it (${installNative}) or use the device "wasm".`,
  });
}

/**
 * Reads a device's name.
 *
 * @throws HeptagenError `device/unknown`, suggesting the nearest
 */
export function parseDevice(name: string): Device {
  const device = deviceNames.find((d) => d === name);
  if (device) return device;
  const near = nearest(name, deviceNames);
  throw new HeptagenError("device/unknown", `expected a device (${deviceNames.join(", ")}), got "${name}"`, {
    next: near ? `Did you mean "${near}"?` : "See what this machine has with: heptagen devices",
  });
}

/** Tries every device with a tiny graph and says which work here and why. */
export async function listDevices(): Promise<DeviceStatus[]> {
  const native = await loadNative();
  const statuses: DeviceStatus[] = [];
  for (const name of deviceNames) {
    if (isNative(name) && !native.ort) statuses.push({ name, usable: false, reason: native.reason });
    else statuses.push(await probe(name));
  }
  return statuses;
}

const descriptions: Record<Device, string> = {
  cpu: "native kernels on every core",
  webgpu: "the graphics adapter, through Dawn",
  cuda: "NVIDIA's libraries",
  wasm: "WebAssembly with SIMD and threads",
};

/** A model that negates one number: enough to see whether a provider starts. */
function tinyModel(): Uint8Array {
  const x = input({ shape: [1], dtype: "float32" });
  return encodeModel(buildModel({ inputs: [["x", x]], outputs: [["y", accumulate([x, x])]] }));
}

async function probe(name: Device): Promise<DeviceStatus> {
  try {
    const ort = await loadRuntime(name);
    const session = await ort.InferenceSession.create(tinyModel(), { executionProviders: [name], logSeverityLevel: 4 });
    await session.release();
    return { name, usable: true, reason: descriptions[name] };
  } catch (cause) {
    const message = cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause);
    return { name, usable: false, reason: [withoutSource(message.trim()), needs[name]].filter(Boolean).join("; ") };
  }
}

/** What a device needs, where the runtime's own message does not say. */
const needs: Partial<Record<Device, string>> = {
  webgpu: "it needs a graphics adapter with a Vulkan, Metal or Direct3D 12 driver",
  cuda: "it needs an NVIDIA graphics card, CUDA 12 with cuDNN 9, and onnxruntime-node installed with its CUDA libraries",
};

/** A message of ONNX Runtime's without the place in its source that it begins with. */
function withoutSource(message: string): string {
  return message.replace(/^\/\S+:\d+ .* was false\. /, "");
}

/** The device used when none is asked for, and the sentence that says so. */
export async function defaultDevice(): Promise<{ device: Device; reason: string }> {
  if (!inNode) return { device: "wasm", reason: "WebAssembly: the browser's portable device" };
  const native = await loadNative();
  if (native.ort)
    return {
      device: "cpu",
      reason: "native CPU kernels (small and middling models run fastest here; try --device webgpu or cuda for large ones)",
    };
  return { device: "wasm", reason: `falling back to WebAssembly, several times slower: ${native.reason}` };
}
