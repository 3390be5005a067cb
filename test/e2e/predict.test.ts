/** Answers as the command line gives them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { heptagen, temporaryFolder } from "./heptagen.ts";

const { folder, remove } = temporaryFolder();
afterAll(remove);
const run = join(folder, "run");

beforeAll(async () => {
  const data = join(folder, "data.csv");
  const days = Array.from({ length: 60 }, (_, i) => `${"rain ".repeat(1 + (i % 5))}day ${i},${i % 3 === 0 ? "wet" : "dry"}\n`);
  writeFileSync(data, `text,label\n${days.join("")}`);
  const small = "--tokenizer character --layers 1 --heads 2 --width 8 --hidden 8 --batch 8 --steps 2 --warmup 0 --sample-every 0";
  const shares = "--validation 0.2 --test 0.2";
  const argv = ["train", "transformer/classify", "--data", data, "--out", run, ...`${small} ${shares}`.split(" ")];
  const { code, stderr } = await heptagen(argv);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
});

describe("answers", () => {
  it("are written by the command line, a line each", async () => {
    const json = await heptagen(["predict", run, "--top", "1"], { input: '"rain"\n\n{"text":"dry day"}\n' });
    const lines = json.stdout.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line).text)).toEqual(["rain", "dry day"]);
    const plain = await heptagen(["predict", run, "--lines"], { input: "rain\r\ndry day" });
    expect(
      plain.stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line).text),
    ).toEqual(["rain", "dry day"]);
  });
  it("end with an error of the command line that names a bad line", async () => {
    const bad = await heptagen(["predict", run], { input: '"rain"\nrain\n' });
    expect(bad.code).not.toBe(0);
    expect(bad.stdout.trim().split("\n")).toHaveLength(1);
    expect(bad.stderr).toMatch(/standard input:2: expected a line of JSON, got "rain"[\s\S]*--lines/);
    const latin = join(folder, "latin.txt");
    writeFileSync(latin, Uint8Array.of(114, 10, 0xe9, 10));
    const other = await heptagen(["predict", run, "--lines", "--input", latin]);
    expect(other.code).not.toBe(0);
    expect(other.stderr).toContain(`${latin}: expected UTF-8 text`);
    expect(other.stderr).not.toContain("    at ");
  });
});
