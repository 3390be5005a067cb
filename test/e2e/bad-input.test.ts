/** What users get wrong: a clear message with a next step, the right exit code, and nothing lost. */
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { execute, heptagen, main, recipe, temporaryFolder, tiny, writeText } from "./heptagen.ts";

const { folder, remove } = temporaryFolder();
const text = join(folder, "text.txt");
const trained = join(folder, "trained");

beforeAll(async () => {
  writeText(text);
  const { code, stderr } = await heptagen(["train", recipe, ...tiny, "--data", text, "--out", trained]);
  expect(stderr).toBe("");
  expect(code).toBe(0);
});
afterAll(remove);

/** Trains with something wrong; the run's folder must not come to be. */
async function train(...argv: string[]) {
  const out = join(folder, `run-${readdirSync(folder).length}`);
  const outcome = await heptagen(["train", recipe, ...tiny, "--out", out, ...argv]);
  return { ...outcome, out };
}

describe("data", () => {
  it.each([
    ["an empty file", "empty.txt", "", "expected text, got none"],
    [
      "a binary file",
      "binary.txt",
      Buffer.from([80, 75, 3, 4, 0, 1, 2, 255]),
      "expected UTF-8 text, got a zero byte at offset 4",
    ],
    ["a file shorter than the context", "short.txt", "hello there", "a context of 16 needs at least 17"],
  ])("%s", async (_what, name, content, message) => {
    const file = join(folder, name);
    writeFileSync(file, content);
    const { code, stderr, out } = await train("--data", file);
    expect(stderr).toContain(message);
    expect(stderr).toContain("→");
    expect(stderr).not.toMatch(/\n\s+at /);
    expect(code).toBe(1);
    expect(existsSync(out)).toBe(false);
  });

  it("a file that is not there: the nearest name", async () => {
    const { code, stderr } = await train("--data", join(folder, "texd.txt"));
    expect(stderr).toContain('Did you mean "text.txt"?');
    expect(code).toBe(1);
  });
});

describe.concurrent("usage: exit code 2 and the nearest name", () => {
  it.each([
    [["trian"], 'Did you mean "train"?'],
    [["train", "transformer/langage-model"], 'Did you mean "transformer/language-model"?'],
    [["train", recipe, "--preset", "quikstart"], 'Did you mean "quickstart"?'],
    [["train", recipe, "--step", "3"], "Did you mean --steps?"],
    [["train", recipe, "--steps", "many"], 'expected steps to be a whole number from 1, got "many"'],
    [["train", recipe, "--tokenizer", "charakter"], 'Did you mean "character"?'],
    [["sample", trained, "--temprature", "1"], "Did you mean --temperature?"],
    [["sample"], "expected a run"],
    [["export", trained, "--format", "onyx"], "onnx"],
  ])("%j", async (argv, message) => {
    const { code, stderr, stdout } = await heptagen(argv);
    expect(stderr).toContain(message);
    expect(stdout).toBe("");
    expect(code).toBe(2);
  });

  it("a misspelt key in --config", async () => {
    const file = join(folder, "config.json");
    writeFileSync(file, '{ "learningRat": 0.1 }');
    const { code, stderr } = await train("--config", file, "--data", text);
    expect(stderr).toContain('Did you mean "learningRate"?');
    expect(code).toBe(2);
  });
});

describe("runs", () => {
  it("an existing run is never overwritten", async () => {
    const before = readFileSync(join(trained, "model.safetensors"));
    const { code, stderr } = await heptagen(["train", recipe, ...tiny, "--data", text, "--out", trained]);
    expect(stderr).toContain("which holds a run");
    expect(stderr).toContain("--resume");
    expect(code).toBe(1);
    expect(readFileSync(join(trained, "model.safetensors"))).toEqual(before);
  });

  it("a folder that cannot be written", async ({ skip }) => {
    const locked = join(folder, "locked");
    mkdirSync(locked);
    chmodSync(locked, 0o555);
    const root = process.getuid?.() === 0; // may write anywhere, so a file stands where a folder should
    const inside = root ? join(text, "run") : join(locked, "run");
    if (process.platform === "win32") skip("permissions differ on Windows");
    const { code, stderr } = await heptagen(["train", recipe, ...tiny, "--data", text, "--out", inside]);
    expect(stderr).toContain("cannot write");
    expect(stderr).toContain("→");
    expect(code).toBe(1);
  });

  it("a folder that is no run", async () => {
    const { code, stderr } = await heptagen(["sample", join(folder, "nowhere")]);
    expect(stderr).toContain("expected a run");
    expect(code).toBe(1);
  });

  it("a prompt with characters that the model never saw", async () => {
    const { code, stderr, stdout } = await heptagen(["sample", trained, "--prompt", "the Ωhale"]);
    expect(stderr).toContain('lacks "Ω" (U+03A9)');
    expect(stdout).toBe("");
    expect(code).toBe(1);
  });

  it("a learning rate that leads to NaN stops with advice, and what was saved before stays", async () => {
    const { code, stderr, out } = await train("--data", text, "--learning-rate", "1e20", "--clip", "0", "--warmup", "0");
    expect(stderr).toMatch(/step \d+/);
    expect(stderr).toMatch(/learning rate/i);
    expect(code).toBe(1);
    expect(existsSync(join(out, "config.json"))).toBe(true);
  });

  it("a full disk while saving leaves the last checkpoint, from which training goes on", async ({ skip }) => {
    if (process.platform === "win32") skip("needs ulimit");
    const out = join(folder, "full");
    const long = [...tiny, "--steps", "2000", "--data", text, "--out", out, "--json"];
    await heptagen(["train", recipe, ...long], {
      onLine: (line, child) => {
        if (line.includes('"checkpoint"')) child.kill("SIGINT");
      },
    });
    const line = `ulimit -f 4; trap "" XFSZ; exec "${process.execPath}" "${main}" train --resume "${out}"`;
    const { code, stderr } = await execute("bash", ["-c", line]);
    expect(stderr).toContain("cannot write");
    expect(stderr).toContain("→");
    expect(code).toBe(1);
    expect((await heptagen(["sample", out, "--max-tokens", "5"])).code).toBe(0);
  });
});
