/** Open dimensions: numbers that follow from sizes are told and computed; what cannot follow is an error that names it. */
import type { ModelProto, ValueInfoProto } from "onnx-buf";
import { describe, expect, it } from "vitest";
import { constant, input } from "../../../src/core/builtin.ts";
import type { Tensor } from "../../../src/core/tensor.ts";
import { buildModel, buildOpen, encodeModel, moveOut, storedBytes } from "../../../src/onnx/index.ts";
import { dimensionName, solve } from "../../../src/onnx/open-dimensions.ts";
import { arange, broadcastTo, full, max, mean, mul, reshape, slice, sum, transpose } from "../../../src/ops/index.ts";
import { ndarray } from "../../../src/util/ndarray.ts";

const open = [
  { name: "batch", input: "x", axis: 0 },
  { name: "time", input: "x", axis: 1 },
];
const samples = [
  [7, 11],
  [13, 5],
  [3, 17],
] as const;

/** The open model of a function of x [batch, time, 4]. */
function build(fn: (x: Tensor) => Tensor): ModelProto {
  return buildOpen(open, samples, (sizes, watch) => {
    const x = input({ shape: [...sizes, 4], dtype: "float32" });
    return buildModel({ inputs: [["x", x]], outputs: [["y", fn(x)]] }, { contrib: false, open, watch });
  });
}

const dims = (info: ValueInfoProto | undefined) => {
  const { value } = info?.type ?? {};
  return value?.case === "tensorType" ? value.value.shape?.dim.map((d) => String(d.value.value)) : undefined;
};
const types = (model: ModelProto) => model.graph?.node.map(({ opType }) => opType);

describe("what numbers are made of", () => {
  const at = (f: (batch: number, time: number) => number) => samples.map(([batch, time]) => f(batch, time));

  it.each([
    ["a constant", () => 6, "6"],
    ["a dimension", (_b: number, t: number) => t, "time"],
    ["a multiple", (b: number) => 4 * b, "4*batch"],
    ["a product", (b: number, t: number) => 8 * b * t, "8*batch*time"],
    ["one less", (_b: number, t: number) => t - 1, "time-1"],
    ["a multiple and some", (b: number) => 2 * b + 3, "2*batch+3"],
    ["counted down", (_b: number, t: number) => 1 - t, "-1*time+1"],
  ])("%s", (_, f, name) => {
    const number = solve(at(f), samples) as Exclude<ReturnType<typeof solve>, undefined>;
    expect(typeof number === "number" ? String(number) : dimensionName(number, open)).toBe(name);
  });

  it.each([
    ["a sum of dimensions", (b: number, t: number) => b + t],
    ["a square", (b: number) => b * b],
    ["a half", (_b: number, t: number) => Math.floor(t / 2)],
  ])("not %s", (_, f) => {
    expect(solve(at(f), samples)).toBeUndefined();
  });
});

describe("models", () => {
  it("name open dimensions of inputs and outputs", () => {
    const { graph } = build((x) => reshape(x, [-1, 4]));
    expect(dims(graph?.input[0])).toEqual(["batch", "time", "4"]);
    expect(dims(graph?.output[0])).toEqual(["batch*time", "4"]);
  });

  it("compute each size once", () => {
    const model = build((x) => {
      const [batch, time] = x.shape as [number, number];
      const flat = reshape(mul(x, 2), [batch * time, 4]);
      return reshape(mul(reshape(flat, [time, batch, 4]), 3), [time, batch * 4]);
    });
    expect(types(model)).toEqual(["Mul", "Shape", "Shape", "Concat", "Reshape", "Mul", "Mul", "Concat", "Reshape"]);
  });

  it("keep no size where none depends on one", () => {
    expect(types(build((x) => sum(mul(transpose(x), 2), 1)))).toEqual(["Transpose", "Mul", "ReduceSum"]);
  });

  it("are valid for ranges, slices, blanks and stretched tensors too", () => {
    const model = build((x) => {
      const [batch, time] = x.shape as [number, number];
      const places = reshape(arange(time, "float32"), [time, 1]);
      const table = constant(ndarray("float32", [32, 4], new Float32Array(128)));
      const rows = slice(table, { 0: { stop: time } });
      return mul(mul(broadcastTo(mul(places, rows), [batch, time, 4]), full([batch, time, 4], 2)), x);
    });
    expect(types(model)?.filter((type) => type === "Shape")).toHaveLength(2);
    expect(encodeModel(model).length).toBeGreaterThan(500);
  });
});

