/** The command line from a text file to a model, samples, numbers, pictures and files. */
import { cpSync, existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { events, execute, heptagen, recipe, temporaryFolder, tiny, writeText } from "./heptagen.ts";

const { folder, remove } = temporaryFolder();
const text = join(folder, "text.txt");
const trained = join(folder, "trained");
const interrupted = join(folder, "interrupted");

/** Long enough to be interrupted, short enough to be finished. */
const steps = ["--steps", "600", "--dropout", "0.1", "--averaging", "0.9", "--data", text];

beforeAll(async () => {
  writeText(text);
  const outcome = await heptagen(["train", recipe, ...tiny, ...steps, "--sample-every", "300", "--out", trained]);
  expect(outcome.stderr).toBe("");
  expect(outcome.code).toBe(0);
  expect(outcome.stdout).toContain("step 600/600");
  expect(outcome.stdout).toMatch(/Done: 600 steps in .*validation loss \d/);
  expect(outcome.stdout).toContain(`sample`);
});
afterAll(remove);

describe("training", () => {
  it("leaves a folder that anyone can read", () => {
    expect(readdirSync(trained)).toEqual(
      expect.arrayContaining(["config.json", "model.safetensors", "tokenizer.json", "metrics.jsonl", "samples", "checkpoints"]),
    );
    expect(readdirSync(join(trained, "samples"))).toHaveLength(2);
    const { recipe: name, config } = JSON.parse(readFileSync(join(trained, "config.json"), "utf8"));
    expect(name).toBe(recipe);
    expect(config).toMatchObject({ layers: 1, width: 16, steps: 600, averaging: 0.9 });
  });

  it("stops at Ctrl-C with a checkpoint and the command that goes on; what comes out is as if it had not", async () => {
    let sent = false;
    const first = await heptagen(["train", recipe, ...tiny, ...steps, "--out", interrupted], {
      onLine: (line, child) => {
        if (line.startsWith("step ") && !sent) {
          sent = true;
          child.kill("SIGINT");
        }
      },
    });
    expect(first.code).toBe(130);
    expect(first.stdout).toContain("Interrupted after step");
    const [, command = ""] = /heptagen (train --resume \S+)/.exec(first.stdout) ?? [];
    const second = await heptagen(command.split(" "));
    expect(second.stderr).toBe("");
    expect(second.code).toBe(0);
    expect(readFileSync(join(interrupted, "model.safetensors"))).toEqual(readFileSync(join(trained, "model.safetensors")));
  });

  it("leaves at once at the second Ctrl-C", async () => {
    const out = join(folder, "twice");
    const { code } = await heptagen(["train", recipe, ...tiny, "--steps", "100000", "--data", text, "--out", out], {
      onLine: (line, child) => {
        if (line.startsWith("step ")) child.kill("SIGINT");
        if (line.startsWith("Finishing")) child.kill("SIGINT");
      },
    });
    expect(code).toBe(130);
  });

  it("prints one JSON event a line with --json, and starts from another run with --init-from", async () => {
    const out = join(folder, "tuned");
    const argv = ["train", recipe, "--steps", "5", "--batch", "2", "--init-from", trained, "--data", "-", "--out", out, "--json"];
    const { code, stdout, stderr } = await heptagen(argv, { input: readFileSync(text, "utf8").slice(0, 3000) });
    expect(stderr).toBe("");
    expect(code).toBe(0);
    const all = events(stdout);
    expect(all[0]).toMatchObject({ kind: "start", steps: 5, device: "cpu" });
    expect(all.at(-1)).toMatchObject({ kind: "end", ended: "finished", step: 5 });
    const losses = all.filter(({ kind }) => kind === "step").map(({ loss }) => loss as number);
    expect(losses).toHaveLength(5);
    expect(losses[0]).toBeLessThan(2); // a new model would start at ln 31 = 3.4
  });
});

describe("a trained run", () => {
  it("samples: the same seed writes the same text", async () => {
    const argv = ["sample", trained, "--prompt", "the whale", "--max-tokens", "40", "--seed", "7"];
    const [a, b, c] = [await heptagen(argv), await heptagen(argv), await heptagen([...argv, "--seed", "8"])];
    expect(a.code).toBe(0);
    expect(a.stderr).toBe("");
    expect(a.stdout.startsWith("the whale")).toBe(true);
    expect(a.stdout.trimEnd().length).toBeGreaterThan(20);
    expect(b.stdout).toBe(a.stdout);
    expect(c.stdout).not.toBe(a.stdout);
  });

  it("samples several texts, stops where told, gives log-probabilities", async () => {
    const argv = ["sample", trained, "--num-samples", "3", "--stop", ".", "--log-probabilities", "--json", "--max-tokens", "200"];
    const { code, stdout } = await heptagen(argv);
    expect(code).toBe(0);
    const all = events(stdout);
    expect(all.filter(({ kind }) => kind === "end")).toHaveLength(3);
    expect(all.filter(({ kind, reason }) => kind === "end" && reason === "stop").length).toBeGreaterThan(0);
    const texts = all.filter(({ kind }) => kind === "text");
    for (const event of texts) {
      expect(event.text).not.toContain(".");
      for (const { logProbability } of event.logProbabilities as { logProbability: number }[]) {
        expect(logProbability).toBeLessThanOrEqual(1e-4);
      }
    }
  });

  it("is evaluated: its own validation text gives the loss that training printed", async () => {
    const { code, stdout } = await heptagen(["eval", trained, "--json"]);
    expect(code).toBe(0);
    const [{ measures } = { measures: {} }] = events(stdout) as unknown as { measures: Record<string, number> }[];
    const logged = readFileSync(join(trained, "metrics.jsonl"), "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)["validation/loss"])
      .filter((loss) => loss !== undefined);
    expect(measures.loss).toBeCloseTo(Math.min(...logged), 4);
    expect(measures.perplexity).toBeCloseTo(Math.exp(measures.loss ?? 0), 4);
    const other = await heptagen(["eval", trained, "--data", text]);
    expect(other.stdout).toContain("bits per character");
  });

  it("is inspected: parameters, curves, and attention as a picture", async () => {
    const out = join(folder, "pictures");
    const { code, stdout, stderr } = await heptagen(["inspect", trained, "--text", "the whale sees", "--out", out]);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect(stdout).toMatch(/tokens\.weight +\d+ × 16/);
    expect(stdout).toContain("validation/loss");
    const { format, width } = await sharp(join(out, "blocks-0-attention.png")).metadata();
    expect(format).toBe("png");
    expect(width).toBeGreaterThan(300);
    const { channels } = await sharp(join(out, "blocks-0-attention.png")).stats();
    expect(Math.max(...channels.map(({ stdev }) => stdev))).toBeGreaterThan(20); // not one colour
  });
});

describe("a GPT-2 folder in Hugging Face's layout", () => {
  let gpt2: string;
  beforeAll(() => {
    gpt2 = join(folder, "gpt2-tiny"); // a copy: an evaluation is kept beside the model
    cpSync(join(import.meta.dirname, "../golden/fixtures/gpt2-tiny"), gpt2, { recursive: true });
  });

  it("samples and is evaluated as it is", async () => {
    const { prompt, greedyText } = JSON.parse(readFileSync(join(gpt2, "expected.json"), "utf8")); // PyTorch's
    const sampled = await heptagen(["sample", gpt2, "--prompt", prompt, "--max-tokens", "20", "--temperature", "0"]);
    expect(sampled.stderr).toBe("");
    expect(sampled.stdout).toBe(`${prompt}${greedyText}\n`);
    const evaluated = await heptagen(["eval", gpt2, "--data", text, "--json"]);
    expect(evaluated.stderr).toBe("");
    expect(events(evaluated.stdout)[0]).toHaveProperty("measures.perplexity");
  });

  it("is fine-tuned, on windows shorter than its context, into a run like any other", async () => {
    const out = join(folder, "fine-tuned");
    const argv = ["train", recipe, "--init-from", gpt2, "--data", text, "--steps", "4", "--batch", "2", "--window", "12"];
    const { code, stderr } = await heptagen([...argv, "--sample-every", "0", "--out", out]);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    expect((await heptagen(["sample", out, "--max-tokens", "5"], { cwd: folder })).code).toBe(0);
  });
});

describe("around it", () => {
  it("lists devices without noise, one of them the default", async () => {
    const { code, stdout, stderr } = await heptagen(["devices", "--json"]);
    expect(stderr).toBe("");
    expect(code).toBe(0);
    const all = events(stdout);
    expect(all.map(({ name }) => name)).toEqual(["cpu", "webgpu", "cuda", "wasm"]);
    expect(all.filter((device) => device.default)).toHaveLength(1);
  });

  it("lists recipes and presets, and helps", async () => {
    expect((await heptagen(["recipes"])).stdout).toContain("nanogpt-cpu");
    const { code, stdout } = await heptagen(["train", recipe, "--help"]);
    expect(code).toBe(0);
    for (const flag of ["--learning-rate <x>", "--data <text...>", "--key-value-heads <n>", "--bias"])
      expect(stdout).toContain(flag);
    expect((await heptagen(["--version"])).stdout).toMatch(/^\d+\.\d+\.\d+/);
  });

  it("runs the examples", async () => {
    const tsx = ["--import", "tsx"];
    const out = join(folder, "example");
    const made = await execute(process.execPath, [...tsx, "examples/train-on-your-text.ts", text, out, "50"]);
    expect(made.stderr).toBe("");
    expect(made.stdout).toContain("step 50: loss");
    expect(existsSync(join(out, "model.safetensors"))).toBe(true);
    const written = await execute(process.execPath, [...tsx, "examples/sample-from-a-run.ts", out, "the whale "]);
    expect(written.stderr).toBe("");
    expect(written.stdout.length).toBeGreaterThan(100);
  });
});
