/**
 * Our ops against PyTorch's answers and gradients (test/golden/fixtures/ops.*): through the float64 reference, which shows
 * that the arithmetic is the same, and in float32 on ONNX Runtime.
 */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { input } from "../../src/core/builtin.ts";
import { vjp } from "../../src/core/grad.ts";
import type { Tensor } from "../../src/core/tensor.ts";
import { groupNorm } from "../../src/nn/group-norm.ts";
import { bceWithLogits, crossEntropy, huber } from "../../src/nn/losses.ts";
import { layerNorm, rmsNorm } from "../../src/nn/norm.ts";
import * as ops from "../../src/ops/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { readSafetensors } from "../../src/train/safetensors.ts";
import type { NdArray } from "../../src/util/ndarray.ts";
import { fromArray, toArray } from "../ops/reference/value.ts";
import { evaluate } from "../ops/reference.ts";
import { differences } from "../runtime/compare.ts";

type Names = Readonly<Record<string, string>>;
type Params = Readonly<Record<string, unknown>>;

interface Case {
  readonly name: string;
  readonly op: string;
  readonly params: Params;
  readonly inputs: Names;
  readonly outputs: Names;
  readonly cotangents: Names;
  readonly grads: Names;
}

const fixtures = new URL("./fixtures/", import.meta.url);
const { cases } = JSON.parse(readFileSync(new URL("ops.json", fixtures), "utf8")) as { cases: readonly Case[] };
const { tensors } = readSafetensors(readFileSync(new URL("ops.safetensors", fixtures)), "ops.safetensors");

type Inputs = Readonly<Record<string, Tensor>>;
type Op = (inputs: Inputs, params: Params) => Tensor;

/** A param, which the fixture's writer has given the right type. */
const get = <T>(params: Params, name: string) => params[name] as T;
const tensor = (inputs: Inputs, name: string): Tensor => inputs[name] as Tensor;

function convOptions(params: Params) {
  return {
    stride: get<number[]>(params, "stride"),
    padding: get<[number, number][]>(params, "padding"),
    dilation: get<number[]>(params, "dilation"),
    groups: get<number>(params, "groups"),
  };
}

/** Adds a bias [O] to [B, O, ...P]. */
function withBias(y: Tensor, { b }: Inputs): Tensor {
  return b ? ops.add(y, ops.reshape(b, [-1, ...y.shape.slice(2).map(() => 1)])) : y;
}

const poolOptions = (params: Params) => ({
  stride: get<number[]>(params, "stride"),
  padding: get<[number, number][]>(params, "padding").map(([low]) => low),
});

/** How each op of the fixtures is written with ours. */
const table: Readonly<Record<string, Op>> = {
  conv: (at, params) => withBias(ops.conv(tensor(at, "x"), tensor(at, "w"), convOptions(params)), at),
  convTranspose: (at, params) =>
    ops.convTranspose(tensor(at, "x"), tensor(at, "w"), {
      ...convOptions(params),
      outputPadding: get<number[]>(params, "outputPadding"),
    }),
  maxPool: (at, params) => ops.maxPool(tensor(at, "x"), get<number[]>(params, "kernel"), poolOptions(params)),
  avgPool: (at, params) =>
    ops.avgPool(tensor(at, "x"), get<number[]>(params, "kernel"), {
      ...poolOptions(params),
      countPadding: get<boolean>(params, "countIncludePad"),
    }),
  resize: (at, params) =>
    ops.resize(tensor(at, "x"), get<number[]>(params, "size"), { mode: params.mode === "bilinear" ? "linear" : "nearest" }),
  crossEntropy: (at, { ignoreIndex, labelSmoothing }) =>
    crossEntropy(tensor(at, "logits"), tensor(at, "targets"), {
      ignoreIndex: ignoreIndex as number,
      labelSmoothing: labelSmoothing as number,
    }),
  huber: (at, params) => huber(tensor(at, "prediction"), tensor(at, "target"), get<number>(params, "delta")),
  binaryCrossEntropyWithLogits: (at) => bceWithLogits(tensor(at, "logits"), tensor(at, "targets")),
  layerNorm: (at, params) =>
    layerNorm(
      { weight: tensor(at, "weight"), ...(at.bias && { bias: at.bias }) },
      tensor(at, "x"),
      get<number>(params, "epsilon"),
    ),
  groupNorm: (at, params) =>
    groupNorm({ weight: tensor(at, "weight"), bias: tensor(at, "bias") }, tensor(at, "x"), {
      groups: get<number>(params, "groups"),
      epsilon: get<number>(params, "epsilon"),
    }),
  rmsNorm: (at, params) => rmsNorm({ weight: tensor(at, "weight") }, tensor(at, "x"), get<number>(params, "epsilon")),
  gelu: (at, params) => (params.approximate === "tanh" ? ops.geluTanh : ops.gelu)(tensor(at, "x")),
  softmax: (at, params) => ops.softmax(tensor(at, "x"), get<number>(params, "axis")),
  logSoftmax: (at, params) => ops.logSoftmax(tensor(at, "x"), get<number>(params, "axis")),
};

