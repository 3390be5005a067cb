/** Reading pictures: every format, and every way it can be wrong. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { zipSync } from "fflate";
import { packTar } from "modern-tar";
import sharp from "sharp";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type ImageSourceOptions, readImages } from "../../../src/data/index.ts";

let folder: string;
const at = (name: string) => join(folder, name);
const read = (name: string, options: ImageSourceOptions = {}) => readImages({ ...options, data: at(name) });

/** A picture of one colour. */
const png = (colour: string, width = 4, height = 4) =>
  sharp({ create: { width, height, channels: 3, background: colour } })
    .png()
    .toBuffer();

function idx(shape: readonly number[], values: readonly number[]): Buffer {
  const header = Buffer.alloc(4 + 4 * shape.length);
  header.set([0, 0, 8, shape.length]);
  shape.forEach((dim, i) => {
    header.writeUInt32BE(dim, 4 + 4 * i);
  });
  return Buffer.concat([header, Uint8Array.from(values)]);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "heptagen-images-"));
  const [red, green, blue, grey] = await Promise.all(["#ff0000", "#00ff00", "#0000ff", "#404040"].map((c) => png(c)));
  const put = (name: string, bytes: Uint8Array | string) => {
    mkdirSync(join(at(name), ".."), { recursive: true });
    writeFileSync(at(name), bytes);
  };
  put("classes/warm/a.png", red as Buffer);
  put("classes/cold/b.png", blue as Buffer);
  put("classes/cold/deep/c.png", green as Buffer);
  put("classes/notes.txt", "no picture, and not named like one");
  put("classes/.hidden.png", "hidden");
  put("flat/a.png", grey as Buffer);
  put("flat/b.png", grey as Buffer);
  put("single/only/a.png", red as Buffer);
  put("unequal/a.png", await png("#000000", 4, 4));
  put("unequal/b.png", await png("#000000", 6, 4));
  put("bad/a.png", red as Buffer);
  put("bad/empty.png", "");
  put("bad/text.png", "this is text");
  put(
    "bad/cut.png",
    (
      await sharp({
        create: { width: 90, height: 90, channels: 3, background: "#000", noise: { type: "gaussian", mean: 9, sigma: 50 } },
      })
        .png()
        .toBuffer()
    ).subarray(0, 900),
  );
  put("all-bad/text.png", "this is text");
  mkdirSync(at("none"));
  const files = { "top/warm/a.png": red as Buffer, "top/cold/b.png": blue as Buffer, "top/README.txt": Buffer.from("about") };
  put("p.zip", zipSync(files));
  put("cut.zip", zipSync(files).subarray(0, 150));
  const tar = await packTar(Object.entries(files).map(([name, body]) => ({ header: { name, size: body.length }, body })));
  put("p.tar", tar);
  put("p.tar.gz", gzipSync(tar));
  put("cut.tar", tar.subarray(0, 560));
  put("cut.tgz", gzipSync(tar).subarray(0, 100));
  put("idx/t-images-idx3-ubyte", idx([2, 1, 3], [1, 2, 3, 4, 5, 6]));
  put("idx/t-labels-idx1-ubyte.gz", gzipSync(idx([2], [7, 0])));
  put("odd/t-images-idx3-ubyte.gz", gzipSync(idx([2, 1, 3], [1, 2, 3, 4, 5, 6])));
  put("odd/t-labels-idx1-ubyte", idx([3], [7, 0, 1]));
  put("cut/t-images-idx3-ubyte", idx([2, 1, 3], [1, 2, 3, 4]));
  put("words.txt", "words");
  const { DuckDBInstance } = await import("@duckdb/node-api");
  const connection = await (await DuckDBInstance.create(":memory:")).connect();
  const hex = (bytes: Buffer) => `'${[...bytes].map((b) => `\\x${b.toString(16).padStart(2, "0")}`).join("")}'::BLOB`;
  const rows = [red, blue].map(
    (p, i) => `SELECT {'bytes': ${hex(p as Buffer)}, 'path': 'x.png'} AS image, ${i} AS label, 'n${i}' AS word`,
  );
  const features = { info: { features: { image: { _type: "Image" }, label: { names: ["rot", "blau"], _type: "ClassLabel" } } } };
  const query = rows.join(" UNION ALL ");
  await connection.run(
    `COPY (${query}) TO '${at("p.parquet")}' (FORMAT parquet, KV_METADATA {huggingface: '${JSON.stringify(features)}'})`,
  );
  await connection.run(`COPY (SELECT image.bytes AS picture FROM (${query})) TO '${at("bytes.parquet")}' (FORMAT parquet)`);
  connection.closeSync();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

