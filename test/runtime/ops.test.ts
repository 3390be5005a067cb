/**
 * ONNX Runtime in float32 against the float64 reference: every sample's outputs and its gradient, on every device here.
 *
 * Samples are compiled many to a graph, since loading a graph costs more than running it. When a graph does not load or
 * run, its samples are tried one by one, so that the report names the culprit.
 */
import { describe, expect, test } from "vitest";
import { vjp } from "../../src/core/grad.ts";
import type { TracedKey } from "../../src/core/random.ts";
import { reachable, type Tensor } from "../../src/core/tensor.ts";
import { type PrimitiveName, primitives } from "../../src/ops/primitives.ts";
import { compile, type Device, type DeviceStatus, listDevices } from "../../src/runtime/index.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import { fillNormal, fold, key } from "../../src/util/random.ts";
import { fromArray, toArray, type Value } from "../ops/reference/value.ts";
import { evaluate } from "../ops/reference.ts";
import { asOperands, compositions, layers, listOf, type Sample, sampleKey, samples, trace } from "../ops/samples.ts";
import { differences } from "./compare.ts";

/** A sample with a cotangent for each of its float outputs: what one test case feeds and expects. */
interface Case {
  readonly sample: Sample;
  readonly differentiable: boolean;
  readonly inputs: readonly NdArray[];
  readonly cotangents: readonly NdArray[];
  /** Outputs, then gradients. */
  readonly expected: readonly Value[];
  readonly tolerance: Readonly<Record<Device, number>>;
}

/** Relative to the largest magnitude of the tensor, at least 0.1. */
const tolerance = { cpu: 1e-5, wasm: 1e-5, cuda: 1e-5, webgpu: 1e-5 };
/** WGSL allows sin and cos an absolute error of 2^-11, and SwiftShader uses it. */
const trigonometric = { ...tolerance, webgpu: 2e-3 };
/** WGSL allows log an absolute error of 2^-21 around 1, and tanh likewise: corrections of rounding are lost in it. */
const tiny = { ...tolerance, webgpu: 2 ** -21 * 1e6 };

/** What a device's provider cannot do at all; it says so in an error of its own. */
const gaps: Partial<Record<Device, { readonly samples: readonly string[]; readonly reason: string }>> = {
  webgpu: {
    samples: ["conv 3-d stride, groups", "convKernelGradient 3-d stride, groups"],
    reason: "no grouped 3-d convolution",
  },
};

/** Outputs of a sample, then the gradients of <cotangents, float outputs> for its float inputs. */
function withGradient(
  { sample, differentiable }: Pick<Case, "sample" | "differentiable">,
  inputs: readonly Tensor[],
  cts: readonly Tensor[],
  traced: TracedKey,
): readonly Tensor[] {
  if (!differentiable) return listOf(sample.call(asOperands(inputs), traced));
  const floats = inputs.filter((x) => x.dtype === "float32");
  let outputs: readonly Tensor[] = [];
  const { pullback } = vjp((own: readonly Tensor[]) => {
    let next = 0;
    outputs = listOf(sample.call(asOperands(inputs.map((x) => (x.dtype === "float32" ? (own[next++] as Tensor) : x))), traced));
    return outputs.filter((y) => y.dtype === "float32");
  }, floats);
  const [gradients] = pullback(cts);
  return [...outputs, ...gradients];
}

function caseOf(name: PrimitiveName | undefined, sample: Sample): Case {
  const plain = trace(sample);
  const floats = plain.outputs.filter((y) => y.dtype === "float32");
  const differentiable = name !== "whileLoop" && floats.length > 0 && plain.inputs.some((x) => x.dtype === "float32");
  const stream = fold(key(5), sample.name);
  const cotangents = floats.map((type, i) => {
    const data = new Float32Array(type.shape.reduce((n, d) => n * d, 1));
    fillNormal(fold(stream, i), data);
    return { dtype: "float32" as const, shape: type.shape, data };
  });
  const given = differentiable ? [...sample.inputs, ...cotangents.map(fromArray)] : sample.inputs;
  const count = sample.inputs.length;
  const full = trace({
    inputs: given,
    call: (all, traced) => withGradient({ sample, differentiable }, all.slice(0, count), all.slice(count), traced),
  });
  return {
    sample,
    differentiable,
    inputs: sample.inputs.map(toArray),
    cotangents,
    expected: evaluate(full.outputs, full.given, full.keys),
    tolerance: toleranceOf(sample, full.outputs),
  };
}

