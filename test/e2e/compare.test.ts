/** `heptagen eval` and `heptagen compare`, as a user calls them. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { events, heptagen } from "./heptagen.ts";

const folder = mkdtempSync(join(tmpdir(), "heptagen-compare-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const [first, second] = ["first", "second"].map((name) => join(folder, name)) as [string, string];

beforeAll(async () => {
  writeFileSync(join(folder, "text.txt"), "the whale and the sea and the ship. ".repeat(60));
  const options =
    "--tokenizer character --context 16 --batch 4 --layers 1 --heads 1 --width 16 --steps 6 --evaluate-every 3 --warmup 0";
  for (const [out, rate] of [
    [first, "0.01"],
    [second, "0.001"],
  ] as const) {
    const argv = ["train", "transformer/language-model", "--data", join(folder, "text.txt"), ...options.split(" ")];
    const { code, stderr } = await heptagen([...argv, "--learning-rate", rate, "--out", out]);
    expect(stderr).toBe("");
    expect(code).toBe(0);
  }
});

it("keeps what eval measures, and compare shows it beside the other run's", async () => {
  expect((await heptagen(["eval", first])).stdout).toMatch(/perplexity +[\d.]+/);
  const kept = JSON.parse(readFileSync(join(first, "evaluations.jsonl"), "utf8"));
  expect(kept).toMatchObject({ step: 6, options: {} });
  const half = await heptagen(["compare", first, second], { cwd: folder });
  expect(half).toMatchObject({ code: 0, stderr: expect.stringContaining("not evaluated: second") });
  expect(half.stdout).toMatch(/first +second\nRun\n +recipe +transformer\/language-model/);
  expect(readFileSync(join(folder, "comparison.html"), "utf8")).toMatch(/^<!doctype html>[\s\S]*<\/html>\n$/);

  const whole = await heptagen(["compare", first, second, "--evaluate", "--out", join(folder, "all.html")]);
  expect(whole).toMatchObject({ code: 0, stderr: "" });
  expect(whole.stdout).toContain("evaluating second");
  expect(whole.stdout).not.toContain("evaluating first");
  expect(whole.stdout).toMatch(/perplexity ↓ +[\d.]+ \* +[\d.]+\n/);
});

it("writes JSON: as a file, and as an event", async () => {
  const out = join(folder, "facts.json");
  const { code, stdout } = await heptagen(["compare", first, second, "--json", "--out", out]);
  expect(code).toBe(0);
  const [comparison, file] = events(stdout).filter(({ kind }) => kind !== "warning");
  const facts = JSON.parse(readFileSync(out, "utf8"));
  expect(comparison).toEqual({ kind: "comparison", ...facts });
  expect(file).toEqual({ kind: "file", file: out });
  expect(facts.groups[0].runs[0]).toMatchObject({ name: "first", steps: 6, recipe: "transformer/language-model" });
});

it("says what is wrong", async () => {
  const wrong = async (argv: string[]) => {
    const { code, stderr } = await heptagen(["compare", ...argv], { cwd: folder });
    expect(stderr).not.toMatch(/\n\s+at /);
    return [code, stderr] as const;
  };
  expect(await wrong([])).toEqual([2, expect.stringContaining("expected runs to compare, got none")]);
  expect(await wrong([first, "nowhere"])).toEqual([1, expect.stringMatching(/expected a run, got .*nowhere/)]);
  expect(await wrong([first, "--out", "report.pdf"])).toEqual([
    2,
    expect.stringContaining("expected out to end in .html or .json"),
  ]);
  expect(await wrong([first, "--samples", "10"])).toEqual([2, expect.stringContaining("expected --evaluate with --samples")]);
  expect(await wrong([first, "--evalute"])).toEqual([2, expect.stringContaining("Did you mean --evaluate?")]);
  expect(existsSync(join(folder, "report.pdf"))).toBe(false);
});
