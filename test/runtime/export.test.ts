/** Exported models in plain ONNX Runtime, native and WebAssembly: any batch and length give the model's own logits. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromBinary } from "@bufbuild/protobuf";
import { ModelProtoSchema } from "onnx-buf";
import ortNative from "onnxruntime-node";
import * as ortWeb from "onnxruntime-web";
import { afterAll, describe, expect, it } from "vitest";
import { input } from "../../src/core/builtin.ts";
import { constant, scan, type Tensor } from "../../src/core/index.ts";
import { byteTokenizer } from "../../src/data/index.ts";
import type { LanguageModel } from "../../src/models/language-model.ts";
import { type TransformerConfig, transformer, transformerDefaults } from "../../src/models/transformer.ts";
import { buildModel, buildOpen, encodeModel } from "../../src/onnx/index.ts";
import { add, arange, broadcastTo, cast, concat, mul, reshape, slice, split, transpose } from "../../src/ops/index.ts";
import { compile } from "../../src/runtime/index.ts";
import { Session } from "../../src/runtime/session.ts";
import { exportOnnx } from "../../src/tasks/export/onnx.ts";
import { isNdArray, type NdArray, ndarray } from "../../src/util/ndarray.ts";
import { fold, key, randint } from "../../src/util/random.ts";
import { mapTree, type Tree } from "../../src/util/tree.ts";

const small: TransformerConfig = { ...transformerDefaults, layers: 2, width: 32, hidden: 64, context: 24 };
const variants: Record<string, TransformerConfig> = {
  "learned positions, tied head": small,
  "rotary positions, RMSNorm, SwiGLU, grouped queries": {
    ...small,
    positions: "rotary",
    norm: "rms",
    activation: "swiglu",
    keyValueHeads: 2,
    tied: false,
  },
  "GPT-2's": { ...small, bias: true, activation: "gelu-tanh", context: 6 },
};

function load(config: TransformerConfig, model: LanguageModel<TransformerConfig> = transformer) {
  // Weights large enough that logits are of the order of 10.
  const params = mapTree(model.init(config, key(1)), isNdArray, ({ dtype, shape, data }: NdArray) => {
    return { dtype, shape, data: (data as Float32Array).map((v) => (shape.length > 1 ? 10 * v : v)) };
  }) as unknown as Tree<NdArray>;
  return { model, config, params, tokenizer: byteTokenizer(), context: config.context };
}

type Loaded = ReturnType<typeof load>;

function randomTokens(batch: number, time: number): NdArray {
  const data = new Int32Array(batch * time);
  randint(fold(key(batch), time), 0, 256, data);
  return { dtype: "int32", shape: [batch, time], data };
}

async function logits({ model, config, params }: Loaded, tokens: NdArray): Promise<NdArray> {
  const compiled = await compile<[Tree<NdArray>, NdArray], Tensor>((p, x) => model.forward(config, p, x), [params, tokens], {
    device: "cpu",
  });
  const out = await compiled.run(params, tokens);
  await compiled.dispose();
  return out;
}

/** Runs an exported file with an ONNX Runtime as its users do, and compares. */
async function agrees(ort: typeof ortWeb, file: string | Uint8Array, loaded: Loaded): Promise<void> {
  const session = await ort.InferenceSession.create(file as Uint8Array);
  expect([session.inputNames, session.outputNames]).toEqual([["tokens"], ["logits"]]);
  const { context } = loaded;
  for (const [batch, time] of [
    [1, 1],
    [1, context],
    [3, context - 1],
    [2, 2],
    [7, 5],
  ] as const) {
    const tokens = randomTokens(batch, time);
    const expected = await logits(loaded, tokens);
    const feed = new ort.Tensor("int64", BigInt64Array.from(tokens.data as Int32Array, BigInt), [batch, time]);
    const got = (await session.run({ tokens: feed })).logits as ortWeb.Tensor;
    expect(got.dims).toEqual(expected.shape);
    const data = got.data as Float32Array;
    const furthest = (expected.data as Float32Array).reduce((m, v, i) => Math.max(m, Math.abs(v - (data[i] as number))), 0);
    const magnitude = (expected.data as Float32Array).reduce((m, v) => Math.max(m, Math.abs(v)), 0);
    expect(furthest / magnitude, `[${batch}, ${time}]`).toBeLessThan(1e-5);
  }
  await session.release();
}

const scratch = mkdtempSync(join(tmpdir(), "heptagen-export-"));
afterAll(() => rmSync(scratch, { recursive: true }));
// onnxruntime-node types its exports apart from onnxruntime-web, but both re-export onnxruntime-common.
const native = ortNative as unknown as typeof ortWeb;

describe.each(Object.entries(variants))("%s", (_, config) => {
  const loaded = load(config);

  it("runs at any batch and length, native and WebAssembly", async () => {
    const { model, data, checks } = await exportOnnx(loaded);
    expect(data).toBeUndefined();
    expect(checks).toHaveLength(3);
    await agrees(native, model, loaded);
    await agrees(ortWeb, model, loaded);
  });
});

