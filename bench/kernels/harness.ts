/**
 * Times ways to lower one computation to ONNX against each other.
 *
 * A case has inputs, an output type and several variants: lowering rules exactly as primitives have them. Every variant
 * becomes a model of its own that writes into a preallocated output; all are first checked to agree with the first one, then
 * take turns, so that a busy moment of the machine hits all of them; before its turn the machine must be
 * quiet, which also lets the threads of the last one, who wait for work by spinning, fall asleep. Minima compare; medians tell how busy it was.
 */

import { input } from "../../src/core/builtin.ts";
import type { Lowering, Value } from "../../src/core/lowering.ts";
import { definePrimitive, type Operands } from "../../src/core/primitive.ts";
import type { TensorType } from "../../src/core/tensor.ts";
import { buildModel, encodeModel } from "../../src/onnx/index.ts";
import { channelBlock } from "../../src/runtime/channel-block.ts";
import { Session } from "../../src/runtime/session.ts";
import { allocate, type NdArray, sizeOf } from "../../src/util/ndarray.ts";
import { fillNormal, key } from "../../src/util/random.ts";
import { quiet } from "../machine.ts";

export type Variant = (b: Lowering, inputs: Operands<Value>) => Value;

export interface KernelCase {
  readonly name: string;
  readonly inputs: readonly NdArray[];
  readonly output: TensorType;
  /** Floating-point operations that matter, for the rate. */
  readonly flops: number;
  /** The first is the reference. */
  readonly variants: Readonly<Record<string, Variant>>;
}

export interface KernelTime {
  readonly variant: string;
  readonly minimum: number;
  readonly median: number;
  readonly gflops: number;
  /** Largest difference from the reference, relative to its largest element. */
  readonly difference: number;
  /** ONNX Runtime's message when the variant does not run. */
  readonly error?: string;
}

export interface TimingOptions {
  readonly threads?: number;
  readonly rounds?: number;
  /** Milliseconds each variant gets per round. */
  readonly slice?: number;
}

/** Normal numbers, the same on every run. */
export function normal(name: string, shape: readonly number[]): NdArray {
  const data = new Float32Array(sizeOf(shape));
  fillNormal(key([...name].reduce((sum, c) => sum * 31 + c.charCodeAt(0), 7) >>> 0), data);
  return { dtype: "float32", shape, data };
}

interface Loaded {
  readonly name: string;
  readonly session: Session;
  readonly fetches: Map<string, NdArray>;
  readonly times: number[];
  iterations: number;
}

/** Checks and times all variants of a case. */
export async function timeVariants(kernel: KernelCase, options: TimingOptions = {}): Promise<KernelTime[]> {
  const { threads = 2, rounds = 7, slice = 30 } = options;
  const feeds = new Map(kernel.inputs.map((array, i) => [`x${i}`, array]));
  const loaded: Loaded[] = [];
  const failed: KernelTime[] = [];
  for (const [name, variant] of Object.entries(kernel.variants)) {
    try {
      const session = await Session.create(await modelOf(kernel, variant), { device: "cpu", threads });
      const { dtype, shape } = kernel.output;
      const one: Loaded = {
        name,
        session,
        fetches: new Map([["y", { dtype, shape, data: allocate(dtype, sizeOf(shape)) }]]),
        times: [],
        iterations: 1,
      };
      await session.run(feeds, one.fetches);
      const start = performance.now();
      await session.run(feeds, one.fetches);
      one.iterations = Math.max(2, Math.ceil(slice / (performance.now() - start)));
      loaded.push(one);
    } catch (cause) {
      const error = cause instanceof Error ? cause.message : String(cause);
      failed.push({ variant: name, minimum: Number.NaN, median: Number.NaN, gflops: 0, difference: Number.NaN, error });
    }
  }
  for (let round = 0; round < rounds; round++) {
    for (const { session, fetches, times, iterations } of loaded) {
      await quiet(2);
      for (let i = 0; i < iterations; i++) {
        const start = performance.now();
        await session.run(feeds, fetches);
        times.push(performance.now() - start);
      }
    }
  }
  const reference = loaded[0]?.fetches.get("y")?.data as Float32Array;
  const rows = loaded.map(({ name, fetches, times }) => {
    const sorted = times.sort((a, b) => a - b);
    const minimum = sorted[0] as number;
    return {
      variant: name,
      minimum,
      median: sorted[sorted.length >> 1] as number,
      gflops: kernel.flops / minimum / 1e6,
      difference: relativeDifference(fetches.get("y")?.data as Float32Array, reference),
    };
  });
  for (const { session } of loaded) await session.dispose();
  return [...rows.sort((a, b) => a.minimum - b.minimum), ...failed];
}

async function modelOf({ inputs, output }: KernelCase, lower: Variant): Promise<Uint8Array> {
  const variant = definePrimitive<null>({ name: "variant", key: () => null, infer: () => [output], lower });
  const tensors = inputs.map(input);
  const graph = {
    inputs: tensors.map((tensor, i) => [`x${i}`, tensor] as const),
    outputs: [["y", variant.bind(tensors, null)[0]] as const],
  };
  return encodeModel(buildModel(graph, { channelBlock: await channelBlock("cpu") }));
}

function relativeDifference(a: Float32Array, b: Float32Array): number {
  let [most, scale] = [0, 0];
  for (let i = 0; i < b.length; i++) {
    most = Math.max(most, Math.abs((a[i] as number) - (b[i] as number)));
    scale = Math.max(scale, Math.abs(b[i] as number));
  }
  return most / scale;
}

/** One line per variant: minimum, median, rate, and a warning where the result differs. */
export function printTimes({ name }: KernelCase, rows: readonly KernelTime[]): void {
  console.log(`\n${name}`);
  for (const { variant, minimum, median, gflops, difference, error } of rows) {
    if (error) console.log(`  ${variant.padEnd(28)} does not run: ${error.split("\n")[0]?.slice(0, 150)}`);
    else {
      const wrong = difference < 1e-4 ? "" : `  DIFFERS by ${difference.toExponential(1)}`;
      console.log(
        `  ${variant.padEnd(28)} ${minimum.toFixed(3).padStart(9)} ms  (median ${median.toFixed(3)})  ${gflops.toFixed(0).padStart(4)} GFLOPS${wrong}`,
      );
    }
  }
}
