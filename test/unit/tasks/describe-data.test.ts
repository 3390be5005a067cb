/** A look at data: facts, classes, bad files, and a sheet of what is good. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeWav } from "../../../src/data/index.ts";
import { describeData } from "../../../src/tasks/index.ts";
import { HeptagenError } from "../../../src/util/errors.ts";

const folder = mkdtempSync(join(tmpdir(), "heptagen-describe-"));
const put = (name: string, content: Uint8Array | string) => {
  mkdirSync(join(folder, name, ".."), { recursive: true });
  writeFileSync(join(folder, name), content);
};
const png = (colour: string, width = 8, height = 8) =>
  sharp({ create: { width, height, channels: 3, background: colour } })
    .png()
    .toBuffer();
const tone = (seconds: number, hertz: number) =>
  encodeWav(
    Float32Array.from({ length: Math.round(seconds * 8000) }, (_, i) => 0.5 * Math.sin((2 * Math.PI * hertz * i) / 8000)),
    8000,
  );
const at = (name: string) => join(folder, name);

beforeAll(async () => {
  put("equal/red/a.png", await png("#f00"));
  put("equal/red/b.png", await png("#f00"));
  put("equal/blue/c.png", await png("#00f"));
  put("equal/blue/cut.png", (await png("#00f")).subarray(0, 60));
  put("unequal/a.png", await png("#f00", 8, 8));
  put("unequal/b.png", await png("#0f0", 8, 8));
  put("unequal/c.png", await png("#00f", 200, 100));
  put("all-bad/a.png", "text");
  put("sounds/low/a.wav", await tone(0.5, 220));
  put("sounds/low/silent.wav", await encodeWav(new Float32Array(8000), 8000));
  put("sounds/high/b.wav", await tone(0.25, 880));
  const { zipSync } = await import("fflate");
  put("sounds.zip", zipSync({ "low/a.wav": await tone(0.5, 220), "high/b.wav": await tone(0.25, 880) }));
  put("pictures.zip", zipSync({ "red/a.png": await png("#f00"), "blue/b.png": await png("#00f") }));
  put("notes.txt", "first\n\nsecond\nthird\n");
  put("table.csv", "a,b\n1,2\n");
  put(
    "records.jsonl",
    ["x", "y", "z", "never"].map((text) => `${JSON.stringify({ text, tags: ["A", "B"], at: [[0, 1]] })}\n`).join("\n"),
  );
  put("broken.jsonl", "[1\n");
  put("unknown/x.bin", Uint8Array.of(0, 1, 2));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** The colour of a sheet's pixel. */
async function pixel(sheet: Uint8Array | undefined, x: number, y: number): Promise<number[]> {
  const { data, info } = await sharp(sheet).raw().toBuffer({ resolveWithObject: true });
  return [...data.subarray((y * info.width + x) * info.channels, (y * info.width + x) * info.channels + 3)];
}