/** Outputs of a case, then the gradients of <cotangent, output>, in the fixture's order. */
function outputsAndGradients(
  { op, params, inputs: names, grads }: Case,
  inputs: readonly Tensor[],
  cotangents: readonly Tensor[],
): Tensor[] {
  const keys = Object.keys(names);
  const asked = Object.keys(grads);
  const all = Object.fromEntries(keys.map((key, i) => [key, inputs[i] as Tensor]));
  const run = table[op] as Op;
  const { value, pullback } = vjp(
    (own: Inputs) => run({ ...all, ...own }, params),
    Object.fromEntries(asked.map((key) => [key, tensor(all, key)])),
  );
  const [found] = pullback(cotangents);
  return [value, ...asked.map((key) => tensor(found, key))];
}

const stored = (names: Names): NdArray[] => Object.values(names).map((name) => tensors.get(name) as NdArray);
const expected = (one: Case) => [...stored(one.outputs), ...stored(one.grads)].map(fromArray);
const known = cases.filter(({ op }) => op in table);

/** Relative to the largest magnitude; the fixtures themselves are rounded to float32. */
const tolerance = { reference: 1e-6, device: 1e-5 };
/** Values around 1 with deviation 0.003: one rounding of their mean (6e-8) is already 2e-5 of a deviation. */
const exceptions: Readonly<Record<string, number>> = { "layer-norm-small-variance": 6e-5 };

describe("PyTorch's answers and gradients", () => {
  test.each(known.map((one) => [one.name, one] as const))("%s, float64 reference", (name, one) => {
    const place = (arrays: readonly NdArray[]) => arrays.map((array) => [input(array), fromArray(array)] as const);
    const [inputs, cotangents] = [place(stored(one.inputs)), place(stored(one.cotangents))];
    const results = outputsAndGradients(
      one,
      inputs.map(([t]) => t),
      cotangents.map(([t]) => t),
    );
    const got = evaluate(results, new Map([...inputs, ...cotangents]));
    expect(differences(name, got.map(toArray), expected(one), tolerance.reference)).toEqual([]);
  });

  test.each(["cpu", "wasm"] as const)("all in float32 on %s", async (device) => {
    const feeds = known.map((one) => ({ inputs: stored(one.inputs), cotangents: stored(one.cotangents) }));
    const traced = (all: readonly { inputs: readonly Tensor[]; cotangents: readonly Tensor[] }[]) =>
      known.map((one, i) => outputsAndGradients(one, all[i]?.inputs ?? [], all[i]?.cotangents ?? []));
    const executable = await compile(traced, [feeds] as const, { device });
    const results = await executable.run(feeds);
    await executable.dispose();
    expect(
      known.flatMap((one, i) => differences(one.name, results[i] ?? [], expected(one), exceptions[one.name] ?? tolerance.device)),
    ).toEqual([]);
  });

  for (const { name, op } of cases.filter((one) => !known.includes(one))) test.todo(`${name}: no op "${op}" yet`);
});