describe("the file", () => {
  const loaded = load(small);

  it("says what it is, and keeps to the standard", async () => {
    const { model } = await exportOnnx(loaded);
    const { graph, metadataProps, opsetImport, irVersion, producerName } = fromBinary(ModelProtoSchema, model);
    expect([producerName, irVersion, opsetImport.map(({ domain, version }) => [domain, version])]).toEqual([
      "heptagen",
      8n,
      [["", 17n]],
    ]);
    expect(new Set(graph?.node.map(({ domain }) => domain))).toEqual(new Set([""]));
    const signature = [...(graph?.input ?? []), ...(graph?.output ?? [])].map(({ name, type, docString }) => {
      const { value } = type?.value ?? {};
      const dims = value && "shape" in value ? value.shape?.dim.map((d) => d.value.value) : [];
      return [name, dims, docString];
    });
    expect(signature).toEqual([
      ["tokens", ["batch", "time"], expect.stringContaining("Token ids")],
      ["logits", ["batch", "time", 256n], expect.stringContaining("Scores of the next token")],
    ]);
    const names = graph?.initializer.map(({ name }) => name).filter((name) => !name.startsWith("const_"));
    expect(names).toContain("blocks.1.mlp.down.weight");
    expect(names).toHaveLength(2 + 2 * 6 + 1);
    const metadata = Object.fromEntries(metadataProps.map(({ key, value }) => [key, value]));
    expect(metadata).toMatchObject({
      "heptagen.architecture": "transformer",
      "heptagen.tokenizer": "byte",
      "heptagen.context": "24",
    });
    expect(JSON.parse(metadata["heptagen.config"] as string)).toEqual(small);
  });

  it("of a large model has its numbers in another file beside it", async () => {
    const { model, data } = await exportOnnx(loaded, { largest: 10_000, dataFile: "large.onnx.data" });
    expect(model.length).toBeLessThan(30_000);
    const file = join(scratch, "large.onnx");
    writeFileSync(file, model);
    writeFileSync(join(scratch, "large.onnx.data"), Buffer.concat(data ?? []));
    await agrees(native, file, loaded);
  });
});

describe("refuses", () => {
  it("a model that does not compute what was written", async () => {
    const loaded = load(small);
    const { tokens } = loaded.params as unknown as { tokens: { weight: NdArray } };
    (tokens.weight.data as Float32Array)[7] = Number.NaN;
    await expect(exportOnnx(loaded)).rejects.toMatchObject({ code: "export/mismatch" });
  });

  it("a context too short to keep open", async () => {
    await expect(exportOnnx(load({ ...small, context: 5 }))).rejects.toMatchObject({ code: "export/context" });
  });

  it("an architecture that computes with sizes in JavaScript", async () => {
    const forward: typeof transformer.forward = (config, params, tokens) =>
      mul(transformer.forward(config, params, tokens), 1 / (tokens.shape[1] as number));
    await expect(exportOnnx(load(small, { ...transformer, forward }))).rejects.toMatchObject({
      code: "onnx/open-dimensions",
      message: expect.stringContaining("the constant float32 []"),
    });
  });
});

it("keeps sizes open in loops, slices, splits and ranges", async () => {
  const wide = constant(
    ndarray(
      "float32",
      [40, 3],
      Float32Array.from({ length: 120 }, (_, i) => i % 7),
    ),
  );
  /** A running sum over time, with shapes of every kind: x [B, T, 3] */
  const fn = (x: Tensor): { all: Tensor; last: Tensor } => {
    const [batch, time] = x.shape as [number, number, number];
    const shifted = slice(x, { 1: { start: 1 } }); // [B, T - 1, 3]
    const padded = concat([shifted, slice(x, { 1: { stop: 1 } })], 1); // [B, T, 3]
    const placed = add(padded, broadcastTo(reshape(arange(time, "float32"), [time, 1]), [batch, time, 3]));
    const scaled = mul(placed, slice(wide, { 0: { stop: time } }));
    const halves = split(concat([scaled, x], 1), [time, time], 1); // twice [B, T, 3]
    const [last, all] = scan(
      (sum: Tensor, step: Tensor) => {
        const next = add(sum, mul(step, cast(reshape(arange(batch), [batch, 1]), "float32")));
        return [next, next] as const;
      },
      slice(reshape(x, [batch, 3 * time]), { 1: { stop: 3 } }),
      transpose(add(halves[0], halves[1]), [1, 0, 2]),
    );
    return { all: reshape(transpose(all, [1, 0, 2]), [batch * time, 3]), last };
  };
  const samples = [
    [7, 11],
    [13, 5],
    [3, 17],
  ] as const;
  const open = [
    { name: "batch", input: "x", axis: 0 },
    { name: "time", input: "x", axis: 1 },
  ];
  const model = buildOpen(open, samples, (sizes, watch) => {
    const x = input({ shape: [...sizes, 3], dtype: "float32" });
    const { all, last } = fn(x);
    return buildModel(
      {
        inputs: [["x", x]],
        outputs: [
          ["all", all],
          ["last", last],
        ],
      },
      { contrib: false, open, watch },
    );
  });
  const session = await Session.create(encodeModel(model), { device: "cpu" });
  for (const [batch, time] of [
    [1, 2],
    [2, 40],
    [5, 9],
  ] as const) {
    const x = ndarray(
      "float32",
      [batch, time, 3],
      Float32Array.from({ length: batch * time * 3 }, (_, i) => Math.sin(i)),
    );
    const expected = await compile((t: Tensor) => fn(t), [x] as const, { device: "cpu" });
    const want = await expected.run(x);
    await expected.dispose();
    const got = await session.run(
      new Map([["x", x]]),
      new Map([
        ["all", undefined],
        ["last", undefined],
      ]),
    );
    for (const name of ["all", "last"] as const) {
      expect(got.get(name)?.shape).toEqual(want[name].shape);
      const data = got.get(name)?.data as Float32Array;
      (want[name].data as Float32Array).forEach((value, i) => {
        expect(Math.abs(value - (data[i] as number))).toBeLessThan(1e-4 * Math.max(1, Math.abs(value)));
      });
    }
  }
  await session.dispose();
});