describe("describeData", () => {
  it("describes records: how many, their fields, and a few of them", async () => {
    const { kind, facts, lines } = await describeData(at("records.jsonl"));
    expect(kind).toBe("text");
    expect(facts).toMatchObject({ records: "4", fields: "text, tags, at" });
    expect(lines.slice(0, 5)).toEqual(["text  x", "tags  A · B", "at    [[0,1]]", "", "text  y"]);
    expect(lines.join()).not.toContain("never");
    expect((await describeData(at("broken.jsonl"))).lines).toEqual(["[1"]);
  });

  it("describes pictures: classes with counts, and what is damaged", async () => {
    const { kind, facts, classes, bad, sheet } = await describeData(at("equal"));
    expect(kind).toBe("images");
    expect(facts).toMatchObject({ pictures: "3", size: "8 × 8", colours: "RGB" });
    expect(facts.fingerprint).toMatch(/^[0-9a-f]{64}$/);
    expect(classes).toEqual([
      { name: "blue", count: 1 },
      { name: "red", count: 2 },
    ]);
    expect(bad).toEqual([{ file: at("equal/blue/cut.png"), reason: expect.any(String) }]);
    // A row for each class, a picture 8 times its size: blue, and red below.
    expect(await pixel(sheet, 20, 20)).toEqual([0, 0, 255]);
    const { height = 0 } = await sharp(sheet).metadata();
    expect(await pixel(sheet, 20, Math.round(height * 0.6))).toEqual([255, 0, 0]);
  });

  it("shows pictures of unequal sizes on equal cells, and lists the sizes", async () => {
    const { facts, classes, sheet } = await describeData(at("unequal"));
    expect(facts.size).toBe("8 × 8 (2), 200 × 100 (1); bring them to one with --size");
    expect(facts.fingerprint).toBeUndefined();
    expect(classes).toEqual([]);
    expect(await pixel(sheet, 6, 6)).toEqual([255, 0, 0]);
  });

  it("describes sounds: lengths, rates, silence; and draws them", async () => {
    const { kind, facts, classes, bad, sheet } = await describeData(at("sounds"));
    expect(kind).toBe("audio");
    expect(facts).toMatchObject({ sounds: "2", rate: "8000 Hz", channels: "1" });
    expect(facts.length).toBe("750ms in all; each 0.25 to 0.50 s, half below 0.25 s");
    expect(classes.map(({ name, count }) => [name, count])).toEqual([
      ["high", 1],
      ["low", 1],
    ]);
    expect(bad).toEqual([{ file: at("sounds/low/silent.wav"), reason: "it is silent: nothing is louder than -80 dB" }]);
    // Low on the mel scale is low in the picture: the brightest row of the first cell (880 Hz) lies above the second's (220 Hz).
    const brightest = async (left: number) => {
      const rows = await Promise.all(Array.from({ length: 60 }, (_, i) => pixel(sheet, left + 100, 48 + i)));
      const sums = rows.map((rgb) => rgb.reduce((a, b) => a + b, 0));
      return sums.indexOf(Math.max(...sums));
    };
    expect(await brightest(6)).toBeLessThan((await brightest(212)) - 5);
  });

  it("opens archives to see what is in them", async () => {
    expect(await describeData(at("sounds.zip"))).toMatchObject({ kind: "audio", facts: { sounds: "2" } });
    expect(await describeData(at("pictures.zip"))).toMatchObject({ kind: "images", facts: { pictures: "2" } });
  });

  it("shows the beginning of texts and tables, and lists other files", async () => {
    expect(await describeData(at("notes.txt"))).toMatchObject({ kind: "text", lines: ["first", "second", "third"] });
    expect(await describeData(at("table.csv"))).toMatchObject({ kind: "table", lines: ["a,b", "1,2"] });
    const unknown = await describeData(at("unknown"));
    expect(unknown).toMatchObject({ kind: "files", facts: { files: "1", bytes: "3 B" }, sheet: undefined });
    expect(unknown.lines[0]).toMatch(/3 B {2}x\.bin$/);
  });

  it("describes what comes along, and what has not been fetched", async () => {
    const digits = await describeData("digits");
    expect(digits.facts).toMatchObject({ pictures: "1,797", licence: "BSD-3-Clause", source: "comes with Heptagen" });
    expect(digits.classes[3]).toEqual({ name: "3", count: 183 });
    const far = await describeData("https://example.org/set.zip");
    expect(far).toMatchObject({ path: undefined, sheet: undefined, facts: { licence: "not known" } });
  });

  it("stops where nothing is good, or nothing is there", async () => {
    const code = async (name: string, options = {}) =>
      describeData(name, options).then(
        () => "no error",
        (error: unknown) => (error instanceof HeptagenError ? error.code : String(error)),
      );
    expect(await code(at("all-bad"))).toBe("data/bad-pictures");
    expect(await code(at("nowhere"))).toBe("data/not-found");
    expect(await code(at("sounds"), { kind: "images" })).toBe("data/no-files");
    expect(await code("moby-dick", { kind: "images" })).toBe("data/kind");
  });
});