function toleranceOf({ name }: Sample, outputs: readonly Tensor[]): Case["tolerance"] {
  if (name.includes("tiny")) return tiny;
  return uses(outputs, [primitives.sin, primitives.cos]) ? trigonometric : tolerance;
}

/** Whether any of some primitives is needed, loop bodies included. */
function uses(outputs: readonly Tensor[], wanted: readonly unknown[]): boolean {
  return reachable(outputs).some(({ primitive, params }) => {
    const inner =
      typeof params === "object" && params !== null && "body" in params
        ? (params.body as { outputs: readonly Tensor[] })
        : undefined;
    return wanted.includes(primitive) || (inner !== undefined && uses(inner.outputs, wanted));
  });
}

/** Runs cases in one graph; each case's outputs, then gradients. */
async function run(cases: readonly Case[], device: Device): Promise<(readonly NdArray[])[]> {
  const feeds = cases.map(({ inputs, cotangents }) => ({ inputs, cotangents }));
  const traceAll = (all: readonly { inputs: readonly Tensor[]; cotangents: readonly Tensor[] }[], traced: TracedKey) =>
    cases.map((own, i) => withGradient(own, all[i]?.inputs ?? [], all[i]?.cotangents ?? [], traced));
  const executable = await compile(traceAll, [feeds, sampleKey] as const, { device });
  try {
    return await executable.run(feeds, sampleKey);
  } finally {
    await executable.dispose();
  }
}

/** One line per tensor that differs; samples apart when they do not run together. */
async function report(cases: readonly Case[], device: Device): Promise<string[]> {
  let results: (readonly NdArray[])[];
  try {
    results = await run(cases, device);
  } catch (cause) {
    // One after the other: onnxruntime-web stops for good when several graphs are loaded at once.
    const found: string[] = [];
    if (cases.length > 1) for (const one of cases) found.push(...(await report([one], device)));
    if (cases.length > 1) return found;
    return [`${cases[0]?.sample.name}: ${cause instanceof Error ? cause.message.split("\n")[0] : cause}`];
  }
  return cases.flatMap(({ sample, expected, tolerance: own }, i) =>
    differences(sample.name, results[i] ?? [], expected, own[device]),
  );
}

const devices: readonly Device[] = ["cpu", "wasm", "webgpu", "cuda"];
const statuses: readonly DeviceStatus[] = await listDevices();
const names = Object.keys(primitives) as PrimitiveName[];
const all = [
  ...names.flatMap((name) => samples[name].map((sample) => caseOf(name, sample))),
  ...[...compositions, ...layers].map((sample) => caseOf(undefined, sample)),
];

/** How many samples share a graph. */
const batch = 60;

describe.each(devices)("%s", (device) => {
  const status = statuses.find(({ name }) => name === device);
  if (!status?.usable) console.info(`ops on ${device}: skipped, ${status?.reason ?? "unknown device"}`);
  const onDevice = test.skipIf(!status?.usable);
  const gap = gaps[device] ?? { samples: [], reason: "" };
  const cases = all.filter(({ sample }) => !gap.samples.includes(sample.name));
  const batches = Array.from({ length: Math.ceil(cases.length / batch) }, (_, i) => cases.slice(i * batch, (i + 1) * batch));

  onDevice.each(batches.map((part, i) => [i + 1, part] as const))(
    `outputs and gradients, part %i of ${batches.length}`,
    async (_, part) => {
      expect((await report(part, device)).join("\n")).toBe("");
    },
  );

  onDevice.each(gap.samples)(`%s fails still: ${gap.reason}`, async (name) => {
    const failures = await report(
      all.filter(({ sample }) => sample.name === name),
      device,
    );
    expect(failures.join("\n")).toContain("ONNX Runtime failed");
  });
});
