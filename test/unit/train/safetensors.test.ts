import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, constantFrom, dictionary, property, string, tuple, uniqueArray } from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readSafetensorsFile, readSafetensorsHeader, writeSafetensorsFile } from "../../../src/train/safetensors.node.ts";
import { readSafetensors, writeSafetensors } from "../../../src/train/safetensors.ts";
import { allocate, type DType, type NdArray, ndarray } from "../../../src/util/ndarray.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "heptagen-safetensors-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** A file put together by hand: eight bytes of size, the header, the data. */
function file(header: string | Uint8Array, data: readonly number[] = [], size?: bigint): Uint8Array {
  const json = typeof header === "string" ? new TextEncoder().encode(header) : header;
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, size ?? BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

const entry = (dtype: string, shape: readonly number[], offsets: readonly number[]) =>
  JSON.stringify({ dtype, shape, data_offsets: offsets });

describe("the published format", () => {
  test("a file made byte by byte is read", () => {
    const header = `{"__metadata__":{"format":"pt"},"w":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"n":{"dtype":"I32","shape":[],"data_offsets":[8,12]}}`;
    const { tensors, metadata, converted } = readSafetensors(
      file(header, [0x00, 0x00, 0x80, 0x3f, 0x00, 0x00, 0x00, 0xc0, 0xfe, 0xff, 0xff, 0xff]),
    );
    expect(metadata).toEqual({ format: "pt" });
    expect(tensors.get("w")).toEqual({ dtype: "float32", shape: [2, 1], data: Float32Array.of(1, -2) });
    expect(tensors.get("n")).toEqual({ dtype: "int32", shape: [], data: Int32Array.of(-2) });
    expect(converted).toEqual([]);
  });

  test("the bytes written are those the format prescribes: wide types first, then by name, padded with spaces", () => {
    const tensors = new Map([
      ["b", ndarray("float32", [1], [1])],
      ["flag", ndarray("bool", [3], [1, 0, 1])],
      ["a", ndarray("float32", [1], [2])],
      ["id", ndarray("int64", [1], [3])],
    ]);
    const json = `{"id":${entry("I64", [1], [0, 8])},"a":${entry("F32", [1], [8, 12])},"b":${entry("F32", [1], [12, 16])},"flag":${entry("BOOL", [3], [16, 19])}}`;
    const padded = json.padEnd(Math.ceil(json.length / 8) * 8, " ");
    expect(writeSafetensors(tensors)).toEqual(file(padded, [3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0x80, 0x3f, 1, 0, 1]));
  });

  test("a file without arrays, and arrays without elements", () => {
    expect(readSafetensors(file("{}")).tensors.size).toBe(0);
    const empty = new Map([["none", ndarray("float32", [0, 3], [])]]);
    expect(readSafetensors(writeSafetensors(empty)).tensors).toEqual(empty);
  });

  test("data at an odd place is copied, data in place is shared", () => {
    const odd = file(`{"w":${entry("F32", [1], [0, 4])}}`, [0, 0, 0x80, 0x3f]);
    expect(odd.length % 4).not.toBe(0);
    expect(readSafetensors(odd).tensors.get("w")?.data[0]).toBe(1);
    const even = writeSafetensors(new Map([["w", ndarray("float32", [1], [5])]]));
    expect(readSafetensors(even).tensors.get("w")?.data.buffer).toBe(even.buffer);
  });
});

test.each<[string, string, readonly number[], readonly number[]]>([
  [
    "float16",
    "F16",
    [0x3c00, 0xc000, 0x7bff, 0x0001, 0x03ff, 0x8000, 0x7c00, 0xfc00],
    [1, -2, 65504, 2 ** -24, 1023 * 2 ** -24, -0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  ],
  [
    "bfloat16",
    "BF16",
    [0x3f80, 0xc000, 0x4049, 0x0001, 0x8000, 0x7f80],
    [1, -2, 3.140625, 2 ** -133, -0, Number.POSITIVE_INFINITY],
  ],
])("%s becomes float32 with the same values, and the caller is told", (_name, stored, halves, values) => {
  const data = halves.flatMap((half) => [half & 0xff, half >> 8]);
  const bytes = file(`{"h":${entry(stored, [halves.length], [0, data.length])}}`, data);
  const { tensors, converted } = readSafetensors(bytes);
  expect(Array.from(tensors.get("h")?.data ?? [], Number)).toEqual(values);
  expect(converted).toEqual([{ path: "h", from: stored }]);
});

test("not a number stays not a number", () => {
  const nan = (stored: string, half: number) => file(`{"h":${entry(stored, [1], [0, 2])}}`, [half & 0xff, half >> 8]);
  expect(readSafetensors(nan("F16", 0x7e00)).tensors.get("h")?.data[0]).toBeNaN();
  expect(readSafetensors(nan("BF16", 0x7fc0)).tensors.get("h")?.data[0]).toBeNaN();
});

test("whatever is written is read back, from memory and from a file", async () => {
  const arrays = tuple(constantFrom<DType>("float32", "int32", "bool", "int64"), constantFrom([], [3], [2, 0], [5, 1]));
  const names = uniqueArray(
    string({ unit: "grapheme", maxLength: 8 }).filter((name) => name !== "__metadata__"),
    { minLength: 0, maxLength: 6 },
  );
  assert(
    property(
      names,
      tuple(arrays, arrays, arrays, arrays, arrays, arrays),
      dictionary(string(), string()),
      (paths, kinds, metadata) => {
        const tensors = new Map(paths.map((path, i) => [path, filled(...(kinds[i] ?? ["bool", []]))]));
        const read = readSafetensors(writeSafetensors(tensors, metadata));
        expect(new Map([...read.tensors].sort())).toEqual(new Map([...tensors].sort()));
        expect({ ...read.metadata }).toEqual({ ...metadata });
      },
    ),
    { numRuns: 200, seed: 7 },
  );
  const path = join(folder, "all.safetensors");
  const tensors = new Map([
    ...["int64", "float32", "int32", "bool"].map((dtype) => [dtype, filled(dtype as DType, [4, 3])] as const),
  ]);
  const { bytes, sha256 } = await writeSafetensorsFile(path, tensors, { format: "pt" });
  expect(bytes).toBe((await stat(path)).size);
  expect(sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(new Uint8Array(await readFile(path))).toEqual(writeSafetensors(tensors, { format: "pt" }));
  const read = await readSafetensorsFile(path);
  expect(read.tensors).toEqual(tensors);
  expect(read.metadata).toEqual({ format: "pt" });
});

function filled(dtype: DType, shape: readonly number[]): NdArray {
  const size = shape.reduce((product, dim) => product * dim, 1);
  const data = allocate(dtype, size);
  for (let i = 0; i < size; i++) {
    if (data instanceof BigInt64Array) data[i] = BigInt(i) - 2n ** 62n;
    else data[i] = dtype === "bool" ? i % 2 : (i - 1) * (dtype === "float32" ? 0.3 : 7);
  }
  return { dtype, shape, data };
}

test("a part of a file is read, and its header alone", async () => {
  const path = join(folder, "part.safetensors");
  await writeSafetensorsFile(
    path,
    new Map([
      ["a.weight", filled("float32", [2])],
      ["a.mask", filled("bool", [2])],
    ]),
  );
  const { tensors } = await readSafetensorsFile(path, { only: (name) => name.endsWith("weight") });
  expect([...tensors.keys()]).toEqual(["a.weight"]);
  expect((await readSafetensorsHeader(path)).entries.map(({ path, stored, shape }) => [path, stored, shape])).toEqual([
    ["a.weight", "F32", [2]],
    ["a.mask", "BOOL", [2]],
  ]);
});

test("a large file is read without a second copy of it in memory", async () => {
  const path = join(folder, "large.safetensors");
  const megabytes = 96;
  const arrays = Array.from(
    { length: 12 },
    (_, i) => [`layer.${i}`, ndarray("float32", [megabytes << 14], new Float32Array(megabytes << 14).fill(i))] as const,
  );
  await writeSafetensorsFile(path, new Map(arrays.map(([name, array]) => [name, { ...array, shape: [megabytes << 14] }])));
  const before = process.memoryUsage().arrayBuffers;
  let peak = 0;
  const { tensors } = await readSafetensorsFile(path, {
    tap: () => {
      peak = Math.max(peak, process.memoryUsage().arrayBuffers - before);
    },
  });
  expect(tensors.get("layer.11")?.data[5]).toBe(11);
  expect(peak / 2 ** 20).toBeLessThan(12 * 6 * 1.2); // twelve arrays of 6 MiB
});

describe("a malformed file is an error that names it and says what is wrong", () => {
  const good = `{"w":${entry("F32", [2], [0, 8])}}`;
  const eight = [0, 0, 0, 0, 0, 0, 0, 0];
  const two = (first: readonly number[], second: readonly number[]) =>
    `{"a":${entry("F32", [1], first)},"b":${entry("F32", [1], second)}}`;
  const cases: readonly (readonly [string, Uint8Array, string, RegExp])[] = [
    ["nothing", new Uint8Array(0), "safetensors/truncated", /expected at least 8 bytes, got 0/],
    ["half a size", Uint8Array.of(1, 2, 3), "safetensors/truncated", /expected at least 8 bytes, got 3/],
    [
      "a truncated header",
      file(good, eight).subarray(0, 30),
      "safetensors/truncated",
      /header of 54 bytes, got a file of 30 bytes/,
    ],
    [
      "a huge size",
      file(good, eight, 2n ** 63n),
      "safetensors/header",
      /header of at most 100000000 bytes, got 9223372036854775808/,
    ],
    [
      "a Git LFS pointer",
      new TextEncoder().encode("version https://git-lfs.github.com/spec/v1\n"),
      "safetensors/header",
      /Git LFS pointer/,
    ],
    ["broken JSON", file(`{"w":`), "safetensors/header", /expected a header in JSON/],
    ["text that is not UTF-8", file(Uint8Array.of(0x7b, 0xff, 0x7d)), "safetensors/header", /expected a header in JSON/],
    ["a list", file("[1,2]"), "safetensors/header", /expected the header to be a JSON object/],
    ["metadata of numbers", file(`{"__metadata__":{"step":3}}`), "safetensors/header", /__metadata__ to map text to text/],
    ["no dtype", file(`{"w":{"shape":[2]}}`), "safetensors/header", /"w" to have a dtype/],
    [
      "a negative shape",
      file(`{"w":${entry("F32", [-2], [0, 8])}}`, eight),
      "safetensors/header",
      /"w" to have a shape of whole numbers, got \[-2\]/,
    ],
    [
      "no offsets",
      file(`{"w":{"dtype":"F32","shape":[2]}}`),
      "safetensors/header",
      /"w" to have data_offsets \[begin, end\], got undefined/,
    ],
    [
      "offsets backwards",
      file(`{"w":${entry("F32", [2], [8, 0])}}`, eight),
      "safetensors/header",
      /data_offsets \[begin, end\], got \[8,0\]/,
    ],
    [
      "an unknown dtype",
      file(`{"w":${entry("F31", [2], [0, 8])}}`, eight),
      "safetensors/dtype",
      /known dtype for "w", got "F31"/,
    ],
    [
      "a dtype without arrays",
      file(`{"w":${entry("F64", [1], [0, 8])}}`, eight),
      "safetensors/dtype",
      /expected F32, F16, BF16, I32, I64 or BOOL for "w", got F64/,
    ],
    [
      "a size that differs",
      file(`{"w":${entry("F32", [3], [0, 8])}}`, eight),
      "safetensors/offsets",
      /expected 12 bytes for "w" \(F32 \[3\]\), got 8/,
    ],
    ["an overflowing shape", file(`{"w":${entry("F32", [2 ** 40, 2 ** 40], [0, 8])}}`, eight), "safetensors/offsets", /for "w"/],
    ["an overlap", file(two([0, 4], [0, 4]), [0, 0, 0, 0]), "safetensors/offsets", /"b" right after "a" .* an overlap/],
    ["a gap", file(two([0, 4], [8, 12]), [...eight, 0, 0, 0, 0]), "safetensors/offsets", /"b" right after "a" .* a gap/],
    [
      "a gap in front",
      file(`{"w":${entry("F32", [1], [4, 8])}}`, eight),
      "safetensors/offsets",
      /"w" right after the header .* a gap/,
    ],
    ["too few data", file(good, [0, 0, 0, 0]), "safetensors/truncated", /expected \d+ bytes by its header, got \d+/],
    ["too many data", file(good, [...eight, 0]), "safetensors/offsets", /expected \d+ bytes by its header, got \d+/],
    ["a boolean of two", file(`{"w":${entry("BOOL", [1], [0, 1])}}`, [2]), "safetensors/value", /booleans 0 and 1 in "w", got 2/],
  ];

  test.each(cases)("%s", async (name, bytes, code, message) => {
    const path = join(folder, `${name.replaceAll(" ", "-")}.safetensors`);
    await writeFile(path, bytes);
    const fromMemory = () => readSafetensors(bytes, path);
    expect(fromMemory).toThrow(expect.objectContaining({ code }));
    expect(fromMemory).toThrow(message);
    expect(fromMemory).toThrow(path);
    await expect(readSafetensorsFile(path)).rejects.toThrow(message);
  });

  test("no file, or a folder", async () => {
    await expect(readSafetensorsFile(join(folder, "none"))).rejects.toThrow(/cannot read .*none: there is no such file/);
    await expect(readSafetensorsFile(folder)).rejects.toThrow(/cannot read .*: it is a folder/);
  });
});

test("what cannot be stored is refused", () => {
  expect(() => writeSafetensors(new Map([["__metadata__", ndarray("bool", [], [1])]]))).toThrow(
    /which the format keeps for itself/,
  );
  expect(() => writeSafetensors(new Map([["w", { dtype: "float32", shape: [3], data: new Float32Array(2) }]]))).toThrow(
    '"w": expected 3 values for shape [3], got 2',
  );
});