describe("sources", () => {
  it("reads the digits that come with Heptagen", async () => {
    const digits = await readImages();
    expect(digits).toMatchObject({
      count: 1797,
      channels: 1,
      height: 8,
      width: 8,
      source: "digits (1,797 pictures, 10 classes)",
    });
    expect(digits.classes).toEqual(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    expect(digits.labels?.slice(0, 5)).toEqual(Int32Array.of(0, 1, 2, 3, 4));
    expect([...digits.pixels.subarray(0, 6)]).toEqual([0, 0, 80, 207, 143, 16]); // 0 0 5 13 9 1 of 16
  });
  it("takes subfolders as classes, sorted, whatever lies deeper", async () => {
    const set = await read("classes");
    expect(set.classes).toEqual(["cold", "warm"]);
    expect([...(set.labels ?? [])]).toEqual([0, 0, 1]);
    const [blue, green, red] = [0, 1, 2].map((i) => [0, 1, 2].map((c) => set.pixels[i * 48 + c * 16]));
    expect([blue, green, red]).toEqual([
      [0, 0, 255],
      [0, 255, 0],
      [255, 0, 0],
    ]);
  });
  it("finds out that all pictures are grey, unless told what to make of them", async () => {
    expect(await read("flat")).toMatchObject({ channels: 1, labels: undefined, classes: [], count: 2 });
    expect((await read("flat")).pixels.every((value) => value === 0x40)).toBe(true);
    expect(await read("flat", { channels: 3 })).toMatchObject({ channels: 3 });
    expect(await read("classes", { channels: 1 })).toMatchObject({ channels: 1 });
  });
  it("says that there is one label only", async () => {
    expect(await read("single")).toMatchObject({ classes: ["only"], source: `${at("single")} (1 picture, all labelled only)` });
  });
  it("reads zip and tar archives like folders, without the folder that holds everything", async () => {
    const expected = (await readImages({ data: at("classes"), limit: 3 })).classes;
    for (const name of ["p.zip", "p.tar", "p.tar.gz"]) {
      const set = await read(name);
      expect([set.classes, [...(set.labels ?? [])], set.count]).toEqual([expected, [0, 1], 2]);
      expect([...set.pixels.subarray(0, 48)]).toEqual([...new Array(32).fill(0), ...new Array(16).fill(255)]);
    }
  });
  it("reads IDX files with their labels, by file or folder", async () => {
    for (const name of ["idx", "idx/t-images-idx3-ubyte"]) {
      const set = await read(name);
      expect([...set.pixels]).toEqual([1, 2, 3, 4, 5, 6]);
      expect([...(set.labels ?? [])].map((label) => set.classes[label])).toEqual(["7", "0"]);
      expect([set.height, set.width]).toEqual([1, 3]);
    }
  });
  it("reads Parquet as Hugging Face writes it, with the names of classes", async () => {
    const set = await read("p.parquet");
    expect([set.count, set.classes, [...(set.labels ?? [])]]).toEqual([2, ["rot", "blau"], [0, 1]]);
    expect((await read("p.parquet", { labelColumn: "word" })).classes).toEqual(["n0", "n1"]);
    expect(await read("bytes.parquet")).toMatchObject({ count: 2, labels: undefined });
  });
  it("joins several sources", async () => {
    const set = await readImages({ data: [at("classes"), at("p.parquet")] });
    expect([set.count, set.classes]).toEqual([5, ["rot", "blau", "cold", "warm"]]);
  });
  it("reads a part of them, evenly", async () => {
    const set = await readImages({ limit: 100 });
    expect(set.count).toBe(100);
    expect(new Set(set.labels).size).toBe(10);
  });
});

describe("sizes", () => {
  it("brings pictures to a square: cut, on black, stretched", async () => {
    const half = await sharp({ create: { width: 8, height: 4, channels: 3, background: "#ffffff" } })
      .png()
      .toBuffer();
    writeFileSync(at("wide.png"), half);
    for (const [fit, corner] of [
      ["crop", 255],
      ["pad", 0],
      ["stretch", 255],
    ] as const) {
      const set = await read("wide.png", { size: 4, fit });
      expect([set.width, set.height, set.pixels[0]]).toEqual([4, 4, corner]);
    }
  });
  it("lays transparent pictures on white and turns photographs upright", async () => {
    const clear = sharp({ create: { width: 2, height: 1, channels: 4, background: { r: 0, g: 0, b: 0, alpha: 0 } } });
    writeFileSync(at("clear.png"), await clear.png().toBuffer());
    expect([...(await read("clear.png")).pixels]).toEqual([255, 255]);
    const turned = sharp({ create: { width: 4, height: 2, channels: 3, background: "#888888" } }).withMetadata({
      orientation: 6,
    });
    writeFileSync(at("turned.jpg"), await turned.jpeg().toBuffer());
    expect(await read("turned.jpg")).toMatchObject({ width: 2, height: 4 });
  });
  it("enlarges raw pixels too", async () => {
    expect(await readImages({ size: 16, limit: 3 })).toMatchObject({ height: 16, width: 16, channels: 1, count: 3 });
  });
});

describe("what is wrong", () => {
  const message = (promise: Promise<unknown>) =>
    promise.then(
      () => "nothing",
      (error: Error & { code?: string }) => `${error.code}\n${error.message.replaceAll(folder, "…")}`,
    );
  it("lists bad files and skips them only when asked", async () => {
    const text = await message(read("bad", { size: 4 }));
    expect(text).toMatch("data/bad-pictures\n3 of 4 pictures cannot be read:");
    expect(text).toMatch("…/bad/empty.png: empty");
    expect(text).toMatch("…/bad/text.png: not a picture, or of an unknown kind");
    expect(text).toMatch("…/bad/cut.png:");
    expect(text).toMatch("skipBad");
    const set = await read("bad", { size: 4, skipBad: true });
    expect([set.count, set.skipped.map(({ file }) => file)]).toEqual([
      1,
      ["cut.png", "empty.png", "text.png"].map((f) => at(`bad/${f}`)),
    ]);
    expect(await read("bad", { skipBad: true, channels: 3 }).catch((e: Error) => e.message)).toMatch("one size, got 2 sizes");
    expect(await message(read("all-bad", { skipBad: true }))).toMatch("1 of 1 picture cannot be read");
  });
  it("names unequal sizes", async () => {
    expect(await message(read("unequal"))).toBe(
      "data/sizes\nexpected pictures of one size, got 2 sizes: 4×4 (…/unequal/a.png), 6×4 (…/unequal/b.png)\n" +
        "  → Set size (--size 64) to bring all to one square; fit (crop, pad, stretch) says how.",
    );
    expect(await read("unequal", { size: 4 })).toMatchObject({ count: 2 });
  });
  it("names files that are cut short", async () => {
    for (const name of ["cut.zip", "cut.tar", "cut.tgz"])
      expect(await message(read(name))).toMatch(`data/archive\n…/${name} could not be unpacked`);
    expect(await message(read("cut/t-images-idx3-ubyte"))).toMatch(
      "data/idx\n…/cut/t-images-idx3-ubyte: expected 6 values for shape [2, 1, 3], got 4",
    );
  });
  it("names labels that do not fit", async () => {
    expect(await message(read("odd"))).toMatch(
      /data\/labels\n…\/odd\/t-images.* holds 2 pictures, but …\/odd\/t-labels.* holds \[3\] labels/,
    );
    expect(await message(readImages({ data: [at("classes"), at("flat")] }))).toMatch(
      "data/labels\n2 of 5 pictures have no label: …/flat/a.png",
    );
  });
  it("names what is no source of pictures", async () => {
    expect(await message(read("none"))).toMatch("data/no-files\nexpected pictures in the folder …/none, got none");
    expect(await message(read("words.txt"))).toMatch("data/kind\n…/words.txt: expected pictures, got a file of another kind");
    expect(await message(read("flatt"))).toMatch('data/not-found\nthere is no file or folder …/flatt\n  → Did you mean "flat"?');
    expect(await message(read("p.parquet", { column: "imag" }))).toMatch('there is no column "imag"');
    expect(await message(readImages({ size: 0 }))).toMatch("size: expected a whole number above 0, got 0");
  });
  it("says how to fetch a set that is not there yet", async () => {
    vi.stubEnv("HEPTAGEN_CACHE", at("cache"));
    expect(await message(readImages({ data: "fashion-mnist" }))).toMatch("heptagen data get fashion-mnist");
  });
});