describe("what depends on sizes and cannot stay open", () => {
  it.each([
    [
      "a mask made in JavaScript",
      (x: Tensor) => mul(x, constant(ndarray("float32", [x.shape[1] as number, 1], new Float32Array(x.shape[1] as number)))),
      "got the constant float32 [11,1] of 0,0,0,0,0,0,0,0,0,0,0 at [7,11] and the constant float32 [5,1] of 0,0,0,0,0 at [13,5]",
    ],
    ["a mean over it", (x: Tensor) => mean(x, 1), "got the constant float32 [] of 0.09090909361839294 at [7,11]"],
    [
      "a shape that is no product",
      (x: Tensor) => full([(x.shape[0] as number) + (x.shape[1] as number)], 0),
      "expected a shape to hold products of batch, time (and constants), got a number that is 18 at [7,11], 18 at [13,5], 20 at [3,17]",
    ],
    [
      "another graph",
      (x: Tensor) => ((x.shape[0] as number) > 10 ? mul(x, 2) : x),
      "got nothing at [7,11] and the constant float32 [] of 2 at [13,5]",
    ],
  ])("%s", (_, fn, message) => {
    expect(() => build(fn)).toThrow(message);
    expect(() => build(fn)).toThrow(expect.objectContaining({ code: "onnx/open-dimensions" }));
  });
});

describe("versions", () => {
  const version = (fn: (x: Tensor) => Tensor, contrib: boolean) => {
    const x = input({ shape: [2, 3, 4, 4], dtype: "float32" });
    const model = buildModel({ inputs: [["x", x]], outputs: [["y", fn(x)]] }, { contrib });
    return [model.irVersion, ...model.opsetImport.map(({ domain, version }) => `${domain} ${version}`)];
  };

  it("are the oldest that will do when a model is for any runtime", () => {
    expect(version((x) => mul(x, 2), false)).toEqual([8n, " 17"]);
    expect(version((x) => max(x, 1), false)).toEqual([10n, " 21"]);
    expect(version((x) => mul(x, 2), true)).toEqual([10n, " 21", "com.microsoft 1"]);
  });
});

describe("numbers in a file of their own", () => {
  it("begin at pages, in order; small ones stay", () => {
    const [big, small, other] = [2000, 3, 1024].map((n) => ndarray("float32", [n], new Float32Array(n).fill(n)));
    const tensors = [big, small, other].map((array) => input(array as NonNullable<typeof array>));
    const stored = [big, small, other].map((array, i) => [`w${i}`, tensors[i], array] as const);
    const outputs = tensors.map((tensor, i) => [`y${i}`, mul(tensor, 2)] as const);
    const model = buildModel({ inputs: [], outputs, stored: stored as never });
    expect(storedBytes(model)).toBe(4 * (2000 + 3 + 1024 + 1)); // the last is the 2
    const pieces = moveOut(model, "numbers.bin");
    expect(pieces.map(({ length }) => length)).toEqual([8000, 192, 4096]);
    const places = model.graph?.initializer.map(({ name, externalData, rawData }) => [
      name,
      externalData.map(({ key, value }) => `${key}=${value}`).join(" "),
      rawData.length,
    ]);
    expect(places?.slice(0, 3)).toEqual([
      ["w0", "location=numbers.bin offset=0 length=8000", 0],
      ["w1", "", 12],
      ["w2", "location=numbers.bin offset=8192 length=4096", 0],
    ]);
    expect(new Float32Array((pieces[2] as Uint8Array).slice().buffer)[0]).toBe(1024);
  });
});
